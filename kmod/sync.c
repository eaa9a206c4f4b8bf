// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between vmcs12 and the shadow VMCS: the two copies by the vCPU's lists, the
 * programming of vmcs01, and the switch to another policy.
 */
#include "nvmx.h"

/* The read-write fields only: for all others vmcs12 is the truth. */
void nvmx_copy_shadow_to_vmcs12(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12)
{
	const struct nvmx_policy_obj *policy = vmx->nvmx.policy;
	unsigned int i;

	for (i = 0; i < policy->nr_rw; i++) {
		const struct nvmx_field_desc *field = &nvmx_fields[policy->shadowed[i]];

		vmcs12_write_any(vmcs12, field->encoding, field->offset,
				 __vmcs_readl(field->encoding));
	}

	vmx->nvmx.shadow_to_vmcs12++;
	vmx->nvmx.fields_to_vmcs12 += policy->nr_rw;
}

void nvmx_copy_vmcs12_to_shadow(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12)
{
	const struct nvmx_policy_obj *policy = vmx->nvmx.policy;
	unsigned int i;

	for (i = 0; i < policy->nr_shadowed; i++) {
		const struct nvmx_field_desc *field = &nvmx_fields[policy->shadowed[i]];

		__vmcs_writel(field->encoding,
			      vmcs12_read_any(vmcs12, field->encoding, field->offset));
	}

	vmx->vcpu.stat.nested_shadow_syncs++;
	vmx->nvmx.fields_to_shadow += policy->nr_shadowed;
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
 * would crush what L2's exit left in vmcs12.
 */
void nvmx_switch_policy(struct kvm_vcpu *vcpu)
{
	struct nvmx_vm *vm = to_kvm_vmx(vcpu->kvm)->nvmx;
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct nvmx_policy_obj *old = vmx->nvmx.policy;

	if (WARN_ON_ONCE(vmx->loaded_vmcs != &vmx->vmcs01))
		return;

	if (enable_shadow_vmcs && vmx->nested.current_vmptr != INVALID_GPA) {
		if (!vmx->nested.need_vmcs12_to_shadow_sync)
			copy_shadow_to_vmcs12(vmx);
		vmx->nested.need_vmcs12_to_shadow_sync = true;
	}

	vmx->nvmx.policy = nvmx_slot_get(&vm->slot, NULL);
	nvmx_program(vcpu);
	vcpu->stat.nested_policy_switches++;

	/* Only now does no VMCS point to its bitmaps. */
	nvmx_policy_put(old);
}
