/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Measuring what runs in a VM, from its host program, and printing the records that
 * report.awk reads, one a line:
 *
 *   cost	instructions (TSC ticks on the emulated machine) and exits from L1
 *   count	VMREADs, VMWRITEs, VMPTRLDs and VMCLEARs by L0, on modules that count them
 *   switch	instructions for a change of policy
 *
 * Interrupts of L0 come at any moment and only ever add; each measurement says how it
 * gets rid of them.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include "../machine/guest/dev.h"
#include "../machine/guest/vm.h"

#define MAX_ROUNDS	300

/**
 * struct target - what is measured
 * @l1, @policy: its names, for the records
 * @vm: its VM
 * @fd: the VM in /dev/nvmx, -1 without
 * @run: makes L1 go that many rounds, 0 to MAX_ROUNDS, with the same around them
 *	however many they are
 * @l2_exits: how often L2 is left for L0 in a round
 * @ticks: what each round of the last run took
 * @values: a hash of what L1 and L2 saw in the last run
 * @data: of whose target it is
 */
struct target {
	const char *l1, *policy;
	struct vm *vm;
	int fd;
	void (*run)(struct target *t, unsigned int rounds);
	unsigned int l2_exits;
	const uint64_t *ticks;
	uint32_t values;
	void *data;
};

void measure_cost(struct target *t);
void measure_count(struct target *t);
/* From one policy to another and back, all the time; the one way is measured. */
void measure_switch(struct target *t, const struct policy *from, const struct policy *to);

#endif
