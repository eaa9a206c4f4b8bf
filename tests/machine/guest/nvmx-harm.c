// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What user space and guests can do in bulk, and what that must not do to the host: a
 * policy set over and over, files opened by the thousand, readers that do not read, and
 * an L1 that executes nothing but VMX instructions in the worst order.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dev.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

static struct policy policies[POLICY_NR];

/* ---- what is held before and after --------------------------------------- */

struct held {
	uint64_t free, objects;
};

static struct held held(void)
{
	struct held h;

	mem_settle();
	h.free = mem_free();
	h.objects = mem_kmalloc_objects();
	return h;
}

static void expect_flat(const struct held *before, uint64_t kb, uint64_t objects, const char *what)
{
	struct held after = held();

	expect(after.free + kb > before->free, "%s: free %llu kB, then %llu kB", what,
	       (unsigned long long)before->free, (unsigned long long)after.free);
	expect(before->objects && after.objects < before->objects + objects,
	       "%s: kmalloc objects %llu, then %llu", what, (unsigned long long)before->objects,
	       (unsigned long long)after.objects);
}

/* Lines in the kernel's log, less those that mem_settle() causes. */
static unsigned int log_lines(void)
{
	static char text[1 << 20];
	int size = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text) - 1);
	unsigned int n = 0;
	char *line, *rest;

	if (size < 0)
		bail("the kernel's log");
	text[size] = '\0';
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		n += !strstr(line, "drop_caches");
	return n;
}

/* ---- policies ------------------------------------------------------------ */

static void test_all_read_write(void)
{
	struct nvmx_policy set = { .size = sizeof(set), .bad_encoding = 0x1234 };
	struct nvmx_policy_entry entries[DEV_MAX_FIELDS];
	const struct nvmx_field *bad;
	struct policy p, got;
	unsigned int i;
	struct vm vm;
	int fd;

	vm_new(&vm, VM_NO_BOOT);
	fd = dev_open_vm(vm.id);
	for (i = 0; i < dev_nr_fields; i++)
		entries[i] = (struct nvmx_policy_entry){ dev_fields[i].encoding, NVMX_CLASS_READ_WRITE };
	set.nr = dev_nr_fields;
	set.entries = (uintptr_t)entries;
	test_begin();
	expect(ioctl(fd, NVMX_VM_SET_POLICY, &set) < 0 && errno == EOPNOTSUPP, "all: errno %d", errno);
	bad = dev_field(set.bad_encoding);
	expect(bad && !dev_allows(bad, NVMX_CLASS_READ_WRITE), "it names %s", dev_name(set.bad_encoding));
	dev_get(fd, &got, NULL, NULL);
	expect(dev_same(&got, &policies[POLICY_STOCK]), "the policy is as it was");
	dev_make_empty("all", &p);
	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], NVMX_CLASS_READ_WRITE))
			dev_set_class(&p, dev_fields[i].encoding, NVMX_CLASS_READ_WRITE);
	expect(p.nr > 100, "%u of %u fields may be", p.nr, dev_nr_fields);
	dev_must_set(fd, &p);
	dev_get(fd, &got, NULL, NULL);
	expect(dev_same(&got, &p), "those that may be");
	test_end("all fields read-write: refused, a field named that may not; those that may: taken");
	close(fd);
	vm_free(&vm);
}

static void *work(void *arg)
{
	struct vm *vm = arg;
	unsigned int i;

	for (i = 0; !vm->m->l2_stop; i++) {
		vm_op(vm, L1_VMWRITE, HOST_RSP, i, 1);
		if (vm_vmread(vm, HOST_RSP) != i)
			vm->m->l2_alive++;
	}
	return NULL;
}

static void test_many_policies(unsigned int n, bool runs)
{
	struct nvmx_policy set = { .size = sizeof(set), .label = "many" };
	unsigned int i, failed = 0;
	struct held before;
	uint64_t was, now;
	pthread_t thread;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	vm.m->l2_stop = vm.m->l2_alive = 0;
	errno = runs ? pthread_create(&thread, NULL, work, &vm) : 0;
	if (errno)
		bail("pthread_create");
	test_begin();
	for (i = 0; i < 100; i++)
		dev_must_set(fd, &policies[i % POLICY_NR]);
	before = held();
	dev_get(fd, &(struct policy){}, NULL, &was);
	for (i = 0; i < n; i++) {
		/* one of some size now and then */
		if (i % 50)
			failed += ioctl(fd, NVMX_VM_SET_POLICY, &set) < 0;
		else
			failed += dev_set(fd, &policies[i / 50 % POLICY_NR]) < 0;
	}
	expect_is(failed, 0, "calls that failed");
	dev_get(fd, &(struct policy){}, NULL, &now);
	expect_is(now - was, n, "generations");
	expect_flat(&before, n / 2, n / 20, "after the policies");
	vm.m->l2_stop = 1;
	if (runs)
		pthread_join(thread, NULL);
	expect_is(vm.m->l2_alive, 0, "wrong values that L1 read");
	test_end("a policy set %u times, the vCPU %s: each is taken, memory is flat", n,
		 runs ? "running" : "at rest");
	close(fd);
	vm_free(&vm);
}

/* ---- files --------------------------------------------------------------- */

static void test_opens(unsigned int n)
{
	struct rlimit old, limit = { .rlim_cur = n + 200, .rlim_max = n + 200 };
	/* a page for each would be more than 2 kB; what a CPU's free list holds is less */
	struct held before = held();
	unsigned int i, lines = log_lines();
	struct vm vm;
	int *fds = calloc(n, sizeof(*fds));

	if (!fds || getrlimit(RLIMIT_NOFILE, &old) < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		bail("RLIMIT_NOFILE");
	vm_new(&vm, VM_NO_BOOT);
	test_begin();
	for (i = 0; i < n; i++) {
		fds[0] = open("/dev/nvmx", O_RDWR | O_CLOEXEC);
		if (!expect(fds[0] >= 0, "open %u: %s", i, strerror(errno)))
			break;
		close(fds[0]);
		close(dev_open_vm(vm.id));
	}
	expect_flat(&before, 2 * n, n / 20, "opened and closed");
	/* by so many users as that takes; the uid that counts is the real one */
	for (i = 0; i < n; i++) {
		if (setreuid(1000 + i / NVMX_MAX_OPENS, -1) < 0)
			bail("setreuid");
		fds[i] = open("/dev/nvmx", O_RDWR | O_CLOEXEC);
		if (!expect(fds[i] >= 0, "open %u at once: %s", i, strerror(errno)))
			break;
	}
	if (setreuid(0, -1) < 0)
		bail("setreuid");
	/* each of them is a reader, which gets the records of this */
	vm_free(&vm);
	vm_new(&vm, VM_NO_BOOT);
	while (i)
		close(fds[--i]);
	expect_flat(&before, 2 * n, n / 20, "after all at once");
	for (; i < n; i++)
		fds[i] = dev_open_vm(vm.id);
	vm_free(&vm);
	while (i)
		close(fds[--i]);
	expect_flat(&before, 2 * n, n / 20, "after the VM's, all at once");
	expect_is(log_lines(), lines, "lines in the kernel's log");
	test_end("the device and a VM opened %u times, in turn and at once: no harm", n);
	setrlimit(RLIMIT_NOFILE, &old);
	free(fds);
}

static void test_lazy_reader(unsigned int n)
{
	int fd = open("/dev/nvmx", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct nvmx_event e = {};
	struct held before;
	unsigned int i, got = 0;

	for (i = 0; i < NVMX_EVENT_BACKLOG / 2; i++)
		vm_come_and_go();
	before = held();
	test_begin();
	for (i = 0; i < n; i++)
		vm_come_and_go();
	expect_flat(&before, n, n / 4, "full, and more came");
	while (read(fd, &e, sizeof(e)) == sizeof(e) && e.type != NVMX_EVENT_OVERFLOW)
		got++;
	expect_is(got, NVMX_EVENT_BACKLOG, "records kept");
	expect(e.type == NVMX_EVENT_OVERFLOW && e.lost == 2 * n, "then an overflow: type %u, lost %u",
	       e.type, e.lost);
	expect(read(fd, &e, sizeof(e)) < 0 && errno == EAGAIN, "and nothing");
	test_end("a reader that does not read while %u VMs come and go: %u records, one overflow", n,
		 NVMX_EVENT_BACKLOG);
	close(fd);
}

static void test_short_buffers(void)
{
	static struct nvmx_field_counters room[DEV_MAX_FIELDS], all[DEV_MAX_FIELDS];
	struct nvmx_counters c = { .size = sizeof(c), .vcpu = NVMX_ALL_VCPUS };
	unsigned int i, n, k;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	c.nr = DEV_MAX_FIELDS;
	c.fields = (uintptr_t)all;
	test_begin();
	expect_is(ioctl(fd, NVMX_VM_GET_COUNTERS, &c), 0, "room enough");
	n = c.nr;
	expect(n > 20, "%u fields", n);
	for (i = 0; i < 4; i++) {
		unsigned int nr[] = { 0, 1, n - 1, n };

		memset(room, 0xa5, sizeof(room));
		c = (struct nvmx_counters){
			.size = sizeof(c), .vcpu = NVMX_ALL_VCPUS, .nr = nr[i], .fields = (uintptr_t)room,
		};
		expect_is(ioctl(fd, NVMX_VM_GET_COUNTERS, &c), 0, "room for %u", nr[i]);
		expect_is(c.nr, n, "room for %u: how many there are", nr[i]);
		expect(!memcmp(room, all, nr[i] * sizeof(room[0])), "room for %u: the first", nr[i]);
		for (k = nr[i] * sizeof(room[0]); k < sizeof(room); k++)
			if (!expect(((uint8_t *)room)[k] == 0xa5, "room for %u: byte %u", nr[i], k))
				break;
	}
	test_end("counters with room for none, one, and one too few: as many as fit, and the number");
	close(fd);
	vm_free(&vm);
}

/* ---- a guest ------------------------------------------------------------- */

static uint64_t random_state = 88172645463325252;

static unsigned int below(unsigned int n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % n;
}

/* Mostly what fails, or makes L0 allocate, map, flush or copy. */
static struct l1_op worst(void)
{
	static const uint32_t fields[] = {
		NO_SUCH_FIELD, 0xffffffff, 0x7fff, GUEST_RIP | 1, GUEST_ES_BASE, GUEST_SYSENTER_EIP,
		VM_EXIT_REASON, VM_INSTRUCTION_ERROR, EPT_POINTER, PAGE_FAULT_ERROR_CODE_MASK,
		GUEST_CS_AR_BYTES, HOST_CR3, VM_ENTRY_CONTROLS, VMCS_LINK_POINTER, GUEST_ACTIVITY_STATE,
	};
	struct l1_op op = { .field = fields[below(sizeof(fields) / sizeof(fields[0]))] };

	switch (below(16)) {
	case 0:
		op.op = L1_VMXOFF;
		break;
	case 1: case 2:
		op.op = L1_VMXON;
		break;
	case 3: case 4: case 5:
		op.op = L1_VMPTRLD;
		op.value = below(L1_NR_VMCS);
		break;
	case 6:
		op.op = L1_VMCLEAR;
		op.value = below(L1_NR_VMCS);
		break;
	case 7: case 8:
		op.op = below(2) ? L1_VMLAUNCH : L1_VMRESUME;
		break;
	case 9: case 10: case 11:
		op.op = below(2) ? L1_VMREAD : L1_VMREAD_MEM;
		break;
	default:
		op.op = below(2) ? L1_VMWRITE : L1_VMWRITE_MEM;
		/* never what lets L2 run: it would be lost in what is no state of a guest */
		op.value = (uint64_t)below(1U << 31) << 33 | 1;
		break;
	}
	return op;
}

static void abuse(struct vm *vm, unsigned int batches)
{
	static struct l1_op ops[L1_MAX_OPS];
	unsigned int i, k;

	for (i = 0; i < batches; i++) {
		for (k = 0; k < L1_MAX_OPS; k++)
			ops[k] = worst();
		vm_batch(vm, ops, L1_MAX_OPS);
	}
}

static void test_guest(unsigned int batches)
{
	static struct counters before, after;
	struct held h;
	unsigned int i, lines;
	struct vm vm, other;
	int fd, other_fd;

	vm_new(&vm, 0);
	if (vm_get_msr(&vm, MSR_IA32_FEATURE_CONTROL) != 5)
		vm_set_msr(&vm, MSR_IA32_FEATURE_CONTROL, 5);
	vm_new_vmx(&other);
	fd = dev_open_vm(vm.id);
	other_fd = dev_open_vm(other.id);
	dev_must_set(other_fd, &policies[POLICY_INTERCEPT_ALL]);
	vm_vmread(&other, HOST_RSP);
	dev_must_set(fd, &policies[POLICY_MOST]);
	test_begin();
	abuse(&vm, 2);
	h = held();
	lines = log_lines();
	dev_counters(other_fd, &before);
	for (i = 0; i < batches; i++) {
		if (!(i % 8))
			dev_must_set(fd, &policies[i / 8 % POLICY_NR]);
		abuse(&vm, 1);
		vm_op(&other, L1_VMREAD, HOST_RSP, 0, 3);
		vm_op(&other, L1_VMWRITE, GUEST_ES_BASE, i, 2);
		expect_is(vm_vmread(&other, GUEST_ES_BASE), i, "what the other has written");
	}
	dev_counters(other_fd, &after);
	expect_is(dev_reads(&after, HOST_RSP) - dev_reads(&before, HOST_RSP), 3 * batches,
		  "the other's VMREADs of HOST_RSP");
	expect_is(dev_writes(&after, GUEST_ES_BASE) - dev_writes(&before, GUEST_ES_BASE), 2 * batches,
		  "the other's VMWRITEs of GUEST_ES_BASE");
	expect_is(after.total.vmread_exits - before.total.vmread_exits, 4 * batches,
		  "the other's VMREADs");
	expect_is(after.total.vmwrite_exits - before.total.vmwrite_exits, 2 * batches,
		  "the other's VMWRITEs");
	expect_is(after.total.nested_entries, before.total.nested_entries, "the other's entries");
	expect_is(after.total.policy_switches, before.total.policy_switches, "the other's switches");
	expect_flat(&h, 1000, 200, "after the guest's work");
	expect_is(log_lines(), lines, "lines in the kernel's log");
	dev_counters(fd, &after);
	expect(after.total.vmread_exits > 50 * batches && after.total.vmwrite_exits > 50 * batches,
	       "the guest's exits are counted: %llu, %llu", (unsigned long long)after.total.vmread_exits,
	       (unsigned long long)after.total.vmwrite_exits);
	expect(dev_reads(&after, NVMX_NO_FIELD) > batches, "those of no field too: %llu",
	       (unsigned long long)dev_reads(&after, NVMX_NO_FIELD));
	test_end("%u VMX instructions in the worst order: memory flat, log silent, the other VM's counters its own",
		 batches * L1_MAX_OPS);
	close(other_fd);
	close(fd);
	vm_free(&other);
	vm_free(&vm);
}

int main(int argc, char *argv[])
{
	/* 100: as much as there can be */
	unsigned int percent = argc > 1 ? strtoul(argv[1], NULL, 0) : 100;
	enum dev_policy p;

	dev_open();
	for (p = 0; p < POLICY_NR; p++)
		dev_make_policy(p, &policies[p]);
	test_all_read_write();
	test_short_buffers();
	test_many_policies(1000 * percent, false);
	test_many_policies(100 * percent, true);
	test_opens(100 * percent);
	test_lazy_reader(10 * percent);
	test_guest(percent);
	close(dev_fd);
	return done_testing();
}
