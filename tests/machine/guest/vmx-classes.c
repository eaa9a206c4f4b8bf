// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shadow classes: which accesses of L1 exit, counted exactly by the kernel, for
 * every field and every class that its table allows; and what L1 reads back.
 */
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

#define N 5

static struct counters before, after;

/*
 * N VMREADs and N VMWRITEs of what was read, with operands in registers and in
 * memory: they exit as the class says, and no other field is charged for it.
 */
static void access_field(struct vm *vm, int fd, const struct nvmx_field *f, unsigned int class)
{
	uint64_t reads = class == NVMX_CLASS_INTERCEPT ? 2 * N + 1 : 0;
	uint64_t writes = class == NVMX_CLASS_READ_WRITE ? 0 : N + 2;
	struct l1_op ops[4] = {
		{ .op = L1_VMREAD, .field = f->encoding, .count = N },
		{ .op = L1_VMREAD_MEM, .field = f->encoding, .count = N + 1 },
		{ .op = L1_VMWRITE, .field = f->encoding, .count = N },
		{ .op = L1_VMWRITE_MEM, .field = f->encoding, .count = 2 },
	};
	unsigned int i;

	dev_counters(fd, &before);
	vm_batch(vm, ops, 2);
	ops[2].value = ops[3].value = ops[0].value;
	vm_batch(vm, ops + 2, 2);
	dev_counters(fd, &after);
	for (i = 0; i < 4; i++)
		expect(!ops[i].flags && ops[i].vector == L1_NO_VECTOR,
		       "%s: operation %u succeeds", f->name, i);
	expect_is(ops[1].value, ops[0].value, "%s: both forms read the same", f->name);
	expect_is(dev_reads(&after, f->encoding) - dev_reads(&before, f->encoding), reads,
		  "%s: VMREAD exits", f->name);
	expect_is(dev_writes(&after, f->encoding) - dev_writes(&before, f->encoding), writes,
		  "%s: VMWRITE exits", f->name);
	expect_is(after.total.vmread_exits - before.total.vmread_exits, reads,
		  "%s: VMREAD exits in all", f->name);
	expect_is(after.total.vmwrite_exits - before.total.vmwrite_exits, writes,
		  "%s: VMWRITE exits in all", f->name);
	expect_is(after.total.vmwrite_propagated - before.total.vmwrite_propagated,
		  class == NVMX_CLASS_READ_ONLY ? writes : 0, "%s: VMWRITEs propagated", f->name);
}

static const char *const class_names[] = { "intercept", "read-only", "read-write" };

static void test_all_in_class(struct vm *vm, int fd, unsigned int class)
{
	struct policy p;
	unsigned int i, n = 0;

	dev_make_empty("one class", &p);
	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], class))
			dev_set_class(&p, dev_fields[i].encoding, class);
	dev_must_set(fd, &p);
	test_begin();
	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], class)) {
			access_field(vm, fd, &dev_fields[i], class);
			n++;
		}
	test_end("%s: exits of all %u fields at once are as they must be", class_names[class], n);
}

/* One field at a time is shadowed, so a wrong bit in a bitmap cannot hide behind another. */
static void test_one_by_one(struct vm *vm, int fd, unsigned int class)
{
	struct policy p;
	unsigned int i, j, others, n = 0;
	uint32_t e;

	test_begin();
	for (i = 0; i < dev_nr_fields; i++) {
		if (!dev_allows(&dev_fields[i], class))
			continue;
		dev_make_empty("one field", &p);
		dev_set_class(&p, dev_fields[i].encoding, class);
		dev_must_set(fd, &p);
		access_field(vm, fd, &dev_fields[i], class);
		dev_counters(fd, &before);
		for (j = others = 0; j < dev_nr_fields; j++) {
			e = dev_fields[j].encoding;
			if (j == i || !dev_allows(&dev_fields[j], NVMX_CLASS_READ_ONLY))
				continue;
			vm_vmwrite(vm, e, vm_vmread(vm, e));
			others++;
		}
		dev_counters(fd, &after);
		expect_is(after.total.vmread_exits - before.total.vmread_exits, others,
			  "%s alone: VMREADs of the others exit", dev_fields[i].name);
		expect_is(after.total.vmwrite_exits - before.total.vmwrite_exits, others,
			  "%s alone: VMWRITEs of the others exit", dev_fields[i].name);
		n++;
	}
	test_end("%s: exits with one of %u fields at a time, all others intercepted",
		 class_names[class], n);
}

static void test_high_halves(struct vm *vm, int fd)
{
	static const unsigned int want[][2] = { { 1, 1 }, { 0, 1 }, { 0, 0 } };
	struct policy p;
	unsigned int class;
	uint32_t e = GUEST_PHYSICAL_ADDRESS;

	test_begin();
	for (class = 0; class < NVMX_NR_CLASSES; class++) {
		dev_make_empty("high half", &p);
		dev_set_class(&p, e, class);
		dev_must_set(fd, &p);
		dev_counters(fd, &before);
		vm_vmwrite(vm, e, 0x1111111122222222);
		vm_vmwrite(vm, e + 1, 0x5555555533333333);
		expect_is(vm_vmread(vm, e), 0x3333333322222222, "%s: full field", class_names[class]);
		expect_is(vm_vmread(vm, e + 1), 0x33333333, "%s: high half", class_names[class]);
		dev_counters(fd, &after);
		expect_is(dev_reads(&after, e) - dev_reads(&before, e), 2 * want[class][0],
			  "%s: VMREAD exits count for the full field", class_names[class]);
		expect_is(dev_writes(&after, e) - dev_writes(&before, e), 2 * want[class][1],
			  "%s: VMWRITE exits count for the full field", class_names[class]);
	}
	test_end("both halves of a 64-bit field go together");
}

static void test_unknown(struct vm *vm, int fd)
{
	struct l1_op ops[] = {
		{ .op = L1_VMREAD, .field = NO_SUCH_FIELD, .value = 0x77 },
		{ .op = L1_VMWRITE, .field = NO_SUCH_FIELD, .value = 1 },
	};

	dev_counters(fd, &before);
	vm_batch(vm, ops, 2);
	dev_counters(fd, &after);
	test_begin();
	expect_is(ops[0].flags, L1_ZF, "VMREAD fails");
	expect_is(ops[0].value, 0x77, "and leaves its destination alone");
	expect_is(ops[1].flags, L1_ZF, "VMWRITE fails");
	expect_is(ops[0].error, VMXERR_UNSUPPORTED_COMPONENT, "with error 12");
	expect_is(dev_reads(&after, NVMX_NO_FIELD) - dev_reads(&before, NVMX_NO_FIELD), 1,
		  "VMREAD exits of no field");
	expect_is(dev_writes(&after, NVMX_NO_FIELD) - dev_writes(&before, NVMX_NO_FIELD), 1,
		  "VMWRITE exits of no field");
	/* L1 reads why each of them failed */
	expect_is(dev_reads(&after, VM_INSTRUCTION_ERROR) -
		  dev_reads(&before, VM_INSTRUCTION_ERROR), 2, "VM_INSTRUCTION_ERROR exits");
	test_end("accesses of fields that vmcs12 lacks fail, and count as no field's");
}

/* ---- what is read back --------------------------------------------------- */

#define PATTERN 0xdeadbeef5aa5c33cULL

/* VMWRITE, then VMREAD, in one class; which of them exit is as the class says. */
static void write_and_read(struct vm *vm, int fd, const struct nvmx_field *f, unsigned int class,
			   uint64_t value)
{
	struct l1_op ops[] = {
		{ .op = L1_VMWRITE, .field = f->encoding, .value = value },
		{ .op = L1_VMREAD, .field = f->encoding },
	};

	dev_counters(fd, &before);
	vm_batch(vm, ops, 2);
	dev_counters(fd, &after);
	expect_is(ops[0].flags | ops[1].flags, 0, "%s: both succeed", f->name);
	expect_is(ops[1].value, dev_kept(f->encoding, value), "%s, %s: VMREAD after VMWRITE", f->name,
		  class_names[class]);
	expect_is(after.total.vmread_exits - before.total.vmread_exits,
		  class == NVMX_CLASS_INTERCEPT, "%s, %s: VMREAD exits", f->name, class_names[class]);
	expect_is(after.total.vmwrite_exits - before.total.vmwrite_exits,
		  class != NVMX_CLASS_READ_WRITE, "%s, %s: VMWRITE exits", f->name,
		  class_names[class]);
}

static void test_read_back(struct vm *vm, int fd, unsigned int class)
{
	struct policy p, none;
	unsigned int i, n = 0;
	uint32_t e;

	dev_make_empty("none", &none);
	dev_make_empty(class_names[class], &p);
	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], class))
			dev_set_class(&p, dev_fields[i].encoding, class);
	test_begin();
	for (i = 0; i < dev_nr_fields; i++) {
		e = dev_fields[i].encoding;
		if (!dev_allows(&dev_fields[i], class) || !dev_allows(&dev_fields[i], NVMX_CLASS_READ_ONLY))
			continue;
		dev_must_set(fd, &p);
		write_and_read(vm, fd, &dev_fields[i], class, PATTERN + i);
		write_and_read(vm, fd, &dev_fields[i], class, ~(PATTERN + i));
		/* vmcs12 has it, too: straight away ... */
		dev_must_set(fd, &none);
		expect_is(vm_vmread(vm, e), dev_kept(e, ~(PATTERN + i)), "%s: in vmcs12", dev_fields[i].name);
		n++;
	}
	/* ... and after a way through L1's memory */
	dev_must_set(fd, &p);
	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], NVMX_CLASS_READ_ONLY))
			vm_vmwrite(vm, dev_fields[i].encoding, PATTERN * i);
	expect_is(vm_op(vm, L1_VMCLEAR, 0, 0, 1)->flags, 0, "VMCLEAR");
	expect_is(vm_op(vm, L1_VMPTRLD, 0, 0, 1)->flags, 0, "VMPTRLD");
	for (i = 0; i < dev_nr_fields; i++) {
		e = dev_fields[i].encoding;
		if (dev_allows(&dev_fields[i], NVMX_CLASS_READ_ONLY))
			expect_is(vm_vmread(vm, e), dev_kept(e, PATTERN * i), "%s: after VMCLEAR and VMPTRLD",
				  dev_fields[i].name);
	}
	test_end("%s: VMREAD gives what VMWRITE wrote, of all %u fields", class_names[class], n);
}

/* Architecturally read-only; VMWRITE to it exits in class read-only. */
static void test_exit_information(struct vm *vm, int fd)
{
	struct policy p;

	dev_make_policy(POLICY_STOCK, &p);
	dev_must_set(fd, &p);
	vm_setup(vm, 0);
	vm_run_l2(vm, L2_VMCALL);
	test_begin();
	expect_is(vm_vmread(vm, VM_EXIT_REASON), EXIT_REASON_VMCALL, "the exit's own reason");
	write_and_read(vm, fd, dev_field(VM_EXIT_REASON), NVMX_CLASS_READ_ONLY, 0x12345678);
	write_and_read(vm, fd, dev_field(EXIT_QUALIFICATION), NVMX_CLASS_READ_ONLY, ~0ULL);
	vm_run_l2(vm, L2_OUT);
	expect_is(vm_vmread(vm, VM_EXIT_REASON), EXIT_REASON_IO, "the next exit's reason");
	expect_is(vm_vmread(vm, EXIT_QUALIFICATION), 0x800040, "the next exit's qualification");
	test_end("VMWRITE to exit information (VMWRITE any field), then VMREAD without an exit");
}

static void test_ar_bytes(struct vm *vm, int fd)
{
	static const uint32_t fields[] = { GUEST_CS_AR_BYTES, GUEST_SS_AR_BYTES };
	struct policy p;
	unsigned int i, class;

	test_begin();
	for (i = 0; i < 2; i++)
		for (class = NVMX_CLASS_INTERCEPT; class <= NVMX_CLASS_READ_ONLY; class++) {
			dev_make_empty("ar-bytes", &p);
			dev_set_class(&p, fields[i], class);
			dev_must_set(fd, &p);
			vm_vmwrite(vm, fields[i], 0xffffffff);
			expect_is(vm_vmread(vm, fields[i]), 0x1f0ff, "%s, %s", dev_name(fields[i]),
				  class_names[class]);
		}
	test_end("AR_BYTES lose their reserved bits in every class alike");
}

int main(void)
{
	unsigned int class;
	struct vm vm;
	int fd;

	dev_open();
	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	for (class = 0; class < NVMX_NR_CLASSES; class++) {
		test_all_in_class(&vm, fd, class);
		if (class != NVMX_CLASS_INTERCEPT)
			test_one_by_one(&vm, fd, class);
	}
	test_high_halves(&vm, fd);
	test_unknown(&vm, fd);
	for (class = 0; class < NVMX_NR_CLASSES; class++)
		test_read_back(&vm, fd, class);
	test_exit_information(&vm, fd);
	test_ar_bytes(&vm, fd);
	close(fd);
	vm_free(&vm);
	return done_testing();
}
