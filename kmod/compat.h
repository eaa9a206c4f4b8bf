/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KVM calls differently from one kernel to another.  Asks for the feature,
 * never for the version: a distribution's kernel has what was backported to it.
 */
#ifndef _NVMX_COMPAT_H
#define _NVMX_COMPAT_H

#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>

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
