/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loads of l2-loads.S, for C and assembly. */
#ifndef L2_LOADS_H
#define L2_LOADS_H

#define LOAD_CPUID		0
#define LOAD_VMCALL		1	/* a hypercall that KVM has not */
#define LOAD_OUT_USER		2	/* to a port that L1's user space handles */
#define LOAD_OUT_KERNEL		3	/* to one with an ioeventfd */
#define LOAD_EPT		4	/* reads a page that it has not touched yet */
#define NR_LOADS		5

#define L2_PORT_USER		0xe8
#define L2_PORT_KERNEL		0xe9
#define L2_PORT_DONE		0xea

/* in L2's memory, beside what l1-layout.h says */
#define L2_CODE			0x200000
#define L2_RESULTS		0x210000	/* ticks of each round */
#define L2_PAGES		0x800000	/* MAX_ROUNDS of them, for LOAD_EPT */

#endif
