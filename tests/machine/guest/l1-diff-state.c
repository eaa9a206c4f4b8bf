// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * State for the differential test's VMCSs: a good value for each field, variations of
 * it, and the tables in memory that they refer to.
 *
 * Whatever the generator writes before an entry, L2 must come back, and L1 must survive
 * that.  So the fields that could send L2 or L1 astray ("critical") never hold a random
 * value at an entry: only one of which it is known that it is harmless or that the entry
 * fails for it.
 */
#include "l1-diff.h"

extern char l2_diff[], l2_diff_stubs[];

#define HIGH_BIT	(1ULL << 52)	/* beyond the width of physical addresses */
#define NON_CANONICAL	(1ULL << 62)

#define CTL_PIN_TIMER	(1U << 6)	/* counts down with the TSC: differs from run to run */
#define CTL_EXIT_TIMER	(1U << 22)	/* saves what is left of it */
#define CTL_IA32E	(1U << 9)	/* 64-bit L1 and L2: everything else follows from it */
#define CTL2_PML	(1U << 17)	/* what is logged depends on who touched a page first */

static void fill(uint64_t where, uint8_t byte, uint64_t size)
{
	asm volatile("rep stosb" : "+D"(where), "+c"(size) : "a"(byte) : "memory");
}

static void copy(uint64_t to, uint64_t from, uint64_t size)
{
	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* ---- tables in memory ---------------------------------------------------- */

static void make_page_tables(void)
{
	uint64_t *pd = (uint64_t *)DIFF_L2_PD, *ept = (uint64_t *)DIFF_EPT_PD;

	copy(DIFF_PML4, L1_PML4, 4096);
	fill(DIFF_L2_PML4, 0, 3 * 4096);
	fill(DIFF_EPT_PML4, 0, 3 * 4096);
	*(uint64_t *)DIFF_L2_PML4 = DIFF_L2_PDPT | 3;
	*(uint64_t *)DIFF_L2_PDPT = DIFF_L2_PD | 3;
	pd[0] = 0x81;
	pd[DIFF_L2 >> 21] = DIFF_L2 | 0x83;
	pd[L2_HOLE >> 21] = L2_HOLE | 0x83;
	*(uint64_t *)DIFF_EPT_PML4 = DIFF_EPT_PDPT | 7;
	*(uint64_t *)DIFF_EPT_PDPT = DIFF_EPT_PD | 7;
	ept[0] = 0xb5;
	ept[DIFF_L2 >> 21] = DIFF_L2 | 0xb7;
}

static void make_idt(uint64_t where)
{
	uint64_t *gate = (uint64_t *)where;
	uint64_t handler;
	unsigned int i;

	for (i = 0; i < 256; i++) {
		handler = (uint64_t)l2_diff_stubs + 16 * i;
		gate[2 * i] = (handler & 0xffff) | SEL_CODE << 16 | 0x8eULL << 40 |
			      (handler >> 16 & 0xffff) << 48;
		gate[2 * i + 1] = 0;
	}
}

static void make_msr_area(uint64_t where, uint32_t msr, uint64_t value)
{
	((uint64_t *)where)[0] = msr;
	((uint64_t *)where)[1] = value;
}

/* All that a block may have changed; each begins with the same memory. */
void diff_make_tables(void)
{
	unsigned int i;

	fill(DIFF_VMCS(0), 0, DIFF_PML4 - DIFF_VMCS(0));
	for (i = 0; i < DIFF_NR_VMCS; i++)
		*(uint32_t *)(uint64_t)DIFF_VMCS(i) = diff_rdmsr(MSR_IA32_VMX_BASIC);
	*(uint32_t *)DIFF_VMXON_REGION = diff_rdmsr(MSR_IA32_VMX_BASIC);
	*(uint32_t *)DIFF_VMCS_WRONG = diff_rdmsr(MSR_IA32_VMX_BASIC) ^ 4;
	*(uint32_t *)DIFF_SHADOW_VMCS = diff_rdmsr(MSR_IA32_VMX_BASIC) | 1U << 31;
	fill(DIFF_L2, 0, 0x8000);
	fill(DIFF_L2_STACK - 0x4000, 0, 0x4000);
	make_page_tables();
	copy(DIFF_GDT, L1_GDT, 0x100);
	copy(DIFF_L2_GDT, L1_GDT, 0x100);
	copy(DIFF_IDT, L1_IDT, 0x200);
	make_idt(DIFF_L2_IDT);
	/* the third entry may not be in a list: the entry fails there */
	make_msr_area(DIFF_MSR_LOAD, 0x175, 0x1234);		/* IA32_SYSENTER_ESP */
	make_msr_area(DIFF_MSR_LOAD + 16, 0x277, 0x0007040600070406);	/* IA32_PAT */
	make_msr_area(DIFF_MSR_LOAD + 32, 0xc0000100, 0);	/* IA32_FS_BASE */
	make_msr_area(DIFF_MSR_STORE, 0x175, 0);
	make_msr_area(DIFF_MSR_STORE + 16, 0x174, 0);		/* IA32_SYSENTER_CS */
	make_msr_area(DIFF_MSR_HOST, 0x176, 0x4321);		/* IA32_SYSENTER_EIP */
	make_msr_area(DIFF_MSR_HOST + 16, 0x277, 0x0007040600070406);
}

/* ---- good values --------------------------------------------------------- */

static void set_good(uint32_t field, uint64_t value)
{
	int i = diff_index(field);

	if (i >= 0)
		diff_good[i] = value;
}

/* The current VMCS holds what l1_setup_current() wrote. */
void diff_choose_good(void)
{
	int cpu = diff_index(CPU_BASED_VM_EXEC_CONTROL);

	/* bitmaps, which let L2 do all, instead of exits for all I/O and MSRs */
	if (cpu >= 0)
		diff_good[cpu] = (diff_good[cpu] & ~(1ULL << 24)) | 1 << 25 | 1 << 28;
	set_good(GUEST_CR3, DIFF_L2_PML4);
	set_good(EPT_POINTER, DIFF_EPT_PML4 | 6 | 3 << 3);
	set_good(GUEST_GDTR_BASE, DIFF_L2_GDT);
	set_good(GUEST_IDTR_BASE, DIFF_L2_IDT);
	set_good(GUEST_IDTR_LIMIT, 0xfff);
	set_good(GUEST_TR_BASE, DIFF_L2_TSS);
	set_good(GUEST_RIP, (uint64_t)l2_diff);
	set_good(GUEST_RSP, DIFF_L2_STACK);
	set_good(VIRTUAL_PROCESSOR_ID, 1);
	set_good(IO_BITMAP_A, DIFF_IO_BITMAP_A);
	set_good(IO_BITMAP_B, DIFF_IO_BITMAP_B);
	set_good(MSR_BITMAP, DIFF_MSR_BITMAP);
	set_good(VM_ENTRY_MSR_LOAD_ADDR, DIFF_MSR_LOAD);
	set_good(VM_EXIT_MSR_STORE_ADDR, DIFF_MSR_STORE);
	set_good(VM_EXIT_MSR_LOAD_ADDR, DIFF_MSR_HOST);
	set_good(VIRTUAL_APIC_PAGE_ADDR, DIFF_VAPIC);
	set_good(APIC_ACCESS_ADDR, DIFF_APIC_ACCESS);
	set_good(VMREAD_BITMAP, DIFF_VMREAD_BITMAP);
	set_good(VMWRITE_BITMAP, DIFF_VMWRITE_BITMAP);
	set_good(GUEST_IA32_PAT, 0x0007040600070406);
	set_good(HOST_IA32_PAT, 0x0007040600070406);
	set_good(GUEST_IA32_EFER, 0x500);
	set_good(HOST_IA32_EFER, 0x500);
}

/* ---- variations ---------------------------------------------------------- */

static uint64_t one_of(const uint64_t *values, unsigned int n)
{
	return values[diff_below(n)];
}
#define ONE_OF(...) ({							\
	const uint64_t values_[] = { __VA_ARGS__ };			\
	one_of(values_, sizeof(values_) / sizeof(values_[0]));		\
})

/* The good value with one bit flipped that both settings are allowed of, but for @keep. */
static uint64_t flip_control(uint64_t good, uint32_t msr, uint32_t keep)
{
	uint64_t allowed = diff_rdmsr(msr);
	uint32_t free = (uint32_t)(allowed >> 32) & ~(uint32_t)allowed & ~keep;
	unsigned int i, bit = diff_below(32);

	/* sometimes one of the others: the entry fails */
	if (!diff_below(8))
		return good ^ (1U << bit & ~keep & ~free);
	for (i = 0; i < 32; i++)
		if (free >> ((bit + i) & 31) & 1)
			return good ^ 1U << ((bit + i) & 31);
	return good;
}

static uint64_t flip_one(uint64_t good, uint64_t bits)
{
	unsigned int i, bit = diff_below(64);

	for (i = 0; i < 64; i++)
		if (bits >> ((bit + i) & 63) & 1)
			return good ^ 1ULL << ((bit + i) & 63);
	return good;
}

static uint64_t control_variant(uint32_t field, uint64_t good)
{
	uint32_t t = diff_rdmsr(MSR_IA32_VMX_BASIC) & (1ULL << 55) ? 0xc : 0;

	switch (field) {
	case PIN_BASED_VM_EXEC_CONTROL:
		return flip_control(good, 0x481 + t, CTL_PIN_TIMER);
	case CPU_BASED_VM_EXEC_CONTROL:
		return flip_control(good, 0x482 + t, 0);
	case SECONDARY_VM_EXEC_CONTROL:
		return flip_control(good, 0x48b, CTL2_PML);
	case VM_EXIT_CONTROLS:
		return flip_control(good, 0x483 + t, CTL_EXIT_TIMER);
	default:
		return flip_control(good, 0x484 + t, CTL_IA32E);
	}
}

/*
 * An event to inject.  An entry may be interrupted, by anything on the host, before the
 * processor has taken its event, of which KVM keeps no more than fits one of its own: of
 * an exception the vector, of software's the length of the instruction as long as the vCPU
 * stays in its VM, of others nothing.  #BP is software's to KVM whatever its type was.
 */
static uint64_t event_variant(void)
{
	unsigned int type = diff_below(4);
	uint64_t vector = ONE_OF(0, 1, 2, 3, 6, 8, 13, 14, 32, 0xfe);

	if (type == 3 && vector == 3)
		vector = 6;
	return 1U << 31 | type << 8 | vector | (diff_below(3) ? 0 : 1U << 11) |
	       (diff_below(8) ? 0 : 1U << 12);
}

static uint64_t guest_variant(uint32_t field, uint64_t good)
{
	switch (field) {
	case GUEST_RIP:
		return ONE_OF(good, NON_CANONICAL | good, (uint64_t)l2_diff_stubs);
	case GUEST_CS_AR_BYTES:
		return ONE_OF(good, 0xa09f, 0xa099, 0xe09b, 0xa01b, 0x1a09b, 0xa08b, 0xa093);
	case GUEST_CR0:
		/* CD, NW, AM, WP, TS, EM, MP; NE and reserved ones: the entry fails */
		return flip_one(good, 0x6005002eULL | 0x40 | 1ULL << 63);
	case GUEST_CR3:
		return ONE_OF(good, good | 0x18, good | HIGH_BIT);
	case GUEST_CR4:
		return flip_one(good, 0x7dcULL | 1 << 11 | 1 << 13 | 1 << 20 | 1ULL << 31);
	case GUEST_ACTIVITY_STATE:
		/* halted, it would wait for an interrupt for ever; so would wait-for-SIPI */
		return ONE_OF(0, 2, 4, 0x80000000);
	case VMCS_LINK_POINTER:
		return ONE_OF(good, DIFF_SHADOW_VMCS, DIFF_VMCS_WRONG, 0x123, HIGH_BIT);
	case VM_ENTRY_INTR_INFO_FIELD:
		return event_variant();
	default:
		return good;
	}
}

static uint64_t host_variant(uint32_t field, uint64_t good)
{
	switch (field) {
	case HOST_CR0:
		return flip_one(good, 0x5000aULL | 0x20 | 1ULL << 40);	/* AM, WP, TS, MP; NE */
	case HOST_CR3:
		return ONE_OF(good, DIFF_PML4, DIFF_PML4 | 0x18, good | HIGH_BIT);
	case HOST_CR4:
		return flip_one(good, 0x68cULL | 1 << 5 | 1 << 13 | 1ULL << 31);
	case HOST_CS_SELECTOR:
		return ONE_OF(good, 0, good | 3, good | 4);
	case HOST_SS_SELECTOR: case HOST_DS_SELECTOR: case HOST_ES_SELECTOR:
	case HOST_FS_SELECTOR: case HOST_GS_SELECTOR:
		return ONE_OF(good, 0, SEL_DATA_SMALL, good | 3, good | 4);
	case HOST_TR_SELECTOR:
		return ONE_OF(good, 0, good | 3);
	case HOST_TR_BASE:
		return ONE_OF(good, good | NON_CANONICAL);
	case HOST_GDTR_BASE:
		return ONE_OF(good, DIFF_GDT, good | NON_CANONICAL);
	case HOST_IDTR_BASE:
		return ONE_OF(good, DIFF_IDT, good | NON_CANONICAL);
	case HOST_RIP:
		return ONE_OF(good, good | NON_CANONICAL);
	case HOST_IA32_EFER:
		return ONE_OF(good, good | 1, good | 0x800, good ^ 0x400, good | 2);
	default:
		return good;
	}
}

static uint64_t address_variant(uint32_t field, uint64_t good)
{
	switch (field) {
	case EPT_POINTER:
		return ONE_OF(good, good ^ 0x40, good ^ 7, good ^ 8, good | 0x80, good | HIGH_BIT);
	case VM_ENTRY_MSR_LOAD_COUNT:
		return ONE_OF(1, 2, 3);
	case VM_EXIT_MSR_STORE_COUNT: case VM_EXIT_MSR_LOAD_COUNT:
		/* more would abort L1: none of the two may fail */
		return ONE_OF(1, 2);
	default:
		/* pages and areas, with what makes an address invalid */
		return ONE_OF(good, good | 4, good | HIGH_BIT);
	}
}

bool diff_is_critical(uint32_t field)
{
	switch (field) {
	case PIN_BASED_VM_EXEC_CONTROL: case CPU_BASED_VM_EXEC_CONTROL:
	case SECONDARY_VM_EXEC_CONTROL: case VM_EXIT_CONTROLS: case VM_ENTRY_CONTROLS:
	case GUEST_RIP: case GUEST_CS_AR_BYTES: case GUEST_CR0: case GUEST_CR3: case GUEST_CR4:
	case GUEST_ACTIVITY_STATE: case VMCS_LINK_POINTER: case VM_ENTRY_INTR_INFO_FIELD:
	case HOST_CR0: case HOST_CR3: case HOST_CR4: case HOST_CS_SELECTOR: case HOST_SS_SELECTOR:
	case HOST_DS_SELECTOR: case HOST_ES_SELECTOR: case HOST_FS_SELECTOR: case HOST_GS_SELECTOR:
	case HOST_TR_SELECTOR: case HOST_TR_BASE: case HOST_GDTR_BASE: case HOST_IDTR_BASE:
	case HOST_RIP: case HOST_IA32_EFER:
	case EPT_POINTER: case VM_ENTRY_MSR_LOAD_COUNT: case VM_EXIT_MSR_STORE_COUNT:
	case VM_EXIT_MSR_LOAD_COUNT: case VM_ENTRY_MSR_LOAD_ADDR: case VM_EXIT_MSR_STORE_ADDR:
	case VM_EXIT_MSR_LOAD_ADDR: case APIC_ACCESS_ADDR: case VIRTUAL_APIC_PAGE_ADDR:
	case POSTED_INTR_DESC_ADDR: case PML_ADDRESS: case IO_BITMAP_A: case IO_BITMAP_B:
	case MSR_BITMAP: case VMREAD_BITMAP: case VMWRITE_BITMAP:
		return true;
	default:
		return false;
	}
}

uint64_t diff_variant(unsigned int index)
{
	uint32_t field = DIFF->fields[index];

	switch (field) {
	case PIN_BASED_VM_EXEC_CONTROL: case CPU_BASED_VM_EXEC_CONTROL:
	case SECONDARY_VM_EXEC_CONTROL: case VM_EXIT_CONTROLS: case VM_ENTRY_CONTROLS:
		return control_variant(field, diff_good[index]);
	case GUEST_RIP: case GUEST_CS_AR_BYTES: case GUEST_CR0: case GUEST_CR3: case GUEST_CR4:
	case GUEST_ACTIVITY_STATE: case VMCS_LINK_POINTER: case VM_ENTRY_INTR_INFO_FIELD:
		return guest_variant(field, diff_good[index]);
	default:
		return (field >> 10 & 3) == 3 ? host_variant(field, diff_good[index]) :
						address_variant(field, diff_good[index]);
	}
}

/* For a field that is not critical, or one that is made good before the next entry. */
uint64_t diff_any_value(unsigned int index)
{
	uint64_t good = index < DIFF->nr_fields ? diff_good[index] : 0;

	switch (diff_below(8)) {
	case 0:
		return 0;
	case 1:
		return ~0ULL;
	case 2:
		return good;
	case 3:
		return good ^ 1ULL << diff_below(64);
	case 4:
		return diff_random() >> 32;
	case 5:
		return diff_random() & 0xffff;
	case 6:
		/* canonical, or just not */
		return (uint64_t)((int64_t)(diff_random() << 17) >> 17);
	default:
		return diff_random();
	}
}

/* ---- L1's own state after an exit ---------------------------------------- */

#define LOG_SELECTOR(i, reg) do {					\
		uint64_t v_;						\
		asm volatile("mov %%" #reg ", %k0" : "=r"(v_));		\
		diff_record_state(i, v_ & 0xffff);			\
	} while (0)
#define LOG_REGISTER(i, reg) do {					\
		uint64_t v_;						\
		asm volatile("mov %%" #reg ", %0" : "=r"(v_));		\
		diff_record_state(i, v_);				\
	} while (0)

/* It came from the host state area. */
void diff_log_l1_state(void)
{
	static const uint32_t msrs[] = {
		0x174, 0x175, 0x176,		/* IA32_SYSENTER_{CS,ESP,EIP} */
		0x1d9, 0x277, 0xc0000080,	/* IA32_DEBUGCTL, IA32_PAT, IA32_EFER */
		0xc0000100, 0xc0000101,		/* IA32_{FS,GS}_BASE */
	};
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) table;
	uint16_t selector;
	unsigned int i;

	LOG_SELECTOR(0, cs);
	LOG_SELECTOR(1, ss);
	LOG_SELECTOR(2, ds);
	LOG_SELECTOR(3, es);
	LOG_SELECTOR(4, fs);
	LOG_SELECTOR(5, gs);
	asm volatile("str %0" : "=r"(selector));
	diff_record_state(6, selector);
	LOG_REGISTER(7, cr0);
	LOG_REGISTER(8, cr3);
	LOG_REGISTER(9, cr4);
	LOG_REGISTER(10, dr7);
	asm volatile("sgdt %0" : "=m"(table));
	diff_record_state(11, table.base);
	asm volatile("sidt %0" : "=m"(table));
	diff_record_state(12, table.base);
	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		diff_record_state(20 + i, diff_rdmsr(msrs[i]));
}

/* What vm.c gave L1, and VMXE. */
void diff_reset_l1_state(void)
{
	static const uint32_t msrs[] = { 0x174, 0x175, 0x176, 0x1d9, 0xc0000100, 0xc0000101 };
	struct { uint16_t limit; uint64_t base; } __attribute__((packed))
		gdtr = { 0xff, L1_GDT }, idtr = { 0x1ff, L1_IDT };
	unsigned int i;

	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		diff_wrmsr(msrs[i], 0);
	diff_wrmsr(0x277, 0x0007040600070406);
	diff_wrmsr(0xc0000080, 0x500);
	asm volatile("mov %0, %%cr0" : : "r"(0x80000031UL) : "memory");
	asm volatile("mov %0, %%cr3" : : "r"((uint64_t)L1_PML4) : "memory");
	asm volatile("mov %0, %%cr4" : : "r"(0x2220UL) : "memory");
	asm volatile("mov %0, %%dr7" : : "r"(0x400UL));
	asm volatile("lgdt %0" : : "m"(gdtr));
	asm volatile("lidt %0" : : "m"(idtr));
	asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(SEL_DATA));
	asm volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(SEL_DATA));
}
