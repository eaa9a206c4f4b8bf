/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that vmx.c and nested.c see of nvmx: what the series calls.  Those that are not
 * here are in hooks.c, sync.c and dev.c.
 */
#ifndef _NVMX_HOOKS_H
#define _NVMX_HOOKS_H

#include "compat.h"
#include "policy.h"
#include "stats.h"
#include "vm.h"

/* Module; -errno.  @vmread, @vmwrite: stock's bitmaps. */
void nvmx_set_stock(const unsigned long *vmread, const unsigned long *vmwrite);
int nvmx_hardware_setup(bool nested);
void nvmx_hardware_unsetup(void);

/* After all else, and before: /dev/nvmx. */
void nvmx_dev_init(void);
void nvmx_dev_exit(void);

/* VM and vCPU; -errno.  Before vmcs01 is first programmed, and after it is freed. */
int nvmx_vm_create(struct kvm *kvm);
void nvmx_vm_destroy(struct kvm *kvm);
void nvmx_vcpu_create(struct kvm_vcpu *vcpu);
void nvmx_vcpu_free(struct kvm_vcpu *vcpu);

/*
 * L1 executes VMXON, or user space restores a vCPU that had: before anything
 * else is done, -ENOMEM; and when nothing can fail any more.
 */
int nvmx_alloc_counts(struct kvm_vcpu *vcpu);
void nvmx_vmxon(struct kvm_vcpu *vcpu);

/* The vCPU has taken up an enlightened VMCS, or dropped it. */
void nvmx_evmcs_changed(struct kvm_vcpu *vcpu);

/* Programs vmcs01, which is loaded, with the vCPU's policy. */
void nvmx_program(struct kvm_vcpu *vcpu);

/*
 * Around prepare_vmcs02_rare(): an entry that goes the slow path.  A sample that
 * another task got into is no measure of it.
 */
#define NVMX_SLOW_PATH(vmx, call)						\
do {										\
	struct nvmx_vcpu *__nvmx = &(vmx)->nvmx;				\
	u64 __begin = nvmx_cost_begin(__nvmx->slow_path_entries++);		\
	unsigned long __switches = current->nivcsw;				\
										\
	call;									\
	if (__switches == current->nivcsw)					\
		nvmx_cost_end(&__nvmx->slow_path, __begin);			\
} while (0)

/* L2's exit has to fetch what is otherwise fetched when L1 asks for it. */
static inline bool nvmx_shadows_lazy(struct vcpu_vmx *vmx)
{
	return vmx->nvmx.policy->lazy;
}

/*
 * May L1 have written to the shadow VMCS what vmcs12 lacks?  Without such fields
 * it need not even be loaded for a copy.
 */
static inline bool nvmx_shadows_read_write(struct vcpu_vmx *vmx)
{
	return vmx->nvmx.policy->nr_read_write;
}

static inline bool nvmx_shadows_any(struct vcpu_vmx *vmx)
{
	return vmx->nvmx.policy->all.total;
}

/* The shadow VMCS is loaded. */
void nvmx_copy_shadow_to_vmcs12(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12);
void nvmx_copy_vmcs12_to_shadow(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12);

void nvmx_switch_policy(struct kvm_vcpu *vcpu);

/*
 * Called before each entry, with preemption disabled and before vmcs12 is
 * synced to the shadow VMCS.  With vmcs02 loaded, because L2 runs or is about
 * to, the switch waits for L1's next entry.
 */
static inline void nvmx_prepare_switch_to_guest(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (unlikely(vmx->nvmx.policy != READ_ONCE(vmx->nvmx.vm->in_force)) &&
	    vmx->loaded_vmcs == &vmx->vmcs01)
		nvmx_switch_policy(vcpu);
}

/*
 * An access by L1 to its current VMCS exited; @offset as the handler found it.
 * L2's accesses, with VMCS shadowing that L1 does itself, are not L1's.
 */
static inline void nvmx_count_vmread(struct kvm_vcpu *vcpu, unsigned long field, short offset)
{
	if (is_guest_mode(vcpu))
		return;

	vcpu->stat.nested_vmread_exits++;
	to_vmx(vcpu)->nvmx.counts[nvmx_count_slot(offset)].vmread++;
	if (tracepoint_enabled(nvmx_vmread_exit))
		nvmx_trace_vmread(vcpu, field);
}

static inline void nvmx_count_vmwrite(struct kvm_vcpu *vcpu, unsigned long field, short offset)
{
	if (is_guest_mode(vcpu))
		return;

	vcpu->stat.nested_vmwrite_exits++;
	to_vmx(vcpu)->nvmx.counts[nvmx_count_slot(offset)].vmwrite++;
	if (tracepoint_enabled(nvmx_vmwrite_exit))
		nvmx_trace_vmwrite(vcpu, field);
}

/*
 * The register operands of VMREAD and VMWRITE, as kvm_register_read() and
 * kvm_register_write() have them; the caller asked is_64_bit_mode() for them all.
 */
static inline unsigned long nvmx_read_gpr(struct kvm_vcpu *vcpu, int reg, bool is_64bit)
{
	unsigned long value = kvm_register_read_raw(vcpu, reg);

	return is_64bit ? value : (u32)value;
}

static inline void nvmx_write_gpr(struct kvm_vcpu *vcpu, int reg, unsigned long value,
				  bool is_64bit)
{
	kvm_register_write_raw(vcpu, reg, is_64bit ? value : (u32)value);
}

/* Does L1 read the field without an exit, so that a VMWRITE has to be propagated? */
static inline bool nvmx_is_shadowed(struct vcpu_vmx *vmx, unsigned long field)
{
	return !test_bit(field, vmx->nvmx.policy->vmread);
}

/* RDMSR by L1; user space sees what it set. */
static inline void nvmx_hide_msr_bits(struct kvm_vcpu *vcpu, struct msr_data *msr)
{
	if (msr->index == MSR_IA32_VMX_MISC && !msr->host_initiated &&
	    nvmx_vm_shows_hidden(to_vmx(vcpu)->nvmx.vm))
		msr->data &= ~(u64)VMX_MISC_VMWRITE_SHADOW_RO_FIELDS;
}

#endif /* _NVMX_HOOKS_H */
