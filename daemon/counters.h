/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The counters of struct nvmx_counters by name, in its order: what D-Bus, domain
 * metadata and the tests' stand-in for the kernel call them.
 */
#ifndef NVMX_DAEMON_COUNTERS_H
#define NVMX_DAEMON_COUNTERS_H

#include <stddef.h>

#include <linux/nvmx.h>

struct counter {
	const char *name;
	size_t offset;		/* of a __u64 in struct nvmx_counters */
};

#define COUNTER(name_)	{ #name_, offsetof(struct nvmx_counters, name_) }

static const struct counter counters_all[] = {
	COUNTER(nested_entries),
	COUNTER(nested_exits_reflected),
	COUNTER(vmread_exits),
	COUNTER(vmwrite_exits),
	COUNTER(vmwrite_propagated),
	COUNTER(shadow_to_vmcs12),
	COUNTER(vmcs12_to_shadow),
	COUNTER(fields_to_vmcs12),
	COUNTER(fields_to_shadow),
	COUNTER(rare_syncs),
	COUNTER(policy_switches),
	COUNTER(slow_path_entries),
	COUNTER(to_vmcs12_timed),
	COUNTER(to_vmcs12_cycles),
	COUNTER(to_shadow_timed),
	COUNTER(to_shadow_cycles),
	COUNTER(slow_path_timed),
	COUNTER(slow_path_cycles),
};

#define COUNTERS_N	(sizeof(counters_all) / sizeof(counters_all[0]))

static inline __u64 *counter_of(const struct nvmx_counters *c, const struct counter *counter)
{
	return (__u64 *)((char *)c + counter->offset);
}

#endif /* NVMX_DAEMON_COUNTERS_H */
