// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bench-kvm cost|count: what a round trip L2 -> L1 -> L2 costs with Linux's KVM as L1, by
 * what L2 is left for, on the modules that are loaded; under each policy where there is
 * /dev/nvmx.  A round is L2's, so it has what L1 does in it as well.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../machine/guest/tap.h"
#include "l1-kvm.h"
#include "linux-vm.h"
#include "policies.h"

#define DISK	"/tests/l1-kvm.disk"

/* As hypervisors go, one by each of the loads: what it accesses is found out. */
static struct hypervisor hypervisors[NR_LOADS] = {
	[LOAD_CPUID] = { .name = "kvm-cpuid" },
	[LOAD_VMCALL] = { .name = "kvm-vmcall" },
	[LOAD_OUT_USER] = { .name = "kvm-out-user" },
	[LOAD_OUT_KERNEL] = { .name = "kvm-out-kernel" },
	[LOAD_EPT] = { .name = "kvm-ept" },
};

static struct kvm_mailbox *mailbox(const struct target *t)
{
	return t->vm->mem + KVM_MAILBOX;
}

static void run_rounds(struct target *t, unsigned int rounds)
{
	const struct hypervisor *h = t->data;

	mailbox(t)->load = h - hypervisors;
	mailbox(t)->rounds = rounds;
	linux_vm_run(t->vm, KVM_PORT);
	t->values = mailbox(t)->saw ^ mailbox(t)->saw >> 32;
}

static void target_new(struct target *t, struct vm *vm, unsigned int load, const char *policy)
{
	*t = (struct target){
		.l1 = hypervisors[load].name, .policy = policy, .vm = vm,
		.fd = vm->id ? dev_open_vm(vm->id) : -1, .run = run_rounds,
		/* where L1 has mapped the page, L0 still has to */
		.l2_exits = load == LOAD_EPT ? 2 : 1,
		.ticks = ((struct kvm_mailbox *)(vm->mem + KVM_MAILBOX))->ticks,
		.data = &hypervisors[load],
	};
}

static void target_free(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
}

static void print_fields(const struct hypervisor *h, const char *does, const uint32_t *fields,
			 unsigned int nr)
{
	printf("# %s %s", h->name, does);
	while (nr--)
		printf(" %s", dev_name(*fields++));
	printf("\n");
}

/* All that KVM accesses in at least every second round: what a profiling window shows. */
static void find_accesses(struct vm *vm, unsigned int load)
{
	struct hypervisor *h = &hypervisors[load];
	static struct counters before, after;
	struct target t;
	unsigned int i;

	target_new(&t, vm, load, "window");
	apply_policy(t.fd, WINDOW, h);
	run_rounds(&t, 1);
	dev_counters(t.fd, &before);
	run_rounds(&t, MAX_ROUNDS);
	dev_counters(t.fd, &after);
	target_free(&t);

	for (i = 0; i < dev_nr_fields; i++) {
		uint32_t field = dev_fields[i].encoding;

		if (h->nr_reads == L1_MAX_WORK || h->nr_writes == L1_MAX_WORK)
			bail("%s accesses too many fields", h->name);
		if (dev_reads(&after, field) - dev_reads(&before, field) >= MAX_ROUNDS / 2)
			h->reads[h->nr_reads++] = field;
		if (dev_writes(&after, field) - dev_writes(&before, field) >= MAX_ROUNDS / 2)
			h->writes[h->nr_writes++] = field;
	}
	print_fields(h, "reads", h->reads, h->nr_reads);
	print_fields(h, "writes", h->writes, h->nr_writes);
}

static void measure(struct vm *vm, enum bench_policy p, bool counting)
{
	bool ours = dev_fd >= 0;
	struct target t;
	unsigned int load;

	for (load = 0; load < NR_LOADS; load++) {
		target_new(&t, vm, load, ours ? policy_names[p] : "module");
		if (ours)
			apply_policy(t.fd, p, &hypervisors[load]);
		if (counting)
			measure_count(&t);
		else
			measure_cost(&t);
		target_free(&t);
	}
}

int main(int argc, char *argv[])
{
	bool counting = argc > 1 && !strcmp(argv[1], "count");
	enum bench_policy p;
	unsigned int load;
	struct vm vm;

	if (!counting && (argc <= 1 || strcmp(argv[1], "cost"))) {
		fprintf(stderr, "usage: bench-kvm cost|count\n");
		return 2;
	}
	dev_try_open();
	linux_vm_new(&vm, DISK, KVM_LINUX_MEM, KVM_MAILBOX_SIZE);
	linux_vm_run(&vm, KVM_PORT);

	/* nobody has touched it yet */
	measure(&vm, UNTOUCHED, counting);
	if (dev_fd >= 0) {
		for (load = 0; load < NR_LOADS; load++)
			find_accesses(&vm, load);
		for (p = UNTOUCHED + 1; p < NR_POLICIES; p++)
			measure(&vm, p, counting);
	}
	vm_free(&vm);
	return 0;
}
