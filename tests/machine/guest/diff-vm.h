/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VMs that the differential test works with, and what the host does to them while
 * a block of operations runs.
 */
#ifndef DIFF_VM_H
#define DIFF_VM_H

#include <pthread.h>

#include "dev.h"
#include "diff.h"
#include "vm.h"

/* What L1 is told of "VMWRITE any field". */
enum diff_kind {
	DIFF_ANY,	/* it is there */
	DIFF_NONE,	/* not there: user space says so */
	DIFF_HIDE,	/* not there: the policy says so */
	DIFF_NR_KINDS,
};

/* What was done to VMs; all must have happened, or nothing is proven. */
struct diff_tally {
	uint64_t set, taken_up, windows, saves, moves, in_l2;
};

/**
 * struct diff_vm - a VM, and who disturbs it
 * @vm, @fd: the VM, its fd of nvmx; -1 without nvmx
 * @kind: for its successors, too
 * @lock: taken by whoever sets policies or replaces the VM
 * @vcpu_random: what the vCPU's thread does when L1 or L2 lets it; the same in every
 *	run of a block
 * @other_random: what the other thread does
 * @window: this fd started a window that may still be open
 * @save: the other thread wants the vCPU's thread to save and restore
 * @stop: the other thread shall end
 */
struct diff_vm {
	struct vm vm;
	int fd;
	enum diff_kind kind;
	pthread_mutex_t lock;
	pthread_t thread;
	uint64_t vcpu_random, other_random;
	bool window;
	volatile bool save, stop;
	struct diff_tally tally;
};

/* How a block is run. */
enum diff_mode {
	DIFF_QUIET,		/* nothing is done to the VM */
	DIFF_AT_PAUSES,		/* at points that the block has; repeatable */
	DIFF_ANYTIME,		/* by another thread, too */
};

/* Before anything else. @one_in: of so many opportunities to disturb a VM one is used. */
void diff_vm_setup(unsigned int one_in);

/* @ret: with a tally to add to.  @disturbed: a policy has to hide what DIFF_HIDE hides, not user space. */
void diff_vm_new(struct diff_vm *ret, enum diff_kind kind, bool disturbed);
void diff_vm_free(struct diff_vm *d);

/* Has the module profiling windows? */
bool diff_vm_has_windows(void);

/*
 * Runs the block that is described in the VM's memory.  False: to the point where L1 was
 * shut down, as by an abort of VMX, with the records so far; the VM is good for nothing
 * after it.
 */
bool diff_vm_run(struct diff_vm *d, enum diff_mode mode, uint64_t seed);

static inline struct diff_control *diff_vm_control(struct diff_vm *d)
{
	return d->vm.mem + DIFF_CONTROL;
}

static inline struct diff_record *diff_vm_log(struct diff_vm *d)
{
	return d->vm.mem + DIFF_LOG;
}

#endif
