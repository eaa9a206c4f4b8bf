// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * After L2 ran, L1 reads the truth, whatever the policy: exit information and the
 * guest state that the exit left.  Every program of L2 leaves other values, so that
 * a value that stayed behind shows.
 */
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

struct truth {
	uint32_t field;
	uint64_t value;
};

#define ANY 0xfffffffffffffff0ULL	/* compared with intercept-all only */

/* What an Intel processor has in the fields after each program; 0 ends the list. */
static const struct truth truths[L2_NR][8] = {
	[L2_VMCALL] = {
		{ VM_EXIT_REASON, EXIT_REASON_VMCALL }, { VM_EXIT_INSTRUCTION_LEN, 3 },
		{ EXIT_QUALIFICATION, 0 },
		{ GUEST_CS_AR_BYTES, 0xa09b }, { GUEST_SS_AR_BYTES, 0xc093 },
	},
	[L2_OUT] = {
		/* one byte, out, immediate operand, port 0x80 */
		{ VM_EXIT_REASON, EXIT_REASON_IO }, { EXIT_QUALIFICATION, 0x800040 },
		{ VM_EXIT_INSTRUCTION_LEN, 2 },
		{ GUEST_CS_AR_BYTES, 0xa09b }, { GUEST_SS_AR_BYTES, 0xc093 },
	},
	[L2_EPT] = {
		{ VM_EXIT_REASON, EXIT_REASON_EPT_VIOLATION },
		{ GUEST_PHYSICAL_ADDRESS, L2_HOLE + 0x128 },
		{ GUEST_PHYSICAL_ADDRESS_HIGH, 0 }, { GUEST_LINEAR_ADDRESS, L2_HOLE + 0x128 },
		{ EXIT_QUALIFICATION, ANY },
		{ GUEST_CS_AR_BYTES, 0xa09b }, { GUEST_SS_AR_BYTES, 0xc093 },
	},
	[L2_SEGMENTS] = {
		{ VM_EXIT_REASON, EXIT_REASON_VMCALL }, { EXIT_QUALIFICATION, 0 },
		{ GUEST_CS_SELECTOR, SEL_CODE_CONFORMING }, { GUEST_SS_SELECTOR, SEL_DATA_SMALL },
		{ GUEST_CS_AR_BYTES, 0xa09f }, { GUEST_SS_AR_BYTES, 0x4093 },
		{ GUEST_SS_LIMIT, 0xfffff },
	},
	[L2_UD] = {
		/* valid, hardware exception 6 */
		{ VM_EXIT_REASON, EXIT_REASON_EXCEPTION }, { VM_EXIT_INTR_INFO, 0x80000306 },
		{ GUEST_CS_AR_BYTES, 0xa09b }, { GUEST_SS_AR_BYTES, 0xc093 },
	},
	[L2_GP] = {
		/* valid, hardware exception 13 with an error code: the selector */
		{ VM_EXIT_REASON, EXIT_REASON_EXCEPTION }, { VM_EXIT_INTR_INFO, 0x80000b0d },
		{ VM_EXIT_INTR_ERROR_CODE, SEL_TSS },
		{ GUEST_CS_AR_BYTES, 0xa09b }, { GUEST_SS_AR_BYTES, 0xc093 },
	},
	[L2_HLT] = {
		{ VM_EXIT_REASON, EXIT_REASON_HLT }, { VM_EXIT_INSTRUCTION_LEN, 1 },
		{ EXIT_QUALIFICATION, 0 },
		{ GUEST_CS_AR_BYTES, 0xa09b }, { GUEST_SS_AR_BYTES, 0xc093 },
	},
};

/* Each program follows one that leaves other values. */
static const enum l2_program order[] = {
	L2_VMCALL, L2_SEGMENTS, L2_OUT, L2_UD, L2_EPT, L2_GP, L2_HLT, L2_SEGMENTS, L2_EPT, L2_VMCALL,
};
#define STEPS (sizeof(order) / sizeof(order[0]))

/* All fields after each step under intercept-all, where vmcs12 answers. */
static uint64_t reference[STEPS][DEV_MAX_FIELDS];

/* The segments back to normal, by the fields that L2_SEGMENTS changes. */
static void restore_segments(struct vm *vm)
{
	vm_vmwrite(vm, GUEST_CS_SELECTOR, SEL_CODE);
	vm_vmwrite(vm, GUEST_CS_AR_BYTES, 0xa09b);
	vm_vmwrite(vm, GUEST_SS_SELECTOR, SEL_DATA);
	vm_vmwrite(vm, GUEST_SS_AR_BYTES, 0xc093);
	vm_vmwrite(vm, GUEST_SS_LIMIT, 0xffffffff);
}

static void check_step(struct vm *vm, int fd, const struct policy *p, unsigned int step)
{
	static struct counters before, after;
	const struct truth *t;
	unsigned int i;
	uint64_t exits;

	for (t = truths[order[step]]; t->field; t++)
		if (t->value != ANY)
			expect_is(vm_vmread(vm, t->field), t->value, "%s: step %u: %s", p->name, step,
				  dev_name(t->field));
	expect_is(vm_vmread(vm, GUEST_RIP), vm->m->l2_exit[order[step]], "%s: step %u: GUEST_RIP",
		  p->name, step);
	for (i = exits = 0; i < dev_nr_fields; i++)
		exits += dev_class(p, dev_fields[i].encoding) == NVMX_CLASS_INTERCEPT;
	dev_counters(fd, &before);
	for (i = 0; i < dev_nr_fields; i++)
		expect(vm_vmread(vm, dev_fields[i].encoding) == reference[step][i] ||
		       dev_is_unspecified(dev_fields[i].encoding),
			  "%s: step %u: %s as under intercept-all", p->name, step,
			  dev_fields[i].name);
	dev_counters(fd, &after);
	expect_is(after.total.vmread_exits - before.total.vmread_exits, exits,
		  "%s: step %u: VMREAD exits, one of each field of class intercept", p->name, step);
}

/* A VM of its own for each policy: the same history, so the same values. */
static void run_policy(enum dev_policy which, bool is_reference)
{
	struct policy p;
	struct vm vm;
	unsigned int step, i;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	dev_make_policy(which, &p);
	dev_must_set(fd, &p);
	test_begin();
	for (step = 0; step < STEPS; step++) {
		restore_segments(&vm);
		vm_run_l2(&vm, order[step]);
		for (i = 0; is_reference && i < dev_nr_fields; i++)
			reference[step][i] = vm_vmread(&vm, dev_fields[i].encoding);
		check_step(&vm, fd, &p, step);
	}
	test_end("%s: after L2 ran, VMREAD gives the truth of every field%s", p.name,
		 is_reference ? " (reference)" : "");
	close(fd);
	vm_free(&vm);
}

/* L2 exits a thousand times, L1 working as hypervisors do. */
static void test_many(enum dev_policy which)
{
	static struct counters before, after;
	struct policy p;
	struct l1_op *op;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	dev_make_policy(which, &p);
	dev_must_set(fd, &p);
	vm.m->l2_gpr[GPR_RBX] = 0;
	vm_vmwrite(&vm, GUEST_RIP, vm.m->l2_entry[L2_MIX]);
	test_begin();
	dev_counters(fd, &before);
	op = vm_op(&vm, L1_L2_LOOP, 0, 0, 999);
	dev_counters(fd, &after);
	expect_is(op->flags, 0, "entries");
	expect_is(op->value, 333 * (10 + 18 + 30), "sum of the exit reasons");
	expect_is(vm.m->l2_gpr[GPR_RBX], 332, "L2's own count of its rounds");
	expect_is(after.total.nested_entries - before.total.nested_entries, 999, "nested entries");
	expect_is(after.total.nested_exits_reflected - before.total.nested_exits_reflected, 999,
		  "exits reflected");
	expect_is(dev_reads(&after, VM_EXIT_REASON) - dev_reads(&before, VM_EXIT_REASON),
		  dev_class(&p, VM_EXIT_REASON) ? 0 : 999, "VMREAD exits of VM_EXIT_REASON");
	expect_is(dev_writes(&after, GUEST_RIP) - dev_writes(&before, GUEST_RIP),
		  dev_class(&p, GUEST_RIP) == NVMX_CLASS_READ_WRITE ? 0 : 999,
		  "VMWRITE exits of GUEST_RIP");
	test_end("%s: 999 exits of L2, with L1's every count right", p.name);
	close(fd);
	vm_free(&vm);
}

/*
 * What L2 left in vmcs02 and L1 did not ask for yet.  The class of one field that goes the
 * slow path and is not lazy is @class, all others are intercepted: nothing but L1's
 * VMWRITE of it, which may not even exit, sends the entry the slow path.
 */
static void test_not_fetched(unsigned int class)
{
	static struct policy p;
	struct vm vm;
	int fd;

	dev_make_empty("slow", &p);
	if (class != NVMX_CLASS_INTERCEPT)
		dev_set_class(&p, PAGE_FAULT_ERROR_CODE_MASK, class);
	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	dev_must_set(fd, &p);
	test_begin();
	expect(dev_field(GUEST_SS_LIMIT)->flags & NVMX_FIELD_LAZY, "GUEST_SS_LIMIT is lazy");
	vm_run_l2(&vm, L2_SEGMENTS);
	vm_vmwrite(&vm, PAGE_FAULT_ERROR_CODE_MASK, 8);
	vm_run_l2(&vm, L2_OUT);
	expect_is(vm_vmread(&vm, GUEST_SS_LIMIT), 0xfffff, "GUEST_SS_LIMIT, after another entry");
	expect_is(vm_vmread(&vm, GUEST_SS_SELECTOR), SEL_DATA_SMALL, "GUEST_SS_SELECTOR");
	test_end("guest state that is fetched lazily survives a slow entry (%s)",
		 class == NVMX_CLASS_READ_WRITE ? "L1 writes without an exit" : "VMWRITE exits");
	close(fd);
	vm_free(&vm);
}

int main(void)
{
	enum dev_policy which;

	dev_open();
	run_policy(POLICY_INTERCEPT_ALL, true);
	for (which = 0; which < POLICY_NR; which++)
		run_policy(which, false);
	for (which = 0; which < POLICY_NR; which++)
		test_many(which);
	test_not_fetched(NVMX_CLASS_INTERCEPT);
	test_not_fetched(NVMX_CLASS_READ_WRITE);
	return done_testing();
}
