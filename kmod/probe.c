// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which fields does this processor have?  Appendix B of the SDM ties many to
 * controls, but the processor itself knows best: VMREAD and VMWRITE each field
 * of a VMCS that nothing runs with.  Once, while the module loads and no VM can
 * be there yet; and on each CPU, because a VMCS that is made on one may run on
 * any, and they have been seen to differ.
 */
#include <linux/cpu.h>
#include <linux/smp.h>

#include "fields.h"

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

struct nvmx_probe {
	struct vmcs *region;
	struct vmcs *vmcs;
	int r;
};

static void __init nvmx_probe_cpu(void *arg)
{
	struct nvmx_probe *probe = arg;
	unsigned int i;

	probe->r = nvmx_cpu_vmxon(probe->region);
	if (probe->r)
		return;

	vmcs_clear(probe->vmcs);
	vmcs_load(probe->vmcs);
	for (i = 0; i < nvmx_nr_fields; i++)
		if (nvmx_fields[i].stock_class == NVMX_CLASS_INTERCEPT &&
		    !nvmx_probe_field(nvmx_fields[i].encoding))
			nvmx_fields[i].flags |= NVMX_FIELD_ABSENT;
	vmcs_clear(probe->vmcs);

	nvmx_cpu_vmxoff();
}

int __init nvmx_probe_fields(void)
{
	struct nvmx_probe probe = {
		.region = alloc_vmcs(false),
		.vmcs = alloc_vmcs(false),
	};
	int cpu, r = -ENOMEM;

	if (!probe.region || !probe.vmcs)
		goto free;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		r = smp_call_function_single(cpu, nvmx_probe_cpu, &probe, true) ?: probe.r;
		if (r)
			break;
	}
	cpus_read_unlock();
free:
	free_vmcs(probe.vmcs);
	free_vmcs(probe.region);
	return r;
}
