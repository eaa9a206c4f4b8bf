// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which fields does this processor have?  Appendix B of the SDM ties many to
 * controls, but the processor itself knows best: VMREAD and VMWRITE each field
 * of a VMCS that nothing runs with.  Once, while the module loads and no VM can
 * be there yet.
 */
#include <linux/perf_event.h>

#include <asm/intel_pt.h>
#include <asm/tlbflush.h>

#include "nvmx.h"

/* Enter VMX operation on this CPU, with preemption disabled; -errno. */
static int __init nvmx_probe_vmxon(struct vmcs *region)
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

static void __init nvmx_probe_vmxoff(void)
{
	asm volatile("vmxoff" : : : "cc");
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

/* VMfailValid 12 (unsupported VMCS component) is what an absent field gives. */
static bool __init nvmx_probe_field(unsigned long encoding)
{
	unsigned long value;
	bool ok;

	asm volatile("vmread %[field], %[value]" : "=@cca" (ok), [value] "=rm" (value)
		     : [field] "r" (encoding) : "memory");
	if (!ok)
		return false;

	asm volatile("vmwrite %[value], %[field]" : "=@cca" (ok)
		     : [value] "rm" (value), [field] "r" (encoding) : "memory");
	return ok;
}

/*
 * Clears NVMX_FIELD_ABSENT of the fields that are there.  -errno: could not be
 * asked, and nothing is changed.
 */
int __init nvmx_probe_fields(void)
{
	struct vmcs *region, *vmcs;
	unsigned int i;
	int cpu, r = -ENOMEM;

	region = alloc_vmcs(false);
	vmcs = alloc_vmcs(false);
	if (!region || !vmcs)
		goto free;

	cpu = get_cpu();
	r = nvmx_probe_vmxon(region);
	if (!r) {
		vmcs_clear(vmcs);
		vmcs_load(vmcs);
		for (i = 0; i < nvmx_nr_fields; i++)
			if (nvmx_probe_field(nvmx_fields[i].encoding))
				nvmx_fields[i].flags &= ~NVMX_FIELD_ABSENT;
		vmcs_clear(vmcs);
		nvmx_probe_vmxoff();
	}
	put_cpu();
free:
	free_vmcs(vmcs);
	free_vmcs(region);
	return r;
}
