// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The differential test.  L1 does random VMX instructions (l1-diff.c), once with
 * shadowing off, which is the oracle, and once with policies that switch, profiling
 * windows, and nested state that is saved and restored.  What L1 saw must be the same.
 *
 *	vmx-diff record FILE SEED FIRST COUNT OPS
 *		COUNT blocks of OPS operations from block FIRST on; a digest of each to FILE
 *	vmx-diff compare FILE PACE
 *		the same blocks, with everything that must not matter, at one in PACE of the
 *		possible places; the records of a block that differs go to FILE.BLOCK, and how
 *		many operations there were, and policies taken up, is appended to FILE-totals
 *	vmx-diff explain FILE BLOCK
 *		the block once more, without; says where FILE.BLOCK differs
 *
 * record and explain are for a module with enable_shadow_vmcs=0, compare for one with
 * policies.  An operation is a VMX instruction that L1 executes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diff-vm.h"
#include "tap.h"

#define MAX_BLOCKS	20000
#define MAX_WORKERS	8
#define MAX_SHOWN	3

/* A block of FILE. */
struct block {
	uint64_t hash;
	uint32_t records, done;
};

/* Sums over blocks; the same in all runs unless a block differs. */
struct sums {
	uint64_t done, entries, failed_entries;
	uint64_t seen[DIFF_NR_OPS], succeeded[DIFF_NR_OPS];
};

/* FILE */
static struct file {
	uint64_t seed;
	uint32_t first, count, ops, nr_fields;
	uint32_t fields[DIFF_MAX_FIELDS];
	struct sums sums;
	struct block blocks[MAX_BLOCKS];
} want;

/* What runs blocks: all its state is its own. */
struct worker {
	unsigned int index;
	pthread_t thread;
	struct diff_vm vms[DIFF_NR_KINDS];
	struct sums sums;
};

static struct worker workers[MAX_WORKERS];
static unsigned int nr_workers;
static const char *path;
static bool comparing;
static pthread_mutex_t results = PTHREAD_MUTEX_INITIALIZER;
static unsigned int nr_different;

static const char *const op_names[] = {
#define X(name) #name,
	DIFF_OPS
#undef X
};

/* ---- one block ----------------------------------------------------------- */

static uint64_t block_seed(uint32_t block)
{
	uint64_t x = want.seed + (block + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static enum diff_kind block_kind(uint32_t block)
{
	static const enum diff_kind kinds[] = { DIFF_ANY, DIFF_NONE, DIFF_ANY, DIFF_HIDE };

	return kinds[block / 2 % 4];
}

/* Of two blocks, one can be repeated exactly. */
static enum diff_mode block_mode(uint32_t block)
{
	if (!comparing)
		return DIFF_QUIET;
	return block & 1 ? DIFF_ANYTIME : DIFF_AT_PAUSES;
}

/* False: L1 was shut down, and the VM with it. */
static bool run_block(struct diff_vm *d, uint32_t block)
{
	struct diff_control *c = diff_vm_control(d);

	memset(c, 0, sizeof(*c));
	c->seed = block_seed(block);
	c->nr_ops = want.ops;
	c->nr_fields = want.nr_fields;
	memcpy(c->fields, want.fields, sizeof(c->fields));
	return diff_vm_run(d, block_mode(block), c->seed);
}

static uint64_t hash_of(struct diff_vm *d)
{
	const uint64_t *word = (uint64_t *)diff_vm_log(d);
	size_t n = diff_vm_control(d)->nr_records * (sizeof(struct diff_record) / sizeof(*word));
	uint64_t hash = 0xcbf29ce484222325ULL;

	while (n--) {
		hash = (hash ^ *word++) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return hash;
}

static void add_sums(struct sums *sums, const struct diff_control *c)
{
	unsigned int i;

	sums->done += c->done;
	sums->entries += c->entries;
	sums->failed_entries += c->failed_entries;
	for (i = 0; i < DIFF_NR_OPS; i++) {
		sums->seen[i] += c->seen[i];
		sums->succeeded[i] += c->succeeded[i];
	}
}

/* ---- files --------------------------------------------------------------- */

static void write_file(const char *name, const void *data, size_t size)
{
	FILE *f = fopen(name, "w");

	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		bail("cannot write %s", name);
}

static size_t read_file(const char *name, void *data, size_t size)
{
	FILE *f = fopen(name, "r");
	size_t n;

	if (!f)
		bail("cannot read %s", name);
	n = fread(data, 1, size, f);
	fclose(f);
	return n;
}

static void log_name(char *ret, size_t size, uint32_t block)
{
	snprintf(ret, size, "%s.%u", path, block);
}

/* Different: keep what L1 saw, for "explain". */
static void keep(struct diff_vm *d, uint32_t block)
{
	char name[200];

	pthread_mutex_lock(&results);
	if (nr_different++ < MAX_SHOWN) {
		log_name(name, sizeof(name), block);
		write_file(name, diff_vm_log(d),
			   diff_vm_control(d)->nr_records * sizeof(struct diff_record));
		note("seed %llu, block %u differs%s", (unsigned long long)want.seed, block,
		     block & 1 ? " (switches at any moment)" : "");
	}
	pthread_mutex_unlock(&results);
}

/* ---- all blocks ---------------------------------------------------------- */

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t i;

	for (i = 0; i < DIFF_NR_KINDS; i++)
		diff_vm_new(&w->vms[i], i, comparing);
	for (i = w->index; i < want.count; i += nr_workers) {
		struct diff_vm *d = &w->vms[block_kind(want.first + i)];
		struct diff_control *c;
		struct block b;
		bool alive;

		alive = run_block(d, want.first + i);
		c = diff_vm_control(d);
		b = (struct block){ .hash = hash_of(d), .records = c->nr_records, .done = c->done };
		add_sums(&w->sums, c);
		if (!comparing)
			want.blocks[i] = b;
		else if (memcmp(&b, &want.blocks[i], sizeof(b)))
			keep(d, want.first + i);
		if (!alive) {
			diff_vm_free(d);
			diff_vm_new(d, block_kind(want.first + i), comparing);
		}
	}
	for (i = 0; i < DIFF_NR_KINDS; i++)
		diff_vm_free(&w->vms[i]);
	return NULL;
}

/* One worker a processor. */
static void work_all(struct sums *ret_sums, struct diff_tally *ret_tally)
{
	uint64_t start = __builtin_ia32_rdtsc();
	unsigned int i, j;

	nr_workers = sysconf(_SC_NPROCESSORS_ONLN);
	if (nr_workers > MAX_WORKERS)
		nr_workers = MAX_WORKERS;
	for (i = 0; i < nr_workers; i++) {
		workers[i].index = i;
		errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (errno)
			bail("pthread_create");
	}
	for (i = 0; i < nr_workers; i++) {
		const uint64_t *from = (uint64_t *)&workers[i].sums;

		pthread_join(workers[i].thread, NULL);
		for (j = 0; j < sizeof(*ret_sums) / sizeof(uint64_t); j++)
			((uint64_t *)ret_sums)[j] += from[j];
		for (j = 0; j < DIFF_NR_KINDS; j++) {
			const struct diff_tally *t = &workers[i].vms[j].tally;

			ret_tally->set += t->set;
			ret_tally->taken_up += t->taken_up;
			ret_tally->windows += t->windows;
			ret_tally->saves += t->saves;
			ret_tally->moves += t->moves;
			ret_tally->in_l2 += t->in_l2;
		}
	}
	/* what a run of another length will take */
	note("%llu TSC ticks an operation",
	     (unsigned long long)(__builtin_ia32_rdtsc() - start) / (ret_sums->done ?: 1));
}

/* ---- verdicts ------------------------------------------------------------ */

/* Nothing is proven by a run in which something did not happen. */
static void check_sums(const struct sums *s)
{
	uint64_t tries = s->seen[DIFF_VMLAUNCH] + s->seen[DIFF_VMRESUME];
	unsigned int i;

	test_begin();
	for (i = 0; i < DIFF_NR_INSTRUCTIONS; i++) {
		expect(s->succeeded[i] * 20 >= s->seen[i] && s->succeeded[i],
		       "%s succeeded %llu times of %llu", op_names[i],
		       (unsigned long long)s->succeeded[i], (unsigned long long)s->seen[i]);
		expect(s->seen[i] > s->succeeded[i], "%s never failed", op_names[i]);
	}
	expect(s->entries * 4 >= tries, "%llu entries into L2 of %llu tries",
	       (unsigned long long)s->entries, (unsigned long long)tries);
	expect(s->failed_entries * 100 >= tries, "%llu entries with invalid guest state",
	       (unsigned long long)s->failed_entries);
	test_end("%llu operations: every one succeeded and failed often; %llu of %llu tries to enter L2",
		 (unsigned long long)s->done, (unsigned long long)s->entries,
		 (unsigned long long)tries);
	for (i = 0; i < DIFF_NR_INSTRUCTIONS; i++)
		note("  %-12s %9llu, failed %9llu", op_names[i], (unsigned long long)s->seen[i],
		     (unsigned long long)(s->seen[i] - s->succeeded[i]));
}

static void check_tally(const struct diff_tally *t, unsigned int pace)
{
	unsigned long long n = want.count / pace;

	test_begin();
	expect(t->taken_up >= 20 * n + 1, "%llu policies taken up by a vCPU in %u blocks",
	       (unsigned long long)t->taken_up, want.count);
	expect(t->windows >= n || !diff_vm_has_windows(),
	       "%llu profiling windows", (unsigned long long)t->windows);
	expect(t->saves >= n, "%llu times saved and restored", (unsigned long long)t->saves);
	expect(t->moves >= n, "%llu times moved to another VM", (unsigned long long)t->moves);
	expect(t->in_l2 >= n, "%llu times disturbed in L2", (unsigned long long)t->in_l2);
	test_end("%llu policies set, %llu taken up, %llu windows, %llu saves, %llu moves, %llu in L2",
		 (unsigned long long)t->set, (unsigned long long)t->taken_up,
		 (unsigned long long)t->windows, (unsigned long long)t->saves,
		 (unsigned long long)t->moves, (unsigned long long)t->in_l2);
}

static int record(char *argv[])
{
	struct diff_tally tally = {};
	unsigned int i;

	want.seed = strtoull(argv[0], NULL, 0);
	want.first = strtoul(argv[1], NULL, 0);
	want.count = strtoul(argv[2], NULL, 0);
	want.ops = strtoul(argv[3], NULL, 0);
	if (!want.count || want.count > MAX_BLOCKS || !want.ops)
		bail("COUNT has to be 1 to %u, OPS not 0", MAX_BLOCKS);
	want.nr_fields = dev_nr_fields;
	for (i = 0; i < dev_nr_fields; i++)
		want.fields[i] = dev_fields[i].encoding;
	note("seed %llu, blocks %u to %u of %u operations", (unsigned long long)want.seed,
	     want.first, want.first + want.count - 1, want.ops);
	work_all(&want.sums, &tally);
	write_file(path, &want, sizeof(want));
	/* a block alone is for a look at it */
	if (want.count > 1)
		check_sums(&want.sums);
	else
		ok(want.sums.done, "%llu operations", (unsigned long long)want.sums.done);
	return done_testing();
}

static void append_totals(const struct diff_tally *t)
{
	char name[200];
	FILE *f;

	snprintf(name, sizeof(name), "%s-totals", path);
	f = fopen(name, "a");
	if (!f || fprintf(f, "%llu %llu\n", (unsigned long long)want.sums.done,
			  (unsigned long long)t->taken_up) < 0 || fclose(f))
		bail("cannot write %s", name);
}

static int compare(unsigned int pace)
{
	static struct sums sums;
	struct diff_tally tally = {};

	if (!pace)
		bail("PACE has to be 1 at least");
	diff_vm_setup(pace);

	if (read_file(path, &want, sizeof(want)) != sizeof(want))
		bail("%s is not what record writes", path);
	work_all(&sums, &tally);
	/* a block that was not finished, its thread gone, is no block */
	is(nr_different + (sums.done != want.sums.done), 0, "seed %llu: %llu operations in %u blocks: all as with shadowing off",
	   (unsigned long long)want.seed, (unsigned long long)want.sums.done, want.count);
	if (want.count > 1)
		check_tally(&tally, pace);
	append_totals(&tally);
	return done_testing();
}

/* ---- explain ------------------------------------------------------------- */

static void show(const char *what, uint32_t step, const struct diff_record *r)
{
	const char *name = r->op < DIFF_L1_STATE && r->field ? dev_name(r->field & ~1ULL) : "";

	note("%s%6u %-11s %#llx %s: in %#llx, out %#llx, flags %#x, error %#x, vector %d", what, step,
	     r->op < DIFF_NR_OPS ? op_names[r->op] : "?", (unsigned long long)r->field, name,
	     (unsigned long long)r->in, (unsigned long long)r->out, r->flags, r->error,
	     r->vector == DIFF_NO_VECTOR ? -1 : r->vector);
}

static int explain(uint32_t block)
{
	static struct diff_record got[DIFF_MAX_RECORDS];
	static struct diff_vm d;
	const struct diff_record *log;
	uint32_t i, n, nr;
	char name[200];

	if (read_file(path, &want, sizeof(want)) != sizeof(want))
		bail("%s is not what record writes", path);
	log_name(name, sizeof(name), block);
	n = read_file(name, got, sizeof(got)) / sizeof(got[0]);
	diff_vm_new(&d, block_kind(block), false);
	run_block(&d, block);
	log = diff_vm_log(&d);
	nr = diff_vm_control(&d)->nr_records;
	for (i = 0; i < n && i < nr && !memcmp(&got[i], &log[i], sizeof(got[i])); i++)
		;
	ok(i == n && i == nr, "seed %llu, block %u, step %u of %u", (unsigned long long)want.seed,
	   block, i, nr);
	for (n = i > 40 ? i - 40 : 0; n < i; n++)
		show("  ", n, &log[n]);
	show("! oracle ", i, &log[i]);
	show("!    got ", i, &got[i]);
	return done_testing();
}

int main(int argc, char *argv[])
{
	dev_open();
	path = argc > 2 ? argv[2] : "";
	if (argc == 7 && !strcmp(argv[1], "record"))
		return record(argv + 3);
	comparing = argc == 4 && !strcmp(argv[1], "compare");
	if (comparing)
		return compare(strtoul(argv[3], NULL, 0));
	if (argc == 4 && !strcmp(argv[1], "explain"))
		return explain(strtoul(argv[3], NULL, 0));
	errno = 0;
	bail("usage: vmx-diff record FILE SEED FIRST COUNT OPS | compare FILE PACE | explain FILE BLOCK");
}
