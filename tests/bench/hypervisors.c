// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The hypervisors that run as the bare-metal L1: what each one reads and writes of its
 * VMCS per exit of L2.
 */
#include "hypervisors.h"

#define MINIMAL_READS							\
	VM_EXIT_REASON, EXIT_QUALIFICATION, VM_EXIT_INSTRUCTION_LEN,	\
	VM_EXIT_INTR_INFO, GUEST_RIP, GUEST_INTERRUPTIBILITY_INFO
#define NR_MINIMAL_READS	6

#define SEGMENT_READS(x) GUEST_##x##_SELECTOR, GUEST_##x##_LIMIT, GUEST_##x##_BASE

const struct hypervisor hypervisors[NR_HYPERVISORS] = {
	{
		.name = "minimal",
		.nr_reads = NR_MINIMAL_READS,
		.reads = { MINIMAL_READS },
		.nr_writes = 1,
		.writes = { GUEST_RIP },
	},
	{
		.name = "ar",
		.nr_reads = NR_MINIMAL_READS + 2,
		.reads = { MINIMAL_READS, GUEST_CS_AR_BYTES, GUEST_SS_AR_BYTES },
		.nr_writes = 1,
		.writes = { GUEST_RIP },
	},
	{
		/* as HAXM: it keeps state of its own and carries it over at every exit and entry */
		.name = "chatty",
		.nr_reads = 32,
		.reads = {
			VM_EXIT_REASON, EXIT_QUALIFICATION, VM_EXIT_INSTRUCTION_LEN,
			VM_EXIT_INTR_INFO,
			PIN_BASED_VM_EXEC_CONTROL, CPU_BASED_VM_EXEC_CONTROL,
			SECONDARY_VM_EXEC_CONTROL, VM_EXIT_CONTROLS, VM_ENTRY_CONTROLS,
			GUEST_RIP, GUEST_RFLAGS, GUEST_CR0, GUEST_CR3, GUEST_CR4,
			SEGMENT_READS(CS), GUEST_CS_AR_BYTES,
			SEGMENT_READS(SS), GUEST_SS_AR_BYTES,
			SEGMENT_READS(TR), GUEST_TR_AR_BYTES,
			GUEST_GDTR_BASE, GUEST_GDTR_LIMIT, GUEST_IDTR_BASE, GUEST_IDTR_LIMIT,
			HOST_CR3, HOST_TR_BASE,
		},
		.nr_writes = 21,
		.writes = {
			CPU_BASED_VM_EXEC_CONTROL, SECONDARY_VM_EXEC_CONTROL, VM_ENTRY_CONTROLS,
			VM_ENTRY_INTR_INFO_FIELD,
			GUEST_RIP, GUEST_RSP, GUEST_RFLAGS, GUEST_CR3,
			GUEST_CS_SELECTOR, GUEST_CS_LIMIT, GUEST_CS_BASE,
			GUEST_GDTR_BASE, GUEST_GDTR_LIMIT, GUEST_IDTR_BASE, GUEST_IDTR_LIMIT,
			HOST_CR3, HOST_CR4, HOST_RSP, HOST_TR_BASE, HOST_GDTR_BASE, HOST_IDTR_BASE,
		},
	},
	{
		/* as Xen when it emulates string I/O: it reads the segments for the access checks */
		.name = "emulating",
		.nr_reads = NR_MINIMAL_READS + 14,
		.reads = {
			MINIMAL_READS,
			SEGMENT_READS(CS), SEGMENT_READS(SS), SEGMENT_READS(DS), SEGMENT_READS(TR),
			GUEST_DS_AR_BYTES, GUEST_TR_AR_BYTES,
		},
		.nr_writes = 1,
		.writes = { GUEST_RIP },
	},
};
