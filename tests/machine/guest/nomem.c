// SPDX-License-Identifier: LGPL-2.1-or-later
/* Operations whose allocations fail: see nomem.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nomem.h"
#include "tap.h"

/* More allocations than an operation has. */
#define NOMEM_MAX	2000

/* As often each is tried, at most. */
#define NOMEM_SWEEPS	8

static int nth_fd = -1, all_fd = -1;

static int open_knob(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		bail("%s: no kernel with fault injection", path);
	return fd;
}

void nomem_open(void)
{
	/* this program's own page faults are no part of an operation */
	if (mlockall(MCL_CURRENT) < 0)
		bail("mlockall");
	nth_fd = open_knob("/proc/thread-self/fail-nth");
	all_fd = open_knob("/proc/thread-self/make-it-fail");
}

void nomem_close(void)
{
	close(nth_fd);
	close(all_fd);
}

static void turn(int knob, unsigned int value)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", value);

	if (pwrite(knob, text, n, 0) != n)
		bail("a knob of fault injection");
}

/* Runs op, the nth of whose allocations fails, or all (0); tells whether one did. */
static int run_failing(const struct nomem_op *op, unsigned int n, bool *ret_injected)
{
	char text[16] = {};
	int r;

	turn(n ? nth_fd : all_fd, n ?: 1);
	r = op->run();
	if (n && pread(nth_fd, text, sizeof(text) - 1, 0) <= 0)
		bail("fail-nth");
	turn(n ? nth_fd : all_fd, 0);
	*ret_injected = !n || !strtoul(text, NULL, 10);
	return r;
}

/* One attempt; tells whether there was an allocation to fail. */
static bool attempt(const struct nomem_op *op, unsigned int n, unsigned int *failures)
{
	bool injected;
	int r;

	if (op->before)
		op->before();
	r = run_failing(op, n, &injected);
	if (r < 0) {
		expect(injected, "allocation %u: it fails though none has failed", n);
		if (!op->of_kvm)
			expect_is(-r, ENOMEM, "allocation %u: errno", n);
		if (op->failed)
			op->failed();
		if (!op->of_kvm) {
			r = op->run();
			expect_is(-r, 0, "allocation %u: errno of the same call after it", n);
		}
		(*failures)++;
	}
	if (op->done && !r)
		op->done();
	if (op->after)
		op->after();
	return injected;
}

/* Each of the allocations fails; how many there are, and how many of them fail the operation. */
static unsigned int sweep(const struct nomem_op *op, unsigned int *ret_failures)
{
	unsigned int n = 0;

	*ret_failures = 0;
	do
		n++;
	while (attempt(op, n, ret_failures) && n < NOMEM_MAX);
	expect(n < NOMEM_MAX, "it comes to an end");
	return n - 1;
}

void nomem_test(const struct nomem_op *op)
{
	unsigned int i, n, failures, failed_all = 0;

	test_begin();
	/*
	 * An attempt that has one allocation more than the one before, for a slab or for
	 * kmemleak, shifts the others, and one of them is left out.
	 */
	for (i = 0; i < NOMEM_SWEEPS; i++) {
		n = sweep(op, &failures);
		if (failures >= op->least)
			break;
	}
	expect(failures >= op->least, "%u allocations can fail it, of ours and KVM's there are %u",
	       failures, op->least);
	attempt(op, 0, &failed_all);
	expect(failed_all || !op->least, "it fails if every allocation does");
	test_end("%s: of %u allocations %u can fail it: nothing is left", op->name, n, failures);
}
