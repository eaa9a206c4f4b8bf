/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Batches that tell whether something in the middle of L2 went unnoticed: fields that
 * neither an entry into L2 reads nor its exit changes are written, L2 runs, all are read.
 */
#ifndef QUIET_H
#define QUIET_H

#include "dev.h"
#include "vm.h"

#define NR_QUIET 7
extern const uint32_t quiet_fields[NR_QUIET];

/* VMWRITE of the quiet fields, the entry into @program, VMREAD of all fields; how many. */
unsigned int quiet_ops(struct vm *vm, struct l1_op *ops, uint64_t salt, enum l2_program program);

/* The same with an L2 that comes to user space three times; put in the mailbox, too. */
unsigned int quiet_prepare(struct vm *vm, struct l1_op *ops, uint64_t salt);

/* What came of one batch against what came of the other, by expect(). */
void quiet_compare(const struct l1_op *want, const struct l1_op *got, unsigned int n,
		   const struct policy *from, const struct policy *to);

#endif
