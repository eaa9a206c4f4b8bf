// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Profiling windows: what is refused; what is seen while one is open; each way in
 * which it ends, and that the policy in force then is back; and windows of a VM that
 * dies or works meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"
#include "tap.h"
#include "window.h"

#define LONG	NVMX_WINDOW_MAX_MS

static struct policy policies[POLICY_NR];

static int open_read_only(uint64_t id)
{
	struct nvmx_open_vm o = { .size = sizeof(o), .id = id };
	int fd = open("/dev/nvmx", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, NVMX_OPEN_VM, &o) < 0)
		bail("a fd for reading");
	close(fd);
	return o.fd;
}

/* ---- what is refused ----------------------------------------------------- */

static void test_refusals(void)
{
	static const uint32_t durations[] = { 0, LONG + 1, 24 * 3600 * 1000, 0xffffffff };
	struct nvmx_window end = { .size = sizeof(end), .duration_ms = 1 };
	int fd, other, reading;
	struct vm vm;
	unsigned int i;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	other = dev_open_vm(vm.id);
	reading = open_read_only(vm.id);
	test_begin();
	for (i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		expect_is(window_start(fd, durations[i]), EINVAL, "%u ms", durations[i]);
		expect(!window_is_open(fd), "%u ms: none is open", durations[i]);
	}
	expect_is(window_end(fd), ENOENT, "END without a window");
	expect_is(window_start(reading, LONG), EPERM, "START by a fd for reading");
	expect_is(window_start(fd, LONG), 0, "START");
	expect_is(window_start(fd, LONG), EBUSY, "START again");
	expect_is(window_start(other, 1), EBUSY, "START by another fd");
	expect_is(window_end(other), ENOENT, "END by another fd");
	expect_is(window_end(reading), EPERM, "END by a fd for reading");
	expect(ioctl(fd, NVMX_VM_END_WINDOW, &end) < 0 && errno == EINVAL, "END with a duration");
	close(other);
	expect(window_is_open(fd), "after all that the window is still open");
	expect_is(window_end(fd), 0, "END");
	expect(!window_is_open(fd), "none is open");
	expect_is(window_end(fd), ENOENT, "END again");
	expect_is(window_start(fd, LONG), 0, "START after END");
	expect_is(window_end(fd), 0, "END");
	test_end("windows that are too long, of no length, opened twice, or another's: refused");
	close(reading);
	close(fd);
	vm_free(&vm);
}

/* ---- while one is open, and after END ------------------------------------ */

static void expect_same_policy(int fd, const struct policy *p, uint64_t generation)
{
	static struct policy got;
	uint64_t got_generation;
	char label[NVMX_LABEL_LEN];

	dev_get(fd, &got, label, &got_generation);
	expect(dev_same(&got, p), "%s is what NVMX_VM_GET_POLICY gives", p->name);
	expect(!strcmp(label, p->name), "with its label");
	expect_is(got_generation, generation, "and its generation");
}

static void test_open(void)
{
	static struct counters before, after;
	uint64_t generation;
	struct vm vm;
	unsigned int i;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	for (i = 0; i < POLICY_NR; i++) {
		dev_must_set(fd, &policies[i]);
		vm_setup(&vm, 0);
		dev_counters(fd, &before);
		dev_get(fd, &(struct policy){}, NULL, &generation);
		test_begin();
		window_check(&vm, fd, &policies[i], "before");
		expect_is(window_start(fd, LONG), 0, "START");
		expect_is(window_info(fd).state, NVMX_VM_STATE_VMXON | NVMX_VM_STATE_WINDOW, "state");
		expect_is(window_info(fd).nr_pending, 1, "pending, before L1 runs");
		window_check(&vm, fd, NULL, "within");
		expect_is(window_info(fd).nr_pending, 0, "pending, after it has");
		vm_run_l2(&vm, L2_OUT);
		expect_is(vm_vmread(&vm, EXIT_QUALIFICATION), 0x800040, "L2 runs");
		expect_same_policy(fd, &policies[i], generation);
		expect_is(window_end(fd), 0, "END");
		expect_is(window_info(fd).state, NVMX_VM_STATE_VMXON, "state");
		expect_is(window_info(fd).nr_pending, 1, "pending again");
		vm_setup(&vm, 0);
		window_check(&vm, fd, &policies[i], "after");
		expect_same_policy(fd, &policies[i], generation);
		dev_counters(fd, &after);
		expect_is(after.total.policy_switches - before.total.policy_switches, 2,
			  "switches: into the window and out of it");
		test_end("%s: every access exits and is counted while a window is open, and no more after",
			 policies[i].name);
	}
	close(fd);
	vm_free(&vm);
}

/* A policy set meanwhile waits for the end. */
static void test_set_meanwhile(void)
{
	uint64_t generation;
	struct vm vm;
	unsigned int i;
	int fd, other;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	other = dev_open_vm(vm.id);
	test_begin();
	for (i = 0; i + 1 < POLICY_NR; i++) {
		dev_must_set(fd, &policies[i]);
		vm_setup(&vm, 0);
		expect_is(window_start(fd, LONG), 0, "START");
		window_check(&vm, fd, NULL, "before the new policy");
		dev_get(fd, &(struct policy){}, NULL, &generation);
		dev_must_set(other, &policies[i + 1]);
		expect_same_policy(fd, &policies[i + 1], generation + 1);
		expect_is(window_info(fd).nr_pending, 0, "nothing changes for the vCPU");
		window_check(&vm, fd, NULL, "after the new policy");
		expect(window_is_open(fd), "the window is open");
		expect_is(window_end(fd), 0, "END");
		window_check(&vm, fd, &policies[i + 1], policies[i + 1].name);
	}
	test_end("a policy set while a window is open is in force once it has ended");
	close(other);
	close(fd);
	vm_free(&vm);
}

/* ---- the other ways to end ----------------------------------------------- */

/*
 * How often to sleep for as long as the window lasts: the kernel ends it within some ticks
 * of the clock by which we sleep, so how fast the machine is makes no difference.
 */
#define MAX_SLEEPS	1000

static void sleep_until_closed(int fd)
{
	unsigned int i;

	for (i = 0; i < MAX_SLEEPS && window_is_open(fd); i++)
		usleep(1000);
	expect(i < MAX_SLEEPS, "a window of 1 ms ends by itself within %u sleeps of 1 ms", MAX_SLEEPS);
}

/* Of 50 exits each: many times as many as fit into a window of 200 ms. */
#define MAX_BATCHES	5000

/* L1 works until the window has ended; gives the batches that took, 0 if it never did. */
static unsigned int work_until_closed(struct vm *vm, int fd)
{
	unsigned int i;

	for (i = 1; i < MAX_BATCHES; i++) {
		vm_op(vm, L1_VMREAD, HOST_RSP, 0, 50);
		if (!window_is_open(fd))
			return i;
	}
	return 0;
}

static void test_expires(void)
{
	unsigned int batches[2] = {};
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	dev_must_set(fd, &policies[POLICY_MOST]);
	test_begin();
	expect_is(window_start(fd, 20), 0, "START");
	batches[0] = work_until_closed(&vm, fd);
	if (!expect(batches[0], "it ends"))
		goto end;
	expect_is(window_end(fd), ENOENT, "END after it has");
	vm_setup(&vm, 0);
	window_check(&vm, fd, &policies[POLICY_MOST], "after it has ended");
	expect_is(window_start(fd, 200), 0, "START of one ten times as long");
	batches[1] = work_until_closed(&vm, fd);
	expect(batches[1] > 3 * batches[0], "it is open longer: %u batches, and %u", batches[0],
	       batches[1]);
	/* L1 sleeps meanwhile */
	vm_op(&vm, L1_NOP, 0, 0, 1);
	expect_is(window_start(fd, 1), 0, "START");
	sleep_until_closed(fd);
	expect_is(window_info(fd).nr_pending, 0, "the vCPU has not seen it");
	window_check(&vm, fd, &policies[POLICY_MOST], "after one that L1 slept through");
end:
	test_end("a window ends by itself after its time (%u batches of L1's, and %u)", batches[0],
		 batches[1]);
	close(fd);
	vm_free(&vm);
}

/* The timer of a window that was ended leaves the next one alone. */
static void test_stale_timer(void)
{
	unsigned int i, late = 0;
	struct vm vm;
	int fd, r;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	test_begin();
	for (i = 0; i < 100; i++) {
		expect_is(window_start(fd, 1 + i % 5), 0, "START of a short one");
		vm_op(&vm, L1_VMREAD, HOST_RSP, 0, 7 * i);
		r = window_end(fd);
		expect(!r || r == ENOENT, "END: %s", strerror(r));
		late += r == ENOENT;
		expect_is(window_start(fd, LONG), 0, "START of a long one");
		vm_op(&vm, L1_VMREAD, HOST_RSP, 0, 300);
		expect(window_is_open(fd), "it is still open");
		expect_is(window_end(fd), 0, "END of the long one");
	}
	test_end("100 windows ended at about the time they end by themselves, each followed by another");
	note("%u had ended by themselves", late);
	close(fd);
	vm_free(&vm);
}

static void test_closed(void)
{
	int fd, owner, copy;
	struct vm vm;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	owner = dev_open_vm(vm.id);
	dev_must_set(fd, &policies[POLICY_HALF]);
	test_begin();
	expect_is(window_start(owner, LONG), 0, "START");
	window_check(&vm, fd, NULL, "within");
	copy = fcntl(owner, F_DUPFD_CLOEXEC, 0);
	close(owner);
	expect(window_is_open(fd), "a copy of the fd holds it");
	close(copy);
	expect(!window_is_open(fd), "closed with the last");
	window_check(&vm, fd, &policies[POLICY_HALF], "after");
	expect_is(window_start(fd, LONG), 0, "START by another fd");
	expect_is(window_end(fd), 0, "END");
	test_end("a window ends when the fd that started it is closed");
	close(fd);
	vm_free(&vm);
}

static void test_owner_killed(void)
{
	int fd, own, ready[2], status;
	struct vm vm;
	char byte;
	pid_t pid;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	dev_must_set(fd, &policies[POLICY_OTHER_HALF]);
	if (pipe(ready) < 0)
		bail("pipe");
	pid = fork();
	if (!pid) {
		own = dev_open_vm(vm.id);
		byte = window_start(own, LONG);
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	test_begin();
	expect(read(ready[0], &byte, 1) == 1 && !byte, "another process starts a window");
	expect(window_is_open(fd), "it is open");
	window_check(&vm, fd, NULL, "within");
	expect_is(window_end(fd), ENOENT, "it is not ours to end");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	expect(!window_is_open(fd), "it has ended with its owner");
	window_check(&vm, fd, &policies[POLICY_OTHER_HALF], "after");
	test_end("a window ends when the process that started it is killed");
	close(ready[0]);
	close(ready[1]);
	close(fd);
	vm_free(&vm);
}

/* ---- vmwrite_any_field --------------------------------------------------- */

static bool any_field_in_msr(struct vm *vm)
{
	return vm_l1_rdmsr(vm, MSR_IA32_VMX_MISC) & VMX_MISC_VMWRITE_ANY;
}

static void expect_any_field(struct vm *vm, bool any, const char *when)
{
	struct l1_op *op;

	expect_is(any_field_in_msr(vm), any, "%s: bit 29 of IA32_VMX_MISC", when);
	op = vm_op(vm, L1_VMWRITE, VM_EXIT_REASON, 10, 1);
	expect_is(op->error, any ? 0 : VMXERR_READ_ONLY_COMPONENT, "%s: VMWRITE of VM_EXIT_REASON",
		  when);
}

static void test_hide(bool hide, bool before)
{
	static struct policy p, q;
	struct vm vm;
	int fd;

	dev_make_policy(POLICY_STOCK, &p);
	q = p;
	p.any = hide ? NVMX_VMWRITE_ANY_HIDE : NVMX_VMWRITE_ANY_INHERIT;
	q.any = hide ? NVMX_VMWRITE_ANY_INHERIT : NVMX_VMWRITE_ANY_HIDE;
	vm_new(&vm, 0);
	fd = dev_open_vm(vm.id);
	test_begin();
	/* set before the window, or within it, over its contrary */
	dev_must_set(fd, before ? &p : &q);
	expect_is(window_start(fd, LONG), 0, "START before VMXON");
	/* L1 must not have looked */
	vm_op(&vm, L1_NOP, 0, 0, 1);
	dev_must_set(fd, &p);
	expect_is(any_field_in_msr(&vm), !hide, "what it reads when the policy is set");
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	expect_any_field(&vm, !hide, "within");
	expect_is(dev_set(fd, &q), -EBUSY, "to change it after VMXON, within");
	expect_is(window_end(fd), 0, "END");
	expect_any_field(&vm, !hide, "after");
	expect_is(dev_set(fd, &q), -EBUSY, "to change it after VMXON");
	expect_is(window_start(fd, LONG), 0, "START after VMXON");
	expect_any_field(&vm, !hide, "within another");
	close(fd);
	expect_any_field(&vm, !hide, "after that");
	test_end("vmwrite-any-field %s, set %s a window, is left alone by windows",
		 hide ? "hide" : "inherit", before ? "before" : "within");
	vm_free(&vm);
}

/* ---- VMs that die, and that work ----------------------------------------- */

static void test_gone(void)
{
	int fd, other, i;
	struct vm vm;

	test_begin();
	for (i = 0; i < 40; i++) {
		if (i & 1)
			vm_new_vmx(&vm);
		else
			vm_new(&vm, VM_NO_BOOT);
		fd = dev_open_vm(vm.id);
		other = dev_open_vm(vm.id);
		/* one that may end by itself while the VM dies */
		expect_is(window_start(fd, i & 2 ? 1 : LONG), 0, "START");
		if (i == 7)
			sleep_until_closed(fd);
		vm_free(&vm);
		expect_is(window_start(fd, 1), ENODEV, "START, the VM gone");
		expect_is(window_start(other, 1), ENODEV, "START by another, the VM gone");
		expect_is(window_end(fd), ENODEV, "END, the VM gone");
		expect_is(window_start(fd, 0), EINVAL, "START with no duration, the VM gone");
		close(i & 4 ? fd : other);
		close(i & 4 ? other : fd);
	}
	test_end("a VM that dies with a window open: ENODEV, and the fds can be closed");
}

struct worker {
	struct vm *vm;
	volatile bool stop;
	volatile unsigned int rounds;
	unsigned int wrong;
};

/* L1 writes and reads, and enters L2, until told to stop. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct l1_op ops[42];
	unsigned int i;

	while (!w->stop) {
		for (i = 0; i < 40; i += 2) {
			uint32_t field = i % 4 ? HOST_RSP : GUEST_RSP;

			ops[i] = (struct l1_op){
				.op = L1_VMWRITE, .field = field, .value = 0x1000 * w->rounds + i,
			};
			ops[i + 1] = (struct l1_op){ .op = L1_VMREAD, .field = field };
		}
		ops[40] = (struct l1_op){
			.op = L1_VMWRITE, .field = GUEST_RIP, .value = w->vm->m->l2_entry[L2_OUT],
		};
		ops[41] = (struct l1_op){ .op = L1_L2_LOOP, .count = 2 };
		vm_batch(w->vm, ops, 42);
		for (i = 0; i < 40; i += 2)
			w->wrong += ops[i + 1].value != ops[i].value;
		w->wrong += ops[41].value != EXIT_REASON_IO + EXIT_REASON_IO;
		w->rounds++;
	}
	return NULL;
}

static void many_windows(int fd, struct worker *w, unsigned int n)
{
	unsigned int i, seen;

	for (i = 0; i < n; i++) {
		expect_is(window_start(fd, LONG), 0, "START");
		/* now and then L1 gets somewhere with it */
		for (seen = w->rounds; i % 16 == 0 && w->rounds == seen; )
			usleep(200);
		expect_is(window_end(fd), 0, "END");
		for (seen = w->rounds; i % 16 == 8 && w->rounds == seen; )
			usleep(200);
	}
}

static void test_many(unsigned int n)
{
	uint64_t free_before, free_after, objects_before, objects_after;
	static struct counters c;
	pthread_t thread;
	struct worker w = {};
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	dev_must_set(fd, &policies[POLICY_MOST]);
	w.vm = &vm;
	errno = pthread_create(&thread, NULL, work, &w);
	if (errno)
		bail("pthread_create");
	test_begin();
	many_windows(fd, &w, n / 10);
	mem_settle();
	free_before = mem_free();
	objects_before = mem_kmalloc_objects();
	many_windows(fd, &w, n);
	mem_settle();
	free_after = mem_free();
	objects_after = mem_kmalloc_objects();
	w.stop = true;
	pthread_join(thread, NULL);
	dev_counters(fd, &c);
	expect(w.rounds > n / 20 && !w.wrong, "L1: %u rounds, %u wrong values", w.rounds, w.wrong);
	expect(c.total.policy_switches > n / 20, "windows were taken up: %llu",
	       (unsigned long long)c.total.policy_switches);
	/* a page or an object for each would be far more */
	expect(free_after + n > free_before, "free %llu kB, then %llu kB",
	       (unsigned long long)free_before, (unsigned long long)free_after);
	expect(objects_after < objects_before + n / 4, "kmalloc objects %llu, then %llu",
	       (unsigned long long)objects_before, (unsigned long long)objects_after);
	window_check(&vm, fd, &policies[POLICY_MOST], "after");
	test_end("%u windows in a row while L1 works: its values hold, memory is flat", n);
	note("%u rounds of L1, %llu switches", w.rounds, (unsigned long long)c.total.policy_switches);
	close(fd);
	vm_free(&vm);
}

int main(int argc, char *argv[])
{
	enum dev_policy p;

	dev_open();
	for (p = 0; p < POLICY_NR; p++)
		dev_make_policy(p, &policies[p]);
	test_refusals();
	test_open();
	test_set_meanwhile();
	test_expires();
	test_stale_timer();
	test_closed();
	test_owner_killed();
	test_hide(true, true);
	test_hide(true, false);
	test_hide(false, true);
	test_hide(false, false);
	test_gone();
	test_many(argc > 1 ? strtoul(argv[1], NULL, 0) : 2000);
	close(dev_fd);
	return done_testing();
}
