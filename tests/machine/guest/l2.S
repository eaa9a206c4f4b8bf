/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The programs that L2 runs (enum l2_program in l1.h).  NAME_exit is the
 * instruction that exits to L1, for the test to know what GUEST_RIP must be.
 */
#include "l1-layout.h"

	.text
	.macro	program name
	.global l2_\name, l2_\name\()_exit
l2_\name:
	.endm

	program vmcall
l2_vmcall_exit:
	vmcall
	jmp	l2_vmcall

	program mix
l2_mix_exit:
	mov	$1, %eax
	xor	%ecx, %ecx
	mov	%rbx, %r12	/* CPUID writes rbx */
	cpuid
	mov	%r12, %rbx
	vmcall
	out	%al, $0x80
	inc	%rbx
	jmp	l2_mix

	program out
l2_out_exit:
	out	%al, $0x80
	jmp	l2_out

	program ept
	mov	$(L2_HOLE + 0x128), %eax
l2_ept_exit:
	mov	(%rax), %rcx
	jmp	l2_ept

	program segments
	mov	$SEL_DATA_SMALL, %eax
	mov	%eax, %ss
	push	$SEL_CODE_CONFORMING
	push	$l2_segments_exit
	lretq
l2_segments_exit:
	vmcall
	jmp	l2_segments

	program ud
l2_ud_exit:
	ud2

	program gp
	mov	$SEL_TSS, %eax
l2_gp_exit:
	mov	%eax, %ds
	jmp	l2_gp

	program hlt
l2_hlt_exit:
	hlt
	jmp	l2_hlt

	program host
1:	out	%al, $L2_PORT
	inc	%rbx
	cmp	$3, %rbx
	jb	1b
l2_host_exit:
	vmcall
	jmp	l2_host_exit

	program msr
	wrmsr
	out	%al, $L2_PORT
	xor	%eax, %eax
	xor	%edx, %edx
	rdmsr
l2_msr_exit:
	vmcall
	jmp	l2_msr_exit

	program spin
	/* bochs lets an interrupt for L0 in only with IF set */
	sti
1:	incq	(%rdi)
	cmpq	$0, (%rsi)
	je	1b
	cli
l2_spin_exit:
	vmcall
	jmp	l2_spin
	.section .note.GNU-stack, "", @progbits
