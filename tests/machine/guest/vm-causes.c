// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does an account lead to the right cause?  L1 and L2 do what makes a VM slow, and what only looks
 * like it, on the distribution's KVM with VMCS shadowing.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "client/cause.h"
#include "daemon/account/look.h"

#include "tap.h"
#include "vm.h"

#define ROUNDS		5000
#define ACCESSES	20000
#define CALLS		2000
#define BATCHES		4
#define PAUSE_USEC	500000

static struct look *look;

/* What of a VM happens while it runs, by the causes that are found: "timer port-io". */
static void causes_of(void (*run)(struct vm *vm), struct vm *vm, char *ret, size_t size, char *ret_verdict,
		      size_t verdict_size)
{
	struct account then = {}, now = {};
	struct account_vcpu sum = {};
	struct json_object *o, *causes;
	size_t i, n = 0;

	if (look_read(look, &then) < 0)
		bail("look_read");
	run(vm);
	if (look_read(look, &now) < 0)
		bail("look_read");
	account_subtract(&now, &then);
	if (now.n_vms != 1 || account_sum(&now.vms[0], &sum) < 0)
		bail("%zu VMs ran", now.n_vms);
	account_sort(&sum);
	for (i = 0; i < sum.n_lines && i < 6; i++) {
		char *text = account_line_text(&sum.lines[i]);

		note("  %5.1f %% %s", 100.0 * sum.lines[i].ns / sum.ns, text);
		free(text);
	}
	o = cause_find(&sum, &(struct cause_host) {});
	causes = json_get(o, "causes");
	*ret = 0;
	for (i = 0; i < json_length(causes); i++)
		n += snprintf(ret + n, size - n, "%s%s", i ? " " : "", json_get_text(json_at(causes, i), "cause"));
	snprintf(ret_verdict, verdict_size, "%s", json_get_text(o, "verdict"));
	json_object_put(o);
	account_vcpu_clear(&sum);
	account_clear(&then);
	account_clear(&now);
}

/* verdict: the cause that takes most, or what there is instead; causes: all, NULL: not looked at. */
static void test(const char *what, void (*run)(struct vm *vm), struct vm *vm, const char *verdict, const char *causes)
{
	char got[256], got_verdict[32];

	causes_of(run, vm, got, sizeof(got), got_verdict, sizeof(got_verdict));
	ok(!strcmp(got_verdict, verdict), "%s: %s (causes: %s)", what, verdict, got) ||
		(note("got %s", got_verdict), 0);
	if (causes)
		ok(!strcmp(got, causes), "%s: and these: %s", what, causes);
}

static void l2_loop(struct vm *vm, enum l2_program program)
{
	struct l1_op loop = { .op = L1_L2_LOOP, .count = ROUNDS };

	vm_vmwrite(vm, GUEST_RIP, vm->m->l2_entry[program]);
	vm_batch(vm, &loop, 1);
}

static void run_fields(struct vm *vm)
{
	(void)vm_op(vm, L1_VMREAD, HOST_RSP, 0, ACCESSES);
}

/* KVM shadows it. */
static void run_shadowed(struct vm *vm)
{
	(void)vm_op(vm, L1_VMREAD, GUEST_RIP, 0, 100 * ACCESSES);
}

/* KVM shadows what L1 reads and writes in between. */
static void run_transitions(struct vm *vm)
{
	l2_loop(vm, L2_VMCALL);
}

static void run_port_io(struct vm *vm)
{
	l2_loop(vm, L2_OUT);
}

static void run_l1_maps(struct vm *vm)
{
	l2_loop(vm, L2_EPT);
}

static void run_vmcs_switches(struct vm *vm)
{
	static struct l1_op ops[L1_MAX_OPS];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = (struct l1_op) { .op = L1_VMPTRLD, .value = i % 2 };
	for (i = 0; i < BATCHES; i++)
		vm_batch(vm, ops, ARRAY_SIZE(ops));
}

/* Each batch ends in user space. */
static void run_user_space(struct vm *vm)
{
	int i;

	for (i = 0; i < CALLS; i++)
		(void)vm_op(vm, L1_NOP, 0, 0, 1);
}

static void run_stopped(struct vm *vm)
{
	usleep(PAUSE_USEC);
}

static volatile bool hog_ends;

static void *hog(void *arg)
{
	while (!hog_ends)
		;
	return NULL;
}

static void run_preempted(struct vm *vm)
{
	pthread_t thread;

	pthread_create(&thread, NULL, hog, NULL);
	/* On this machine no interrupt comes in while L1 runs: it has to exit. */
	(void)vm_op(vm, L1_VMREAD, HOST_RSP, 0, 3 * ACCESSES);
	hog_ends = true;
	pthread_join(thread, NULL);
}

int main(void)
{
	_cleanup_free_ char *error = NULL;
	struct vm vm;

	if (look_new(&look, &error) < 0)
		bail("look_new: %s", error ?: "");
	vm_new_vmx(&vm);
	test("VMREADs of a field that is not shadowed", run_fields, &vm, "fields", "fields");
	test("VMREADs of one that is", run_shadowed, &vm, "not-nested", "");
	test("a loop of L2's VMCALLs", run_transitions, &vm, "transitions", "transitions");
	test("a loop of L2's OUTs", run_port_io, &vm, "transitions", "transitions port-io");
	test("a loop of L2's EPT violations", run_l1_maps, &vm, "transitions", "transitions l1-maps");
	test("VMPTRLDs of two VMCSs in turn", run_vmcs_switches, &vm, "vmcs-switches", "vmcs-switches");
	test("exits to user space", run_user_space, &vm, "port-io", "port-io user-space");
	test("a vCPU that is not run", run_stopped, &vm, "stopped", "");
	test("another on its processor", run_preempted, &vm, "preempted", "preempted fields");
	vm_free(&vm);
	look_free(look);
	return done_testing();
}
