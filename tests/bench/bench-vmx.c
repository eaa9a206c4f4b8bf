// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bench-vmx cost|count: what a round trip L2 -> L1 -> L2 costs each hypervisor of
 * hypervisors.c, on the modules that are loaded; under each policy where there is
 * /dev/nvmx.  The hypervisors run as the bare-metal L1.
 *
 * bench-vmx run HYPERVISOR: that one runs, untouched, until this is killed.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../machine/guest/tap.h"
#include "hypervisors.h"
#include "measure.h"

/* What L1 read last: the same under every policy and on every module. */
static uint32_t hash_of(const struct l1_work *work)
{
	uint32_t hash = 2166136261;
	unsigned int i, j;

	for (i = 0; i < work->nr_reads; i++)
		for (j = 0; j < 64; j += 8)
			hash = (hash ^ (work->reads[i].value >> j & 0xff)) * 16777619;
	return hash;
}

static void run_rounds(struct target *t, unsigned int rounds)
{
	struct l1_work *work = &t->vm->m->work;
	struct l1_op *op;

	op = vm_op(t->vm, rounds ? L1_WORK : L1_NOP, 0, 0, rounds);
	if (op->flags)
		bail("%s under %s: L2 was not entered (flags %#x)", t->l1, t->policy, op->flags);
	/* all of them read it first */
	if (work->reads[0].field != VM_EXIT_REASON || work->reads[0].value != EXIT_REASON_VMCALL)
		bail("%s under %s: L2 exited with reason %llu", t->l1, t->policy,
		     (unsigned long long)work->reads[0].value);
	t->values = hash_of(work);
}

/* Everything is written with the value that it has, but L2 goes on after its VMCALL. */
static void set_work(struct vm *vm, const struct hypervisor *h)
{
	struct l1_work *work = &vm->m->work;
	unsigned int i;

	work->nr_reads = h->nr_reads;
	for (i = 0; i < h->nr_reads; i++)
		work->reads[i].field = h->reads[i];
	work->nr_writes = h->nr_writes;
	for (i = 0; i < h->nr_writes; i++) {
		work->writes[i].field = h->writes[i];
		work->writes[i].value = h->writes[i] == GUEST_RIP ?
			vm->m->l2_exit[L2_VMCALL] + 3 : vm_vmread(vm, h->writes[i]);
	}
}

static void target_new(struct target *t, struct vm *vm, const struct hypervisor *h,
		       const char *policy)
{
	vm_new_vmx(vm);
	vm_run_l2(vm, L2_VMCALL);
	set_work(vm, h);
	*t = (struct target){
		.l1 = h->name, .policy = policy, .vm = vm, .fd = vm->id ? dev_open_vm(vm->id) : -1,
		.run = run_rounds, .l2_exits = 1, .ticks = vm->m->work.ticks,
	};
}

static void target_free(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	vm_free(t->vm);
}

static void measure_switches(const struct hypervisor *h)
{
	static struct policy untouched, best;
	struct target t;
	struct vm vm;

	make_policy(UNTOUCHED, h, &untouched);
	make_policy(BEST, h, &best);
	target_new(&t, &vm, h, "switching");
	measure_switch(&t, &untouched, &best);
	measure_switch(&t, &best, &untouched);
	target_free(&t);
}

static void measure(const struct hypervisor *h, bool counting)
{
	bool ours = dev_fd >= 0;
	enum bench_policy p;
	struct target t;
	struct vm vm;

	for (p = 0; p < (ours ? NR_POLICIES : 1); p++) {
		target_new(&t, &vm, h, ours ? policy_names[p] : "module");
		if (ours)
			apply_policy(t.fd, p, h);
		if (counting)
			measure_count(&t);
		else
			measure_cost(&t);
		target_free(&t);
	}
	if (ours && !counting)
		measure_switches(h);
}

static void run_forever(const char *name)
{
	struct target t;
	struct vm vm;
	unsigned int i;

	for (i = 0; i < NR_HYPERVISORS && strcmp(hypervisors[i].name, name); i++)
		;
	if (i == NR_HYPERVISORS)
		bail("no hypervisor is named %s", name);
	target_new(&t, &vm, &hypervisors[i], "untouched");
	for (;;)
		run_rounds(&t, MAX_ROUNDS);
}

int main(int argc, char *argv[])
{
	bool counting = argc > 1 && !strcmp(argv[1], "count");
	unsigned int i;

	dev_try_open();
	if (argc == 3 && !strcmp(argv[1], "run"))
		run_forever(argv[2]);
	if (!counting && (argc <= 1 || strcmp(argv[1], "cost"))) {
		fprintf(stderr, "usage: bench-vmx cost|count|run HYPERVISOR\n");
		return 2;
	}
	for (i = 0; i < NR_HYPERVISORS; i++)
		measure(&hypervisors[i], counting);
	return 0;
}
