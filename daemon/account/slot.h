/* SPDX-License-Identifier: GPL-2.0-only OR LGPL-2.1-or-later */
/*
 * What account.bpf.c writes and look.c reads: the slot of a vCPU, to which every nanosecond of
 * it is added, in one cell.  Whoever includes this has u32 and u64.
 */
#ifndef NVMX_ACCOUNT_SLOT_H
#define NVMX_ACCOUNT_SLOT_H

/* Basic exit reasons are 16 bits, those in use below this (SDM vol. 3, appendix C); the last cell has all beyond. */
#define SLOT_REASONS	96

/* vCPUs that one look can tell apart; those that come later are counted, not looked at. */
#define SLOTS_MAX	4096
/* Those that are at least counted. */
#define VCPUS_MAX	(4 * SLOTS_MAX)

/*
 * MSRs and ports of a vCPU that are told, by level and direction; what is beyond is in the reason's
 * cell alone.  A guest may name as many as it likes, and takes none of another's.
 */
#define DETAILS_PER_VCPU	32

enum slot_level { SLOT_L1, SLOT_L2, SLOT_LEVELS };

/* Why a vCPU is not loaded on a processor. */
enum slot_outside {
	SLOT_USER,		/* in user space, or on the way */
	SLOT_HALTED,		/* L1 or L2 has nothing to do */
	SLOT_PREEMPTED,		/* another task has the processor */
	SLOT_WAITING,		/* for something in the kernel: memory, a lock */
	SLOT_OUTSIDES,
};

enum slot_state { SLOT_NEW, SLOT_IN_GUEST, SLOT_IN_L0, SLOT_IS_OUTSIDE };

struct slot_cell {
	u64 count;
	u64 ns;
};

struct slot {
	u64 vcpu;		/* its address; 0: it is gone, and the slot has its past */
	u64 started;		/* the process, in ns of the clock of boot */
	u32 pid;
	u32 vm;			/* a number of its own, from 1 */
	u32 index;		/* of the vCPU */
	u32 details;		/* of the map of that name */

	u64 first;		/* of the monotonic clock: when the slot was made */
	u64 last;		/* the last event: all until then is in a cell, or pending */
	u64 pending;		/* ns in L0 for an exit that is not over, before the vCPU went outside */
	u64 lost;		/* events that do not follow from those before */
	u32 state;		/* slot_state */
	u32 level;		/* that it runs in, or has come from */
	u32 reason;		/* of the exit */
	u32 outside;		/* slot_outside */
	u64 what;		/* the MSR or port of this exit, | SLOT_HAS_WHAT */

	struct slot_cell guest[SLOT_LEVELS];
	u64 shortest[SLOT_LEVELS];	/* stay: KVM's way in and out, and the processor's; 0: none */
	struct slot_cell outsides[SLOT_OUTSIDES];
	struct slot_cell exits[SLOT_LEVELS][SLOT_REASONS][SLOT_LEVELS];	/* from, reason, to */
} __attribute__((aligned(64)));

#define SLOT_HAS_WHAT	(1ULL << 63)

/* Which MSR, which port: the key of a slot_cell. */
struct slot_detail {
	u32 slot;
	u32 what;
	u32 reason;
	u16 from, to;
};

#endif /* NVMX_ACCOUNT_SLOT_H */
