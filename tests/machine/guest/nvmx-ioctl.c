// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Bad input to every ioctl of /dev/nvmx, one fault each: the errno that the header
 * of the ABI promises, and nothing half-applied.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

/* ---- the ABI is what it was ---------------------------------------------- */

#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#define AT(type, member, offset) _Static_assert(offsetof(struct type, member) == (offset), #member)

SIZE(nvmx_info, 40);
AT(nvmx_info, abi_version, 8); AT(nvmx_info, nr_fields, 12); AT(nvmx_info, features, 16);
AT(nvmx_info, nr_vms, 24); AT(nvmx_info, reserved, 28); AT(nvmx_info, tsc_khz, 32);
AT(nvmx_info, sample_every, 36);
SIZE(nvmx_field, 56);
AT(nvmx_field, width, 4); AT(nvmx_field, kind, 5); AT(nvmx_field, stock_class, 6);
AT(nvmx_field, allowed_classes, 7); AT(nvmx_field, flags, 8); AT(nvmx_field, reserved, 12);
AT(nvmx_field, name, 16);
SIZE(nvmx_get_fields, 24);
AT(nvmx_get_fields, nr, 8); AT(nvmx_get_fields, entry_size, 12); AT(nvmx_get_fields, fields, 16);
SIZE(nvmx_vm_info, 40);
AT(nvmx_vm_info, id, 8); AT(nvmx_vm_info, start_time, 16); AT(nvmx_vm_info, pid, 24);
AT(nvmx_vm_info, nr_vcpus, 28); AT(nvmx_vm_info, nr_pending, 32); AT(nvmx_vm_info, state, 36);
SIZE(nvmx_list_vms, 32);
AT(nvmx_list_vms, nr, 8); AT(nvmx_list_vms, entry_size, 12); AT(nvmx_list_vms, after, 16);
AT(nvmx_list_vms, vms, 24);
SIZE(nvmx_open_vm, 24);
AT(nvmx_open_vm, id, 8); AT(nvmx_open_vm, fd, 16); AT(nvmx_open_vm, reserved, 20);
SIZE(nvmx_executable, 24);
AT(nvmx_executable, nr, 8); AT(nvmx_executable, reserved, 12); AT(nvmx_executable, path, 16);
SIZE(nvmx_policy_entry, 8);
SIZE(nvmx_policy, 168);
AT(nvmx_policy, vmwrite_any_field, 8); AT(nvmx_policy, nr, 12); AT(nvmx_policy, entries, 16);
AT(nvmx_policy, generation, 24); AT(nvmx_policy, bad_encoding, 32); AT(nvmx_policy, reserved, 36);
AT(nvmx_policy, label, 40); AT(nvmx_policy, label[NVMX_LABEL_LEN], 168);
SIZE(nvmx_field_counters, 24);
AT(nvmx_field_counters, vmread_exits, 8); AT(nvmx_field_counters, vmwrite_exits, 16);
SIZE(nvmx_counters, 168);
AT(nvmx_counters, vcpu, 8); AT(nvmx_counters, nr, 12); AT(nvmx_counters, fields, 16);
AT(nvmx_counters, nested_entries, 24); AT(nvmx_counters, policy_switches, 104);
AT(nvmx_counters, slow_path_entries, 112); AT(nvmx_counters, to_vmcs12_timed, 120);
AT(nvmx_counters, slow_path_cycles, 160);
SIZE(nvmx_window, 16);
AT(nvmx_window, duration_ms, 8); AT(nvmx_window, reserved, 12);
SIZE(nvmx_event, 32);
AT(nvmx_event, type, 4); AT(nvmx_event, id, 8); AT(nvmx_event, start_time, 16);
AT(nvmx_event, pid, 24); AT(nvmx_event, lost, 28);

static int vm_fd, vm_fd_read_only, read_only_fd;
static struct vm vm;

/* errno of an ioctl, 0 if it succeeds */
static int call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? errno : 0;
}

/* ---- every ioctl: size, flags, reserved, pointer ------------------------- */

union any {
	struct {
		uint32_t size;
		uint32_t flags;
	};
	struct nvmx_info info;
	struct nvmx_get_fields get_fields;
	struct nvmx_list_vms list_vms;
	struct nvmx_open_vm open_vm;
	struct nvmx_policy policy;
	struct nvmx_vm_info vm_info;
	struct nvmx_counters counters;
	struct nvmx_window window;
	struct nvmx_executable executable;
	/* room for a struct of the future */
	uint8_t bytes[4096];
};

static const struct ioctl_case {
	const char *name;
	unsigned long cmd;
	uint32_t size;
	uint32_t reserved;	/* offset, 0: none */
	bool of_vm;
	uint32_t first_size;	/* of the struct's first version */
} cases[] = {
#define CASE(ioctl, type, reserved, of_vm, first_size) \
	{ #ioctl, ioctl, sizeof(struct type), reserved, of_vm, first_size }
#define RESERVED(type) offsetof(struct type, reserved)
	CASE(NVMX_GET_INFO, nvmx_info, RESERVED(nvmx_info), false, 32),
	CASE(NVMX_GET_FIELDS, nvmx_get_fields, 0, false, 24),
	CASE(NVMX_LIST_VMS, nvmx_list_vms, 0, false, 32),
	CASE(NVMX_OPEN_VM, nvmx_open_vm, RESERVED(nvmx_open_vm), false, 24),
	CASE(NVMX_GET_DEFAULT_POLICY, nvmx_policy, RESERVED(nvmx_policy), false, 168),
	CASE(NVMX_SET_DEFAULT_POLICY, nvmx_policy, RESERVED(nvmx_policy), false, 168),
	CASE(NVMX_VM_GET_INFO, nvmx_vm_info, 0, true, 40),
	CASE(NVMX_VM_GET_POLICY, nvmx_policy, RESERVED(nvmx_policy), true, 168),
	CASE(NVMX_VM_SET_POLICY, nvmx_policy, RESERVED(nvmx_policy), true, 168),
	CASE(NVMX_VM_GET_COUNTERS, nvmx_counters, 0, true, 112),
	CASE(NVMX_VM_START_WINDOW, nvmx_window, RESERVED(nvmx_window), true, 16),
	CASE(NVMX_VM_END_WINDOW, nvmx_window, RESERVED(nvmx_window), true, 16),
	CASE(NVMX_VM_GET_EXECUTABLE, nvmx_executable, RESERVED(nvmx_executable), true, 24),
};
#define NR_CASES (sizeof(cases) / sizeof(cases[0]))

static void fill(const struct ioctl_case *c, union any *arg)
{
	memset(arg, 0, sizeof(*arg));
	arg->size = c->size;
	if (c->cmd == NVMX_GET_FIELDS)
		arg->get_fields.entry_size = sizeof(struct nvmx_field);
	if (c->cmd == NVMX_LIST_VMS)
		arg->list_vms.entry_size = sizeof(struct nvmx_vm_info);
	if (c->cmd == NVMX_OPEN_VM)
		arg->open_vm.id = vm.id;
	if (c->cmd == NVMX_VM_START_WINDOW)
		arg->window.duration_ms = NVMX_WINDOW_MAX_MS;
}

/* A good call, with what it needs before; undoes what it did. */
static int good_call(int fd, const struct ioctl_case *c, union any *arg)
{
	struct nvmx_window window = { .size = sizeof(window), .duration_ms = NVMX_WINDOW_MAX_MS };
	int r;

	if (c->cmd == NVMX_VM_END_WINDOW)
		call(fd, NVMX_VM_START_WINDOW, &window);
	r = call(fd, c->cmd, arg);

	if (!r && c->cmd == NVMX_OPEN_VM)
		close(arg->open_vm.fd);
	window.duration_ms = 0;
	if (!r && c->cmd == NVMX_VM_START_WINDOW)
		call(fd, NVMX_VM_END_WINDOW, &window);
	return r;
}

static unsigned int open_fds(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < 200; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void check_sizes(int fd, const struct ioctl_case *c)
{
	union any arg;

	fill(c, &arg);
	expect_is(good_call(fd, c, &arg), 0, "%s: as it must be", c->name);
	expect_is(arg.size, c->size, "%s: size stays the caller's", c->name);
	fill(c, &arg);
	arg.size = 0;
	expect_is(call(fd, c->cmd, &arg), EINVAL, "%s: size 0", c->name);
	fill(c, &arg);
	arg.size = 8;
	expect_is(call(fd, c->cmd, &arg), EINVAL, "%s: size 8", c->name);
	fill(c, &arg);
	arg.size = c->first_size - 1;
	expect_is(call(fd, c->cmd, &arg), EINVAL, "%s: one byte less than its first version", c->name);
	fill(c, &arg);
	arg.size = c->first_size;
	memset(&arg.bytes[c->first_size], 0xa5, c->size - c->first_size);
	expect_is(good_call(fd, c, &arg), 0, "%s: its first version", c->name);
	expect(c->first_size == c->size || arg.bytes[c->first_size] == 0xa5,
	       "%s: its first version: nothing is written behind it", c->name);
	fill(c, &arg);
	arg.size = c->size + 8;
	expect_is(good_call(fd, c, &arg), 0, "%s: larger, the rest zero", c->name);
	expect_is(arg.size, c->size + 8, "%s: larger: size stays the caller's", c->name);
	fill(c, &arg);
	arg.size = 4000;
	expect_is(good_call(fd, c, &arg), 0, "%s: much larger, the rest zero", c->name);
	fill(c, &arg);
	arg.size = c->size + 8;
	arg.bytes[c->size + 7] = 1;
	expect_is(call(fd, c->cmd, &arg), E2BIG, "%s: larger, the rest not zero", c->name);
	fill(c, &arg);
	arg.size = 0xffffffff;
	arg.bytes[c->size] = 1;
	expect_is(call(fd, c->cmd, &arg), E2BIG, "%s: huge, the rest not zero", c->name);
}

static void check_members(int fd, const struct ioctl_case *c)
{
	union any arg;
	unsigned int i;

	for (i = 0; i < 32; i += 31) {
		fill(c, &arg);
		arg.flags = 1U << i;
		expect_is(call(fd, c->cmd, &arg), EINVAL, "%s: flag %u", c->name, i);
		if (!c->reserved)
			continue;
		fill(c, &arg);
		*(uint32_t *)&arg.bytes[c->reserved] = 1U << i;
		expect_is(call(fd, c->cmd, &arg), EINVAL, "%s: reserved bit %u", c->name, i);
	}
}

/* Memory that is not there, ends too early, or cannot be written. */
static void check_pointers(int fd, const struct ioctl_case *c)
{
	long page = sysconf(_SC_PAGESIZE);
	unsigned int before;
	union any arg;
	char *map;

	expect_is(call(fd, c->cmd, NULL), EFAULT, "%s: NULL", c->name);
	expect_is(call(fd, c->cmd, (void *)0xffff888000000000), EFAULT, "%s: the kernel's memory",
		  c->name);
	map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		bail("mmap");
	munmap(map + page, page);
	fill(c, &arg);
	memcpy(map + page - 8, &arg, 8);
	expect_is(call(fd, c->cmd, map + page - 8), EFAULT, "%s: ends too early", c->name);
	memcpy(map, &arg, c->size);
	mprotect(map, page, PROT_READ);
	before = open_fds();
	expect_is(call(fd, c->cmd, map), EFAULT, "%s: cannot be written", c->name);
	expect_is(open_fds(), before, "%s: cannot be written: no fd is left over", c->name);
	munmap(map, page);
}

static void get_state(struct policy *ret, struct nvmx_policy *ret_default, uint64_t *ret_generation)
{
	dev_get(vm_fd, ret, NULL, ret_generation);
	memset(ret_default, 0, sizeof(*ret_default));
	ret_default->size = sizeof(*ret_default);
	if (ioctl(dev_fd, NVMX_GET_DEFAULT_POLICY, ret_default) < 0)
		bail("NVMX_GET_DEFAULT_POLICY");
}

static void test_all_ioctls(void)
{
	static struct policy before, after;
	struct nvmx_policy default_before, default_after;
	uint64_t generation_before, generation_after;
	unsigned int i;
	int fd;

	for (i = 0; i < NR_CASES; i++) {
		fd = cases[i].of_vm ? vm_fd : dev_fd;
		test_begin();
		check_sizes(fd, &cases[i]);
		get_state(&before, &default_before, &generation_before);
		check_members(fd, &cases[i]);
		check_pointers(fd, &cases[i]);
		get_state(&after, &default_after, &generation_after);
		expect(dev_same(&before, &after), "the VM's policy is as it was");
		expect_is(generation_after, generation_before, "and its generation");
		expect(!memcmp(&default_before, &default_after, sizeof(default_after)),
		       "the default is as it was");
		test_end("%s: size, flags, reserved, pointer", cases[i].name);
	}
}

static void test_unknown_ioctls(void)
{
	union any arg = { .size = sizeof(arg) };
	unsigned int i;

	test_begin();
	expect_is(call(dev_fd, _IO(NVMX_IOC_TYPE, 0x7f), &arg), ENOTTY, "unknown number, registry");
	expect_is(call(vm_fd, _IO(NVMX_IOC_TYPE, 0x7f), &arg), ENOTTY, "unknown number, VM");
	expect_is(call(dev_fd, KVM_GET_API_VERSION, &arg), ENOTTY, "KVM's, registry");
	expect_is(call(vm_fd, KVM_RUN, &arg), ENOTTY, "KVM's, VM");
	expect_is(call(dev_fd, _IOWR(NVMX_IOC_TYPE, 0, struct nvmx_info), &arg), ENOTTY,
		  "with direction and size in the number");
	for (i = 0; i < NR_CASES; i++)
		expect_is(call(cases[i].of_vm ? dev_fd : vm_fd, cases[i].cmd, &arg), ENOTTY,
			  "%s on the other fd", cases[i].name);
	test_end("unknown ioctls: ENOTTY");
}

static void test_read_only(void)
{
	unsigned int i;
	union any arg;
	int fd;

	test_begin();
	for (i = 0; i < NR_CASES; i++) {
		bool sets = cases[i].cmd == NVMX_SET_DEFAULT_POLICY ||
			cases[i].cmd == NVMX_VM_SET_POLICY ||
			cases[i].cmd == NVMX_VM_START_WINDOW ||
			cases[i].cmd == NVMX_VM_END_WINDOW;

		fd = cases[i].of_vm ? vm_fd_read_only : read_only_fd;
		fill(&cases[i], &arg);
		expect_is(good_call(fd, &cases[i], &arg), sets ? EPERM : 0, "%s", cases[i].name);
	}
	test_end("a fd that was opened for reading only: EPERM for setting, and for nothing else");
}

/* ---- policies ------------------------------------------------------------ */

#define TOO_MANY (NVMX_MAX_ENTRIES + 1)

static struct nvmx_policy_entry entries[TOO_MANY];

/* Sets (nr entries of entries[]) and expects an error that names a field. */
static void expect_refused(int r, uint32_t bad, uint32_t any, unsigned int nr, const char *what)
{
	struct nvmx_policy set = {
		.size = sizeof(set), .vmwrite_any_field = any, .nr = nr,
		.entries = (uintptr_t)entries, .bad_encoding = 0x1234, .label = "refused",
	};
	struct nvmx_policy again = set;

	expect_is(call(vm_fd, NVMX_VM_SET_POLICY, &set), r, "VM: %s", what);
	expect_is(set.bad_encoding, bad, "VM: %s: bad_encoding", what);
	expect_is(call(dev_fd, NVMX_SET_DEFAULT_POLICY, &again), r, "default: %s", what);
	expect_is(again.bad_encoding, bad, "default: %s: bad_encoding", what);
}

static void expect_field_refused(int r, uint32_t encoding, uint32_t shadow_class, uint32_t any,
				 const char *what)
{
	/* in the middle of good ones */
	entries[0] = (struct nvmx_policy_entry){ GUEST_RIP, NVMX_CLASS_READ_WRITE };
	entries[1] = (struct nvmx_policy_entry){ encoding, shadow_class };
	entries[2] = (struct nvmx_policy_entry){ GUEST_RSP, NVMX_CLASS_READ_WRITE };
	expect_refused(r, encoding, any, 3, what);
}

static void refuse_fields(void)
{
	static const uint32_t unknown[] = {
		NO_SUCH_FIELD, 0x7fff, 0x8000, 0x10000 | GUEST_RIP, 0xffffffff, 0x80000000 | GUEST_RIP,
		GUEST_PHYSICAL_ADDRESS_HIGH, 0x201b /* EPT_POINTER_HIGH */, 0x0801,
	};
	unsigned int i, j;

	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		for (j = 0; j < NVMX_NR_CLASSES; j++)
			expect_field_refused(EOPNOTSUPP, unknown[i], j, 0, "unknown field");
	expect_field_refused(EOPNOTSUPP, GUEST_CS_AR_BYTES, NVMX_CLASS_READ_WRITE, 0,
			     "CS AR_BYTES read-write");
	expect_field_refused(EOPNOTSUPP, GUEST_SS_AR_BYTES, NVMX_CLASS_READ_WRITE, 0,
			     "SS AR_BYTES read-write");
	expect_field_refused(EOPNOTSUPP, VM_INSTRUCTION_ERROR, NVMX_CLASS_READ_ONLY, 0,
			     "VM_INSTRUCTION_ERROR read-only");
	expect_field_refused(EOPNOTSUPP, VM_INSTRUCTION_ERROR, NVMX_CLASS_READ_WRITE, 0,
			     "VM_INSTRUCTION_ERROR read-write");
	for (i = 0; i < dev_nr_fields; i++)
		for (j = 1; j < NVMX_NR_CLASSES; j++)
			if (!dev_allows(&dev_fields[i], j))
				expect_field_refused(EOPNOTSUPP, dev_fields[i].encoding, j, 0,
						     "class that the table does not allow");
	expect_field_refused(EINVAL, HOST_RSP, NVMX_NR_CLASSES, 0, "unknown class");
	expect_field_refused(EINVAL, HOST_RSP, 0xffffffff, 0, "unknown class");
	expect_field_refused(EINVAL, HOST_RSP, 0x100 | NVMX_CLASS_READ_WRITE, 0, "unknown class");
	expect_field_refused(EINVAL, GUEST_RIP, NVMX_CLASS_READ_WRITE, 0, "a field twice");
	expect_field_refused(EINVAL, GUEST_RIP, NVMX_CLASS_INTERCEPT, 0, "a field twice");
}

static void refuse_members(void)
{
	struct nvmx_policy set = { .size = sizeof(set), .entries = (uintptr_t)entries };
	unsigned int i;

	expect_refused(EINVAL, NVMX_NO_FIELD, 2, 0, "unknown vmwrite_any_field");
	expect_refused(EINVAL, NVMX_NO_FIELD, 0xffffffff, 0, "unknown vmwrite_any_field");
	for (i = 0; i < TOO_MANY; i++)
		entries[i] = (struct nvmx_policy_entry){ GUEST_RIP, NVMX_CLASS_READ_WRITE };
	expect_refused(EINVAL, NVMX_NO_FIELD, 0, TOO_MANY, "too many entries");
	expect_refused(EINVAL, NVMX_NO_FIELD, 0, 0xffffffff, "far too many entries");
	expect_refused(EINVAL, GUEST_RIP, 0, NVMX_MAX_ENTRIES, "just not too many, the same field");
	memset(set.label, 'x', sizeof(set.label));
	expect_is(call(vm_fd, NVMX_VM_SET_POLICY, &set), EINVAL, "VM: label without NUL");
	expect_is(call(dev_fd, NVMX_SET_DEFAULT_POLICY, &set), EINVAL, "default: label without NUL");
	set.label[0] = '\0';
	set.nr = 1;
	set.entries = 0;
	expect_is(call(vm_fd, NVMX_VM_SET_POLICY, &set), EFAULT, "VM: entries NULL");
	expect_is(call(dev_fd, NVMX_SET_DEFAULT_POLICY, &set), EFAULT, "default: entries NULL");
	set.entries = 0xffff888000000000;
	expect_is(call(vm_fd, NVMX_VM_SET_POLICY, &set), EFAULT, "VM: entries in the kernel");
}

/* With HIDE, exit information must not be read-write; before VMXON it is else allowed. */
static void refuse_hide(void)
{
	unsigned int i;

	for (i = 0; i < dev_nr_fields; i++)
		if (dev_fields[i].kind == NVMX_KIND_READ_ONLY_DATA &&
		    dev_allows(&dev_fields[i], NVMX_CLASS_READ_WRITE))
			expect_field_refused(EOPNOTSUPP, dev_fields[i].encoding,
					     NVMX_CLASS_READ_WRITE, NVMX_VMWRITE_ANY_HIDE,
					     "read-write exit information and hide");
}

static void test_policies(void)
{
	static struct policy before, after, p;
	static char label[NVMX_LABEL_LEN], label_after[NVMX_LABEL_LEN];
	struct nvmx_policy default_before, default_after;
	uint64_t generation_before, generation_after;

	dev_make_policy(POLICY_NO_AR_BYTES, &p);
	p.name = "test: before";
	dev_must_set(vm_fd, &p);
	get_state(&before, &default_before, &generation_before);
	dev_get(vm_fd, &before, label, NULL);
	test_begin();
	refuse_fields();
	test_end("fields: unknown, of a class they may not have, twice: refused and named");
	test_begin();
	refuse_members();
	test_end("policies: vmwrite_any_field, number of entries, label, pointer: refused");
	test_begin();
	refuse_hide();
	test_end("hide with read-write exit information: refused and named");
	get_state(&after, &default_after, &generation_after);
	dev_get(vm_fd, &after, label_after, NULL);
	test_begin();
	expect(dev_same(&before, &after) && dev_same(&after, &p), "the VM's policy");
	expect_is(generation_after, generation_before, "its generation");
	expect(!strcmp(label, label_after) && !strcmp(label, "test: before"), "its label");
	expect(!memcmp(&default_before, &default_after, sizeof(default_after)), "the default");
	test_end("after all that was refused, policies are as they were");
}

static void test_set_and_get(void)
{
	static struct policy p, got;
	struct nvmx_policy get = { .size = sizeof(get) };
	struct nvmx_policy_entry two[3] = { {}, {}, { 0x7777, 0x7777 } };
	char label[NVMX_LABEL_LEN], long_label[NVMX_LABEL_LEN];
	uint64_t generation, next;
	enum dev_policy which;
	unsigned int i;

	test_begin();
	dev_get(vm_fd, &got, NULL, &generation);
	for (which = 0; which < POLICY_NR; which++) {
		dev_make_policy(which, &p);
		dev_must_set(vm_fd, &p);
		dev_get(vm_fd, &got, label, &next);
		expect(dev_same(&p, &got), "%s: got what was set", p.name);
		expect_is(got.nr, p.nr, "%s: entries", p.name);
		expect_is(next, ++generation, "%s: generation", p.name);
		expect(!strcmp(label, p.name), "%s: label", p.name);
		for (i = 1; i < got.nr; i++)
			expect(got.entries[i].encoding > got.entries[i - 1].encoding, "sorted");
	}
	memset(long_label, 'y', sizeof(long_label));
	long_label[NVMX_LABEL_LEN - 1] = '\0';
	p.name = long_label;
	dev_must_set(vm_fd, &p);
	dev_get(vm_fd, &got, label, NULL);
	expect(!strcmp(label, long_label), "a label of full length");
	/* said so or not named, it is the same */
	dev_make_empty("intercept", &p);
	p.entries[p.nr++] = (struct nvmx_policy_entry){ HOST_RSP, NVMX_CLASS_INTERCEPT };
	dev_must_set(vm_fd, &p);
	dev_get(vm_fd, &got, NULL, NULL);
	expect_is(got.nr, 0, "an entry of class intercept");
	/* little room */
	dev_make_policy(POLICY_MOST, &p);
	dev_must_set(vm_fd, &p);
	get.nr = 2;
	get.entries = (uintptr_t)two;
	expect_is(call(vm_fd, NVMX_VM_GET_POLICY, &get), 0, "room for two");
	expect_is(get.nr, p.nr, "gives how many there are");
	expect(two[0].shadow_class && two[1].shadow_class && two[2].encoding == 0x7777, "and writes two");
	get.entries = 0;
	expect_is(call(vm_fd, NVMX_VM_GET_POLICY, &get), EFAULT, "get with entries NULL");
	get.nr = 0;
	expect_is(call(vm_fd, NVMX_VM_GET_POLICY, &get), 0, "get with no room and NULL");
	test_end("a policy is got as it was set, sorted, with its label and generation");
}

/* ---- the others ---------------------------------------------------------- */

static void test_lists(void)
{
	struct nvmx_field fields[3] = {};
	struct nvmx_get_fields get = {
		.size = sizeof(get), .nr = 2, .entry_size = sizeof(fields[0]),
		.fields = (uintptr_t)fields,
	};
	struct nvmx_vm_info vms[3] = {};
	struct nvmx_list_vms list = {
		.size = sizeof(list), .nr = 1, .entry_size = sizeof(vms[0]), .vms = (uintptr_t)vms,
	};
	struct vm second;

	vm_new(&second, VM_NO_BOOT);
	test_begin();
	expect_is(call(dev_fd, NVMX_GET_FIELDS, &get), 0, "fields: room for two");
	expect_is(get.nr, dev_nr_fields, "fields: gives how many there are");
	expect(fields[1].name[0] && !fields[2].name[0], "fields: writes two");
	get.nr = 3;
	get.entry_size--;
	expect_is(call(dev_fd, NVMX_GET_FIELDS, &get), EINVAL, "fields: entry_size");
	get.entry_size++;
	get.fields = 8;
	expect_is(call(dev_fd, NVMX_GET_FIELDS, &get), EFAULT, "fields: bad pointer");
	expect_is(call(dev_fd, NVMX_LIST_VMS, &list), 0, "VMs: room for one");
	expect_is(list.nr, 1, "VMs: one");
	expect_is(vms[0].id, vm.id, "VMs: the first");
	list.after = vms[0].id;
	list.nr = 3;
	expect_is(call(dev_fd, NVMX_LIST_VMS, &list), 0, "VMs: after the first");
	expect(list.nr == 1 && vms[0].id == second.id, "VMs: the second");
	expect_is(vms[0].size, sizeof(vms[0]), "VMs: size of an element");
	list.after = ~0ULL;
	expect_is(call(dev_fd, NVMX_LIST_VMS, &list), 0, "VMs: after the last");
	expect_is(list.nr, 0, "VMs: none");
	list.after = 0;
	list.nr = 3;
	list.entry_size = 8;
	expect_is(call(dev_fd, NVMX_LIST_VMS, &list), EINVAL, "VMs: entry_size");
	list.entry_size = sizeof(vms[0]);
	list.vms = 8;
	expect_is(call(dev_fd, NVMX_LIST_VMS, &list), EFAULT, "VMs: bad pointer");
	list.vms = (uintptr_t)vms;
	list.nr = 0xffffffff;
	expect_is(call(dev_fd, NVMX_LIST_VMS, &list), 0, "VMs: more room than there is memory");
	expect_is(list.nr, 2, "VMs: both");
	vm_free(&second);
	test_end("lists: of fields and of VMs");
}

static void test_open_and_counters(void)
{
	static const uint64_t ids[] = { 0, 1ULL << 40, ~0ULL };
	struct nvmx_open_vm o = { .size = sizeof(o) };
	struct nvmx_counters c = { .size = sizeof(c), .vcpu = 1 };
	struct nvmx_field_counters fields[2] = { {}, { .encoding = 0x7777 } };
	unsigned int i;

	test_begin();
	for (i = 0; i < 3; i++) {
		o.id = ids[i];
		expect_is(call(dev_fd, NVMX_OPEN_VM, &o), ENOENT, "no VM %#llx",
			  (unsigned long long)ids[i]);
	}
	expect_is(call(vm_fd, NVMX_VM_GET_COUNTERS, &c), ENOENT, "vCPU 1 of 1");
	c.vcpu = 0x7fffffff;
	expect_is(call(vm_fd, NVMX_VM_GET_COUNTERS, &c), ENOENT, "vCPU 0x7fffffff");
	c.vcpu = -2;
	expect_is(call(vm_fd, NVMX_VM_GET_COUNTERS, &c), ENOENT, "vCPU -2");
	c.vcpu = 0;
	expect_is(call(vm_fd, NVMX_VM_GET_COUNTERS, &c), 0, "vCPU 0, before VMXON");
	expect(!c.nr && !c.vmread_exits && !c.nested_entries, "all zero");
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	vm_run_l2(&vm, L2_VMCALL);
	vm_vmread(&vm, VM_INSTRUCTION_ERROR);
	c.nr = 1;
	c.fields = (uintptr_t)fields;
	expect_is(call(vm_fd, NVMX_VM_GET_COUNTERS, &c), 0, "room for one field");
	expect(c.nr > 1, "gives how many there are");
	expect(fields[0].vmread_exits + fields[0].vmwrite_exits > 0 && fields[1].encoding == 0x7777,
	       "and writes one");
	c.fields = 8;
	expect_is(call(vm_fd, NVMX_VM_GET_COUNTERS, &c), EFAULT, "bad pointer");
	test_end("opening VMs and reading counters");
}

static void test_too_late(void)
{
	struct nvmx_policy set = { .size = sizeof(set), .vmwrite_any_field = NVMX_VMWRITE_ANY_HIDE };
	static struct policy before, after;
	uint64_t generation, next;

	dev_get(vm_fd, &before, NULL, &generation);
	test_begin();
	expect_is(call(vm_fd, NVMX_VM_SET_POLICY, &set), EBUSY, "hide");
	dev_get(vm_fd, &after, NULL, &next);
	expect(dev_same(&before, &after), "the policy is as it was");
	expect_is(next, generation, "and its generation");
	test_end("hide after VMXON: EBUSY");
}

/* Nobody else has the device open. */
static void test_many_opens(void)
{
	unsigned int n, there = 2 /* dev_fd, read_only_fd */;
	int fds[NVMX_MAX_OPENS], fd;

	test_begin();
	for (n = 0; n < NVMX_MAX_OPENS - there; n++) {
		fds[n] = open("/dev/nvmx", O_RDONLY | O_CLOEXEC);
		if (!expect(fds[n] >= 0, "open %u: errno %d", n, errno))
			break;
	}
	errno = 0;
	expect(open("/dev/nvmx", O_RDONLY | O_CLOEXEC) < 0 && errno == EMFILE, "one more: errno %d", errno);
	if (setreuid(1000, -1) < 0)
		bail("setreuid");
	fd = open("/dev/nvmx", O_RDONLY | O_CLOEXEC);
	expect(fd >= 0, "another user's: errno %d", errno);
	close(fd);
	if (setreuid(0, -1) < 0)
		bail("setreuid");
	if (n)
		close(fds[--n]);
	fd = open("/dev/nvmx", O_RDONLY | O_CLOEXEC);
	expect(fd >= 0, "after one was closed: errno %d", errno);
	close(fd);
	while (n)
		close(fds[--n]);
	test_end("more than %u registries of one user: EMFILE", NVMX_MAX_OPENS);
}

int main(void)
{
	struct nvmx_open_vm o = { .size = sizeof(o) };

	dev_open();
	read_only_fd = open("/dev/nvmx", O_RDONLY | O_CLOEXEC);
	if (read_only_fd < 0)
		bail("/dev/nvmx for reading");
	vm_new(&vm, 0);
	vm_fd = dev_open_vm(vm.id);
	o.id = vm.id;
	if (ioctl(read_only_fd, NVMX_OPEN_VM, &o) < 0)
		bail("NVMX_OPEN_VM by a fd for reading");
	vm_fd_read_only = o.fd;
	test_unknown_ioctls();
	test_all_ioctls();
	test_read_only();
	test_policies();
	test_set_and_get();
	test_lists();
	test_open_and_counters();
	test_too_late();
	test_many_opens();
	vm_free(&vm);
	return done_testing();
}
