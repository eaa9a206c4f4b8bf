/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * profile.c: from the counters of a profiling window to what each class would cost.
 * profile-html.c: that as a page.
 */
#ifndef NVMX_CLIENT_PROFILE_H
#define NVMX_CLIENT_PROFILE_H

#include <json-c/json.h>

/*
 * What cannot be sampled where it happens, in ticks of the TSC.  `make bench`
 * measures them on the emulated machine, where a tick is an instruction: a round trip of
 * its chatty L1 with and without 34 exits of VMREAD and VMWRITE.
 */
#define PROFILE_INTERCEPTED	1250	/* an access that exits: 1,170 to 1,360 */
#define PROFILE_PROPAGATED	110	/* the same, written to the shadow VMCS as well: the upper end */
#define PROFILE_FREE		6	/* an access that does not */
/* What the kernel samples, for a VM of which it has no sample yet. */
#define PROFILE_COPY		10	/* of one field, one way */
#define PROFILE_SLOW_PATH	356	/* what it adds to an entry */

/*
 * With fewer exits of L2 than this nothing is advised.  Whether to shadow a field turns at
 * some 0.015 accesses per exit of L2 (a copy to an exit): that is 15 of them, known to a
 * quarter.
 */
#define PROFILE_ADVICE_EXITS	1000
/* So much longer than these take at the pace seen, to be sure of them. */
#define PROFILE_ADVICE_RESERVE	1.2

struct profile_costs {
	double intercepted, propagated, free;
	double to_vmcs12, to_shadow;	/* of one field */
	double slow_path;
	bool to_vmcs12_sampled, to_shadow_sampled, slow_path_sampled;
};

extern const struct profile_costs profile_default_costs;

/* What the kernel sampled of a VM, else the figures above. */
void profile_costs_from(struct json_object *statistics, struct profile_costs *ret);

/* Per exit of L2, for a field that L1 reads and writes so often per exit of L2. */
double profile_class_cost(const struct profile_costs *c, unsigned int class, double reads,
			  double writes);

/*
 * vm as vm_get() has it, fields as vm_list_fields(), and the counters at the beginning
 * and the end of the window, so many seconds apart.  nvmxctl(1) has the keys of *ret.
 * -ENODATA: L2 did not run; -ENOMEM.
 */
int profile_compute(struct json_object *vm, struct json_object *fields, struct json_object *then,
		    struct json_object *now, double seconds, const struct profile_costs *costs,
		    struct json_object **ret);

/* Is what it says is best more than chance? */
bool profile_is_advice(struct json_object *profile);

/*
 * The policy file with the best classes, as the fewer changes to all intercept or to
 * stock: the fields that are not intercept in that, as GetPolicy has them, and its
 * vmwrite-any-field.  NULL: there is no stock.
 */
struct json_object *profile_policy(struct json_object *profile, struct json_object *fields,
				   struct json_object *stock, const char *stock_any,
				   const char *name, const char *description);

/* Self-contained; the caller frees it.  NULL without memory. */
char *profile_html(struct json_object *profile);

#endif /* NVMX_CLIENT_PROFILE_H */
