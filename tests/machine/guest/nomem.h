/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations whose allocations fail, one after the other: the kernel's fault injection
 * for this task.  scenarios/nomem.sh makes it ready.
 */
#ifndef NOMEM_H
#define NOMEM_H

#include <stdbool.h>

/**
 * struct nomem_op - an operation that may allocate
 * @name: for messages
 * @least: so many of its allocations can fail it, at least
 * @of_kvm: none of them is ours; KVM fails with what error it likes, and the same call need
 *	not work after it
 * @before: brings about what the operation needs
 * @run: the operation; 0 or a negative errno.  Also what is done again after a failure.
 * @failed: expects that a failed operation has left nothing behind
 * @done: expects that it is done, be it at the second attempt
 * @after: cleans up
 *
 * All but @name and @run may be NULL; @before and those after it in this list are run
 * with memory in plenty.
 */
struct nomem_op {
	const char *name;
	unsigned int least;
	bool of_kvm;
	void (*before)(void);
	int (*run)(void);
	void (*failed)(void);
	void (*done)(void);
	void (*after)(void);
};

/* Ends the program on a kernel without fault injection. */
void nomem_open(void);
void nomem_close(void);

/* One test: each of the operation's allocations fails, then all. */
void nomem_test(const struct nomem_op *op);

#endif
