// SPDX-License-Identifier: LGPL-2.1-or-later
/* See measure.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../machine/guest/tap.h"
#include "measure.h"

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *values, unsigned int nr)
{
	qsort(values, nr, sizeof(values[0]), compare_u64);
	return values[nr / 2];
}

/* ---- instructions -------------------------------------------------------- */

#define WARM_UP		20
/* What an interrupt of L0 adds to a round is more than this. */
#define INTERRUPT	1000

/*
 * The mean of the rounds around the median.  Rounds are alike but for what L0 does in one
 * of many, and but for interrupts, which fewer than half of them have.
 */
static double instructions_per_round(struct target *t)
{
	static uint64_t sorted[MAX_ROUNDS];
	uint64_t middle, sum = 0;
	unsigned int i, n = 0;

	t->run(t, WARM_UP);
	t->run(t, MAX_ROUNDS);
	memcpy(sorted, t->ticks, sizeof(sorted));
	middle = median(sorted, MAX_ROUNDS);
	for (i = 0; i < MAX_ROUNDS; i++)
		if (sorted[i] + INTERRUPT > middle && sorted[i] < middle + INTERRUPT) {
			sum += sorted[i];
			n++;
		}
	if (n < MAX_ROUNDS / 2)
		bail("%s under %s: only %u of %u rounds are alike", t->l1, t->policy, n, MAX_ROUNDS);
	return (double)sum / n;
}

/* ---- what is counted ----------------------------------------------------- */

#define MAX_COUNTERS	4
#define REPETITIONS	31
#define COUNTED_ROUNDS	4

typedef void (*read_counters)(struct target *t, uint64_t counters[MAX_COUNTERS]);

/* Exits of the vCPU, be they L1's or L2's. */
static void read_exits(struct target *t, uint64_t counters[MAX_COUNTERS])
{
	if (!vm_stat(t->vm, "exits", &counters[0]))
		bail("the vCPU has no statistic \"exits\"");
}

/* VMREAD, VMWRITE, VMPTRLD, VMCLEAR: see make-counting. */
static void read_vmx_instructions(struct target *t, uint64_t counters[MAX_COUNTERS])
{
	static const char path[] = "/sys/module/kvm_intel/parameters/vmx_instructions";
	unsigned long long c[MAX_COUNTERS];
	unsigned int i;
	FILE *f;

	f = fopen(path, "re");
	if (!f || fscanf(f, "%llu,%llu,%llu,%llu", &c[0], &c[1], &c[2], &c[3]) != MAX_COUNTERS)
		bail("%s", path);
	fclose(f);
	for (i = 0; i < MAX_COUNTERS; i++)
		counters[i] = c[i];
}

/* Fewer than half of the runs are interrupted. */
static void count_rounds(struct target *t, unsigned int rounds, read_counters read_them,
			 uint64_t ret[MAX_COUNTERS])
{
	static uint64_t seen[MAX_COUNTERS][REPETITIONS];
	uint64_t before[MAX_COUNTERS] = {}, after[MAX_COUNTERS] = {};
	unsigned int i, j;

	for (i = 0; i < REPETITIONS; i++) {
		read_them(t, before);
		t->run(t, rounds);
		read_them(t, after);
		for (j = 0; j < MAX_COUNTERS; j++)
			seen[j][i] = after[j] - before[j];
	}
	for (j = 0; j < MAX_COUNTERS; j++)
		ret[j] = median(seen[j], REPETITIONS);
}

/*
 * Of one round: what a run of several more has more.  Of several, because not only rounds
 * make a run differ from the next: L1's KVM first unmaps what L2 touched in the one before.
 */
static void count_one_round(struct target *t, read_counters read_them, double ret[MAX_COUNTERS])
{
	uint64_t few[MAX_COUNTERS], more[MAX_COUNTERS];
	unsigned int i;

	count_rounds(t, 1, read_them, few);
	count_rounds(t, 1 + COUNTED_ROUNDS, read_them, more);
	for (i = 0; i < MAX_COUNTERS; i++)
		ret[i] = ((double)more[i] - few[i]) / COUNTED_ROUNDS;
}

void measure_count(struct target *t)
{
	double c[MAX_COUNTERS];

	count_one_round(t, read_vmx_instructions, c);
	printf("count l1=%s policy=%s values=%08x vmreads=%.1f vmwrites=%.1f vmptrlds=%.1f vmclears=%.1f\n",
	       t->l1, t->policy, t->values, c[0], c[1], c[2], c[3]);
}

void measure_cost(struct target *t)
{
	double instructions = instructions_per_round(t);
	double c[MAX_COUNTERS];

	count_one_round(t, read_exits, c);
	printf("cost l1=%s policy=%s values=%08x instructions=%.1f exits=%.1f\n", t->l1, t->policy,
	       t->values, instructions, c[0] - t->l2_exits);
}

/* ---- switches ------------------------------------------------------------ */

#define SWITCHES	61

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (uint64_t)hi << 32;
}

static uint64_t ticks_of_run(struct target *t)
{
	uint64_t before = rdtsc();

	t->run(t, 1);
	return rdtsc() - before;
}

/*
 * What the vCPU pays is what its run takes longer if a new policy waits to be taken up;
 * what the setter pays is its system call.  Fewer than half of the runs are interrupted.
 */
void measure_switch(struct target *t, const struct policy *from, const struct policy *to)
{
	static uint64_t set[SWITCHES], with[SWITCHES], without[SWITCHES];
	unsigned int i;

	for (i = 0; i < SWITCHES; i++) {
		dev_must_set(t->fd, from);
		t->run(t, 2);
		set[i] = rdtsc();
		dev_must_set(t->fd, to);
		set[i] = rdtsc() - set[i];
		with[i] = ticks_of_run(t);
		without[i] = ticks_of_run(t);
	}
	printf("switch l1=%s from=%s to=%s instructions=%lld set=%llu\n", t->l1, from->name,
	       to->name, (long long)(median(with, SWITCHES) - median(without, SWITCHES)),
	       (unsigned long long)median(set, SWITCHES));
}
