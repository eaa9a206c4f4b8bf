/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What bench-kvm (in L0) and l1-kvm.c (in the Linux that is its L1) share: the mailbox, in
 * memory of the VM that its Linux knows of as reserved.
 *
 * L1 writes to KVM_PORT, which hands the vCPU back to bench-kvm, once it waits for the
 * first run, and after each.
 */
#ifndef L1_KVM_H
#define L1_KVM_H

#include <stdint.h>

#include "l2-loads.h"
#include "measure.h"

#define KVM_PORT		0x5e0
#define KVM_LINUX_MEM		(256UL << 20)
#define KVM_MAILBOX		KVM_LINUX_MEM
#define KVM_MAILBOX_SIZE	0x2000

/**
 * struct kvm_mailbox
 * @load: in; what L2 does in each round, LOAD_*
 * @rounds: in; up to MAX_ROUNDS
 * @ticks: out; TSC ticks of each round, by L2's own RDTSC
 * @saw: out; what L2 saw in the last round
 */
struct kvm_mailbox {
	uint32_t load, rounds;
	uint64_t saw;
	uint64_t ticks[MAX_ROUNDS];
};

_Static_assert(sizeof(struct kvm_mailbox) <= KVM_MAILBOX_SIZE, "the mailbox has outgrown its room");

#endif
