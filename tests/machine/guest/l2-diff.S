/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program that L2 runs in the differential test: changes what bits of r8 say
 * (diff.h), looks around into the other registers, and leaves the way r11 says.
 * r9: selector; r10: bits to flip, flags; r12: value.  L1 may intercept any of it.
 *
 * Operands are in memory where an exit gives their displacement: bochs gives some other
 * instruction's for an operand in a register.
 */
#include "diff.h"

	.text
	.macro	if_bit bit
	bt	$\bit, %r8
	jnc	9f
	.endm
	.macro	end_if
9:
	.endm

	.global l2_diff
l2_diff:
	if_bit	DIFF_L2_LGDT
	lgdt	l2_gdtr
	end_if
	if_bit	DIFF_L2_LIDT
	lidt	l2_idtr
	end_if
	if_bit	DIFF_L2_DS
	mov	%r9d, %ds
	end_if
	if_bit	DIFF_L2_ES
	mov	%r9d, %es
	end_if
	if_bit	DIFF_L2_FS
	mov	%r9d, %fs
	end_if
	if_bit	DIFF_L2_GS
	mov	%r9d, %gs
	end_if
	if_bit	DIFF_L2_SS
	mov	%r9d, %ss
	end_if
	if_bit	DIFF_L2_CS
	push	$SEL_CODE_CONFORMING
	push	$9f
	lretq
	end_if
	if_bit	DIFF_L2_LLDT
	lldt	l2_zero
	end_if
	if_bit	DIFF_L2_CR0
	mov	%cr0, %rax
	mov	%r10, %rcx
	and	$0x1000a, %ecx		/* WP, TS, MP */
	xor	%rcx, %rax
	mov	%rax, %cr0
	end_if
	if_bit	DIFF_L2_CLTS
	clts
	end_if
	if_bit	DIFF_L2_CR3
	mov	%cr3, %rax
	xor	$0x18, %rax
	mov	%rax, %cr3
	end_if
	if_bit	DIFF_L2_CR4
	mov	%cr4, %rax
	mov	%r10, %rcx
	and	$0x68c, %ecx		/* OSXMMEXCPT, OSFXSR, PGE, DE, TSD */
	xor	%rcx, %rax
	mov	%rax, %cr4
	end_if
	if_bit	DIFF_L2_DR7
	mov	%r10, %rax
	and	$0xff, %eax
	or	$0x400, %eax
	mov	%rax, %dr7
	end_if
	if_bit	DIFF_L2_RSP
	lea	-64(%rsp), %rsp
	end_if
	if_bit	DIFF_L2_POPF
	mov	%r10, %rax
	and	$0x240cd5, %eax		/* ID, AC, DF, IF and the arithmetic ones */
	push	%rax
	popf
	end_if
	if_bit	DIFF_L2_STI
	sti
	end_if
	if_bit	DIFF_L2_WRMSR
	mov	$0x175, %ecx		/* IA32_SYSENTER_ESP */
	mov	%r12d, %eax
	xor	%edx, %edx
	wrmsr
	end_if

	mov	%ds, %eax
	mov	%es, %ecx
	shl	$16, %rcx
	or	%rcx, %rax
	mov	%fs, %ecx
	shl	$32, %rcx
	or	%rcx, %rax
	mov	%gs, %ecx
	shl	$48, %rcx
	or	%rax, %rcx
	mov	%rcx, %r13
	mov	%ss, %ebx
	mov	%cs, %eax
	shl	$16, %rax
	or	%rax, %rbx
	mov	%cr0, %rdi
	mov	%cr4, %rsi
	mov	%rsp, %rbp
	mov	%cr3, %r14
	mov	%dr7, %r15

	cmp	$DIFF_EXIT_NR, %r11
	jae	l2_diff_vmcall
	jmp	*l2_exits(, %r11, 8)
l2_diff_cpuid:
	mov	%rbx, %r12
	mov	$1, %eax
	xor	%ecx, %ecx
	cpuid
	mov	%r12, %rbx
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	jmp	l2_diff_vmcall
l2_diff_out:
	out	%al, $L2_PORT
	jmp	l2_diff_vmcall
l2_diff_ud:
	ud2
	jmp	l2_diff_vmcall
l2_diff_vmread:
	mov	$0x681e, %ecx
	vmread	%rcx, DIFF_L2_DATA
	jmp	l2_diff_vmcall
l2_diff_vmwrite:
	mov	$0x681c, %ecx
	vmwrite	DIFF_L2_DATA, %rcx
	jmp	l2_diff_vmcall
l2_diff_rdmsr:
	mov	$0x176, %ecx
	rdmsr
	jmp	l2_diff_vmcall
l2_diff_hole:
	mov	$(L2_HOLE + 0x128), %eax
	mov	(%rax), %rdx
	jmp	l2_diff_vmcall
l2_diff_read_only:
	mov	$0x2000, %eax
	mov	%rdx, (%rax)
	jmp	l2_diff_vmcall
l2_diff_cr8:
	mov	%cr8, %rax
	mov	%rax, %cr8
	jmp	l2_diff_vmcall
l2_diff_invlpg:
	invlpg	(%r12)
l2_diff_vmcall:
	vmcall
	jmp	l2_diff_vmcall

/* 256 handlers, 16 bytes each: the vector, for L1 to see. */
	.balign	16
	.global l2_diff_stubs
l2_diff_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	mov	$vector, %edx
	jmp	l2_diff_vmcall
	.set	vector, vector + 1
	.endr

	.data
	.balign	8
l2_exits:
	.quad	l2_diff_vmcall, l2_diff_cpuid, l2_diff_out, l2_diff_ud, l2_diff_vmread
	.quad	l2_diff_vmwrite, l2_diff_rdmsr, l2_diff_hole, l2_diff_read_only, l2_diff_cr8
	.quad	l2_diff_invlpg
l2_zero:	.quad 0
l2_gdtr:	.word 0x7f
		.quad DIFF_L2_GDT
	.balign	8
l2_idtr:	.word 0xfff
		.quad DIFF_L2_IDT
	.section .note.GNU-stack, "", @progbits
