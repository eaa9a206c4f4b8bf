// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A VM's life as the device tells it: records in order, the fd of a VM that is gone,
 * a reader that does not read, an owner that is killed; and that nothing leaks.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "dev.h"
#include "mem.h"
#include "records.h"
#include "tap.h"
#include "vm.h"

static void test_records(void)
{
	uint64_t start = records_start_time(getpid()), id;
	int early = records_open(O_NONBLOCK), late;
	struct vm vm;

	test_begin();
	expect(records_drained(early), "a new reader has nothing to read");
	vm_new(&vm, VM_NO_BOOT);
	id = vm.id;
	records_expect(early, NVMX_EVENT_VM_CREATED, id, getpid(), start);
	vm_boot(&vm);
	expect(records_drained(early), "L1 boots: no record");
	late = records_open(O_NONBLOCK);
	expect(records_drained(late), "a later reader does not see what was before");
	vm_vmxon(&vm);
	records_expect(early, NVMX_EVENT_VM_VMXON, id, getpid(), start);
	records_expect(late, NVMX_EVENT_VM_VMXON, id, getpid(), start);
	vm_op(&vm, L1_VMXOFF, 0, 0, 1);
	vm_vmxon(&vm);
	expect(records_drained(early), "a second VMXON: no record");
	vm_free(&vm);
	records_expect(early, NVMX_EVENT_VM_GONE, id, getpid(), start);
	records_expect(late, NVMX_EVENT_VM_GONE, id, getpid(), start);
	expect(records_drained(early) && records_drained(late), "and nothing else");
	close(early);
	close(late);
	test_end("records: VM_CREATED, VM_VMXON once, VM_GONE, with pid and start time");
}

static void test_reading(void)
{
	struct nvmx_event e[8];
	struct vm vms[2];
	int fd = records_open(O_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	vm_new(&vms[0], VM_NO_BOOT);
	vm_new(&vms[1], VM_NO_BOOT);
	test_begin();
	expect(poll(&p, 1, 0) == 1 && p.revents == POLLIN, "poll says POLLIN");
	errno = 0;
	expect(read(fd, e, sizeof(e[0]) - 1) < 0 && errno == EINVAL, "room for less than one: EINVAL");
	errno = 0;
	expect(read(fd, e, 0) <= 0, "room for nothing");
	expect_is(read(fd, e, sizeof(e[0]) + 5), sizeof(e[0]), "room for one and a bit gives one");
	expect_is(e[0].id, vms[0].id, "the first");
	vm_free(&vms[0]);
	expect_is(read(fd, e, sizeof(e)), 2 * sizeof(e[0]), "room for eight gives the two there are");
	expect(e[0].type == NVMX_EVENT_VM_CREATED && e[0].id == vms[1].id, "in order: created");
	expect(e[1].type == NVMX_EVENT_VM_GONE, "in order: gone");
	expect(records_drained(fd), "then EAGAIN");
	vm_free(&vms[1]);
	close(fd);
	test_end("read() gives whole records, as many as fit");
}

static void *create_and_free(void *arg)
{
	struct vm vm;

	vm_new(&vm, VM_NO_BOOT);
	vm_free(&vm);
	return NULL;
}

/* A reader that blocks is woken, and so is one that waits for the end of a VM. */
static void test_blocking(void)
{
	int fd = records_open(0), vm_fd;
	struct nvmx_event e;
	struct pollfd p;
	pthread_t thread;
	struct vm vm;

	test_begin();
	pthread_create(&thread, NULL, create_and_free, NULL);
	expect_is(read(fd, &e, sizeof(e)), sizeof(e), "a blocking read gets a record");
	expect_is(e.type, NVMX_EVENT_VM_CREATED, "VM_CREATED");
	expect_is(read(fd, &e, sizeof(e)), sizeof(e), "and another");
	expect_is(e.type, NVMX_EVENT_VM_GONE, "VM_GONE");
	pthread_join(thread, NULL);
	close(fd);

	vm_new(&vm, VM_NO_BOOT);
	vm_fd = dev_open_vm(vm.id);
	if (!fork()) {
		/* holds the VM open for a moment longer than the parent */
		close(vm_fd);
		sched_yield();
		_exit(0);
	}
	vm_free(&vm);
	p = (struct pollfd){ .fd = vm_fd, .events = POLLIN };
	expect_is(poll(&p, 1, -1), 1, "a poll without limit ends");
	expect_is(p.revents, POLLHUP, "with POLLHUP");
	wait(NULL);
	close(vm_fd);
	test_end("who waits is woken");
}

static void expect_gone(int fd)
{
	struct nvmx_vm_info info = { .size = sizeof(info) };
	struct nvmx_counters counters = { .size = sizeof(counters), .vcpu = NVMX_ALL_VCPUS };
	struct nvmx_policy get = { .size = sizeof(get) };
	struct nvmx_policy set = { .size = sizeof(set) };
	struct nvmx_executable executable = { .size = sizeof(executable) };
	const struct {
		unsigned long cmd;
		void *arg;
		const char *name;
	} all[] = {
		{ NVMX_VM_GET_INFO, &info, "NVMX_VM_GET_INFO" },
		{ NVMX_VM_GET_POLICY, &get, "NVMX_VM_GET_POLICY" },
		{ NVMX_VM_SET_POLICY, &set, "NVMX_VM_SET_POLICY" },
		{ NVMX_VM_GET_COUNTERS, &counters, "NVMX_VM_GET_COUNTERS" },
		{ NVMX_VM_GET_EXECUTABLE, &executable, "NVMX_VM_GET_EXECUTABLE" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		errno = 0;
		expect(ioctl(fd, all[i].cmd, all[i].arg) < 0 && errno == ENODEV,
		       "%s: ENODEV (it is %d)", all[i].name, errno);
	}
}

static void test_gone(bool vmx)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct nvmx_open_vm o = { .size = sizeof(o) };
	struct nvmx_vm_info info = { .size = sizeof(info) };
	int ep = epoll_create1(EPOLL_CLOEXEC), fd, second;
	struct vm vm;

	if (vmx)
		vm_new_vmx(&vm);
	else
		vm_new(&vm, VM_NO_BOOT);
	o.id = vm.id;
	fd = dev_open_vm(vm.id);
	second = dev_open_vm(vm.id);
	test_begin();
	expect(fcntl(fd, F_GETFD) & FD_CLOEXEC, "the fd is close-on-exec");
	expect_is(ioctl(fd, NVMX_VM_GET_INFO, &info), 0, "NVMX_VM_GET_INFO");
	expect_is(info.id, vm.id, "id");
	expect_is(info.pid, getpid(), "pid");
	expect_is(info.start_time, records_start_time(getpid()), "start time");
	expect_is(info.nr_vcpus, 1, "vCPUs");
	expect_is(info.state, vmx ? NVMX_VM_STATE_VMXON : 0, "state");
	expect_is(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), 0, "epoll_ctl");
	expect_is(epoll_wait(ep, &event, 1, 0), 0, "alive: no event");
	vm_free(&vm);
	expect_is(epoll_wait(ep, &event, 1, 0), 1, "gone: an event");
	expect_is(event.events, EPOLLHUP, "EPOLLHUP");
	expect_gone(fd);
	expect_gone(second);
	expect(ioctl(dev_fd, NVMX_OPEN_VM, &o) < 0 && errno == ENOENT, "it cannot be opened again");
	vm_new(&vm, VM_NO_BOOT);
	expect(vm.id > o.id, "the next VM has another id");
	expect_gone(fd);
	vm_free(&vm);
	close(fd);
	close(second);
	close(ep);
	test_end("a VM that is gone%s: EPOLLHUP, ENODEV, no id twice", vmx ? " (with VMX)" : "");
}

/* The VM ends with its owner, who does not say goodbye, L2 running. */
static void test_killed(void)
{
	int reader = records_open(O_NONBLOCK), ready[2], fd, status;
	uint64_t id, start;
	struct pollfd p;
	struct vm vm;
	pid_t pid;

	if (pipe(ready) < 0)
		bail("pipe");
	pid = fork();
	if (!pid) {
		vm_new_vmx(&vm);
		vm.m->l2_gpr[GPR_RDI] = L1_MAILBOX + offsetof(struct l1_mailbox, l2_alive);
		vm.m->l2_gpr[GPR_RSI] = L1_MAILBOX + offsetof(struct l1_mailbox, l2_stop);
		if (write(ready[1], &vm.id, sizeof(vm.id)) != sizeof(vm.id))
			_exit(1);
		vm_run_l2(&vm, L2_SPIN);
		_exit(1);
	}
	if (read(ready[0], &id, sizeof(id)) != sizeof(id))
		bail("the child");
	start = records_start_time(pid);
	fd = dev_open_vm(id);
	kill(pid, SIGKILL);
	p = (struct pollfd){ .fd = fd };
	test_begin();
	expect_is(poll(&p, 1, -1), 1, "the VM's fd says it is gone");
	waitpid(pid, &status, 0);
	records_expect(reader, NVMX_EVENT_VM_CREATED, id, pid, start);
	records_expect(reader, NVMX_EVENT_VM_VMXON, id, pid, start);
	records_expect(reader, NVMX_EVENT_VM_GONE, id, pid, start);
	expect_gone(fd);
	test_end("the owner is killed: VM_GONE, with its pid and start time");
	close(fd);
	close(reader);
	close(ready[0]);
	close(ready[1]);
}

static void test_overflow(void)
{
	int lazy = records_open(O_NONBLOCK), eager = records_open(O_NONBLOCK);
	unsigned int i, n = NVMX_EVENT_BACKLOG / 2 + 30;
	struct nvmx_event e, last = {};

	test_begin();
	for (i = 0; i < n; i++) {
		vm_come_and_go();
		expect_is(records_next(eager).type, NVMX_EVENT_VM_CREATED, "another reader: created");
		expect_is(records_next(eager).type, NVMX_EVENT_VM_GONE, "another reader: gone");
	}
	expect(records_drained(eager), "another reader has lost nothing");
	for (i = 0; i < NVMX_EVENT_BACKLOG; i++) {
		e = records_next(lazy);
		expect_is(e.type, i & 1 ? NVMX_EVENT_VM_GONE : NVMX_EVENT_VM_CREATED, "record %u", i);
		expect(e.id >= last.id, "in order");
		last = e;
	}
	e = records_next(lazy);
	expect_is(e.type, NVMX_EVENT_OVERFLOW, "then OVERFLOW");
	expect_is(e.lost, 2 * n - NVMX_EVENT_BACKLOG, "with the number of lost records");
	expect(!e.id && !e.pid, "of no VM");
	expect(records_drained(lazy), "and nothing more");
	vm_come_and_go();
	expect_is(records_next(lazy).type, NVMX_EVENT_VM_CREATED, "the next record comes again");
	expect_is(records_next(lazy).type, NVMX_EVENT_VM_GONE, "and the one after it");
	test_end("a reader that does not read gets %u records, then one OVERFLOW", NVMX_EVENT_BACKLOG);
	close(lazy);
	close(eager);
}

/* ---- leaks --------------------------------------------------------------- */

static void one_life(unsigned int i)
{
	struct policy p;
	struct vm vm;
	int fd;

	vm_new(&vm, 0);
	fd = dev_open_vm(vm.id);
	dev_make_policy(i % POLICY_NR, &p);
	p.any = i & 1 && p.nr == 0 ? NVMX_VMWRITE_ANY_HIDE : NVMX_VMWRITE_ANY_INHERIT;
	dev_must_set(fd, &p);
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	dev_make_policy((i + 1) % POLICY_NR, &p);
	/* one that cannot be taken */
	p.any = NVMX_VMWRITE_ANY_HIDE + 1;
	dev_set(fd, &p);
	p.any = i & 1 && i % POLICY_NR == POLICY_INTERCEPT_ALL ? NVMX_VMWRITE_ANY_HIDE :
		NVMX_VMWRITE_ANY_INHERIT;
	dev_set(fd, &p);
	vm_run_l2(&vm, L2_VMCALL);
	/* published, never taken up */
	dev_set(fd, &p);
	if (i & 2)
		close(fd);
	vm_free(&vm);
	if (!(i & 2))
		close(fd);
}

static void test_leaks(unsigned int lives)
{
	uint64_t free_before, free_after, objects_before, objects_after;
	unsigned int i;

	for (i = 0; i < 60; i++)
		one_life(i);
	mem_settle();
	free_before = mem_free();
	objects_before = mem_kmalloc_objects();
	for (i = 0; i < lives; i++)
		one_life(i);
	mem_settle();
	free_after = mem_free();
	objects_after = mem_kmalloc_objects();
	note("free %llu kB, then %llu kB; kmalloc objects %llu, then %llu",
	     (unsigned long long)free_before, (unsigned long long)free_after,
	     (unsigned long long)objects_before, (unsigned long long)objects_after);
	/* one page a life would be 4 kB a life */
	ok(free_after + 2 * lives > free_before, "%u VMs come and go: no page leaks", lives);
	ok(objects_before && objects_after < objects_before + lives / 2,
	   "%u VMs come and go: no kmalloc object leaks", lives);
}

int main(int argc, char *argv[])
{
	dev_open();
	test_records();
	test_reading();
	test_blocking();
	test_gone(false);
	test_gone(true);
	test_killed();
	test_overflow();
	test_leaks(argc > 1 ? strtoul(argv[1], NULL, 0) : 1000);
	dev_test_unused();
	return done_testing();
}
