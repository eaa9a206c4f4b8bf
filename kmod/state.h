/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nvmx keeps in KVM's own structs.  vmx.h includes this, so it can know
 * nothing of them.
 */
#ifndef _NVMX_STATE_H
#define _NVMX_STATE_H

#include <linux/types.h>

struct nvmx_policy_obj;
struct nvmx_field_count;
struct nvmx_vm;

/* Sampled, see NVMX_SAMPLE_EVERY: how many were timed, and their TSC ticks. */
struct nvmx_cost {
	u64 timed;
	u64 cycles;
};

/*
 * Of a vCPU, in struct vcpu_vmx.  Written by the vCPU's thread only; readers of
 * counters take what they find.
 */
struct nvmx_vcpu {
	struct nvmx_vm *vm;
	/* What vmcs01 is programmed with; holds a reference. */
	struct nvmx_policy_obj *policy;
	/* IA32_VMX_MISC[29] counts as 0, whatever user space set. */
	bool hides_vmwrite_any_field;
	/* Exits, NVMX_NR_SLOTS, once the vCPU has been in VMX operation. */
	struct nvmx_field_count *counts;
	u64 shadow_to_vmcs12;
	u64 fields_to_vmcs12;
	u64 fields_to_shadow;
	u64 slow_path_entries;
	struct nvmx_cost to_vmcs12;
	struct nvmx_cost to_shadow;
	struct nvmx_cost slow_path;
};

#endif /* _NVMX_STATE_H */
