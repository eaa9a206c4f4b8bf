// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The bare-metal L1: a hypervisor that does what the host program's mailbox says,
 * and nothing else.  No libc, no interrupts; 64-bit.  Each vCPU has one of its own.
 */
#include "l1.h"
#include "l1-diff.h"

#define MAILBOX ((struct l1_mailbox *)L1_MAILBOX)

extern uint64_t l1_fixup, l1_fault_vector;
extern char l1_fault_stubs[], l1_host_rip[], l1_enter_out[];
uint64_t l1_enter_l2(int resume, uint64_t *gpr);
void l1_fatal(uint64_t vector, uint64_t error, uint64_t rip);
void l1_main(void);

#define PROGRAM(x) extern char l2_##x[], l2_##x##_exit[]
PROGRAM(vmcall); PROGRAM(mix); PROGRAM(out); PROGRAM(ept); PROGRAM(segments);
PROGRAM(ud); PROGRAM(gp); PROGRAM(hlt); PROGRAM(spin);
PROGRAM(host); PROGRAM(msr);

static unsigned int current_vmcs;
static int launched[L1_NR_VMCS];

static void out32(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

void l1_fatal(uint64_t vector, uint64_t error, uint64_t rip)
{
	MAILBOX->fatal_vector = vector;
	MAILBOX->fatal_error = error;
	MAILBOX->fatal_rip = rip;
	asm volatile("mov %%cr2, %0" : "=r"(MAILBOX->fatal_cr2));
	for (;;)
		out32(L1_PORT_FATAL, vector);
}

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (uint64_t)hi << 32;
}

#define GET_CR(n) ({ uint64_t v_; asm volatile("mov %%cr" #n ", %0" : "=r"(v_)); v_; })
#define SET_CR(n, v) asm volatile("mov %0, %%cr" #n : : "r"((uint64_t)(v)) : "memory")

/*
 * Executes one instruction with a fault fixup; flags_ gets RFLAGS after it,
 * l1_fault_vector is set if it faulted.
 */
#define VMX_INSN(flags_, insn, outputs, ...)					\
	asm volatile("movq $1f, l1_fixup\n\t"					\
		     insn "\n\t"						\
		     "1: pushfq\n\t"						\
		     "popq %[f]\n\t"						\
		     "movq $0, l1_fixup"					\
		     : [f] "=&r"(flags_) outputs : __VA_ARGS__ : "cc", "memory")
#define COMMA ,

static uint64_t vmx_pointer(char which, uint64_t address)
{
	uint64_t flags;

	address += MAILBOX->base;
	switch (which) {
	case 'o':
		VMX_INSN(flags, "vmxon %[p]", , [p] "m"(address));
		break;
	case 'c':
		VMX_INSN(flags, "vmclear %[p]", , [p] "m"(address));
		break;
	default:
		VMX_INSN(flags, "vmptrld %[p]", , [p] "m"(address));
		break;
	}
	return flags & L1_FLAGS;
}

static uint64_t vmread(uint64_t field, uint64_t *value)
{
	uint64_t flags, v = *value;

	VMX_INSN(flags, "vmread %[e], %[v]", COMMA [v] "+&r"(v), [e] "r"(field));
	*value = v;
	return flags & L1_FLAGS;
}

static uint64_t vmread_mem(uint64_t field, uint64_t *value)
{
	uint64_t flags;

	VMX_INSN(flags, "vmread %[e], %[v]", COMMA [v] "+m"(*value), [e] "r"(field));
	return flags & L1_FLAGS;
}

static uint64_t vmwrite(uint64_t field, uint64_t value)
{
	uint64_t flags;

	VMX_INSN(flags, "vmwrite %[v], %[e]", , [v] "r"(value), [e] "r"(field));
	return flags & L1_FLAGS;
}

static uint64_t vmwrite_mem(uint64_t field, const uint64_t *value)
{
	uint64_t flags;

	VMX_INSN(flags, "vmwrite %[v], %[e]", , [v] "m"(*value), [e] "r"(field));
	return flags & L1_FLAGS;
}

/* ---- a whole VMCS -------------------------------------------------------- */

static uint32_t control(uint32_t msr, uint32_t want)
{
	uint64_t allowed = rdmsr(msr);

	return (want | (uint32_t)allowed) & (uint32_t)(allowed >> 32);
}

static void setup_controls(void)
{
	/* the TRUE capability MSRs, where there are any */
	uint32_t t = rdmsr(MSR_IA32_VMX_BASIC) & (1ULL << 55) ? 0xc : 0;

	vmwrite(PIN_BASED_VM_EXEC_CONTROL, control(0x481 + t, 0));
	/* HLT exiting, unconditional I/O exiting, secondary controls */
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, control(0x482 + t, 1U << 7 | 1U << 24 | 1U << 31));
	vmwrite(SECONDARY_VM_EXEC_CONTROL, control(0x48b, 1U << 1));	/* EPT */
	vmwrite(VM_EXIT_CONTROLS, control(0x483 + t, 1U << 9));		/* 64-bit host */
	vmwrite(VM_ENTRY_CONTROLS, control(0x484 + t, 1U << 9));	/* 64-bit guest */
	vmwrite(EXCEPTION_BITMAP, 1U << 6 | 1U << 13);			/* #UD, #GP */
	vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmwrite(CR3_TARGET_COUNT, 0);
	vmwrite(VM_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmwrite(TPR_THRESHOLD, 0);
	vmwrite(EPT_POINTER, (MAILBOX->base + L1_EPT_PML4) | 6 | 3 << 3);	/* write-back, four levels */
	vmwrite(VMCS_LINK_POINTER, ~0ULL);
	vmwrite(CR0_GUEST_HOST_MASK, 0);
	vmwrite(CR4_GUEST_HOST_MASK, 0);
	vmwrite(CR0_READ_SHADOW, GET_CR(0));
	vmwrite(CR4_READ_SHADOW, GET_CR(4));
}

static void setup_host_state(void)
{
	vmwrite(HOST_ES_SELECTOR, SEL_DATA);
	vmwrite(HOST_CS_SELECTOR, SEL_CODE);
	vmwrite(HOST_SS_SELECTOR, SEL_DATA);
	vmwrite(HOST_DS_SELECTOR, SEL_DATA);
	vmwrite(HOST_FS_SELECTOR, SEL_DATA);
	vmwrite(HOST_GS_SELECTOR, SEL_DATA);
	vmwrite(HOST_TR_SELECTOR, SEL_TSS);
	vmwrite(HOST_IA32_SYSENTER_CS, 0);
	vmwrite(HOST_CR0, GET_CR(0));
	vmwrite(HOST_CR3, GET_CR(3));
	vmwrite(HOST_CR4, GET_CR(4));
	vmwrite(HOST_FS_BASE, 0);
	vmwrite(HOST_GS_BASE, 0);
	vmwrite(HOST_TR_BASE, L1_TSS);
	vmwrite(HOST_GDTR_BASE, L1_GDT);
	vmwrite(HOST_IDTR_BASE, L1_IDT);
	vmwrite(HOST_IA32_SYSENTER_ESP, 0);
	vmwrite(HOST_IA32_SYSENTER_EIP, 0);
	vmwrite(HOST_RSP, L1_STACK - 0x1000);
	vmwrite(HOST_RIP, (uint64_t)l1_host_rip);
}

static void setup_guest_segments(void)
{
	/* ES, CS, SS, DS, FS, GS, LDTR, TR: encodings two apart */
	static const struct {
		uint16_t selector;
		uint32_t limit, ar;
		uint64_t base;
	} segments[] = {
		{ SEL_DATA, 0xffffffff, 0xc093, 0 },
		{ SEL_CODE, 0xffffffff, 0xa09b, 0 },
		{ SEL_DATA, 0xffffffff, 0xc093, 0 },
		{ SEL_DATA, 0xffffffff, 0xc093, 0 },
		{ SEL_DATA, 0xffffffff, 0xc093, 0 },
		{ SEL_DATA, 0xffffffff, 0xc093, 0 },
		{ 0, 0xffff, 0x10000, 0 },
		{ SEL_TSS, 0x67, 0x8b, L1_TSS },
	};
	unsigned int i;

	for (i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		vmwrite(GUEST_ES_SELECTOR + 2 * i, segments[i].selector);
		vmwrite(GUEST_ES_LIMIT + 2 * i, segments[i].limit);
		vmwrite(GUEST_ES_AR_BYTES + 2 * i, segments[i].ar);
		vmwrite(GUEST_ES_BASE + 2 * i, segments[i].base);
	}
}

static void setup_guest_state(void)
{
	setup_guest_segments();
	vmwrite(GUEST_GDTR_BASE, L1_GDT);
	vmwrite(GUEST_GDTR_LIMIT, 0xff);
	vmwrite(GUEST_IDTR_BASE, L1_IDT);
	vmwrite(GUEST_IDTR_LIMIT, 0xfff);
	vmwrite(GUEST_IA32_DEBUGCTL, 0);
	vmwrite(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmwrite(GUEST_ACTIVITY_STATE, 0);
	vmwrite(GUEST_SYSENTER_CS, 0);
	vmwrite(GUEST_SYSENTER_ESP, 0);
	vmwrite(GUEST_SYSENTER_EIP, 0);
	vmwrite(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmwrite(GUEST_DR7, 0x400);
	vmwrite(GUEST_CR0, GET_CR(0));
	vmwrite(GUEST_CR3, GET_CR(3));
	vmwrite(GUEST_CR4, GET_CR(4));
	vmwrite(GUEST_RFLAGS, 2);
	vmwrite(GUEST_RSP, L2_STACK);
	vmwrite(GUEST_RIP, (uint64_t)l2_vmcall);
}

static uint64_t vmclear(unsigned int which)
{
	launched[which] = 0;
	return vmx_pointer('c', L1_VMCS(which));
}

static uint64_t vmptrld(unsigned int which)
{
	current_vmcs = which;
	return vmx_pointer('p', L1_VMCS(which));
}

/* Writes a whole valid VMCS to the current one. */
void l1_setup_current(void)
{
	setup_controls();
	setup_host_state();
	setup_guest_state();
}

static uint64_t setup(unsigned int which)
{
	uint64_t flags = vmclear(which);

	if (!flags)
		flags = vmptrld(which);
	if (flags || l1_fault_vector != L1_NO_VECTOR)
		return flags;
	l1_setup_current();
	return 0;
}

/* ---- operations ---------------------------------------------------------- */

static uint64_t enter(int resume)
{
	uint64_t flags;

	l1_fixup = (uint64_t)l1_enter_out;
	flags = l1_enter_l2(resume, MAILBOX->l2_gpr) & L1_FLAGS;
	l1_fixup = 0;
	if (!flags)
		launched[current_vmcs] = 1;
	return flags;
}

static uint64_t l2_loop(uint32_t count, uint64_t *ret_sum)
{
	uint64_t flags, reason, length, rip;

	*ret_sum = 0;
	while (count--) {
		flags = enter(launched[current_vmcs]);
		if (flags)
			return flags;
		reason = length = rip = 0;
		vmread(VM_EXIT_REASON, &reason);
		vmread(VM_EXIT_INSTRUCTION_LEN, &length);
		vmread(GUEST_RIP, &rip);
		vmwrite(GUEST_RIP, rip + length);
		*ret_sum += reason;
	}
	return 0;
}

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (uint64_t)hi << 32;
}

/* Without fixups and flags: they would cost as much as a free access.  The host looks at the values. */
static uint64_t work(uint32_t count, struct l1_work *w)
{
	uint64_t flags, now, before = rdtsc();
	uint32_t i, round;

	for (round = 0; round < count && round < L1_MAX_ROUNDS; round++) {
		flags = enter(launched[current_vmcs]);
		if (flags)
			return flags;
		for (i = 0; i < w->nr_reads; i++)
			asm volatile("vmread %1, %0"
				     : "=r"(w->reads[i].value) : "r"(w->reads[i].field) : "cc");
		for (i = 0; i < w->nr_writes; i++)
			asm volatile("vmwrite %1, %0"
				     : : "r"(w->writes[i].field), "r"(w->writes[i].value) : "cc");
		now = rdtsc();
		w->ticks[round] = now - before;
		before = now;
	}
	return 0;
}

static uint64_t vmxon(void)
{
	SET_CR(4, GET_CR(4) | 1U << 13);	/* VMXE */
	*(volatile uint32_t *)L1_VMXON_REGION = rdmsr(MSR_IA32_VMX_BASIC);
	*(volatile uint32_t *)L1_VMCS(0) = rdmsr(MSR_IA32_VMX_BASIC);
	*(volatile uint32_t *)L1_VMCS(1) = rdmsr(MSR_IA32_VMX_BASIC);
	return vmx_pointer('o', L1_VMXON_REGION);
}

static uint64_t repeat(struct l1_op *op)
{
	uint32_t n = op->count ? op->count : 1;
	uint64_t flags = 0;

	while (n-- && !flags && l1_fault_vector == L1_NO_VECTOR)
		switch (op->op) {
		case L1_VMREAD:
			flags = vmread(op->field, &op->value);
			break;
		case L1_VMREAD_MEM:
			flags = vmread_mem(op->field, &op->value);
			break;
		case L1_VMWRITE:
			flags = vmwrite(op->field, op->value);
			break;
		default:
			flags = vmwrite_mem(op->field, &op->value);
			break;
		}
	return flags;
}

static uint64_t execute(struct l1_op *op)
{
	uint64_t flags;

	switch (op->op) {
	case L1_VMXON:
		return vmxon();
	case L1_VMXOFF:
		VMX_INSN(flags, "vmxoff", , "i"(0));
		return flags & L1_FLAGS;
	case L1_SETUP:
		return setup(op->value % L1_NR_VMCS);
	case L1_VMCLEAR:
		return vmclear(op->value % L1_NR_VMCS);
	case L1_VMPTRLD:
		return vmptrld(op->value % L1_NR_VMCS);
	case L1_VMREAD: case L1_VMWRITE: case L1_VMREAD_MEM: case L1_VMWRITE_MEM:
		return repeat(op);
	case L1_VMLAUNCH: case L1_VMRESUME: case L1_ENTER:
		flags = enter(op->op == L1_ENTER ? launched[current_vmcs] : op->op == L1_VMRESUME);
		op->value = !flags && l1_fault_vector == L1_NO_VECTOR;
		return flags;
	case L1_L2_LOOP:
		return l2_loop(op->count, &op->value);
	case L1_WORK:
		return work(op->count, &MAILBOX->work);
	case L1_RDMSR:
		op->value = rdmsr(op->field);
		return 0;
	case L1_RDTSC:
		op->value = rdtsc();
		return 0;
	case L1_DIFF:
		l1_diff();
		return 0;
	default:
		return 0;
	}
}

static void execute_all(struct l1_mailbox *m)
{
	uint64_t error = 0;
	uint32_t i;

	for (i = 0; i < m->nr_ops; i++) {
		l1_fault_vector = L1_NO_VECTOR;
		m->ops[i].flags = execute(&m->ops[i]);
		m->ops[i].vector = l1_fault_vector;
		m->ops[i].error = 0;
		if (l1_fault_vector == L1_NO_VECTOR && m->ops[i].flags & L1_ZF) {
			vmread(VM_INSTRUCTION_ERROR, &error);
			m->ops[i].error = error;
		}
		m->progress = i + 1;
	}
}

static void set_gate(unsigned int vector, uint64_t handler)
{
	uint64_t *gate = (uint64_t *)(L1_IDT + 16UL * vector);

	/* present, DPL 0, 64-bit interrupt gate */
	gate[0] = (handler & 0xffff) | SEL_CODE << 16 | 0x8eULL << 40 |
		  (handler >> 16 & 0xffff) << 48;
	gate[1] = handler >> 32;
}

#define ADVERTISE(i, x) do {					\
		m->l2_entry[i] = (uint64_t)l2_##x;		\
		m->l2_exit[i] = (uint64_t)l2_##x##_exit;	\
	} while (0)

void l1_main(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idtr = { 0x1ff, L1_IDT };
	struct l1_mailbox *m = MAILBOX;
	unsigned int i;

	for (i = 0; i < 32; i++)
		set_gate(i, (uint64_t)l1_fault_stubs + 16 * i);
	asm volatile("lidt %0" : : "m"(idtr));
	ADVERTISE(L2_VMCALL, vmcall);
	ADVERTISE(L2_MIX, mix);
	ADVERTISE(L2_OUT, out);
	ADVERTISE(L2_EPT, ept);
	ADVERTISE(L2_SEGMENTS, segments);
	ADVERTISE(L2_UD, ud);
	ADVERTISE(L2_GP, gp);
	ADVERTISE(L2_HLT, hlt);
	ADVERTISE(L2_SPIN, spin);
	ADVERTISE(L2_HOST, host);
	ADVERTISE(L2_MSR, msr);
	m->ready = 1;
	for (;;) {
		out32(L1_PORT_DONE, 0);
		m->progress = 0;
		execute_all(m);
	}
}
