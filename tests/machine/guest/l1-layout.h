/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The layout of the guest's memory, for C and assembly.  It is mapped one to one
 * (virtual = physical), in L1 and in L2; that of the vCPU i, which has memory of its own,
 * i * L1_MEM_SIZE higher.
 */
#ifndef L1_LAYOUT_H
#define L1_LAYOUT_H

#define L1_MEM_SIZE		0x800000

#define L1_PML4			0x1000
#define L1_PDPT			0x2000
#define L1_PD			0x3000
#define L1_GDT			0x4000
#define L1_IDT			0x5000
#define L1_TSS			0x6000
#define L1_EPT_PML4		0x8000
#define L1_EPT_PDPT		0x9000
#define L1_EPT_PD		0xa000
#define L1_VMXON_REGION		0xb000
#define L1_VMCS(i)		(0xc000 + (i) * 0x1000)
#define L1_NR_VMCS		2
/* All zero, for a test that has L1 let MSRs through. */
#define L1_MSR_BITMAP		0xe000
#define L1_MAILBOX		0x20000
#define L1_IMAGE		0x100000	/* also in l1.lds */
#define L1_STACK		0x1f0000
#define L2_STACK		0x1e0000
/* 2 MiB that L1's EPT does not map: L2's access there is an EPT violation. */
#define L2_HOLE			0x600000

/* L2 may be let write to it; else its I/O exits to L1 */
#define L2_PORT			0x80

/* segment selectors, of L1 and L2 alike */
#define SEL_CODE		0x08
#define SEL_DATA		0x10
#define SEL_TSS			0x18
#define SEL_CODE_CONFORMING	0x28	/* 64-bit conforming: AR_BYTES 0xa09f */
#define SEL_DATA_SMALL		0x30	/* limit in bytes: AR_BYTES 0x4093 */

#endif
