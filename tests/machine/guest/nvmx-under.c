// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nvmx-under LIMIT MODE COMMAND [ARGUMENT...]: runs a program that makes VMs, such as a
 * selftest of KVM's, under policies of which it knows nothing.
 *
 * MODE is one of
 *	untouched	/dev/nvmx is left alone; it need not be there
 *	NAME		that policy of /policy.d becomes the default of new VMs
 *	random:SEED	every VM gets one random policy after the other, at random moments,
 *			from its creation to its end
 *
 * COMMAND has LIMIT seconds, as the machine counts them; what it says goes to
 * /tmp/under.out.  One line is printed,
 *	VERDICT vms=N policies=N switches=N evmcs=N
 * with the verdict pass, skip, fail:STATUS, signal:N or timeout; the number of VMs that
 * were made, of policies set on them, of switches that their vCPUs were seen to have
 * made, and of VMs that were seen to use an enlightened VMCS.  Status 0 if nvmx did as
 * it was told, whatever the verdict.
 *
 * nvmx-under --list prints the names of the policies.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dev.h"
#include "rand.h"
#include "shipped.h"
#include "tap.h"

#define OUTPUT		"/tmp/under.out"
#define EXIT_SKIP	4		/* kselftest.h: the test's requirements are not met */
#define MAX_VMS		64		/* at a time */
#define NSEC_PER_SEC	1000000000ULL
/*
 * The longest pauses between two rounds of random policies.  In VMX operation, which is short
 * and where switches matter, a part of a round trip of L2; before it, longer, or the program
 * would not come to it: a round takes longer than what they leave to the program.  Where a
 * round takes many times as long, as on a debug kernel, they may last half of it.
 */
#define MAX_PAUSE_NS	2000000
#define MAX_PAUSE_VMX_NS 200000
/* Rounds after which a VM is looked at. */
#define LOOK_EVERY	8
#define NR_RANDOM	64

struct watched_vm {
	uint64_t id;
	int fd;
	bool vmxon;
	bool evmcs;
	unsigned int rounds;
	uint64_t switches;
};

static struct watched_vm vms[MAX_VMS];
static unsigned int nr_vms;
/* What every new VM has to have. */
static struct policy born_with;
static struct policy random_policies[NR_RANDOM];
static bool at_random;
static uint64_t round_ns;		/* what the last round took, without its pause */

static struct {
	unsigned int vms, evmcs;
	unsigned long policies, switches;
} seen;

/* ---- policies ------------------------------------------------------------ */

static void set_default(const struct policy *p)
{
	struct nvmx_policy set = {
		.size = sizeof(set), .vmwrite_any_field = p->any, .nr = p->nr,
		.entries = (uintptr_t)p->entries,
	};

	snprintf(set.label, sizeof(set.label), "%s", p->name);
	if (ioctl(dev_fd, NVMX_SET_DEFAULT_POLICY, &set) < 0)
		bail("NVMX_SET_DEFAULT_POLICY of \"%s\": %s", p->name, dev_name(set.bad_encoding));
}

static unsigned int random_class(const struct nvmx_field *f)
{
	unsigned int c;

	do {
		c = below(NVMX_NR_CLASSES);
	} while (!dev_allows(f, c));
	return c;
}

/* Fields at random, all or one in eight; the others free, intercepted, or as in stock. */
static void make_random(struct policy *ret)
{
	unsigned int i, c, rest = below(NVMX_NR_CLASSES + 1), one_in = below(2) ? 1 : 8;

	dev_make_empty("random", ret);
	for (i = 0; i < dev_nr_fields; i++) {
		const struct nvmx_field *f = &dev_fields[i];

		if (!below(one_in))
			c = random_class(f);
		else
			c = rest < NVMX_NR_CLASSES && dev_allows(f, rest) ? rest : f->stock_class;
		if (c != NVMX_CLASS_INTERCEPT)
			ret->entries[ret->nr++] = (struct nvmx_policy_entry){ f->encoding, c };
	}
}

/* ---- VMs ----------------------------------------------------------------- */

static void vm_appeared(uint64_t id)
{
	struct nvmx_open_vm o = { .size = sizeof(o), .id = id };
	struct policy has;

	seen.vms++;
	if (ioctl(dev_fd, NVMX_OPEN_VM, &o) < 0) {
		if (errno != ENOENT)
			bail("NVMX_OPEN_VM");
		return;
	}
	if (nr_vms == MAX_VMS)
		bail("more than %d VMs at a time", MAX_VMS);
	dev_get(o.fd, &has, NULL, NULL);
	errno = 0;
	if (!dev_same(&has, &born_with))
		bail("a VM was born with another policy than \"%s\"", born_with.name);
	vms[nr_vms++] = (struct watched_vm){ .id = id, .fd = o.fd };
}

static void vm_entered_vmx(uint64_t id)
{
	unsigned int i;

	for (i = 0; i < nr_vms; i++)
		if (vms[i].id == id)
			vms[i].vmxon = true;
}

static void vm_forget(struct watched_vm *vm)
{
	close(vm->fd);
	*vm = vms[--nr_vms];
}

/* Asks what is only there while the VM is; false if it is gone. */
static bool vm_look(struct watched_vm *vm)
{
	struct nvmx_vm_info info = { .size = sizeof(info) };
	struct nvmx_counters counters = { .size = sizeof(counters), .vcpu = NVMX_ALL_VCPUS };

	if (ioctl(vm->fd, NVMX_VM_GET_INFO, &info) < 0 ||
	    ioctl(vm->fd, NVMX_VM_GET_COUNTERS, &counters) < 0) {
		if (errno != ENODEV)
			bail("a VM does not tell its state");
		return false;
	}
	if (info.state & NVMX_VM_STATE_EVMCS && !vm->evmcs) {
		vm->evmcs = true;
		seen.evmcs++;
	}
	seen.switches += counters.policy_switches - vm->switches;
	vm->switches = counters.policy_switches;
	return true;
}

static void vm_set_random(struct watched_vm *vm)
{
	int r = dev_set(vm->fd, &random_policies[below(NR_RANDOM)]);

	if (r < 0 && r != -ENODEV) {
		errno = -r;
		bail("NVMX_VM_SET_POLICY of a random policy");
	}
	if (r < 0 || (++vm->rounds % LOOK_EVERY == 0 && !vm_look(vm)))
		vm_forget(vm);
	else
		seen.policies++;
}

static void read_events(void)
{
	struct nvmx_event events[32];
	ssize_t n;
	int i;

	while ((n = read(dev_fd, events, sizeof(events))) > 0)
		for (i = 0; i < n / (ssize_t)sizeof(events[0]); i++)
			switch (events[i].type) {
			case NVMX_EVENT_VM_CREATED:
				vm_appeared(events[i].id);
				break;
			case NVMX_EVENT_VM_VMXON:
				vm_entered_vmx(events[i].id);
				break;
			case NVMX_EVENT_OVERFLOW:
				bail("%u lifecycle records were lost", events[i].lost);
			}
	if (errno != EAGAIN)
		bail("reading lifecycle records");
}

static void forget_the_gone(void)
{
	struct pollfd p = { 0 };
	unsigned int i;

	for (i = nr_vms; i > 0; i--) {
		p.fd = vms[i - 1].fd;
		if (poll(&p, 1, 0) == 1)
			vm_forget(&vms[i - 1]);
	}
}

/* ---- the command --------------------------------------------------------- */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static pid_t start(char **command)
{
	int fd = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	pid_t pid;

	if (fd < 0)
		bail(OUTPUT);
	pid = fork();
	if (pid < 0)
		bail("fork");
	if (pid == 0) {
		sigset_t none;

		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(fd, 1);
		dup2(fd, 2);
		execv(command[0], command);
		bail("%s", command[0]);
	}
	setpgid(pid, pid);
	close(fd);
	return pid;
}

/* Ends what the command left behind, and with it its VMs. */
static void finish(pid_t group)
{
	kill(-group, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static void print_verdict(bool timeout, int status)
{
	if (timeout)
		printf("timeout");
	else if (WIFSIGNALED(status))
		printf("signal:%d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == EXIT_SKIP)
		printf("skip");
	else if (WEXITSTATUS(status) != 0)
		printf("fail:%d", WEXITSTATUS(status));
	else
		printf("pass");
	printf(" vms=%u policies=%lu switches=%lu evmcs=%u\n", seen.vms, seen.policies,
	       seen.switches, seen.evmcs);
}

static uint64_t pause_ns(uint64_t limit)
{
	uint64_t longest = MAX_PAUSE_NS;
	unsigned int i;

	if (!at_random || !nr_vms)
		return limit;
	for (i = 0; i < nr_vms; i++)
		if (vms[i].vmxon)
			longest = MAX_PAUSE_VMX_NS;
	if (longest < round_ns / 2)
		longest = round_ns / 2;
	return below(longest < NSEC_PER_SEC ? longest : NSEC_PER_SEC);
}

/* One round: waits for the command, a VM, or the moment for other policies. */
static void wait_for_something(struct pollfd *fds, unsigned int nr, uint64_t limit)
{
	uint64_t pause = pause_ns(limit);
	struct timespec t = { .tv_sec = pause / NSEC_PER_SEC, .tv_nsec = pause % NSEC_PER_SEC };
	uint64_t began;
	unsigned int i;

	ppoll(fds, nr, &t, NULL);
	began = now();
	if (nr > 1 && fds[1].revents)
		read_events();
	forget_the_gone();
	for (i = nr_vms; at_random && i > 0; i--)
		vm_set_random(&vms[i - 1]);
	/* What it sets itself is told, too, and no reason not to wait. */
	if (nr > 1)
		read_events();
	round_ns = now() - began;
}

static void run(char **command, uint64_t limit)
{
	struct sched_param first = { .sched_priority = 1 };
	struct pollfd fds[2] = { { .events = POLLIN }, { .fd = dev_fd, .events = POLLIN } };
	uint64_t end = now() + limit, t;
	sigset_t child;
	int status = 0;
	pid_t pid;

	/* Before the command starts, so that its end is not missed. */
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	fds[0].fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fds[0].fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		bail("signalfd and prctl");
	pid = start(command);
	/* Comes between the command and its next step whenever there is something to do. */
	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		bail("sched_setscheduler");

	while ((t = now()) < end && waitpid(pid, &status, WNOHANG) == 0)
		wait_for_something(fds, dev_fd < 0 ? 1 : 2, end - t);
	finish(pid);
	if (dev_fd >= 0)
		read_events();
	print_verdict(t >= end, status);
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		shipped_list();
		return 0;
	}
	if (argc < 4)
		bail("usage: nvmx-under LIMIT MODE COMMAND [ARGUMENT...]");

	if (strcmp(argv[2], "untouched")) {
		dev_open();
		if (!strncmp(argv[2], "random:", 7)) {
			at_random = true;
			rand_state = strtoull(argv[2] + 7, NULL, 0);
			if (!rand_state)
				bail("a seed is not 0");
			for (i = 0; i < NR_RANDOM; i++)
				make_random(&random_policies[i]);
			born_with = random_policies[0];
		} else {
			dev_make_empty(argv[2], &born_with);
			born_with.nr = shipped_entries(argv[2], dev_fields, dev_nr_fields,
						       born_with.entries, &born_with.any);
		}
		set_default(&born_with);
	}
	run(argv + 3, strtoull(argv[1], NULL, 0) * NSEC_PER_SEC);
	return 0;
}
