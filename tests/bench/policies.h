/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policies that each hypervisor is measured with; two of them are made from
 * what it accesses of its VMCS per exit of L2 (struct hypervisor).
 */
#ifndef POLICIES_H
#define POLICIES_H

#include "../machine/guest/dev.h"
#include "../machine/guest/l1.h"

struct hypervisor {
	const char *name;
	unsigned int nr_reads, nr_writes;
	uint32_t reads[L1_MAX_WORK], writes[L1_MAX_WORK];
};

enum bench_policy {
	UNTOUCHED,
	TRIMMED,	/* stock's list without what the hypervisor does not access */
	BEST,		/* every field that it accesses as free as it can make use of */
	LEGACY,
	NO_AR_BYTES,
	INTERCEPT_ALL,
	WINDOW,		/* a profiling window is open */
	NR_POLICIES,
};

extern const char *const policy_names[NR_POLICIES];

/* Not of a WINDOW. */
void make_policy(enum bench_policy which, const struct hypervisor *h, struct policy *ret);
/* To a new VM, which is UNTOUCHED; a WINDOW ends when vm_fd is closed. */
void apply_policy(int vm_fd, enum bench_policy which, const struct hypervisor *h);

#endif
