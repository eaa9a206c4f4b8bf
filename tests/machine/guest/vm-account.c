// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is an account of BPF on the distribution's KVM right?  Counts are exact: of what this program
 * has L1 and L2 do, and of KVM's own statistics.  Times are compared with other clocks.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/account/look.h"

typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
#include "daemon/account/slot.h"

#include "tap.h"
#include "vm.h"

#define ROUNDS		2000
#define PAUSE_USEC	300000

#define REASON_RDMSR	31
#define REASON_VMREAD	23
#define REASON_VMRESUME	24
#define REASON_VMWRITE	25

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void read_look(struct look *l, struct account *ret)
{
	int r = look_read(l, ret);

	if (r < 0)
		bail("look_read: %s", strerror(-r));
}

/* Of the only VM with so many vCPUs, or NULL. */
static const struct account_vcpu *vcpu_of(const struct account *a, size_t vm, uint32_t index)
{
	for (size_t i = 0; vm < a->n_vms && i < a->vms[vm].n_vcpus; i++)
		if (a->vms[vm].vcpus[i].index == index)
			return &a->vms[vm].vcpus[i];
	return NULL;
}

static struct account_line line_of(const struct account_vcpu *v, struct account_line key)
{
	for (size_t i = 0; v && i < v->n_lines; i++) {
		const struct account_line *l = &v->lines[i];

		if (l->kind == key.kind && l->level == key.level && l->to == key.to && l->why == key.why &&
		    l->reason == key.reason && l->what == key.what)
			return *l;
	}
	return key;
}

static struct account_line exit_of(const struct account_vcpu *v, int from, int reason, int to)
{
	return line_of(v, (struct account_line) { .kind = ACCOUNT_EXIT, .level = from, .reason = reason, .to = to });
}

static uint64_t sum(const struct account_vcpu *v)
{
	uint64_t ns = 0;

	for (size_t i = 0; v && i < v->n_lines; i++)
		if (v->lines[i].kind != ACCOUNT_DETAIL)
			ns += v->lines[i].ns;
	return ns;
}

static uint64_t exits(const struct account_vcpu *v)
{
	uint64_t n = 0;

	for (size_t i = 0; v && i < v->n_lines; i++)
		if (v->lines[i].kind == ACCOUNT_EXIT)
			n += v->lines[i].count;
	return n;
}

/* In thousandths of what it should be. */
static bool near(uint64_t got, uint64_t want, unsigned int thousandths, const char *what)
{
	uint64_t off = got > want ? got - want : want - got;

	note("%s: %llu, %llu wanted, %.3f %% off", what, (unsigned long long)got, (unsigned long long)want,
	     want ? 100.0 * off / want : 0);
	return off * 1000 <= want * thousandths;
}

static void show(const struct account *a)
{
	for (size_t i = 0; i < a->n_vms; i++)
		for (size_t k = 0; k < a->vms[i].n_vcpus; k++) {
			struct account_vcpu *v = &a->vms[i].vcpus[k];

			note("VM %zu of pid %u, vCPU %u: %llu ns", i, a->vms[i].pid, v->index,
			     (unsigned long long)v->ns);
			for (size_t n = 0; n < v->n_lines; n++)
				note("  kind %d L%d -> L%d why %d reason %u what %#x: %llu, %llu ns, shortest %llu",
				     v->lines[n].kind, v->lines[n].level + 1, v->lines[n].to + 1, v->lines[n].why,
				     v->lines[n].reason, v->lines[n].what, (unsigned long long)v->lines[n].count,
				     (unsigned long long)v->lines[n].ns, (unsigned long long)v->lines[n].shortest);
		}
}

/* A loop of L2's: each round is a VMCALL that L1 gets, four accesses that exit, and a VMRESUME. */
static void test_counts(struct look *l, struct vm *vm)
{
	struct l1_op ops[] = {
		{ .op = L1_RDTSC },
		{ .op = L1_L2_LOOP, .count = ROUNDS },
		{ .op = L1_RDTSC },
		{ .op = L1_RDMSR, .field = MSR_IA32_VMX_BASIC },
		{ .op = L1_RDMSR, .field = MSR_IA32_VMX_BASIC },
	};
	uint64_t exits_before, exits_after, ns, runs_before, runs_after;
	struct account then = {}, now = {};
	const struct account_vcpu *v;

	vm_vmwrite(vm, GUEST_RIP, vm->m->l2_entry[L2_VMCALL]);
	read_look(l, &then);
	if (!vm_stat(vm, "exits", &exits_before) || !vm_stat(vm, "nested_run", &runs_before))
		bail("KVM has no such statistics");
	ns = now_ns();
	vm_batch(vm, ops, ARRAY_SIZE(ops));
	ns = now_ns() - ns;
	read_look(l, &now);
	(void)vm_stat(vm, "exits", &exits_after);
	(void)vm_stat(vm, "nested_run", &runs_after);
	account_subtract(&now, &then);
	show(&now);
	v = vcpu_of(&now, 0, 0);

	is(now.n_vms, 1, "the account has the VM");
	is(now.lost, 0, "and lost no event");
	is(exit_of(v, ACCOUNT_L2, EXIT_REASON_VMCALL, ACCOUNT_L1).count, ROUNDS, "each VMCALL of L2's was reflected to L1");
	is(exit_of(v, ACCOUNT_L1, REASON_VMRESUME, ACCOUNT_L2).count + exit_of(v, ACCOUNT_L1, 20, ACCOUNT_L2).count,
	   ROUNDS, "each entry was L1's VMLAUNCH or VMRESUME");
	is(runs_after - runs_before, ROUNDS, "as KVM has counted");
	is(exit_of(v, ACCOUNT_L1, REASON_VMREAD, ACCOUNT_L1).count, 3 * ROUNDS, "each VMREAD is one");
	is(exit_of(v, ACCOUNT_L1, REASON_VMWRITE, ACCOUNT_L1).count, ROUNDS, "each VMWRITE is one");
	is(exits(v), exits_after - exits_before, "all exits are those that KVM has counted");
	is(line_of(v, (struct account_line) { .kind = ACCOUNT_DETAIL, .reason = REASON_RDMSR,
					      .what = MSR_IA32_VMX_BASIC }).count, 2, "which MSR L1 has read is told");
	ok(near(sum(v), v ? v->ns : 1, 5, "sum of all lines"), "its lines sum to the vCPU's time within 0.5 %%");
	ok(v && line_of(v, (struct account_line) { .kind = ACCOUNT_GUEST, .level = ACCOUNT_L2 }).shortest > 0,
	   "the shortest stay in L2 is known");
	ok(near(v ? v->ns - line_of(v, (struct account_line) { .kind = ACCOUNT_OUTSIDE, .why = ACCOUNT_USER }).ns : 0, ns,
		20, "time that is not user space's"), "and what is not user space's is the batch");
	account_clear(&then);
	account_clear(&now);
}

/* Nothing runs: it is user space's time, no less than the pause, and no more than from reading to reading. */
static void test_user(struct look *l, struct vm *vm)
{
	struct account then = {}, now = {};
	uint64_t outer, inner, user;

	(void)vm_op(vm, L1_NOP, 0, 0, 1);
	outer = now_ns();
	read_look(l, &then);
	inner = now_ns();
	usleep(PAUSE_USEC);
	inner = now_ns() - inner;
	read_look(l, &now);
	outer = now_ns() - outer;
	account_subtract(&now, &then);
	user = line_of(vcpu_of(&now, 0, 0), (struct account_line) { .kind = ACCOUNT_OUTSIDE, .why = ACCOUNT_USER }).ns;
	ok(user >= inner && user <= outer, "a pause in user space is told as such: %llu, between %llu and %llu",
	   (unsigned long long)user, (unsigned long long)inner, (unsigned long long)outer);
	account_clear(&then);
	account_clear(&now);
}

/* One who names more MSRs than are told takes none of another's. */
static void test_details(struct look *l, struct vm *vm)
{
	/* All that L1 may read: the VMX ones, and those of MTRRs. */
	static const struct { uint32_t first, last; } msrs[] = {
		{ 0x480, 0x490 }, { 0x200, 0x20f }, { 0x250, 0x250 }, { 0x258, 0x259 }, { 0x268, 0x26f },
	};
	struct l1_op ops[2 * DETAILS_PER_VCPU];
	struct account a = {};
	struct vm other;
	size_t i, n = 0, n_ops = 0;
	uint32_t msr;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		for (msr = msrs[i].first; msr <= msrs[i].last; msr++)
			ops[n_ops++] = (struct l1_op) { .op = L1_RDMSR, .field = msr };
	ok(n_ops > DETAILS_PER_VCPU, "L1 reads more MSRs than are told");
	vm_batch(vm, ops, n_ops);
	vm_new_vmx(&other);
	(void)vm_op(&other, L1_RDMSR, MSR_IA32_VMX_MISC, 0, 1);
	read_look(l, &a);
	for (i = 0; i < a.vms[0].vcpus[0].n_lines; i++)
		n += a.vms[0].vcpus[0].lines[i].kind == ACCOUNT_DETAIL;
	is(n, DETAILS_PER_VCPU, "of one who names many MSRs so many are told");
	is(line_of(vcpu_of(&a, 4, 0), (struct account_line) { .kind = ACCOUNT_DETAIL, .reason = REASON_RDMSR,
							      .what = MSR_IA32_VMX_MISC }).count, 1, "and another's are");
	vm_free(&other);
	account_clear(&a);
}

static volatile bool hog_ends;

static void *hog(void *arg)
{
	while (!hog_ends)
		;
	return NULL;
}

static uint64_t schedstat(unsigned int field)
{
	unsigned long long v[3] = {};
	FILE *f = fopen("/proc/thread-self/schedstat", "re");

	if (!f || fscanf(f, "%llu %llu %llu", &v[0], &v[1], &v[2]) != 3)
		bail("/proc/thread-self/schedstat");
	fclose(f);
	return v[field];
}

/* Beside another on its processor: what the scheduler says that it has waited. */
static void test_preempted(struct look *l, struct vm *vm)
{
	struct account then = {}, now = {};
	uint64_t waited, ran;
	pthread_t thread;
	const struct account_vcpu *v;
	int i;

	/* The other is there no longer than what is compared. */
	read_look(l, &then);
	waited = schedstat(1);
	ran = schedstat(0);
	pthread_create(&thread, NULL, hog, NULL);
	for (i = 0; i < 10; i++)
		vm_op(vm, L1_VMREAD, GUEST_CR0, 0, 20000);
	hog_ends = true;
	waited = schedstat(1) - waited;
	ran = schedstat(0) - ran;
	read_look(l, &now);
	pthread_join(thread, NULL);
	account_subtract(&now, &then);
	show(&now);
	v = vcpu_of(&now, 0, 0);
	ok(near(line_of(v, (struct account_line) { .kind = ACCOUNT_OUTSIDE, .why = ACCOUNT_PREEMPTED }).ns, waited, 10,
		"preempted"), "what it has waited for the processor is what the scheduler says");
	ok(near(v ? v->ns - line_of(v, (struct account_line) { .kind = ACCOUNT_OUTSIDE, .why = ACCOUNT_PREEMPTED }).ns : 0,
		ran, 10, "on the processor or in user space"), "and so is the rest");
	account_clear(&then);
	account_clear(&now);
}

/* Its memory may become that of the next. */
static void test_gone(struct look *l)
{
	struct account a = {};
	struct vm vm;
	int i;

	for (i = 0; i < 3; i++) {
		vm_new_vmx(&vm);
		vm_free(&vm);
	}
	read_look(l, &a);
	is(a.n_vms, 4, "VMs that come and go are told apart");
	for (i = 0; i < 4 && i < (int)a.n_vms; i++)
		is(a.vms[i].number, i, "VM %d is number %d of this process", i, i);
	is(a.lost, 0, "no event was lost");
	account_clear(&a);
}

int main(void)
{
	_cleanup_free_ char *error = NULL;
	struct look *l;
	struct vm vm;
	int r;

	r = look_new(&l, &error);
	if (r < 0)
		bail("look_new: %s: %s", strerror(-r), error ?: "");
	vm_new_vmx(&vm);
	test_counts(l, &vm);
	test_user(l, &vm);
	test_preempted(l, &vm);
	test_gone(l);
	test_details(l, &vm);
	vm_free(&vm);
	look_free(l);
	return done_testing();
}
