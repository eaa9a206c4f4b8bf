// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Switching policies changes nothing that L1 sees: before VMXON, while L1 runs,
 * between an exit of L2 and L1's next entry, and while L2 runs.
 *
 * vmx-switch [SEED]: the random part.  A sequence of operations, the same for
 * every run, is executed once under intercept-all without a switch, where vmcs12
 * answers to everything; then under random switches.  Every value, flag and error
 * has to be the same.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "rand.h"
#include "quiet.h"
#include "tap.h"
#include "vm.h"

static struct policy policies[POLICY_NR];
static const struct nvmx_field *shadowable[DEV_MAX_FIELDS];
static unsigned int nr_shadowable;

/* ---- a thread that runs the vCPU ----------------------------------------- */

static void *vcpu_thread(void *arg)
{
	vm_run(arg);
	return NULL;
}

static pthread_t vcpu_start(struct vm *vm, const struct l1_op *ops, unsigned int n)
{
	pthread_t thread;

	memcpy(vm->m->ops, ops, n * sizeof(*ops));
	vm->m->nr_ops = n;
	vm->m->progress = 0;
	errno = pthread_create(&thread, NULL, vcpu_thread, vm);
	if (errno)
		bail("pthread_create");
	return thread;
}

static void vcpu_finish(struct vm *vm, pthread_t thread, struct l1_op *ops, unsigned int n)
{
	pthread_join(thread, NULL);
	memcpy(ops, vm->m->ops, n * sizeof(*ops));
}

/* ---- all pairs, at each moment ------------------------------------------- */

/* Writes and reads every shadowable field; what is read must be what was written. */
static void write_pattern(struct vm *vm, uint64_t salt)
{
	struct l1_op ops[DEV_MAX_FIELDS];
	unsigned int i;

	for (i = 0; i < nr_shadowable; i++)
		ops[i] = (struct l1_op){
			.op = L1_VMWRITE, .field = shadowable[i]->encoding, .value = salt * (i + 1),
		};
	vm_batch(vm, ops, nr_shadowable);
}

static void check_pattern(struct vm *vm, uint64_t salt, const char *from, const char *to)
{
	struct l1_op ops[DEV_MAX_FIELDS];
	unsigned int i;

	for (i = 0; i < nr_shadowable; i++)
		ops[i] = (struct l1_op){ .op = L1_VMREAD, .field = shadowable[i]->encoding };
	vm_batch(vm, ops, nr_shadowable);
	for (i = 0; i < nr_shadowable; i++)
		expect_is(ops[i].value, dev_kept(ops[i].field, salt * (i + 1)), "%s to %s: %s", from, to,
			  shadowable[i]->name);
}

/* What L1 wrote without an exit survives the switch to a policy that intercepts it. */
static void test_dirty_values(void)
{
	unsigned int from, to;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	for (from = 0; from < POLICY_NR; from++) {
		test_begin();
		for (to = 0; to < POLICY_NR; to++) {
			uint64_t salt = 0x9e3779b97f4a7c15ULL * (1 + from * POLICY_NR + to);

			dev_must_set(fd, &policies[from]);
			write_pattern(&vm, salt);
			dev_must_set(fd, &policies[to]);
			check_pattern(&vm, salt, policies[from].name, policies[to].name);
			/* and the other way round: what is now in the shadow VMCS */
			write_pattern(&vm, ~salt);
			dev_must_set(fd, &policies[from]);
			check_pattern(&vm, ~salt, policies[to].name, policies[from].name);
		}
		test_end("from %s to every policy and back while L1 runs: L1's values survive",
			 policies[from].name);
	}
	close(fd);
	vm_free(&vm);
}

/* Two switches before L1 runs again, and switches while no VMCS is current. */
static void test_odd_moments(void)
{
	unsigned int from, to;
	uint64_t salt = 0x123456789abcdefULL;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	test_begin();
	for (from = 0; from < POLICY_NR; from++)
		for (to = 0; to < POLICY_NR; to++) {
			const char *a = policies[from].name, *b = policies[to].name;

			salt += 0x1111111111111111ULL;
			dev_must_set(fd, &policies[from]);
			write_pattern(&vm, salt);
			dev_must_set(fd, &policies[POLICY_MOST]);
			dev_must_set(fd, &policies[POLICY_INTERCEPT_ALL]);
			dev_must_set(fd, &policies[to]);
			check_pattern(&vm, salt, a, b);
			vm_op(&vm, L1_VMCLEAR, 0, 0, 1);
			dev_must_set(fd, &policies[from]);
			expect_is(vm_op(&vm, L1_VMREAD, GUEST_RIP, 0, 1)->flags, L1_CF,
				  "%s to %s: no current VMCS", b, a);
			vm_op(&vm, L1_VMPTRLD, 0, 0, 1);
			check_pattern(&vm, salt, b, a);
		}
	test_end("several switches at once, and switches while no VMCS is current");
	close(fd);
	vm_free(&vm);
}

static void test_before_vmxon(void)
{
	unsigned int from, to;
	struct vm vm;
	int fd;

	for (from = 0; from < POLICY_NR; from++) {
		test_begin();
		for (to = 0; to < POLICY_NR; to++) {
			vm_new(&vm, VM_NO_BOOT);
			fd = dev_open_vm(vm.id);
			dev_must_set(fd, &policies[from]);
			vm_boot(&vm);
			dev_must_set(fd, &policies[to]);
			vm_vmxon(&vm);
			vm_setup(&vm, 0);
			vm_run_l2(&vm, L2_OUT);
			expect_is(vm_vmread(&vm, EXIT_QUALIFICATION), 0x800040, "L2 ran");
			write_pattern(&vm, 0x7777777777777777ULL);
			vm_op(&vm, L1_VMXOFF, 0, 0, 1);
			dev_must_set(fd, &policies[from]);
			expect_is(vm_op(&vm, L1_VMREAD, GUEST_RIP, 0, 1)->vector, 6,
				  "VMREAD after VMXOFF: #UD");
			vm_vmxon(&vm);
			vm_setup(&vm, 0);
			vm_run_l2(&vm, L2_OUT);
			expect_is(vm_vmread(&vm, EXIT_QUALIFICATION), 0x800040, "L2 ran again");
			close(fd);
			vm_free(&vm);
		}
		test_end("from %s to every policy before VMXON, and after VMXOFF", policies[from].name);
	}
}

/* ---- while L2 runs ------------------------------------------------------- */

/* VMWRITE of the quiet fields, L2 spinning until told, VMREAD of all fields. */
static unsigned int make_spin(struct vm *vm, struct l1_op *ops, uint64_t salt)
{
	unsigned int n = quiet_ops(vm, ops, salt, L2_SPIN);

	vm->m->l2_gpr[GPR_RDI] = L1_MAILBOX + offsetof(struct l1_mailbox, l2_alive);
	vm->m->l2_gpr[GPR_RSI] = L1_MAILBOX + offsetof(struct l1_mailbox, l2_stop);
	vm->m->l2_alive = 0;
	vm->m->l2_stop = 0;
	return n;
}

static void wait_for_l2(struct vm *vm)
{
	uint64_t seen_alive = vm->m->l2_alive;
	unsigned int yields = 0;

	while (vm->m->l2_alive == seen_alive) {
		/* far more than it can take; not a time */
		if (++yields > 100000)
			bail("L2 does not run: %llu rounds, %llu operations of L1 done",
			     (unsigned long long)seen_alive,
			     (unsigned long long)vm->m->progress);
		sched_yield();
	}
}

/* L2 spins; the policies of @list are set, L2 going on after each; then L2 exits. */
static void spin(struct vm *vm, int fd, struct l1_op *ops, uint64_t salt,
		 const struct policy *const *list, unsigned int nr)
{
	unsigned int i, n = make_spin(vm, ops, salt);
	pthread_t thread;

	thread = vcpu_start(vm, ops, n);
	wait_for_l2(vm);
	for (i = 0; i < nr; i++) {
		dev_must_set(fd, list[i]);
		wait_for_l2(vm);
	}
	vm->m->l2_stop = 1;
	vcpu_finish(vm, thread, ops, n);
}

static void compare(const struct l1_op *got, const struct l1_op *want, unsigned int n,
		    const char *from, const char *to)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		expect_is(dev_is_unspecified(got[i].field) ? want[i].value : got[i].value, want[i].value, "%s to %s: operation %u (%d) of %s", from, to, i,
			  got[i].op, dev_name(got[i].field));
		expect(got[i].flags == want[i].flags && got[i].error == want[i].error &&
		       got[i].vector == want[i].vector,
		       "%s to %s: operation %u (%d) of %s: flags %#x, error %u, vector %d", from, to, i,
		       got[i].op, dev_name(got[i].field), got[i].flags, got[i].error, got[i].vector);
	}
}

static void test_while_l2_runs(void)
{
	static struct l1_op want[L1_MAX_OPS], got[L1_MAX_OPS];
	unsigned int from, to, n;
	struct vm reference, vm;
	int reference_fd, fd;
	uint64_t salt = 0;

	vm_new_vmx(&reference);
	reference_fd = dev_open_vm(reference.id);
	dev_must_set(reference_fd, &policies[POLICY_INTERCEPT_ALL]);
	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	for (from = 0; from < POLICY_NR; from++) {
		test_begin();
		for (to = 0; to < POLICY_NR; to++) {
			const struct policy *list[] = {
				&policies[to], &policies[POLICY_MOST], &policies[to],
			};

			salt += 0x1234567;
			spin(&reference, reference_fd, want, salt, NULL, 0);
			dev_must_set(fd, &policies[from]);
			spin(&vm, fd, got, salt, list, from & 1 ? 1 : 3);
			n = NR_QUIET + 2 + dev_nr_fields;
			compare(got, want, n, policies[from].name, policies[to].name);
		}
		test_end("from %s to every policy while L2 runs: all fields are as without",
			 policies[from].name);
	}
	close(fd);
	close(reference_fd);
	vm_free(&vm);
	vm_free(&reference);
}

/* ---- random -------------------------------------------------------------- */

#define SEQUENCE 12000

static struct l1_op sequence[SEQUENCE], expected[SEQUENCE], seen[SEQUENCE];
/* What the shadowable fields held when the VMCS was set up. */
static uint64_t good[DEV_MAX_FIELDS];

static struct l1_op *add(struct l1_op *ops, unsigned int *n, enum l1_opcode op, uint32_t field,
			 uint64_t value)
{
	ops[*n] = (struct l1_op){ .op = op, .field = field, .value = value };
	return &ops[(*n)++];
}

/* Now and then a field that is not shadowable, a high half, or none at all. */
static uint32_t random_field(void)
{
	switch (below(12)) {
	case 0:
		return dev_fields[below(dev_nr_fields)].encoding;
	case 1:
		return below(3) ? GUEST_PHYSICAL_ADDRESS_HIGH : NO_SUCH_FIELD;
	default:
		return shadowable[below(nr_shadowable)]->encoding;
	}
}

static void add_random_write(struct l1_op *ops, unsigned int *n)
{
	/* of the fields that stay out of an entry's way or are restored before it */
	static const uint32_t others[] = {
		GUEST_ES_BASE, GUEST_SYSENTER_EIP, GUEST_SYSENTER_CS, GUEST_DS_BASE,
		GUEST_PHYSICAL_ADDRESS_HIGH, NO_SUCH_FIELD, VMX_INSTRUCTION_INFO,
	};
	enum l1_opcode op = below(4) ? L1_VMWRITE : L1_VMWRITE_MEM;

	if (below(8))
		add(ops, n, op, shadowable[below(nr_shadowable)]->encoding, random64());
	else
		add(ops, n, op, others[below(sizeof(others) / sizeof(others[0]))],
		    random64() & 0x7fffffff);
}

/* Everything that an entry checks back to what it was, then L2, then a look around. */
static void add_entry(struct l1_op *ops, unsigned int *n, const struct vm *vm)
{
	static const enum l2_program programs[] = {
		L2_VMCALL, L2_OUT, L2_EPT, L2_SEGMENTS, L2_UD, L2_GP, L2_HLT,
	};
	unsigned int i;

	for (i = 0; i < nr_shadowable; i++)
		if (shadowable[i]->kind != NVMX_KIND_READ_ONLY_DATA || !below(4))
			add(ops, n, L1_VMWRITE, shadowable[i]->encoding, good[i]);
	add(ops, n, L1_VMWRITE, GUEST_SS_SELECTOR, SEL_DATA);
	add(ops, n, L1_VMWRITE, GUEST_SS_LIMIT, 0xffffffff);
	add(ops, n, L1_VMWRITE, GUEST_CS_SELECTOR, SEL_CODE);
	for (i = 0; i < 3; i++)
		add(ops, n, L1_VMWRITE, quiet_fields[below(NR_QUIET)], random64() & 0x7fffffff);
	add(ops, n, L1_VMWRITE, GUEST_RIP,
	    vm->m->l2_entry[programs[below(sizeof(programs) / sizeof(programs[0]))]]);
	add(ops, n, L1_ENTER, 0, 0);
	for (i = below(20); i; i--)
		add(ops, n, L1_VMREAD, random_field(), 0);
}

static void make_sequence(const struct vm *vm)
{
	unsigned int n = 0, i, current = 0;

	while (n < SEQUENCE - DEV_MAX_FIELDS)
		switch (below(40)) {
		case 0:
			add_entry(sequence, &n, vm);
			break;
		case 1:
			current = below(L1_NR_VMCS);
			if (below(2))
				add(sequence, &n, L1_VMCLEAR, 0, current);
			add(sequence, &n, L1_VMPTRLD, 0, current);
			break;
		case 2:
			/* outside the current VMCS */
			add(sequence, &n, L1_VMCLEAR, 0, current ^ 1);
			break;
		case 3:
			/* a read-write field again and again, to be caught at any moment */
			for (i = 0; i < 10; i++) {
				add(sequence, &n, L1_VMWRITE, GUEST_RSP, random64());
				add(sequence, &n, L1_VMREAD, GUEST_RSP, 0);
			}
			break;
		default:
			if (below(2))
				add_random_write(sequence, &n);
			else
				add(sequence, &n, below(4) ? L1_VMREAD : L1_VMREAD_MEM, random_field(), 0);
		}
	while (n < SEQUENCE)
		add(sequence, &n, L1_VMREAD, random_field(), 0);
}

static void new_vm_for_sequence(struct vm *vm, int *fd)
{
	unsigned int i;

	vm_new(vm, 0);
	*fd = dev_open_vm(vm->id);
	vm_vmxon(vm);
	vm_setup(vm, 1);
	vm_setup(vm, 0);
	for (i = 0; i < nr_shadowable; i++)
		good[i] = vm_vmread(vm, shadowable[i]->encoding);
}

/* Switches between batches of one to @longest operations, L1 in the middle of its work. */
static void run_stepwise(struct vm *vm, int fd, unsigned int longest)
{
	unsigned int i, n;

	for (i = 0; i < SEQUENCE; i += n) {
		n = 1 + below(longest);
		if (n > SEQUENCE - i)
			n = SEQUENCE - i;
		vm_batch(vm, &seen[i], n);
		if (!below(3))
			dev_must_set(fd, &policies[below(POLICY_NR)]);
	}
}

/* Switches at any moment, by another thread than the vCPU's; gives how many. */
static unsigned int run_concurrent(struct vm *vm, int fd)
{
	unsigned int i, n, switches = 0;
	pthread_t thread;

	for (i = 0; i < SEQUENCE; i += n) {
		n = SEQUENCE - i < L1_MAX_OPS ? SEQUENCE - i : L1_MAX_OPS;
		thread = vcpu_start(vm, &seen[i], n);
		while (vm->m->progress < n) {
			dev_must_set(fd, &policies[below(POLICY_NR)]);
			switches++;
			/* lets L1 run for a while; how long is not what is tested */
			usleep(below(80));
		}
		vcpu_finish(vm, thread, &seen[i], n);
	}
	return switches;
}

static unsigned int count_entries(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < SEQUENCE; i++)
		n += expected[i].op == L1_ENTER && expected[i].value;
	return n;
}

static void test_random(uint64_t seed, unsigned int longest)
{
	static struct counters c;
	unsigned int i, n, switches;
	struct vm vm;
	int fd;

	rand_state = seed;
	new_vm_for_sequence(&vm, &fd);
	make_sequence(&vm);
	memcpy(expected, sequence, sizeof(sequence));
	dev_must_set(fd, &policies[POLICY_INTERCEPT_ALL]);
	for (i = 0; i < SEQUENCE; i += n) {
		n = SEQUENCE - i < L1_MAX_OPS ? SEQUENCE - i : L1_MAX_OPS;
		vm_batch(&vm, &expected[i], n);
	}
	close(fd);
	vm_free(&vm);

	new_vm_for_sequence(&vm, &fd);
	memcpy(seen, sequence, sizeof(sequence));
	switches = 0;
	if (longest)
		run_stepwise(&vm, fd, longest);
	else
		switches = run_concurrent(&vm, fd);
	dev_counters(fd, &c);
	if (longest)
		switches = c.total.policy_switches;
	test_begin();
	compare(seen, expected, SEQUENCE, "random", longest ? "in steps" : "at any moment");
	expect(c.total.policy_switches > 100, "policies were taken up");
	expect(count_entries() > 50, "L2 ran");
	test_end("seed %llu, %s: %u operations, %u entries into L2, as without switches",
		 (unsigned long long)seed, longest ? "switches between operations" :
		 "switches at any moment", SEQUENCE, count_entries());
	note("%u policies set, %llu taken up", switches, (unsigned long long)c.total.policy_switches);
	close(fd);
	vm_free(&vm);
}

int main(int argc, char *argv[])
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20190507;
	unsigned int i;

	dev_open();
	for (i = 0; i < POLICY_NR; i++)
		dev_make_policy(i, &policies[i]);
	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], NVMX_CLASS_READ_ONLY))
			shadowable[nr_shadowable++] = &dev_fields[i];
	if (argc <= 1) {
		test_before_vmxon();
		test_dirty_values();
		test_odd_moments();
		test_while_l2_runs();
	}
	test_random(seed, 1);
	test_random(seed + 1, 12);
	test_random(seed + 2, 0);
	test_random(seed + 3, 0);
	return done_testing();
}
