// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which fields does this processor have, and does it keep what is written to them?
 * Appendix B of the SDM ties many to controls, but the processor itself knows best:
 * VMREAD and VMWRITE each field of a VMCS that nothing runs with.  Once, while the
 * module loads and no VM can be there yet; and on each CPU, because a VMCS that is
 * made on one may run on any, and they have been seen to differ.
 */
#include <linux/cpu.h>
#include <linux/smp.h>

#include "fields.h"

/* VMfailValid 12 (unsupported VMCS component) is what an absent field gives. */
static bool __init nvmx_probe_read(unsigned long encoding, unsigned long *value)
{
	bool ok;

	asm volatile("vmread %[field], %[value]" : "=@cca" (ok), [value] "=rm" (*value)
		     : [field] "r" (encoding) : "memory");
	return ok;
}

static bool __init nvmx_probe_write(unsigned long encoding, unsigned long value)
{
	bool ok;

	asm volatile("vmwrite %[value], %[field]" : "=@cca" (ok)
		     : [value] "rm" (value), [field] "r" (encoding) : "memory");
	return ok;
}

/*
 * What L1 may find in a field that is read-only or read-write, so what it must keep.
 * Processors may drop the reserved bits of AR_BYTES, and the emulated VMWRITE does
 * (handle_vmwrite()): vmcs12 has none of them.
 */
static unsigned long __init nvmx_probe_mask(u32 encoding)
{
	if (encoding >= GUEST_ES_AR_BYTES && encoding <= GUEST_TR_AR_BYTES)
		return 0x1f0ff;

	switch (vmcs_field_width(encoding)) {
	case VMCS_FIELD_WIDTH_U16:
		return U16_MAX;
	case VMCS_FIELD_WIDTH_U32:
		return U32_MAX;
	default:
		return ULONG_MAX;
	}
}

/* NVMX_FIELD_ABSENT, NVMX_FIELD_LOSSY, or 0: L1 reads in it what was written. */
static u8 __init nvmx_probe_field(u32 encoding)
{
	static const unsigned long patterns[] __initconst = {
		ULONG_MAX, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0,
	};
	unsigned long mask = nvmx_probe_mask(encoding), value;
	unsigned int i;
	u8 flags = 0;

	for (i = 0; i < ARRAY_SIZE(patterns); i++) {
		if (!nvmx_probe_write(encoding, patterns[i]) || !nvmx_probe_read(encoding, &value))
			return NVMX_FIELD_ABSENT;
		if ((value ^ patterns[i]) & mask)
			flags = NVMX_FIELD_LOSSY;
	}

	return flags;
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
		if (nvmx_fields[i].stock_class == NVMX_CLASS_INTERCEPT)
			nvmx_fields[i].flags |= nvmx_probe_field(nvmx_fields[i].encoding);
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
