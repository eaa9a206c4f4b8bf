// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a round trip from L2 to L1 and back costs: TSC ticks are instructions on the
 * emulated machine, so this is exact.  Prints one number; the scenario compares modules.
 */
#include <stdio.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

#define ROUNDS	500
#define RUNS	12

static uint64_t one_run(struct vm *vm)
{
	struct l1_op ops[] = {
		{ .op = L1_RDTSC },
		{ .op = L1_L2_LOOP, .count = ROUNDS },
		{ .op = L1_RDTSC },
	};

	vm_batch(vm, ops, 3);
	if (ops[1].value != (uint64_t)EXIT_REASON_VMCALL * ROUNDS)
		bail("L2 did not do what it should");
	return ops[2].value - ops[0].value;
}

int main(void)
{
	uint64_t best = UINT64_MAX;
	struct vm vm;
	int i;

	vm_new_vmx(&vm);
	vm_vmwrite(&vm, GUEST_RIP, vm.m->l2_entry[L2_VMCALL]);

	/* The least of several: host timer interrupts only ever add. */
	for (i = 0; i < RUNS; i++) {
		uint64_t ticks = one_run(&vm);

		if (ticks < best)
			best = ticks;
	}

	printf("%llu\n", (unsigned long long)(best / ROUNDS));
	vm_free(&vm);
	return 0;
}
