// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nvmx-inert nested=0 | enable_shadow_vmcs=0
 *
 * kvm_intel was loaded with the parameter: the device says plainly that no policy can
 * be in force, and all else works.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

static struct counters before, after;

static void test_info(uint64_t features)
{
	struct nvmx_info info = { .size = sizeof(info) };
	unsigned int i;

	is(ioctl(dev_fd, NVMX_GET_INFO, &info), 0, "NVMX_GET_INFO");
	is(info.features, features, "features");
	test_begin();
	for (i = 0; i < dev_nr_fields; i++)
		expect(dev_fields[i].stock_class == NVMX_CLASS_INTERCEPT &&
		       dev_fields[i].allowed_classes == 1U << NVMX_CLASS_INTERCEPT,
		       "%s: intercept only", dev_fields[i].name);
	test_end("no field of the %u may be shadowed", dev_nr_fields);
}

static void test_refused(int fd, unsigned long cmd, const char *what)
{
	struct nvmx_policy_entry rip = { GUEST_RIP, NVMX_CLASS_READ_WRITE };
	struct nvmx_policy set = { .size = sizeof(set) }, get = { .size = sizeof(get) };
	unsigned int i;

	test_begin();
	for (i = 0; i < 3; i++) {
		set.nr = i == 1;
		set.entries = (uintptr_t)&rip;
		set.vmwrite_any_field = i == 2;
		set.bad_encoding = 1;
		errno = 0;
		expect(ioctl(fd, cmd, &set) < 0, "refused");
		expect_is(errno, EOPNOTSUPP, "errno");
		expect_is(set.bad_encoding, NVMX_NO_FIELD, "bad_encoding");
	}
	set.flags = 1;
	errno = 0;
	expect(ioctl(fd, cmd, &set) < 0 && errno == EINVAL, "malformed is still EINVAL");
	expect_is(ioctl(fd, cmd == NVMX_VM_SET_POLICY ? NVMX_VM_GET_POLICY : NVMX_GET_DEFAULT_POLICY,
			&get), 0, "but there is one to get");
	expect(!get.nr && !get.vmwrite_any_field && !get.generation, "that intercepts all");
	test_end("%s: EOPNOTSUPP", what);
}

static void test_without_nested(void)
{
	struct nvmx_vm_info info = { .size = sizeof(info) };
	struct vm vm;
	int fd;

	vm_new(&vm, 0);
	ok(true, "a VM boots");
	fd = dev_open_vm(vm.id);
	test_refused(fd, NVMX_VM_SET_POLICY, "NVMX_VM_SET_POLICY");
	dev_counters(fd, &after);
	is(after.nr + after.total.nested_entries + after.total.vmread_exits, 0, "all counters are 0");
	is(ioctl(fd, NVMX_VM_GET_INFO, &info), 0, "NVMX_VM_GET_INFO");
	is(info.state, 0, "no VMXON");
	is(info.nr_pending, 0, "no vCPU is pending");
	vm_free(&vm);
	close(fd);
}

/* Everything exits, and everything is counted. */
static void test_all_exits(struct vm *vm, int fd)
{
	unsigned int i;
	uint32_t e;

	dev_counters(fd, &before);
	test_begin();
	for (i = 0; i < dev_nr_fields; i++) {
		e = dev_fields[i].encoding;
		vm_vmwrite(vm, e, vm_op(vm, L1_VMREAD, e, 0, 3)->value);
	}
	dev_counters(fd, &after);
	for (i = 0; i < dev_nr_fields; i++) {
		e = dev_fields[i].encoding;
		expect_is(dev_reads(&after, e) - dev_reads(&before, e), 3, "%s: VMREADs",
			  dev_fields[i].name);
		expect_is(dev_writes(&after, e) - dev_writes(&before, e), 1, "%s: VMWRITEs",
			  dev_fields[i].name);
	}
	test_end("every VMREAD and VMWRITE exits and is counted");
}

static void test_without_shadow(void)
{
	uint64_t reads = 0, writes = 0;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	test_refused(fd, NVMX_VM_SET_POLICY, "NVMX_VM_SET_POLICY");
	test_all_exits(&vm, fd);
	vm_setup(&vm, 0);
	vm_vmwrite(&vm, GUEST_RIP, vm.m->l2_entry[L2_MIX]);
	is(vm_op(&vm, L1_L2_LOOP, 0, 0, 30)->value, 10 * (10 + 18 + 30), "L2 runs");
	vm_run_l2(&vm, L2_OUT);
	is(vm_vmread(&vm, EXIT_QUALIFICATION), 0x800040, "and exits with the truth");
	dev_counters(fd, &after);
	is(after.total.nested_entries, 31, "entries are counted");
	is(after.total.shadow_to_vmcs12 + after.total.vmcs12_to_shadow + after.total.fields_to_vmcs12 +
	   after.total.fields_to_shadow + after.total.vmwrite_propagated, 0, "nothing is copied");
	ok(vm_stat(&vm, "nested_vmread_exits", &reads) && reads == after.total.vmread_exits,
	   "KVM's binary statistics have the VMREAD exits");
	ok(vm_stat(&vm, "nested_vmwrite_exits", &writes) && writes == after.total.vmwrite_exits,
	   "and the VMWRITE exits");
	vm_free(&vm);
	close(fd);
}

int main(int argc, char *argv[])
{
	bool nested = argc == 2 && strcmp(argv[1], "nested=0");

	dev_open();
	test_info(nested ? NVMX_FEATURE_NESTED : 0);
	test_refused(dev_fd, NVMX_SET_DEFAULT_POLICY, "NVMX_SET_DEFAULT_POLICY");
	if (nested)
		test_without_shadow();
	else
		test_without_nested();
	return done_testing();
}
