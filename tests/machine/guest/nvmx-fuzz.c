// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nvmx-fuzz [COUNT [SEED]]: COUNT random and mutated calls on /dev/nvmx by several
 * threads, while others create VMs, run L1 and L2 in them and let them die.  Every
 * outcome has to be one that the header of the ABI allows, no L1 may notice anything,
 * and nothing is left over.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dev.h"
#include "fuzz.h"
#include "mem.h"
#include "tap.h"
#include "vm.h"

#define NR_CALLERS	4
#define NR_KEEPERS	2

static struct fuzz_shared shared;
static struct fuzz callers[NR_CALLERS], keepers[NR_KEEPERS];
static unsigned long calls_each;
static bool stop;

/* VMs by how they lived. */
enum life { LIFE_BARE, LIFE_L2, LIFE_KILLED, LIFE_NR };

static unsigned long lives[LIFE_NR];
static const char *const life_names[] = { "bare", "with L2", "killed" };

/* ---- VMs ----------------------------------------------------------------- */

/* Tells the callers of the newest VM, and gives them a fd of it, be it for reading only. */
static void introduce(struct fuzz *f, uint64_t id)
{
	struct nvmx_open_vm o = { .size = sizeof(o), .id = id };

	__atomic_store_n(&shared.newest, id, __ATOMIC_RELAXED);
	/* it may be another keeper's, and gone by now */
	if (!ioctl(shared.registry[fuzz_one_in(f, 4)], NVMX_OPEN_VM, &o))
		fuzz_keep_fd(f, o.fd);
}

/* A VM with a few vCPUs that never run. */
static void live_bare(struct fuzz *f)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd, vcpus[3];
	uint32_t i, n = fuzz_below(f, 4);

	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (fd < 0)
		bail("KVM_CREATE_VM");
	for (i = 0; i < n; i++) {
		vcpus[i] = ioctl(fd, KVM_CREATE_VCPU, i);
		if (vcpus[i] < 0)
			bail("KVM_CREATE_VCPU");
	}
	introduce(f, dev_newest_vm());
	usleep(fuzz_below(f, 20000));
	/* the last of them is the end of the VM */
	if (n & 1)
		close(fd);
	for (i = 0; i < n; i++)
		close(vcpus[i]);
	if (!(n & 1))
		close(fd);
	close(kvm);
}

static void live_l2(struct fuzz *f)
{
	static const struct {
		enum l2_program program;
		uint32_t reason;
	} exits[] = {
		{ L2_VMCALL, EXIT_REASON_VMCALL }, { L2_OUT, EXIT_REASON_IO }, { L2_HLT, EXIT_REASON_HLT },
		{ L2_EPT, EXIT_REASON_EPT_VIOLATION }, { L2_SEGMENTS, EXIT_REASON_VMCALL },
	};
	uint32_t rounds = fuzz_below(f, 30), i;
	struct vm vm;

	vm_new(&vm, 0);
	introduce(f, vm.id);
	vm_vmxon(&vm);
	for (; rounds; rounds--) {
		i = fuzz_below(f, sizeof(exits) / sizeof(exits[0]));
		vm_setup(&vm, fuzz_below(f, L1_NR_VMCS));
		vm_run_l2(&vm, exits[i].program);
		errno = 0;
		if (vm_vmread(&vm, VM_EXIT_REASON) != exits[i].reason ||
		    vm_vmread(&vm, GUEST_RIP) != vm.m->l2_exit[exits[i].program])
			bail("L2 did not exit as it must, under some policy");
	}
	if (fuzz_below(f, 2))
		vm_op(&vm, L1_VMXOFF, 0, 0, 1);
	vm_free(&vm);
}

/* Its owner is killed while L2 runs. */
static void live_killed(struct fuzz *f)
{
	int ready[2], status;
	struct vm vm;
	uint64_t id;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		bail("pipe2");
	pid = fork();
	if (pid < 0)
		bail("fork");
	if (!pid) {
		vm_new_vmx(&vm);
		if (write(ready[1], &vm.id, sizeof(vm.id)) != sizeof(vm.id))
			_exit(1);
		vm.m->l2_gpr[GPR_RDI] = L1_MAILBOX + offsetof(struct l1_mailbox, l2_alive);
		vm.m->l2_gpr[GPR_RSI] = L1_MAILBOX + offsetof(struct l1_mailbox, l2_stop);
		vm_run_l2(&vm, L2_SPIN);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &id, sizeof(id)) != sizeof(id))
		bail("the owner of a VM, which is to be killed, ended before that");
	introduce(f, id);
	usleep(fuzz_below(f, 50000));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ready[0]);
}

static void *keep_vms(void *arg)
{
	static void (*const live[])(struct fuzz *f) = { live_bare, live_l2, live_killed };
	struct fuzz *f = arg;
	enum life life;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		life = (enum life[]){ LIFE_BARE, LIFE_BARE, LIFE_L2, LIFE_L2, LIFE_KILLED }[fuzz_below(f, 5)];
		live[life](f);
		__atomic_add_fetch(&lives[life], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* ---- calls --------------------------------------------------------------- */

static void *make_calls(void *arg)
{
	unsigned long i;

	for (i = 0; i < calls_each; i++)
		fuzz_call(arg);
	return NULL;
}

static void run_threads(unsigned long count)
{
	pthread_t threads[NR_CALLERS + NR_KEEPERS];
	unsigned int i;

	calls_each = count / NR_CALLERS;
	stop = false;
	errno = 0;
	for (i = 0; i < NR_CALLERS; i++)
		if (pthread_create(&threads[i], NULL, make_calls, &callers[i]))
			bail("pthread_create");
	for (i = 0; i < NR_KEEPERS; i++)
		if (pthread_create(&threads[NR_CALLERS + i], NULL, keep_vms, &keepers[i]))
			bail("pthread_create");
	for (i = 0; i < NR_CALLERS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_KEEPERS; i++)
		pthread_join(threads[NR_CALLERS + i], NULL);
}

/* ---- the verdict --------------------------------------------------------- */

static void show(unsigned int op, const unsigned long *outcomes)
{
	char text[300];
	int error, n;

	n = snprintf(text, sizeof(text), "%s: %lu succeed", op < fuzz_nr_ops ? fuzz_ops[op].name :
		     "other numbers", outcomes[0]);
	for (error = 1; error < FUZZ_MAX_ERRNO; error++)
		if (outcomes[error] && n < (int)sizeof(text))
			n += snprintf(text + n, sizeof(text) - n, ", %s %lu", strerrorname_np(error),
				      outcomes[error]);
	note("%s", text);
}

static void test_outcomes(unsigned long count)
{
	unsigned long sum[FUZZ_MAX_ERRNO], failed, bad = 0, reads = 0;
	unsigned int op, i, error;

	test_begin();
	for (i = 0; i < NR_CALLERS; i++) {
		bad += callers[i].bad;
		reads += callers[i].reads;
		if (callers[i].bad)
			note("  %s", callers[i].last_bad);
	}
	expect_is(bad, 0, "calls with an outcome that the ABI does not allow");
	expect(reads, "records are read");
	test_end("%lu calls: every outcome is one that the ABI allows", count);

	test_begin();
	for (op = 0; op <= fuzz_nr_ops; op++) {
		failed = 0;
		for (error = 0; error < FUZZ_MAX_ERRNO; error++) {
			sum[error] = 0;
			for (i = 0; i < NR_CALLERS; i++)
				sum[error] += callers[i].outcomes[op][error];
			failed += error ? sum[error] : 0;
		}
		show(op, sum);
		expect(failed, "ioctl %u of the table is refused at times", op);
		expect(op == fuzz_nr_ops || sum[0], "ioctl %u of the table succeeds at times", op);
	}
	test_end("each ioctl succeeds at times, and is refused at others");

	test_begin();
	for (i = 0; i < LIFE_NR; i++) {
		note("VMs, %s: %lu", life_names[i], lives[i]);
		expect(lives[i], "VMs %s", life_names[i]);
	}
	test_end("VMs came and went meanwhile");
}

/* What is not the kernel's: free, or memory of this program. */
static uint64_t not_kernels(void)
{
	mem_settle();
	return mem_free() + mem_info("AnonPages");
}

static void test_memory(unsigned long count)
{
	uint64_t free_before, free_after, objects_before, objects_after;
	unsigned int fds = mem_open_fds();

	run_threads(count / 10);
	free_before = not_kernels();
	objects_before = mem_kmalloc_objects();
	run_threads(count);
	free_after = not_kernels();
	objects_after = mem_kmalloc_objects();
	note("not the kernel's: %llu kB, then %llu kB; kmalloc objects %llu, then %llu",
	     (unsigned long long)free_before, (unsigned long long)free_after,
	     (unsigned long long)objects_before, (unsigned long long)objects_after);
	/*
	 * What it caches, such as tables of pages and what CPUs keep at hand: some 4 MB
	 * were seen.  A page for every policy set is 100 MB in the long run.
	 */
	ok(free_after + 8192 > free_before, "no page leaks");
	ok(objects_before && objects_after < objects_before + 200, "no kmalloc object leaks");
	is(mem_open_fds(), fds, "no file descriptor is left over");
}

int main(int argc, char *argv[])
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	unsigned int i;

	dev_open();
	fuzz_open(&shared);
	note("seed %llu", (unsigned long long)seed);
	for (i = 0; i < NR_CALLERS; i++)
		fuzz_init(&callers[i], &shared, seed * 1000 + i);
	for (i = 0; i < NR_KEEPERS; i++)
		fuzz_init(&keepers[i], &shared, seed * 1000 + 100 + i);
	test_memory(count);
	test_outcomes(count + count / 10);
	fuzz_close(&shared);
	dev_test_unused();
	return done_testing();
}
