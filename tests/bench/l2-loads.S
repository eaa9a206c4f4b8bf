/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The L2 of l1-kvm.c: does one thing over and over, and takes the time of each round.
 *
 * In: rdi rounds, rsi where each round's ticks go, r8 the first of LOAD_EPT's pages.  Out,
 * with the write to L2_PORT_DONE: r10 what it saw in the last round.
 */
#include "l2-loads.h"

/* ticks since r11 was set, to rdx; sets r11 */
	.macro	lap
	rdtsc
	shlq	$32, %rdx
	orq	%rax, %rdx
	movq	%rdx, %rax
	subq	%r11, %rdx
	movq	%rax, %r11
	.endm

	.macro	load name
	.globl	\name
\name:
	lap
1:	do_\name
	lap
	movq	%rdx, (%rsi)
	addq	$8, %rsi
	decq	%rdi
	jnz	1b
	outb	%al, $L2_PORT_DONE
	.endm

	.macro	do_l2_cpuid
	xorl	%eax, %eax
	xorl	%ecx, %ecx
	cpuid
	movq	%rax, %r10
	xorq	%rbx, %r10
	xorq	%rcx, %r10
	xorq	%rdx, %r10
	.endm

	.macro	do_l2_vmcall
	movl	$0x4e, %eax
	vmcall
	movq	%rax, %r10
	.endm

	.macro	do_l2_out_user
	movl	%edi, %eax
	outl	%eax, $L2_PORT_USER
	.endm

	.macro	do_l2_out_kernel
	movl	%edi, %eax
	outl	%eax, $L2_PORT_KERNEL
	.endm

	.macro	do_l2_ept
	movq	(%r8), %r10
	addq	$4096, %r8
	.endm

	.section .rodata
	.globl	l2_loads, l2_loads_end
l2_loads:
	load	l2_cpuid
	load	l2_vmcall
	load	l2_out_user
	load	l2_out_kernel
	load	l2_ept
l2_loads_end:
	.section .note.GNU-stack, "", @progbits
