/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host program (vm.c) and the bare-metal L1 (l1.c) share: the mailbox
 * through which the host has L1 execute one batch of operations after the other.
 *
 * L1 executes a batch, then writes to L1_PORT_DONE, which hands the vCPU back
 * to the host program; nothing but the operations of the batch touches the VMCS.
 */
#ifndef L1_H
#define L1_H

#include <stdint.h>

#include "l1-layout.h"

#define L1_PORT_DONE		0xe0
#define L1_PORT_FATAL		0xe4	/* a fault that no operation expected */

enum l1_opcode {
	L1_NOP,
	L1_VMXON,
	L1_VMXOFF,
	L1_SETUP,	/* VMCLEAR, VMPTRLD and VMWRITE of a whole VMCS; value: which */
	L1_VMCLEAR,	/* value: which */
	L1_VMPTRLD,	/* value: which */
	L1_VMREAD,	/* field -> value, count times */
	L1_VMWRITE,	/* value -> field, count times */
	L1_VMREAD_MEM,	/* the same with an operand in memory */
	L1_VMWRITE_MEM,
	L1_VMLAUNCH,	/* value: 1 if L2 was entered (and has exited) */
	L1_VMRESUME,
	L1_ENTER,	/* VMLAUNCH the first time, VMRESUME after it */
	L1_L2_LOOP,	/* count times: L1_ENTER, then VMREAD reason, length and RIP, VMWRITE RIP;
			 * value: sum of the exit reasons */
	L1_WORK,	/* count times: L1_ENTER, then the reads and writes of struct l1_work */
	L1_RDMSR,	/* msr "field" -> value */
	L1_RDTSC,	/* TSC -> value */
	L1_DIFF,	/* one block of the differential test: diff.h */
};

/* flags after an instruction; zero: succeeded */
#define L1_CF			0x001	/* VMfailInvalid */
#define L1_ZF			0x040	/* VMfailValid */
#define L1_FLAGS		0x8d5	/* all that VMX instructions define */

#define L1_NO_VECTOR		0xffffffffU

/**
 * struct l1_op - one operation of L1
 * @op: in; enum l1_opcode
 * @field: in; field encoding or MSR
 * @value: in or out, as the opcode says
 * @count: in; repetitions, 0 is 1.  They stop at the first failure.
 * @flags: out; RFLAGS & L1_FLAGS after the (last) instruction
 * @error: out; VM_INSTRUCTION_ERROR if it ended in VMfailValid, else 0
 * @vector: out; the fault it caused, or L1_NO_VECTOR
 */
struct l1_op {
	uint32_t op;
	uint32_t field;
	uint64_t value;
	uint32_t count;
	uint32_t flags;
	uint32_t error;
	uint32_t vector;
};

/* programs for L2, in l2.S; entry addresses in the mailbox */
enum l2_program {
	L2_VMCALL,	/* vmcall, for ever */
	L2_MIX,		/* cpuid, vmcall, out, for ever; rbx counts the rounds */
	L2_OUT,		/* outb to port 0x80 */
	L2_EPT,		/* reads at L2_HOLE + 0x128 */
	L2_SEGMENTS,	/* loads SEL_DATA_SMALL and SEL_CODE_CONFORMING, then vmcall */
	L2_UD,		/* ud2 */
	L2_GP,		/* #GP(SEL_TSS): mov of a bad selector to %ds */
	L2_HLT,
	L2_SPIN,	/* counts l2_alive until l2_stop is set, then vmcall */
	L2_HOST,	/* writes to L2_PORT until rbx, which it counts up, is 3; then vmcall */
	L2_MSR,		/* writes edx:eax to the MSR ecx, then to L2_PORT; reads the MSR; vmcall */
	L2_NR,
};

/* GPRs in the order of their numbers; [4] (rsp) is not used */
enum { GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI };

#define L1_MAX_OPS		2000
#define L1_MAX_WORK		64
#define L1_MAX_ROUNDS		1000

/**
 * struct l1_work - what L1_WORK does after each exit of L2, with nothing around it
 * @reads: fields to read, and what the last reading gave
 * @writes: fields to write, and the values
 * @ticks: out; TSC ticks of each round, from L1's own RDTSC to the next
 */
struct l1_work {
	uint32_t nr_reads, nr_writes;
	struct l1_access {
		uint64_t field;
		uint64_t value;
	} reads[L1_MAX_WORK], writes[L1_MAX_WORK];
	uint64_t ticks[L1_MAX_ROUNDS];
};

struct l1_mailbox {
	uint32_t nr_ops;
	uint32_t ready;				/* L1 has booted */
	uint64_t base;				/* in: guest-physical address of address 0 */
	uint64_t l2_entry[L2_NR];		/* out */
	uint64_t l2_exit[L2_NR];		/* out: address of the instruction that exits */
	uint64_t l2_gpr[16];			/* L2's, across entries */
	volatile uint64_t l2_alive;
	volatile uint64_t l2_stop;
	volatile uint64_t progress;		/* operations done in this batch */
	uint64_t fatal_vector, fatal_error, fatal_rip, fatal_cr2;
	struct l1_op ops[L1_MAX_OPS];
	struct l1_work work;
};

/* VMCS fields (SDM vol. 3, appendix B) that L1 and the tests call by name */
enum {
	VIRTUAL_PROCESSOR_ID = 0x0000,
	GUEST_ES_SELECTOR = 0x0800, GUEST_CS_SELECTOR = 0x0802, GUEST_SS_SELECTOR = 0x0804,
	GUEST_DS_SELECTOR = 0x0806, GUEST_FS_SELECTOR = 0x0808, GUEST_GS_SELECTOR = 0x080a,
	GUEST_LDTR_SELECTOR = 0x080c, GUEST_TR_SELECTOR = 0x080e,
	HOST_ES_SELECTOR = 0x0c00, HOST_CS_SELECTOR = 0x0c02, HOST_SS_SELECTOR = 0x0c04,
	HOST_DS_SELECTOR = 0x0c06, HOST_FS_SELECTOR = 0x0c08, HOST_GS_SELECTOR = 0x0c0a,
	HOST_TR_SELECTOR = 0x0c0c,
	IO_BITMAP_A = 0x2000, IO_BITMAP_B = 0x2002, MSR_BITMAP = 0x2004,
	VM_EXIT_MSR_STORE_ADDR = 0x2006, VM_EXIT_MSR_LOAD_ADDR = 0x2008,
	VM_ENTRY_MSR_LOAD_ADDR = 0x200a, PML_ADDRESS = 0x200e, VIRTUAL_APIC_PAGE_ADDR = 0x2012,
	APIC_ACCESS_ADDR = 0x2014, POSTED_INTR_DESC_ADDR = 0x2016,
	EPT_POINTER = 0x201a, VMREAD_BITMAP = 0x2026, VMWRITE_BITMAP = 0x2028,
	GUEST_PHYSICAL_ADDRESS = 0x2400, GUEST_PHYSICAL_ADDRESS_HIGH = 0x2401,
	VMCS_LINK_POINTER = 0x2800, GUEST_IA32_DEBUGCTL = 0x2802,
	GUEST_IA32_PAT = 0x2804, GUEST_IA32_EFER = 0x2806,
	HOST_IA32_PAT = 0x2c00, HOST_IA32_EFER = 0x2c02,
	PIN_BASED_VM_EXEC_CONTROL = 0x4000, CPU_BASED_VM_EXEC_CONTROL = 0x4002,
	EXCEPTION_BITMAP = 0x4004, PAGE_FAULT_ERROR_CODE_MASK = 0x4006,
	PAGE_FAULT_ERROR_CODE_MATCH = 0x4008, CR3_TARGET_COUNT = 0x400a,
	VM_EXIT_CONTROLS = 0x400c, VM_EXIT_MSR_STORE_COUNT = 0x400e,
	VM_EXIT_MSR_LOAD_COUNT = 0x4010, VM_ENTRY_CONTROLS = 0x4012,
	VM_ENTRY_MSR_LOAD_COUNT = 0x4014, VM_ENTRY_INTR_INFO_FIELD = 0x4016,
	VM_ENTRY_EXCEPTION_ERROR_CODE = 0x4018, VM_ENTRY_INSTRUCTION_LEN = 0x401a,
	TPR_THRESHOLD = 0x401c, SECONDARY_VM_EXEC_CONTROL = 0x401e,
	VM_INSTRUCTION_ERROR = 0x4400, VM_EXIT_REASON = 0x4402, VM_EXIT_INTR_INFO = 0x4404,
	VM_EXIT_INTR_ERROR_CODE = 0x4406, IDT_VECTORING_INFO_FIELD = 0x4408,
	IDT_VECTORING_ERROR_CODE = 0x440a, VM_EXIT_INSTRUCTION_LEN = 0x440c,
	VMX_INSTRUCTION_INFO = 0x440e,
	GUEST_ES_LIMIT = 0x4800, GUEST_CS_LIMIT = 0x4802, GUEST_SS_LIMIT = 0x4804,
	GUEST_DS_LIMIT = 0x4806, GUEST_FS_LIMIT = 0x4808, GUEST_GS_LIMIT = 0x480a,
	GUEST_LDTR_LIMIT = 0x480c, GUEST_TR_LIMIT = 0x480e, GUEST_GDTR_LIMIT = 0x4810,
	GUEST_IDTR_LIMIT = 0x4812, GUEST_ES_AR_BYTES = 0x4814, GUEST_CS_AR_BYTES = 0x4816,
	GUEST_SS_AR_BYTES = 0x4818, GUEST_DS_AR_BYTES = 0x481a, GUEST_FS_AR_BYTES = 0x481c,
	GUEST_GS_AR_BYTES = 0x481e, GUEST_LDTR_AR_BYTES = 0x4820, GUEST_TR_AR_BYTES = 0x4822,
	GUEST_INTERRUPTIBILITY_INFO = 0x4824, GUEST_ACTIVITY_STATE = 0x4826,
	GUEST_SYSENTER_CS = 0x482a, VMX_PREEMPTION_TIMER_VALUE = 0x482e,
	HOST_IA32_SYSENTER_CS = 0x4c00,
	CR0_GUEST_HOST_MASK = 0x6000, CR4_GUEST_HOST_MASK = 0x6002, CR0_READ_SHADOW = 0x6004,
	CR4_READ_SHADOW = 0x6006,
	EXIT_QUALIFICATION = 0x6400, GUEST_LINEAR_ADDRESS = 0x640a,
	GUEST_CR0 = 0x6800, GUEST_CR3 = 0x6802, GUEST_CR4 = 0x6804, GUEST_ES_BASE = 0x6806,
	GUEST_CS_BASE = 0x6808, GUEST_SS_BASE = 0x680a, GUEST_DS_BASE = 0x680c,
	GUEST_FS_BASE = 0x680e, GUEST_GS_BASE = 0x6810, GUEST_LDTR_BASE = 0x6812,
	GUEST_TR_BASE = 0x6814, GUEST_GDTR_BASE = 0x6816, GUEST_IDTR_BASE = 0x6818,
	GUEST_DR7 = 0x681a, GUEST_RSP = 0x681c, GUEST_RIP = 0x681e, GUEST_RFLAGS = 0x6820,
	GUEST_PENDING_DBG_EXCEPTIONS = 0x6822, GUEST_SYSENTER_ESP = 0x6824,
	GUEST_SYSENTER_EIP = 0x6826,
	HOST_CR0 = 0x6c00, HOST_CR3 = 0x6c02, HOST_CR4 = 0x6c04, HOST_FS_BASE = 0x6c06,
	HOST_GS_BASE = 0x6c08, HOST_TR_BASE = 0x6c0a, HOST_GDTR_BASE = 0x6c0c,
	HOST_IDTR_BASE = 0x6c0e, HOST_IA32_SYSENTER_ESP = 0x6c10,
	HOST_IA32_SYSENTER_EIP = 0x6c12, HOST_RSP = 0x6c14, HOST_RIP = 0x6c16,
};

/* No VMCS has it. */
#define NO_SUCH_FIELD		0x6c3eU

#define EXIT_REASON_EXCEPTION	0
#define EXIT_REASON_CPUID	10
#define EXIT_REASON_HLT		12
#define EXIT_REASON_VMCALL	18
#define EXIT_REASON_IO		30
#define EXIT_REASON_EPT_VIOLATION 48

#define VMXERR_UNSUPPORTED_COMPONENT	12
#define VMXERR_READ_ONLY_COMPONENT	13

#define MSR_IA32_FEATURE_CONTROL 0x3a
#define MSR_IA32_SYSENTER_ESP	0x175
#define MSR_IA32_VMX_BASIC	0x480
#define MSR_IA32_VMX_MISC	0x485
#define VMX_MISC_VMWRITE_ANY	(1ULL << 29)

#endif
