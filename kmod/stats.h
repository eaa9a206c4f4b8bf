/* SPDX-License-Identifier: GPL-2.0-only */
/* What is counted, timed and traced. */
#ifndef _NVMX_STATS_H
#define _NVMX_STATS_H

#include <linux/nvmx.h>
#include <linux/tracepoint-defs.h>

#include "compat.h"

struct nvmx_vm;

/* One in so many copies and slow-path entries is timed. */
#define NVMX_SAMPLE_EVERY	64

/* The TSC if the @nth of its kind, from 0, is to be timed, else 0. */
static inline u64 nvmx_cost_begin(u64 nth)
{
	return nth % NVMX_SAMPLE_EVERY ? 0 : rdtsc();
}

static inline void nvmx_cost_end(struct nvmx_cost *cost, u64 begin)
{
	if (begin) {
		cost->timed++;
		cost->cycles += rdtsc() - begin;
	}
}

struct nvmx_field_count {
	u64 vmread;
	u64 vmwrite;
};

/*
 * A vCPU counts by a field's place in vmcs12, which the handler of the exit has at
 * hand; a high half has one of its own.  The last slot is of what vmcs12 lacks.
 */
#define NVMX_NO_FIELD_SLOT	(sizeof(struct vmcs12) / sizeof(u16))
#define NVMX_NR_SLOTS		(NVMX_NO_FIELD_SLOT + 1)

static inline unsigned int nvmx_count_slot(short offset)
{
	return offset < 0 ? NVMX_NO_FIELD_SLOT : offset / sizeof(u16);
}

/*
 * Fills @counters' totals and @counts[nvmx_nr_fields + 1] (the last one is of
 * fields that vmcs12 lacks).  -ENODEV, -ENOENT.
 */
int nvmx_vm_counters(struct nvmx_vm *vm, struct nvmx_counters *counters,
		     struct nvmx_field_count *counts);

DECLARE_TRACEPOINT(nvmx_vmread_exit);
DECLARE_TRACEPOINT(nvmx_vmwrite_exit);
void nvmx_trace_vmread(struct kvm_vcpu *vcpu, unsigned long field);
void nvmx_trace_vmwrite(struct kvm_vcpu *vcpu, unsigned long field);

#endif /* _NVMX_STATS_H */
