/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KVM calls differently from one kernel to another.  Asks for the feature,
 * never for the version: a distribution's kernel has what was backported to it.
 */
#ifndef _NVMX_COMPAT_H
#define _NVMX_COMPAT_H

#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/perf_event.h>
#include <linux/rcupdate.h>

#if __has_include(<asm/virt.h>)
#include <asm/virt.h>
#else
#include <asm/intel_pt.h>
#include <asm/tlbflush.h>
#endif

#include "vmx/vmx.h"
#include "vmx/nested.h"

/* nested.c's parameter, less what the processor lacks. */
extern bool __read_mostly enable_shadow_vmcs;

/* Bit 29 of IA32_VMX_MISC. */
#ifndef VMX_MISC_VMWRITE_SHADOW_RO_FIELDS
#define VMX_MISC_VMWRITE_SHADOW_RO_FIELDS	MSR_IA32_VMX_MISC_VMWRITE_SHADOW_RO_FIELDS
#endif

/*
 * Does L1 use an enlightened VMCS?  Older kernels have no CONFIG_KVM_HYPERV, and
 * the pointer is always there.
 */
static inline bool nvmx_uses_evmcs(const struct vcpu_vmx *vmx)
{
#if defined(CONFIG_KVM_HYPERV) || __has_include("vmx/evmcs.h")
	return evmptr_is_valid(READ_ONCE(vmx->nested.hv_evmcs_vmptr));
#else
	return false;
#endif
}

/*
 * Enter VMX operation on this CPU, which nobody takes from us, and leave it; -errno.
 * Newer kernels do that themselves, with a @region of their own, and count who needs it.
 */
#if __has_include(<asm/virt.h>)
static inline int nvmx_cpu_vmxon(struct vmcs *region)
{
	return x86_virt_get_ref(X86_FEATURE_VMX);
}

static inline void nvmx_cpu_vmxoff(void)
{
	x86_virt_put_ref(X86_FEATURE_VMX);
}
#else
static inline int nvmx_cpu_vmxon(struct vmcs *region)
{
	u64 phys_addr = __pa(region);

	/* Another hypervisor's: there is no telling what it would make of ours. */
	if (cr4_read_shadow() & X86_CR4_VMXE)
		return -EBUSY;

	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);

	asm goto("1: vmxon %[region]\n\t"
		 "jna %l[fault]\n\t"
		 _ASM_EXTABLE(1b, %l[fault])
		 : : [region] "m" (phys_addr) : "cc" : fault);
	return 0;

fault:
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
	return -EIO;
}

static inline void nvmx_cpu_vmxoff(void)
{
	asm volatile("vmxoff" : : : "cc");
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}
#endif

/*
 * The vCPU with that index, NULL if there is none.  6.1 before 6.1.129 has kvm_get_vcpu()
 * give vCPU 0 for an index that is out of range.
 */
static inline struct kvm_vcpu *nvmx_get_vcpu(struct kvm *kvm, int index)
{
	if (index < 0 || index >= atomic_read(&kvm->online_vcpus))
		return NULL;

	return kvm_get_vcpu(kvm, index);
}

/*
 * What runs in @mm, which get_mm_exe_file() is not exported for; put it with fput().
 * NULL: nothing that has a file.  Where get_file_rcu() is a macro it takes the file,
 * and fails for one that is being replaced.
 */
static inline struct file *nvmx_get_exe_file(struct mm_struct *mm)
{
	struct file *file;

	rcu_read_lock();
#ifdef get_file_rcu
	file = rcu_dereference(mm->exe_file);
	if (file && !get_file_rcu(file))
		file = NULL;
#else
	file = get_file_rcu(&mm->exe_file);
#endif
	rcu_read_unlock();

	return file;
}

#endif /* _NVMX_COMPAT_H */
