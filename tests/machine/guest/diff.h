/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two halves of the differential test share: the generator, which runs in
 * the bare-metal L1 (l1-diff.c), and the host program (vmx-diff.c).
 *
 * The generator works in blocks.  A block is made from a seed and begins outside VMX
 * operation with empty VMCSs, so that each can be run again alone; what it does
 * depends on the seed, and on what L1 sees, and on nothing else.  L1 keeps a record of
 * everything that it can observe.
 */
#ifndef DIFF_H
#define DIFF_H

#include "l1-layout.h"

/* ---- memory: beside what l1-layout.h says -------------------------------- */

#define DIFF_NR_VMCS		4		/* good ones */
#define DIFF_VMCS(i)		(0x80000 + (i) * 0x1000)
#define DIFF_VMCS_WRONG		0x85000		/* of another revision */
#define DIFF_VMXON_REGION	0x86000
#define DIFF_SHADOW_VMCS	0x87000		/* L1's own, for what VMCS_LINK_POINTER says */
#define DIFF_IO_BITMAP_A	0x90000
#define DIFF_IO_BITMAP_B	0x91000
#define DIFF_MSR_BITMAP		0x92000
#define DIFF_MSR_LOAD		0x93000		/* by entries */
#define DIFF_MSR_STORE		0x93100		/* by exits */
#define DIFF_MSR_HOST		0x93200		/* loaded by exits */
#define DIFF_VAPIC		0x94000
#define DIFF_APIC_ACCESS	0x95000
#define DIFF_VMREAD_BITMAP	0x97000
#define DIFF_VMWRITE_BITMAP	0x98000
/* second copies, for the host state that L1 may give itself */
#define DIFF_PML4		0x99000
#define DIFF_GDT		0x9a000
#define DIFF_IDT		0x9b000
/* EPT: 2 MiB that L2 only reads, then a hole, then the 2 MiB of L2 */
#define DIFF_EPT_PML4		0x9c000
#define DIFF_EPT_PDPT		0x9d000
#define DIFF_EPT_PD		0x9e000
#define DIFF_OPERAND		0xa0000		/* two pages for memory operands */
#define DIFF_CONTROL		0x200000
#define DIFF_LOG		0x210000
#define DIFF_LOG_END		0x400000
#define DIFF_L2			0x400000
#define DIFF_L2_PML4		(DIFF_L2 + 0x1000)
#define DIFF_L2_PDPT		(DIFF_L2 + 0x2000)
#define DIFF_L2_PD		(DIFF_L2 + 0x3000)
#define DIFF_L2_GDT		(DIFF_L2 + 0x4000)
#define DIFF_L2_IDT		(DIFF_L2 + 0x5000)
#define DIFF_L2_TSS		(DIFF_L2 + 0x6000)
#define DIFF_L2_DATA		(DIFF_L2 + 0x7000)
#define DIFF_L2_STACK		(DIFF_L2 + 0x100000)

/* L1 writes to it where the host may do with the VM what it likes. */
#define DIFF_PORT_PAUSE		0xe8

/* ---- the program of L2 (l2-diff.S) --------------------------------------- */

/* what it changes: bits of r8 */
#define DIFF_L2_DS		0
#define DIFF_L2_ES		1
#define DIFF_L2_FS		2
#define DIFF_L2_GS		3
#define DIFF_L2_SS		4
#define DIFF_L2_CS		5
#define DIFF_L2_LLDT		6
#define DIFF_L2_LGDT		7
#define DIFF_L2_LIDT		8
#define DIFF_L2_CR0		9
#define DIFF_L2_CR3		10
#define DIFF_L2_CR4		11
#define DIFF_L2_DR7		12
#define DIFF_L2_RSP		13
#define DIFF_L2_POPF		14
#define DIFF_L2_WRMSR		15
#define DIFF_L2_CLTS		16
#define DIFF_L2_STI		17
#define DIFF_L2_NR		18
#define DIFF_L2_SEGMENTS	0x7f

/* how it leaves: r11 is an index into l2_exits */
#define DIFF_EXIT_NR		11

#ifndef __ASSEMBLER__
#include <stdint.h>

/* ---- records ------------------------------------------------------------- */

#define DIFF_OPS								\
	/* VMX instructions, which are what is counted */			\
	X(VMREAD) X(VMREAD_MEM) X(VMWRITE) X(VMWRITE_MEM) X(VMLAUNCH) X(VMRESUME)	\
	X(VMPTRLD) X(VMPTRST) X(VMCLEAR) X(VMXON) X(VMXOFF)			\
	/* what else L1 can see after an exit of L2 */				\
	X(L1_STATE) X(L2_REGISTER) X(MEMORY)

enum diff_op {
#define X(name) DIFF_##name,
	DIFF_OPS
#undef X
	DIFF_NR_OPS,
};
#define DIFF_NR_INSTRUCTIONS	DIFF_L1_STATE

/**
 * struct diff_record - one thing that L1 did and saw
 * @op: enum diff_op
 * @vector: the fault it caused, or 0xff
 * @flags: RFLAGS & L1_FLAGS after it
 * @error: VM_INSTRUCTION_ERROR if it ended in VMfailValid; error code of the fault
 * @field: encoding, whole as in the register; for a pointer, unused; for the others, an index
 * @in: the value written, or what was in the destination, or the pointer
 * @out: what is in the destination after it; exit reason; CR2 after a #PF
 */
struct diff_record {
	uint8_t op;
	uint8_t vector;
	uint16_t flags;
	uint32_t error;
	uint64_t field;
	uint64_t in;
	uint64_t out;
};

#define DIFF_NO_VECTOR		0xff
#define DIFF_MAX_FIELDS		400
#define DIFF_MAX_RECORDS	((DIFF_LOG_END - DIFF_LOG) / sizeof(struct diff_record))
/* Records that one step of the generator may take, at most. */
#define DIFF_STEP_RECORDS	1600

/**
 * struct diff_control - at DIFF_CONTROL; L1_DIFF runs the block that it describes
 * @seed: in
 * @nr_ops: in; VMX instructions; the step that reaches the number is finished
 * @nr_fields: in
 * @fields: in; encodings of vmcs12's fields
 * @nr_records: out; also while the block runs
 * @done: out; VMX instructions
 * @entries: out; entries into L2 that succeeded
 * @failed_entries: out; exits "VM-entry failure"
 * @seen: out; per operation, how many ...
 * @succeeded: out; ... and how many of them without a failure or fault
 */
struct diff_control {
	uint64_t seed;
	uint32_t nr_ops;
	uint32_t nr_fields;
	uint32_t nr_records;
	uint32_t done;
	uint32_t entries;
	uint32_t failed_entries;
	uint32_t seen[DIFF_NR_OPS];
	uint32_t succeeded[DIFF_NR_OPS];
	uint32_t fields[DIFF_MAX_FIELDS];
};

#endif /* __ASSEMBLER__ */
#endif
