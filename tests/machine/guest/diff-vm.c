// SPDX-License-Identifier: LGPL-2.1-or-later
/* The VMs of the differential test: see diff-vm.h. */
#include <errno.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "diff-vm.h"
#include "rand.h"
#include "tap.h"

/* VMs come one after the other: the newest of this process is the one just made. */
static pthread_mutex_t newest_lock = PTHREAD_MUTEX_INITIALIZER;

static void must_ioctl(int fd, unsigned long cmd, void *arg, const char *what)
{
	if (ioctl(fd, cmd, arg) < 0)
		bail("%s", what);
}

/* The policies that have a name, made once. */
static struct policy *known[POLICY_NR];
static unsigned int pace;

void diff_vm_setup(unsigned int one_in)
{
	unsigned int i;

	pace = one_in;
	for (i = 0; i < POLICY_NR; i++) {
		known[i] = malloc(sizeof(*known[i]));
		if (!known[i])
			bail("no memory");
		dev_make_policy(i, known[i]);
	}
}

/* ---- policies and windows ------------------------------------------------ */

static unsigned int random_class(uint64_t *random, const struct nvmx_field *f)
{
	unsigned int c = below_of(random, NVMX_NR_CLASSES);

	while (!dev_allows(f, c))
		c = below_of(random, NVMX_NR_CLASSES);
	return c;
}

static void make_random(uint64_t *random, struct policy *p)
{
	/* of a hundred fields, how many are not intercepted */
	unsigned int density = 1 + below_of(random, 100), i, c;
	/* one lazy field that is shadowed has all of them fetched with each exit */
	bool lazy = below_of(random, 4);

	dev_make_empty("random", p);
	for (i = 0; i < dev_nr_fields; i++) {
		if (!lazy && dev_fields[i].flags & NVMX_FIELD_LAZY)
			continue;
		c = below_of(random, 100) < density ? random_class(random, &dev_fields[i]) : 0;
		if (c != NVMX_CLASS_INTERCEPT)
			p->entries[p->nr++] = (struct nvmx_policy_entry){ dev_fields[i].encoding, c };
	}
}

static void set_random_policy(struct diff_vm *d, uint64_t *random)
{
	struct policy p;
	unsigned int i;

	if (below_of(random, 2))
		make_random(random, &p);
	else
		p = *known[below_of(random, POLICY_NR)];
	if (d->kind == DIFF_HIDE) {
		p.any = NVMX_VMWRITE_ANY_HIDE;
		for (i = 0; i < p.nr; i++)
			if (dev_field(p.entries[i].encoding)->kind == NVMX_KIND_READ_ONLY_DATA &&
			    p.entries[i].shadow_class == NVMX_CLASS_READ_WRITE)
				p.entries[i].shadow_class = NVMX_CLASS_READ_ONLY;
	}
	dev_must_set(d->fd, &p);
	d->tally.set++;
}

bool diff_vm_has_windows(void)
{
	return dev_features() & NVMX_FEATURE_WINDOW;
}

static void toggle_window(struct diff_vm *d, uint64_t *random)
{
	struct nvmx_window w = { .size = sizeof(w) };

	if (!diff_vm_has_windows())
		return;
	if (d->window) {
		/* ENOENT: its time was over */
		if (ioctl(d->fd, NVMX_VM_END_WINDOW, &w) < 0 && errno != ENOENT)
			bail("NVMX_VM_END_WINDOW");
	} else {
		w.duration_ms = 1 + below_of(random, 50);
		must_ioctl(d->fd, NVMX_VM_START_WINDOW, &w, "NVMX_VM_START_WINDOW");
		d->tally.windows++;
	}
	d->window = !d->window;
}

/* ---- saving and restoring the vCPU --------------------------------------- */

#define NR_MSRS 7
#define NR_OF_VMCS 4
#define RFLAGS_FIXED 0x2	/* SDM 3, 3.4.3 */

struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debugregs;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[NR_MSRS];
	} msrs;
	union {
		struct kvm_nested_state state;
		uint8_t bytes[16384];
	} nested;
};

static void save(struct vm *vm, struct state *s)
{
	static const uint32_t msrs[NR_MSRS] = {
		/* IA32_SYSENTER_{CS,ESP,EIP}, IA32_DEBUGCTL: NR_OF_VMCS */
		0x174, 0x175, 0x176, 0x1d9,
		0x277, 0xc0000102, MSR_IA32_FEATURE_CONTROL,
	};
	unsigned int i;

	/* instruction emulation that waits for user space is finished first */
	vm->run->immediate_exit = 1;
	if (ioctl(vm->vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
		bail("KVM_RUN with immediate_exit");
	vm->run->immediate_exit = 0;
	must_ioctl(vm->vcpu, KVM_GET_REGS, &s->regs, "KVM_GET_REGS");
	must_ioctl(vm->vcpu, KVM_GET_SREGS, &s->sregs, "KVM_GET_SREGS");
	must_ioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &s->events, "KVM_GET_VCPU_EVENTS");
	must_ioctl(vm->vcpu, KVM_GET_DEBUGREGS, &s->debugregs, "KVM_GET_DEBUGREGS");
	memset(&s->msrs, 0, sizeof(s->msrs));
	s->msrs.head.nmsrs = NR_MSRS;
	for (i = 0; i < NR_MSRS; i++)
		s->msrs.entries[i].index = msrs[i];
	if (ioctl(vm->vcpu, KVM_GET_MSRS, &s->msrs) != NR_MSRS)
		bail("KVM_GET_MSRS");
	s->nested.state.size = sizeof(s->nested);
	must_ioctl(vm->vcpu, KVM_GET_NESTED_STATE, &s->nested, "KVM_GET_NESTED_STATE");
}

/* In QEMU's order; IA32_FEATURE_CONTROL allows VMX and comes first. */
static void restore(struct vm *vm, struct state *s)
{
	unsigned int i;

	vm_set_msr(vm, MSR_IA32_FEATURE_CONTROL, s->msrs.entries[NR_MSRS - 1].data);
	must_ioctl(vm->vcpu, KVM_SET_SREGS, &s->sregs, "KVM_SET_SREGS");
	must_ioctl(vm->vcpu, KVM_SET_NESTED_STATE, &s->nested, "KVM_SET_NESTED_STATE");
	must_ioctl(vm->vcpu, KVM_SET_REGS, &s->regs, "KVM_SET_REGS");
	/*
	 * Caught between VMLAUNCH and L2's first instruction the processor has not checked
	 * L2's state yet, and what is to be refused must stay as it is: KVM_SET_MSRS would
	 * make an address canonical.
	 */
	for (i = s->nested.state.flags & KVM_STATE_NESTED_RUN_PENDING ? NR_OF_VMCS : 0; i < NR_MSRS; i++)
		vm_set_msr(vm, s->msrs.entries[i].index, s->msrs.entries[i].data);
	must_ioctl(vm->vcpu, KVM_SET_VCPU_EVENTS, &s->events, "KVM_SET_VCPU_EVENTS");
	must_ioctl(vm->vcpu, KVM_SET_DEBUGREGS, &s->debugregs, "KVM_SET_DEBUGREGS");
}

/*
 * Can it be restored as it is?  KVM_SET_SREGS refuses what user space gives it of an L2 that
 * the processor would not have entered, and has not tried to yet; KVM_SET_REGS sets the bit
 * of RFLAGS that is always set, without which it would not have been entered either.
 */
static bool is_restorable(struct state *s)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct vm probe;
	bool good;

	if (!(s->regs.rflags & RFLAGS_FIXED))
		return false;
	pthread_mutex_lock(&lock);
	if (!probe.mem) {
		pthread_mutex_lock(&newest_lock);
		vm_new(&probe, VM_NO_BOOT);
		pthread_mutex_unlock(&newest_lock);
	}
	good = ioctl(probe.vcpu, KVM_SET_SREGS, &s->sregs) == 0;
	if (!good && errno != EINVAL)
		bail("KVM_SET_SREGS");
	pthread_mutex_unlock(&lock);
	return good;
}

/* The same vCPU, its VMX state thrown away in between. */
static void save_in_place(struct diff_vm *d)
{
	struct kvm_nested_state none = {
		.size = sizeof(none), .format = KVM_STATE_NESTED_FORMAT_VMX,
		.hdr.vmx = { .vmxon_pa = -1ULL, .vmcs12_pa = -1ULL },
	};
	struct state s;

	save(&d->vm, &s);
	if (!is_restorable(&s))
		return;
	must_ioctl(d->vm.vcpu, KVM_SET_NESTED_STATE, &none, "KVM_SET_NESTED_STATE of none");
	restore(&d->vm, &s);
	d->tally.saves++;
}

/* ---- VMs ----------------------------------------------------------------- */

/* What must be right before VMXON. */
static void make_kind(struct diff_vm *d, bool disturbed)
{
	struct vm *vm = &d->vm;
	struct kvm_enable_cap payload = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 } };
	struct kvm_enable_cap triple = { .cap = KVM_CAP_X86_TRIPLE_FAULT_EVENT, .args = { 1 } };
	struct policy hide;

	/* so that what is pending is saved as what it is */
	must_ioctl(vm->fd, KVM_ENABLE_CAP, &payload, "KVM_CAP_EXCEPTION_PAYLOAD");
	must_ioctl(vm->fd, KVM_ENABLE_CAP, &triple, "KVM_CAP_X86_TRIPLE_FAULT_EVENT");
	vm_set_msr(vm, MSR_IA32_FEATURE_CONTROL, 5);
	if (d->kind == DIFF_NONE || (d->kind == DIFF_HIDE && !disturbed))
		vm_set_msr(vm, MSR_IA32_VMX_MISC,
			   vm_get_msr(vm, MSR_IA32_VMX_MISC) & ~VMX_MISC_VMWRITE_ANY);
	d->fd = vm->id ? dev_open_vm(vm->id) : -1;
	d->window = false;
	if (d->kind == DIFF_HIDE && disturbed) {
		hide = *known[POLICY_STOCK];
		hide.any = NVMX_VMWRITE_ANY_HIDE;
		dev_must_set(d->fd, &hide);
	}
}

static void count_taken_up(struct diff_vm *d)
{
	struct counters c;

	if (d->fd < 0)
		return;
	dev_counters(d->fd, &c);
	d->tally.taken_up += c.total.policy_switches;
}

/* Another VM takes over the vCPU's state, and the memory as it is. */
static void move(struct diff_vm *d, uint64_t *random)
{
	bool policy_first = below_of(random, 2);
	struct vm old = d->vm;
	struct state s;

	save(&old, &s);
	if (!is_restorable(&s))
		return;
	count_taken_up(d);
	pthread_mutex_lock(&newest_lock);
	vm_succeed(&d->vm, &old);
	pthread_mutex_unlock(&newest_lock);
	close(d->fd);
	make_kind(d, true);
	if (policy_first)
		set_random_policy(d, random);
	restore(&d->vm, &s);
	if (!policy_first)
		set_random_policy(d, random);
	vm_free(&old);
	d->tally.moves++;
}

void diff_vm_new(struct diff_vm *ret, enum diff_kind kind, bool disturbed)
{
	*ret = (struct diff_vm){ .kind = kind, .tally = ret->tally };
	pthread_mutex_init(&ret->lock, NULL);
	pthread_mutex_lock(&newest_lock);
	vm_new(&ret->vm, VM_NO_BOOT);
	pthread_mutex_unlock(&newest_lock);
	make_kind(ret, disturbed);
	vm_boot(&ret->vm);
}

void diff_vm_free(struct diff_vm *d)
{
	count_taken_up(d);
	if (d->fd >= 0)
		close(d->fd);
	vm_free(&d->vm);
}

/* ---- while a block runs -------------------------------------------------- */

static void change_cpu(uint64_t *random)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(below_of(random, cpus), &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		bail("sched_setaffinity");
}

/* By the vCPU's thread, outside KVM_RUN. */
static void disturb(struct diff_vm *d)
{
	uint64_t *random = &d->vcpu_random;

	pthread_mutex_lock(&d->lock);
	switch (below_of(random, 20)) {
	case 0: case 1: case 2:
		toggle_window(d, random);
		break;
	case 3: case 4:
		save_in_place(d);
		break;
	case 5:
		move(d, random);
		break;
	case 6: case 7:
		change_cpu(random);
		break;
	case 8: case 9:
		break;
	default:
		set_random_policy(d, random);
	}
	pthread_mutex_unlock(&d->lock);
}

static void on_signal(int signal)
{
}

static void *other_thread(void *arg)
{
	struct diff_vm *d = arg;
	uint64_t *random = &d->other_random;

	while (!d->stop) {
		/* lets L1 run for a while; how long is not what is tested */
		usleep(20 + below_of(random, 400 * pace));
		pthread_mutex_lock(&d->lock);
		switch (below_of(random, 8)) {
		case 0:
			toggle_window(d, random);
			break;
		case 1:
			d->save = true;
			d->vm.run->immediate_exit = 1;
			pthread_kill(d->thread, SIGUSR1);
			break;
		default:
			set_random_policy(d, random);
		}
		pthread_mutex_unlock(&d->lock);
	}
	return NULL;
}

/* KVM_RUN was interrupted: perhaps by the other thread. */
static void interrupted(struct diff_vm *d)
{
	pthread_mutex_lock(&d->lock);
	d->vm.run->immediate_exit = 0;
	if (d->save) {
		d->save = false;
		if (below_of(&d->other_random, 4))
			save_in_place(d);
		else
			move(d, &d->other_random);
	}
	pthread_mutex_unlock(&d->lock);
}

static bool run_vcpu(struct diff_vm *d, enum diff_mode mode)
{
	for (;;) {
		struct kvm_run *run = d->vm.run;

		if (ioctl(d->vm.vcpu, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN)
				bail("KVM_RUN");
			interrupted(d);
			continue;
		}
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == L1_PORT_DONE)
			return true;
		if (run->exit_reason == KVM_EXIT_SHUTDOWN)
			return false;
		if (run->exit_reason != KVM_EXIT_IO ||
		    (run->io.port != DIFF_PORT_PAUSE && run->io.port != L2_PORT)) {
			errno = 0;
			bail("L1 or L2 is astray after %u records: exit %u (%#llx), vector %llu, rip %#llx",
			     diff_vm_control(d)->nr_records, run->exit_reason,
			     (unsigned long long)run->hw.hardware_exit_reason,
			     (unsigned long long)d->vm.m->fatal_vector,
			     (unsigned long long)d->vm.m->fatal_rip);
		}
		if (mode == DIFF_QUIET)
			continue;
		/* L2 comes here more seldom */
		if (run->io.port != L2_PORT && below_of(&d->vcpu_random, pace))
			continue;
		d->tally.in_l2 += run->io.port == L2_PORT;
		disturb(d);
	}
}

bool diff_vm_run(struct diff_vm *d, enum diff_mode mode, uint64_t seed)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t other;
	bool done;

	d->vm.m->ops[0] = (struct l1_op){ .op = L1_DIFF };
	d->vm.m->nr_ops = 1;
	d->vcpu_random = seed * 0x9e3779b97f4a7c15ULL | 1;
	d->other_random = ~d->vcpu_random | 1;
	d->thread = pthread_self();
	d->save = d->stop = false;
	sigaction(SIGUSR1, &action, NULL);
	if (mode == DIFF_ANYTIME) {
		errno = pthread_create(&other, NULL, other_thread, d);
		if (errno)
			bail("pthread_create");
	}
	done = run_vcpu(d, mode);
	if (mode == DIFF_ANYTIME) {
		d->stop = true;
		pthread_join(other, NULL);
	}
	return done;
}
