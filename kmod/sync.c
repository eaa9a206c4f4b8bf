// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between vmcs12 and the shadow VMCS: the two copies by the vCPU's lists, the
 * programming of vmcs01, and the switch to another policy.
 */
#include "hooks.h"
#include "policy.h"
#include "stats.h"
#include "trace.h"
#include "vm.h"

/*
 * One list in one direction.  The width is known for a run of fields at a time;
 * asking it of each field is what most of a copy would cost.
 */
#define NVMX_COPY_LIST(copy, list, field, vmcs12, ...)				\
do {										\
	field = copy(field, (list)->nr[NVMX_WIDTH_16], vmcs12, sizeof(u16),	\
		     ##__VA_ARGS__);						\
	field = copy(field, (list)->nr[NVMX_WIDTH_64], vmcs12, sizeof(u64),	\
		     ##__VA_ARGS__);						\
	field = copy(field, (list)->nr[NVMX_WIDTH_32], vmcs12, sizeof(u32),	\
		     ##__VA_ARGS__);						\
	field = copy(field, (list)->nr[NVMX_WIDTH_NATURAL], vmcs12,		\
		     sizeof(natural_width), ##__VA_ARGS__);			\
} while (0)

static __always_inline const struct nvmx_shadowed *
nvmx_run_to_vmcs12(const struct nvmx_shadowed *field, unsigned int nr, void *vmcs12, size_t size)
{
	const struct nvmx_shadowed *end = field + nr;

	for (; field < end; field++) {
		unsigned long value = __vmcs_readl(field->encoding);
		void *to = vmcs12 + field->offset;

		if (size == sizeof(u16))
			*(u16 *)to = value;
		else if (size == sizeof(u32))
			*(u32 *)to = value;
		else
			*(u64 *)to = value;
	}

	return field;
}

static __always_inline const struct nvmx_shadowed *
nvmx_run_to_shadow(const struct nvmx_shadowed *field, unsigned int nr, const void *vmcs12,
		   size_t size)
{
	const struct nvmx_shadowed *end = field + nr;

	for (; field < end; field++) {
		const void *from = vmcs12 + field->offset;

		if (size == sizeof(u16))
			__vmcs_writel(field->encoding, *(const u16 *)from);
		else if (size == sizeof(u32))
			__vmcs_writel(field->encoding, *(const u32 *)from);
		else
			__vmcs_writel(field->encoding, *(const u64 *)from);
	}

	return field;
}

/* As above; tells whether a value was another one than in vmcs12. */
static __always_inline const struct nvmx_shadowed *
nvmx_run_changed(const struct nvmx_shadowed *field, unsigned int nr, void *vmcs12, size_t size,
		 bool *changed)
{
	const struct nvmx_shadowed *end = field + nr;

	for (; field < end; field++) {
		unsigned long value = __vmcs_readl(field->encoding);
		void *to = vmcs12 + field->offset;

		if (size == sizeof(u16)) {
			*changed |= *(u16 *)to != (u16)value;
			*(u16 *)to = value;
		} else if (size == sizeof(u32)) {
			*changed |= *(u32 *)to != (u32)value;
			*(u32 *)to = value;
		} else {
			*changed |= *(u64 *)to != value;
			*(u64 *)to = value;
		}
	}

	return field;
}

/*
 * The read-write fields only: for all others vmcs12 is the truth.  Where
 * prepare_vmcs02() does not look at every entry, vmcs12 becomes dirty if L1 has
 * changed something, as it does when L0 emulates the VMWRITE.
 */
void nvmx_copy_shadow_to_vmcs12(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12)
{
	const struct nvmx_policy_obj *policy = vmx->nvmx.policy;
	const struct nvmx_shadowed *field = policy->shadowed;
	u64 begin = nvmx_cost_begin(vmx->nvmx.shadow_to_vmcs12++);

	NVMX_COPY_LIST(nvmx_run_to_vmcs12, &policy->rw, field, vmcs12);

	if (policy->rw_slow.total) {
		bool changed = false;

		NVMX_COPY_LIST(nvmx_run_changed, &policy->rw_slow, field, vmcs12, &changed);
		if (changed)
			vmx->nested.dirty_vmcs12 = true;
	}

	vmx->nvmx.fields_to_vmcs12 += policy->nr_read_write;
	nvmx_cost_end(&vmx->nvmx.to_vmcs12, begin);
}

void nvmx_copy_vmcs12_to_shadow(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12)
{
	const struct nvmx_policy_obj *policy = vmx->nvmx.policy;
	const struct nvmx_shadowed *field = policy->shadowed + policy->nr_read_write;
	u64 begin = nvmx_cost_begin(vmx->vcpu.stat.nested_shadow_syncs++);

	NVMX_COPY_LIST(nvmx_run_to_shadow, &policy->all, field, vmcs12);

	vmx->nvmx.fields_to_shadow += policy->all.total;
	nvmx_cost_end(&vmx->nvmx.to_shadow, begin);
}

void nvmx_program(struct kvm_vcpu *vcpu)
{
	struct nvmx_vcpu *nvmx = &to_vmx(vcpu)->nvmx;
	const struct nvmx_policy_obj *policy = nvmx->policy;
	const unsigned long *vmwrite = policy->vmwrite;

	nvmx->hides_vmwrite_any_field =
		policy->vmwrite_any_field == NVMX_VMWRITE_ANY_HIDE;

	if (!enable_shadow_vmcs)
		return;

	if (!nested_cpu_has_vmwrite_any_field(vcpu))
		vmwrite = policy->vmwrite_strict;

	vmcs_write64(VMREAD_BITMAP, __pa(policy->vmread));
	vmcs_write64(VMWRITE_BITMAP, __pa(vmwrite));
}

/*
 * Take up the policy that the VM has now.  vmcs01 is loaded and L1 is about to
 * be entered.
 *
 * With a shadow VMCS in use, what L1 wrote to it without an exit has to reach
 * vmcs12 by the lists it was written under, and the fields of the new lists
 * have to reach the shadow VMCS before L1 reads them.  If the latter is due
 * anyway, vmcs12 is the truth and the shadow VMCS is stale: copying it back
 * would crush what L2's exit left in vmcs12.  What vmcs12 lacks still, because
 * the old lists could do without, is fetched from vmcs02 first.
 */
void nvmx_switch_policy(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct nvmx_policy_obj *old = vmx->nvmx.policy;
	bool in_use = enable_shadow_vmcs && vmx->nested.current_vmptr != INVALID_GPA;

	if (in_use && !vmx->nested.need_vmcs12_to_shadow_sync)
		copy_shadow_to_vmcs12(vmx);

	WRITE_ONCE(vmx->nvmx.policy, nvmx_vm_policy_in_force(vmx->nvmx.vm));
	nvmx_program(vcpu);
	vcpu->stat.nested_policy_switches++;
	trace_nvmx_policy_switch(vcpu);

	if (in_use) {
		vmx->nested.need_vmcs12_to_shadow_sync = true;
		if (nvmx_shadows_lazy(vmx))
			copy_vmcs02_to_vmcs12_rare(vcpu, get_vmcs12(vcpu));
	}

	/* Only now does no VMCS point to its bitmaps. */
	nvmx_policy_put(old);
}
