// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The generator of the differential test: chooses VMX instructions by a seed and by
 * what it saw, executes them, and keeps a record of what L1 can observe of each.
 */
#include "l1-diff.h"
#include "rand.h"

extern uint64_t l1_fixup, l1_fault_vector, l1_fault_error, l1_exit_rsp;
extern char l1_enter_out[], l2_diff_stubs[];
uint64_t l1_enter_l2(int resume, uint64_t *gpr);

struct diff_vmcs diff_vmcs[DIFF_NR_VMCS];
int diff_current;
uint64_t diff_good[DIFF_MAX_FIELDS];

static uint64_t random_state;
static bool vmx_on;
static uint64_t l2_gpr[16];

/* ---- random numbers ------------------------------------------------------ */

uint64_t diff_random(void)
{
	return random64_of(&random_state);
}

unsigned int diff_below(unsigned int n)
{
	return below_of(&random_state, n);
}

static bool one_in(unsigned int n)
{
	return !diff_below(n);
}

/* ---- instructions and their records -------------------------------------- */

/*
 * All six flags set before the instruction, so that a success has to clear them; and
 * IF, for L0 to get in anywhere (L1 itself has no interrupts).
 */
#define INSN(flags_, insn, ...)							\
	asm volatile("movq $1f, l1_fixup\n\t"					\
		     "pushq $0xad7\n\t"						\
		     "popfq\n\t"						\
		     insn "\n\t"						\
		     "1: pushfq\n\t"						\
		     "popq %[f]\n\t"						\
		     "movq $0, l1_fixup"					\
		     : [f] "=&r"(flags_) __VA_ARGS__ : "cc", "memory")

static uint64_t cr2(void)
{
	uint64_t value;

	asm volatile("mov %%cr2, %0" : "=r"(value));
	return value;
}

uint64_t diff_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (uint64_t)hi << 32;
}

void diff_wrmsr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static uint32_t instruction_error(void)
{
	uint64_t error = 0, flags;

	INSN(flags, "vmread %[e], %[v]", , [v] "+r"(error) : [e] "r"((uint64_t)VM_INSTRUCTION_ERROR));
	return error;
}

static struct diff_record *record(enum diff_op op, uint64_t field, uint64_t in, uint64_t out)
{
	struct diff_record *r = &((struct diff_record *)DIFF_LOG)[DIFF->nr_records];

	if (DIFF->nr_records == DIFF_MAX_RECORDS)
		asm volatile("ud2");
	*r = (struct diff_record){
		.op = op, .vector = DIFF_NO_VECTOR, .field = field, .in = in, .out = out,
	};
	DIFF->nr_records++;
	return r;
}

void diff_record_state(unsigned int index, uint64_t value)
{
	record(DIFF_L1_STATE, index, 0, value);
}

/* A VMX instruction; true if it succeeded. */
static bool done(enum diff_op op, uint64_t field, uint64_t in, uint64_t out, uint64_t flags)
{
	struct diff_record *r = record(op, field, in, out);

	r->vector = l1_fault_vector;
	if (l1_fault_vector != L1_NO_VECTOR) {
		r->error = l1_fault_error;
		if (l1_fault_vector == 14)
			r->out = cr2();
	} else {
		r->vector = DIFF_NO_VECTOR;
		r->flags = flags & L1_FLAGS;
	}
	l1_fault_vector = L1_NO_VECTOR;
	if (r->flags & L1_ZF)
		r->error = instruction_error();
	DIFF->done++;
	DIFF->seen[op]++;
	if (r->vector != DIFF_NO_VECTOR || r->flags)
		return false;
	DIFF->succeeded[op]++;
	return true;
}

/* By the encoding without its lowest bit; 0 is none, else one more than the index. */
static uint16_t indices[0x4000];

static void make_indices(void)
{
	uint32_t i;

	for (i = 0; i < sizeof(indices) / sizeof(indices[0]); i++)
		indices[i] = 0;
	for (i = 0; i < DIFF->nr_fields; i++)
		indices[DIFF->fields[i] >> 1] = i + 1;
}

/* -1 if it is none of the table's. */
int diff_index(uint64_t field)
{
	return field >> 15 || field & 1 ? -1 : indices[field >> 1] - 1;
}

/*
 * Undefined until L1 writes it, and then what the processor left there, perhaps for an
 * exit that L0 handled, or in another VMCS: the guest linear address after an exit that
 * has none, and instruction information after one that has none.
 */
static uint64_t observed(uint64_t field, uint64_t value)
{
	const struct diff_vmcs *v = &diff_vmcs[diff_current];

	if (diff_current == NO_VMCS)
		return value;
	if ((field == GUEST_LINEAR_ADDRESS && v->linear_unknown) ||
	    (field == VMX_INSTRUCTION_INFO && v->info_unknown))
		return 0;
	return value;
}

/* Is VMX_INSTRUCTION_INFO defined after this exit?  VMX instructions, LGDT and its like. */
static bool has_info(uint64_t reason)
{
	return reason == 19 || (reason >= 21 && reason <= 25) || reason == 27 || reason == 46 ||
	       reason == 47;
}

uint64_t diff_vmread(uint64_t field)
{
	uint64_t flags, preset = 0x5a5a5a5a5a5a5a5a, value = preset;

	INSN(flags, "vmread %[e], %[v]", , [v] "+r"(value) : [e] "r"(field));
	value = observed(field, value);
	done(DIFF_VMREAD, field, preset, value, flags);
	return value;
}

/* A pointer to eight bytes; now and then across two pages, or to nothing. */
static uint64_t *operand(void)
{
	switch (diff_below(16)) {
	case 0: case 1:
		return (uint64_t *)(DIFF_OPERAND + 0x1000UL - 1 - diff_below(7));
	case 2:
		return one_in(4) ? (uint64_t *)(0x40000000UL + diff_below(4096)) :
		       one_in(4) ? (uint64_t *)(1ULL << 62 | diff_below(4096)) :
				   (uint64_t *)(0x3fffffffUL + (1UL << 30));
	default:
		return (uint64_t *)(DIFF_OPERAND + 8UL * diff_below(1000));
	}
}

static bool is_memory(const uint64_t *p)
{
	return (uint64_t)p < L1_MEM_SIZE;
}

static void vmread_mem(uint64_t field)
{
	uint64_t flags, in = diff_random(), out = 0, *p = operand();

	if (is_memory(p))
		*p = in;
	INSN(flags, "vmread %[e], (%[v])", : [v] "r"(p), [e] "r"(field));
	if (is_memory(p))
		out = observed(field, *p);
	done(DIFF_VMREAD_MEM, field, in, out, flags);
}

static bool vmwrite(uint64_t field, uint64_t value, bool memory)
{
	uint64_t flags, *p;

	if (!memory) {
		INSN(flags, "vmwrite %[v], %[e]", : [v] "r"(value), [e] "r"(field));
		return done(DIFF_VMWRITE, field, value, 0, flags);
	}
	p = operand();
	if (is_memory(p))
		*p = value;
	INSN(flags, "vmwrite (%[v]), %[e]", : [v] "r"(p), [e] "r"(field));
	return done(DIFF_VMWRITE_MEM, field, value, 0, flags);
}

void diff_vmwrite(unsigned int index, uint64_t value)
{
	vmwrite(DIFF->fields[index], value, false);
}

static bool pointer(enum diff_op op, uint64_t address)
{
	uint64_t flags;

	switch (op) {
	case DIFF_VMXON:
		INSN(flags, "vmxon %[p]", : [p] "m"(address));
		break;
	case DIFF_VMCLEAR:
		INSN(flags, "vmclear %[p]", : [p] "m"(address));
		break;
	default:
		INSN(flags, "vmptrld %[p]", : [p] "m"(address));
		break;
	}
	return done(op, 0, address, 0, flags);
}

/* ---- VMREAD and VMWRITE -------------------------------------------------- */

/* A field by index, or in *ret_odd an encoding that is none of the table's. */
static int random_field(uint64_t *ret_odd)
{
	unsigned int i = diff_below(DIFF->nr_fields);
	uint64_t field = DIFF->fields[i];

	*ret_odd = field;
	switch (diff_below(24)) {
	case 0:	/* high half, or no such access */
		*ret_odd = field | 1;
		return -1;
	case 1:	/* an index that no field has, perhaps */
		*ret_odd = field ^ 2U << diff_below(9);
		return diff_index(*ret_odd);
	case 2:	/* bits that no encoding has */
		if (one_in(3))
			*ret_odd = field | 1ULL << (12 + diff_below(52));
		else if (one_in(2))
			*ret_odd = diff_random();
		else
			*ret_odd = diff_random() & 0x7fff;
		return diff_index(*ret_odd);
	default:
		return i;
	}
}

static void op_vmread(void)
{
	uint64_t field;

	random_field(&field);
	if (one_in(3))
		vmread_mem(field);
	else
		diff_vmread(field);
}

static void note_write(uint64_t field, int index)
{
	if (diff_current == NO_VMCS)
		return;
	if (index < 0)
		index = diff_index(field & ~1ULL);	/* a high half */
	if (index >= 0)
		diff_vmcs[diff_current].dirty[index] = true;
	if (field == GUEST_LINEAR_ADDRESS)
		diff_vmcs[diff_current].linear_unknown = false;
	if (field == VMX_INSTRUCTION_INFO)
		diff_vmcs[diff_current].info_unknown = false;
}

static void op_vmwrite(void)
{
	uint64_t field, value;
	int i = random_field(&field);

	value = diff_any_value(i < 0 ? DIFF_MAX_FIELDS : (unsigned int)i);
	if (vmwrite(field, value, one_in(4)))
		note_write(field, i);
	/* what L1 reads next may be stale */
	if (one_in(2))
		diff_vmread(one_in(4) ? field ^ 1 : field);
}

static void op_sweep(void)
{
	uint32_t i;

	for (i = 0; i < DIFF->nr_fields; i++)
		diff_vmread(DIFF->fields[i]);
}

/* ---- the current VMCS ---------------------------------------------------- */

static uint64_t random_pointer(int *ret_vmcs)
{
	*ret_vmcs = -1;
	switch (diff_below(20)) {
	case 0:
		return DIFF_VMCS_WRONG;
	case 1:
		return DIFF_VMXON_REGION;
	case 2:
		return DIFF_VMCS(0) + 1 + diff_below(4095);
	case 3:
		return 1ULL << (45 + diff_below(19));
	case 4:
		return one_in(2) ? 0x10000000 : DIFF_SHADOW_VMCS;
	default:
		*ret_vmcs = one_in(4) ? diff_below(DIFF_NR_VMCS) : diff_below(2);
		return DIFF_VMCS(*ret_vmcs);
	}
}

static void op_vmptrld(void)
{
	int which;
	uint64_t p = random_pointer(&which);

	/* a shadow VMCS may be current, too: none of ours */
	if (pointer(DIFF_VMPTRLD, p))
		diff_current = which >= 0 ? which : NO_VMCS;
}

static void op_vmclear(void)
{
	int which;
	uint64_t p = random_pointer(&which);

	if (!pointer(DIFF_VMCLEAR, p) || which < 0)
		return;
	diff_vmcs[which].launched = false;
	if (diff_current == which)
		diff_current = NO_VMCS;
}

static void op_vmptrst(void)
{
	uint64_t flags, *p = operand(), out = 0;

	if (is_memory(p))
		*p = 0;
	INSN(flags, "vmptrst (%[p])", : [p] "r"(p));
	if (is_memory(p))
		out = *p;
	done(DIFF_VMPTRST, 0, 0, out, flags);
}

static void op_vmxon(void)
{
	uint64_t p = one_in(4) ? DIFF_VMXON_REGION | 1ULL << diff_below(64) : DIFF_VMXON_REGION;

	if (one_in(8))
		p = DIFF_VMCS_WRONG;
	if (pointer(DIFF_VMXON, p)) {
		vmx_on = true;
		diff_current = NO_VMCS;
	}
}

/* What VMXOFF leaves in memory of a VMCS that was not VMCLEARed is nobody's to know. */
static void forget(int which)
{
	uint32_t i;

	for (i = 0; i < DIFF->nr_fields; i++)
		diff_vmcs[which].dirty[i] = true;
	diff_vmcs[which].linear_unknown = true;
	diff_vmcs[which].info_unknown = true;
}

static void op_vmxoff(void)
{
	uint64_t flags;
	int which;

	if (diff_current != NO_VMCS && one_in(2)) {
		which = diff_current;
		if (pointer(DIFF_VMCLEAR, DIFF_VMCS(which))) {
			diff_vmcs[which].launched = false;
			diff_current = NO_VMCS;
		}
	}
	INSN(flags, "vmxoff", : "i"(0));
	if (!done(DIFF_VMXOFF, 0, 0, 0, flags))
		return;
	if (one_in(3)) {
		INSN(flags, "vmxoff", : "i"(0));
		done(DIFF_VMXOFF, 0, 0, 0, flags);
	}
	vmx_on = false;
	for (which = 0; which < DIFF_NR_VMCS; which++)
		forget(which);
	diff_current = NO_VMCS;
}

/* ---- entries into L2 ----------------------------------------------------- */

static void make_good(bool all)
{
	struct diff_vmcs *v = &diff_vmcs[diff_current];
	uint32_t i;

	for (i = 0; i < DIFF->nr_fields; i++) {
		uint32_t field = DIFF->fields[i];

		/* exit information means nothing to an entry */
		if (!v->dirty[i] || (field >> 10 & 3) == 1 || (!all && !diff_is_critical(field)))
			continue;
		diff_vmwrite(i, diff_good[i]);
		v->dirty[i] = false;
	}
}

static void change_one(void)
{
	unsigned int i = diff_below(DIFF->nr_fields);

	if ((DIFF->fields[i] >> 10 & 3) == 1)
		return;
	diff_vmwrite(i, diff_is_critical(DIFF->fields[i]) ? diff_variant(i) : diff_any_value(i));
	diff_vmcs[diff_current].dirty[i] = true;
}

static void touch(uint32_t field)
{
	int i = diff_index(field);

	if (i >= 0)
		diff_vmcs[diff_current].dirty[i] = true;
}

/* L2 may have changed these. */
static void touch_after_exit(uint64_t changes)
{
	static const uint32_t always[] = {
		GUEST_RIP, GUEST_RSP, GUEST_RFLAGS, GUEST_INTERRUPTIBILITY_INFO,
		GUEST_PENDING_DBG_EXCEPTIONS, GUEST_ACTIVITY_STATE,
	};
	static const uint32_t sometimes[] = {
		GUEST_CR0, GUEST_CR3, GUEST_CR4, GUEST_DR7, GUEST_GDTR_BASE, GUEST_GDTR_LIMIT,
		GUEST_IDTR_BASE, GUEST_IDTR_LIMIT, GUEST_SYSENTER_ESP,
	};
	unsigned int i;

	for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		touch(always[i]);
	/* an exception of L2's, or one that L1 injected */
	if (l2_gpr[2] < 256)
		changes = ~0ULL;
	if (!changes)
		return;
	for (i = 0; i < sizeof(sometimes) / sizeof(sometimes[0]); i++)
		touch(sometimes[i]);
	for (i = 0; i < 8; i++)
		if (changes & DIFF_L2_SEGMENTS) {
			touch(GUEST_ES_SELECTOR + 2 * i);
			touch(GUEST_ES_LIMIT + 2 * i);
			touch(GUEST_ES_AR_BYTES + 2 * i);
			touch(GUEST_ES_BASE + 2 * i);
		}
}

static void choose_program(void)
{
	static const uint16_t selectors[] = {
		SEL_DATA, SEL_DATA_SMALL, SEL_DATA_SMALL, SEL_DATA, 0, SEL_TSS, 0x1000, SEL_DATA | 3,
	};
	unsigned int i;

	for (i = 0; i < 16; i++)
		l2_gpr[i] = diff_random();
	l2_gpr[8] = one_in(3) ? 1ULL << diff_below(DIFF_L2_NR) :
		    one_in(3) ? diff_random() & diff_random() & ((1ULL << DIFF_L2_NR) - 1) : 0;
	l2_gpr[9] = selectors[diff_below(8)];
	l2_gpr[11] = diff_below(DIFF_EXIT_NR);
}

static void log_after_exit(void)
{
	static const uint32_t usual[] = {
		EXIT_QUALIFICATION, VM_EXIT_INTR_INFO, VM_EXIT_INSTRUCTION_LEN, GUEST_RIP,
		IDT_VECTORING_INFO_FIELD,
	};
	unsigned int i;

	diff_log_l1_state();
	diff_record_state(13, l1_exit_rsp);
	for (i = 0; i < 16; i++)
		if (i != GPR_RSP)
			record(DIFF_L2_REGISTER, i, 0, l2_gpr[i]);
	record(DIFF_MEMORY, 0, 0, ((uint64_t *)DIFF_MSR_STORE)[1]);
	record(DIFF_MEMORY, 1, 0, ((uint64_t *)DIFF_MSR_STORE)[3]);
	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (!one_in(3))
			diff_vmread(usual[i]);
}

/* One VMLAUNCH or VMRESUME; the exit reason, or ~0 if it failed. */
static uint64_t enter(bool resume)
{
	enum diff_op op = resume ? DIFF_VMRESUME : DIFF_VMLAUNCH;
	uint64_t flags, reason;

	l1_fixup = (uint64_t)l1_enter_out;
	flags = l1_enter_l2(resume, l2_gpr);
	l1_fixup = 0;
	if (!done(op, 0, 0, 0, flags))
		return ~0ULL;
	diff_vmcs[diff_current].linear_unknown = true;
	reason = diff_vmread(VM_EXIT_REASON);
	diff_vmcs[diff_current].info_unknown = !has_info(reason);
	if (reason >> 31 & 1) {
		DIFF->failed_entries++;
	} else {
		DIFF->entries++;
		diff_vmcs[diff_current].launched = true;
	}
	log_after_exit();
	return reason;
}

/* As a hypervisor does: behind the instruction that exited, and on. */
static void go_on(uint64_t reason, uint64_t changes)
{
	int rip = diff_index(GUEST_RIP);
	uint64_t length;

	while (one_in(2) && (reason == EXIT_REASON_VMCALL || reason == EXIT_REASON_CPUID ||
			     (reason >= 28 && reason <= 32) || reason == 46 || reason == 47)) {
		length = diff_vmread(VM_EXIT_INSTRUCTION_LEN);
		diff_vmwrite(rip, diff_vmread(GUEST_RIP) + (length & 15));
		/* what L2 has changed must not suffer from it */
		if (one_in(2))
			change_one();
		reason = enter(true);
		touch_after_exit(changes);
	}
}

static void op_enter(void)
{
	unsigned int changes;
	uint64_t reason;
	bool resume;

	if (!vmx_on || diff_current == NO_VMCS) {
		enter(one_in(2));
		return;
	}
	choose_program();
	make_good(!one_in(8));
	for (changes = diff_below(4); changes; changes--)
		change_one();
	resume = diff_vmcs[diff_current].launched;
	if (one_in(16))
		resume = !resume;
	reason = enter(resume);
	if (reason == ~0ULL || reason >> 31 & 1)
		return;
	touch_after_exit(l2_gpr[8]);
	go_on(reason, l2_gpr[8]);
}

/* ---- blocks -------------------------------------------------------------- */

static void pause(uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"((uint16_t)DIFF_PORT_PAUSE) : "memory");
}

static void cheap_exit(void)
{
	uint32_t a = 0, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static void step(void)
{
	unsigned int n = diff_below(1000);

	if (!vmx_on && n < 250)
		op_vmxon();
	else if (n < 430)
		op_vmread();
	else if (n < 830)
		op_vmwrite();
	else if (n < 880)
		op_enter();
	else if (n < 910)
		op_vmptrld();
	else if (n < 930)
		op_vmclear();
	else if (n < 940)
		op_vmptrst();
	else if (n < 942)
		op_vmxoff();
	else if (n < 944)
		op_vmxon();
	else if (n < 947)
		op_sweep();
	else if (n < 970)
		cheap_exit();
	else if (n < 990)
		pause(n);
	/* much happens only while a VMCS is current */
	if (vmx_on && diff_current == NO_VMCS && one_in(3))
		op_vmptrld();
}

/* VMX off, and all that a block may have changed as it was. */
static void reset(void)
{
	uint64_t flags;
	unsigned int i;

	if (vmx_on)
		INSN(flags, "vmxoff", : "i"(0));
	l1_fault_vector = L1_NO_VECTOR;
	vmx_on = false;
	diff_current = NO_VMCS;
	diff_reset_l1_state();
	diff_make_tables();
	for (i = 0; i < DIFF_NR_VMCS; i++) {
		diff_vmcs[i].launched = false;
		forget(i);
	}
	for (i = 0; i < 16; i++)
		l2_gpr[i] = 0;
	DIFF->nr_records = 0;
	DIFF->done = DIFF->entries = DIFF->failed_entries = 0;
	for (i = 0; i < DIFF_NR_OPS; i++)
		DIFF->seen[i] = DIFF->succeeded[i] = 0;
}

/* Good values are what a VMCS holds after the setup that all tests use, and our own. */
static void learn_good(void)
{
	uint64_t flags, value;
	uint32_t i;

	pointer(DIFF_VMXON, DIFF_VMXON_REGION);
	pointer(DIFF_VMCLEAR, DIFF_VMCS(0));
	pointer(DIFF_VMPTRLD, DIFF_VMCS(0));
	l1_setup_current();
	for (i = 0; i < DIFF->nr_fields; i++) {
		value = 0;
		INSN(flags, "vmread %[e], %[v]", , [v] "+r"(value) : [e] "r"((uint64_t)DIFF->fields[i]));
		diff_good[i] = (DIFF->fields[i] >> 10 & 3) == 1 ? 0 : value;
	}
	diff_choose_good();
	vmx_on = true;
}

void l1_diff(void)
{
	random_state = DIFF->seed | 1;
	make_indices();
	reset();
	learn_good();
	reset();
	while (DIFF->done < DIFF->nr_ops &&
	       DIFF->nr_records + DIFF_STEP_RECORDS < DIFF_MAX_RECORDS)
		step();
}
