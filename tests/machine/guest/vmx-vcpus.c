// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Several vCPUs in one VM, each with an L1 of its own, that move between CPUs while
 * policies switch and windows open: values are what each has written, counters its own.
 * And VMs that end in the middle of that.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"
#include "tap.h"
#include "window.h"

#define NR_VCPUS 3

static struct policy policies[POLICY_NR];
static long nr_cpus;

/* Any 31-bit value will do in them, and an exit of L2 leaves it there. */
static const uint32_t fields[] = {
	HOST_RSP, HOST_IA32_SYSENTER_EIP, HOST_FS_BASE, HOST_GS_BASE, CR0_READ_SHADOW,
	VM_ENTRY_INSTRUCTION_LEN, PAGE_FAULT_ERROR_CODE_MASK, GUEST_ES_BASE, GUEST_FS_BASE,
	GUEST_SYSENTER_EIP, GUEST_RSP,
};
#define NR_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* A vCPU, the thread that runs it, and what it must read. */
struct worker {
	struct vm vm;
	pthread_t thread;
	unsigned int seed, rounds;
	uint64_t last[NR_FIELDS];
	uint64_t entries, wrong;
	volatile bool done;
};

static volatile bool stop;

static void move(unsigned int *seed)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(rand_r(seed) % nr_cpus, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		bail("sched_setaffinity");
}

#define ROUND 60

static void round_of(struct worker *w)
{
	struct l1_op ops[ROUND];
	uint64_t want[ROUND] = {};
	unsigned int i, f, sum = EXIT_REASON_CPUID + EXIT_REASON_VMCALL + EXIT_REASON_IO;

	for (i = 0; i < ROUND - 2; i++) {
		f = rand_r(&w->seed) % NR_FIELDS;
		ops[i] = (struct l1_op){ .op = L1_VMREAD, .field = fields[f] };
		if (rand_r(&w->seed) & 1) {
			ops[i].op = L1_VMWRITE;
			w->last[f] = ops[i].value = rand_r(&w->seed) & 0x7fffffff;
		}
		want[i] = w->last[f];
	}
	ops[i++] = (struct l1_op){
		.op = L1_VMWRITE, .field = GUEST_RIP, .value = w->vm.m->l2_entry[L2_MIX],
	};
	ops[i] = (struct l1_op){ .op = L1_L2_LOOP, .count = 6 };
	vm_batch(&w->vm, ops, ROUND);
	for (i = 0; i < ROUND - 2; i++)
		w->wrong += ops[i].value != want[i] || ops[i].flags;
	w->wrong += ops[ROUND - 1].value != 2 * sum;
	w->entries += 6;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	for (i = 0; i < w->rounds && !stop; i++) {
		move(&w->seed);
		round_of(w);
	}
	w->done = true;
	return NULL;
}

static void start(struct worker *w, unsigned int nr, unsigned int rounds)
{
	unsigned int i, f;

	memset(w, 0, nr * sizeof(*w));
	stop = false;
	for (i = 0; i < nr; i++) {
		if (i)
			vm_new_sibling(&w[i].vm, &w[0].vm, i);
		else
			vm_new(&w[0].vm, 0);
		vm_vmxon(&w[i].vm);
		vm_setup(&w[i].vm, 0);
		w[i].seed = 100 + i;
		w[i].rounds = rounds;
		for (f = 0; f < NR_FIELDS; f++)
			w[i].last[f] = vm_vmread(&w[i].vm, fields[f]);
	}
	for (i = 0; i < nr; i++) {
		errno = pthread_create(&w[i].thread, NULL, work, &w[i]);
		if (errno)
			bail("pthread_create");
	}
}

/* One change of what is in force; false once the VM is gone. */
static bool change(int fd, int other, unsigned int *seed)
{
	int r;

	switch (rand_r(seed) % 8) {
	case 0:
		r = window_start(fd, NVMX_WINDOW_MAX_MS);
		expect(!r || r == EBUSY || r == ENODEV, "START: %s", strerror(r));
		break;
	case 1:
		r = window_end(fd);
		expect(!r || r == ENOENT || r == ENODEV, "END: %s", strerror(r));
		break;
	case 2:
		r = window_start(other, 1);
		expect(!r || r == EBUSY || r == ENODEV, "START of a short one: %s", strerror(r));
		break;
	default:
		r = -dev_set(fd, &policies[rand_r(seed) % POLICY_NR]);
		expect(!r || r == ENODEV, "a policy: %s", strerror(r));
		break;
	}
	return r != ENODEV;
}

static void check_counters(const struct worker *w, int fd)
{
	static struct nvmx_field_counters all[DEV_MAX_FIELDS], one[DEV_MAX_FIELDS];
	uint64_t entries = 0, switches = 0, reads = 0;
	struct nvmx_counters c;
	unsigned int i, j, k;

	memset(all, 0, sizeof(all));
	for (i = 0; i <= NR_VCPUS; i++) {
		c = (struct nvmx_counters){
			.size = sizeof(c), .vcpu = i < NR_VCPUS ? (int)i : NVMX_ALL_VCPUS,
			.nr = DEV_MAX_FIELDS, .fields = (uintptr_t)one,
		};
		if (ioctl(fd, NVMX_VM_GET_COUNTERS, &c) < 0)
			bail("NVMX_VM_GET_COUNTERS");
		if (i == NR_VCPUS)
			break;
		expect_is(c.nested_entries, w[i].entries, "entries of vCPU %u", i);
		expect(c.policy_switches > 5, "vCPU %u has switched", i);
		entries += c.nested_entries;
		switches += c.policy_switches;
		reads += c.vmread_exits;
		for (j = 0; j < c.nr; j++) {
			for (k = 0; dev_fields[k].encoding != one[j].encoding; k++)
				;
			all[k].vmread_exits += one[j].vmread_exits;
			all[k].vmwrite_exits += one[j].vmwrite_exits;
		}
	}
	expect(c.nested_entries == entries && c.policy_switches == switches &&
	       c.vmread_exits == reads, "the sum is the sum");
	for (j = 0; j < c.nr; j++) {
		for (k = 0; dev_fields[k].encoding != one[j].encoding; k++)
			;
		expect(all[k].vmread_exits == one[j].vmread_exits &&
		       all[k].vmwrite_exits == one[j].vmwrite_exits, "sum of %s", dev_fields[k].name);
	}
}

static void test_moving(unsigned int rounds)
{
	static struct worker w[NR_VCPUS];
	unsigned int i, n, seed = 1, changes = 0;
	struct nvmx_vm_info info;
	int fd, other;

	start(w, NR_VCPUS, rounds);
	fd = dev_open_vm(w[0].vm.id);
	other = dev_open_vm(w[0].vm.id);
	test_begin();
	do {
		for (n = i = 0; i < NR_VCPUS; i++)
			n += w[i].done;
		expect(change(fd, other, &seed), "the VM is there");
		changes++;
		usleep(rand_r(&seed) % 200);
	} while (n < NR_VCPUS);
	for (i = 0; i < NR_VCPUS; i++) {
		pthread_join(w[i].thread, NULL);
		expect_is(w[i].wrong, 0, "wrong values of vCPU %u", i);
	}
	info = window_info(fd);
	expect_is(info.nr_vcpus, NR_VCPUS, "vCPUs");
	check_counters(w, fd);
	close(other);
	close(fd);
	fd = dev_open_vm(w[0].vm.id);
	dev_must_set(fd, &policies[POLICY_HALF]);
	expect_is(window_info(fd).nr_pending, NR_VCPUS, "pending, none runs");
	for (i = 0; i < NR_VCPUS; i++) {
		window_check(&w[i].vm, fd, &policies[POLICY_HALF], "at the end");
		expect_is(window_info(fd).nr_pending, NR_VCPUS - 1 - i, "pending, one less");
	}
	test_end("%u vCPUs on %ld CPUs, %u rounds each amid %u changes: values and counters are each one's own",
		 NR_VCPUS, nr_cpus, rounds, changes);
	close(fd);
	for (i = 0; i < NR_VCPUS; i++)
		vm_free(&w[NR_VCPUS - 1 - i].vm);
}

/* ---- VMs that end -------------------------------------------------------- */

/* A process with a VM whose vCPUs work until it is killed, or until it stops them. */
static void child(int ready, unsigned int rounds)
{
	static struct worker w[2];
	unsigned int i;

	start(w, 2, rounds);
	if (write(ready, &w[0].vm.id, sizeof(w[0].vm.id)) != sizeof(w[0].vm.id))
		_exit(1);
	for (i = 0; i < 2; i++)
		pthread_join(w[i].thread, NULL);
	for (i = 0; i < 2; i++)
		vm_free(&w[i].vm);
	_exit(w[0].wrong || w[1].wrong);
}

static void one_end(bool killed, unsigned int *seed, uint64_t *changes)
{
	int ready[2], fd, other, status;
	unsigned int n = 0, last = 20 + rand_r(seed) % 100;
	uint64_t id;
	pid_t pid;

	if (pipe(ready) < 0)
		bail("pipe");
	pid = fork();
	if (!pid)
		child(ready[1], killed ? 1000000 : 4);
	/* so that a child that ends too early is noticed */
	close(ready[1]);
	if (read(ready[0], &id, sizeof(id)) != sizeof(id))
		bail("the child");
	fd = dev_open_vm(id);
	other = dev_open_vm(id);
	/* until it is gone */
	while (change(fd, other, seed)) {
		if (++n == last && killed)
			kill(pid, SIGKILL);
		/* each makes the vCPUs leave the guest: on other CPUs they would not get on */
		if (!(n % 16))
			usleep(200);
	}
	*changes += n;
	waitpid(pid, &status, 0);
	expect(killed ? WIFSIGNALED(status) : WIFEXITED(status) && !WEXITSTATUS(status),
	       "status of the VM's process: %#x", status);
	close(ready[0]);
	close(n & 1 ? fd : other);
	close(n & 1 ? other : fd);
}

static void test_ends(bool killed, unsigned int n)
{
	uint64_t free_before, free_after, objects_before, objects_after, changes = 0;
	unsigned int i, seed = 7;

	test_begin();
	for (i = 0; i < 3; i++)
		one_end(killed, &seed, &changes);
	mem_settle();
	free_before = mem_free();
	objects_before = mem_kmalloc_objects();
	for (i = 0; i < n; i++)
		one_end(killed, &seed, &changes);
	mem_settle();
	free_after = mem_free();
	objects_after = mem_kmalloc_objects();
	/* a VM is more than 100 kB */
	expect(free_after + 40 * n > free_before, "free %llu kB, then %llu kB",
	       (unsigned long long)free_before, (unsigned long long)free_after);
	expect(objects_after < objects_before + 2 * n, "kmalloc objects %llu, then %llu",
	       (unsigned long long)objects_before, (unsigned long long)objects_after);
	test_end("%u VMs %s while policies and windows change (%llu changes): memory is flat", n,
		 killed ? "whose process is killed" : "that are closed", (unsigned long long)changes);
	note("free %llu kB, then %llu kB; kmalloc objects %llu, then %llu",
	     (unsigned long long)free_before, (unsigned long long)free_after,
	     (unsigned long long)objects_before, (unsigned long long)objects_after);
}

int main(int argc, char *argv[])
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 150;
	enum dev_policy p;

	dev_open();
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (p = 0; p < POLICY_NR; p++)
		dev_make_policy(p, &policies[p]);
	test_moving(rounds);
	test_ends(true, 25);
	test_ends(false, 15);
	close(dev_fd);
	return done_testing();
}
