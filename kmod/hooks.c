// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks: the module, VMs and vCPUs come and go, and what a vCPU does seldom.  What it
 * does at each entry is in hooks.h and sync.c.
 */
#include <linux/slab.h>

#include "fields.h"
#include "hooks.h"
#include "policy.h"
#include "stats.h"
#include "vm.h"

void __init nvmx_set_stock(const unsigned long *vmread, const unsigned long *vmwrite)
{
	nvmx_fields_set_stock(vmread, vmwrite);
}

int __init nvmx_hardware_setup(bool nested)
{
	int r;

	r = nvmx_fields_init(nested);
	if (r)
		return r;

	return nvmx_policy_init();
}

void nvmx_hardware_unsetup(void)
{
	nvmx_policy_exit();
}

int nvmx_vm_create(struct kvm *kvm)
{
	struct nvmx_vm *vm = nvmx_vm_new(kvm);

	if (!vm)
		return -ENOMEM;

	to_kvm_vmx(kvm)->nvmx = vm;
	return 0;
}

void nvmx_vm_destroy(struct kvm *kvm)
{
	struct nvmx_vm *vm = to_kvm_vmx(kvm)->nvmx;

	if (vm->kvm)
		nvmx_vm_detach(vm);
	to_kvm_vmx(kvm)->nvmx = NULL;
	nvmx_vm_put(vm);
}

void nvmx_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct nvmx_vcpu *nvmx = &to_vmx(vcpu)->nvmx;

	nvmx->vm = to_kvm_vmx(vcpu->kvm)->nvmx;
	nvmx->policy = nvmx_vm_policy_in_force(nvmx->vm);
}

void nvmx_vcpu_free(struct kvm_vcpu *vcpu)
{
	struct nvmx_vm *vm = to_kvm_vmx(vcpu->kvm)->nvmx;
	struct nvmx_vcpu *nvmx = &to_vmx(vcpu)->nvmx;

	/* Some kernels free the vCPUs first, and only then tell that the VM goes. */
	if (vm && vm->kvm && !refcount_read(&vcpu->kvm->users_count))
		nvmx_vm_detach(vm);

	nvmx_policy_put(nvmx->policy);
	kvfree(nvmx->counts);
}

/*
 * What VMXON needs of memory: first, so that nothing is told of a VMXON that
 * fails for want of it.  It stays for the next one.
 */
int nvmx_alloc_counts(struct kvm_vcpu *vcpu)
{
	struct nvmx_vcpu *nvmx = &to_vmx(vcpu)->nvmx;
	struct nvmx_field_count *counts;

	if (nvmx->counts)
		return 0;

	counts = kvcalloc(NVMX_NR_SLOTS, sizeof(*counts), GFP_KERNEL_ACCOUNT);
	if (!counts)
		return -ENOMEM;

	/* Readers of counters may look at any time. */
	smp_store_release(&nvmx->counts, counts);
	return 0;
}

/*
 * The vCPU's VMX capabilities cannot change after this, so it is the moment to choose
 * between the two VMWRITE bitmaps.
 */
void nvmx_vmxon(struct kvm_vcpu *vcpu)
{
	lockdep_assert_held(&vcpu->mutex);

	nvmx_vm_vmxon(to_vmx(vcpu)->nvmx.vm);

	nvmx_program(vcpu);
}

/* Also of a vCPU that is freed, whose VM may be gone: what it used goes with it. */
void nvmx_evmcs_changed(struct kvm_vcpu *vcpu)
{
	struct nvmx_vm *vm = to_kvm_vmx(vcpu->kvm)->nvmx;

	if (vm && vm->kvm)
		nvmx_evmcs_queue(vm);
}
