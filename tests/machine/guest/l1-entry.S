/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bare-metal L1's assembly: its first instruction, fault handlers, and
 * the way into L2 and back.
 */

	.section .text.start, "ax"
	.global l1_start
l1_start:
	call	l1_main
1:	hlt
	jmp	1b

	.text

/*
 * uint64_t l1_enter_l2(int resume, uint64_t gpr[16])
 * Enters L2 with GPRs from gpr[] and stores them there when L2 has exited. Returns 0,
 * or the flags of the VMLAUNCH or VMRESUME that failed.  HOST_RSP is not used for
 * anything, so that a test may do with it as it likes.
 */
	.global l1_enter_l2
l1_enter_l2:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rsi
	mov	%rsp, l1_saved_rsp
	test	%edi, %edi
	/* MOV leaves the flags alone */
	mov	0x00(%rsi), %rax
	mov	0x08(%rsi), %rcx
	mov	0x10(%rsi), %rdx
	mov	0x18(%rsi), %rbx
	mov	0x28(%rsi), %rbp
	mov	0x38(%rsi), %rdi
	mov	0x40(%rsi), %r8
	mov	0x48(%rsi), %r9
	mov	0x50(%rsi), %r10
	mov	0x58(%rsi), %r11
	mov	0x60(%rsi), %r12
	mov	0x68(%rsi), %r13
	mov	0x70(%rsi), %r14
	mov	0x78(%rsi), %r15
	mov	0x30(%rsi), %rsi
	jnz	1f
	vmlaunch
	jmp	2f
1:	vmresume
2:	pushf
	pop	%rax
	jmp	l1_enter_out

	.global l1_host_rip
l1_host_rip:
	mov	%rax, l1_saved_rax
	mov	%rsp, l1_exit_rsp
	mov	l1_saved_rsp, %rsp
	mov	(%rsp), %rax
	mov	%rcx, 0x08(%rax)
	mov	%rdx, 0x10(%rax)
	mov	%rbx, 0x18(%rax)
	mov	%rbp, 0x28(%rax)
	mov	%rsi, 0x30(%rax)
	mov	%rdi, 0x38(%rax)
	mov	%r8,  0x40(%rax)
	mov	%r9,  0x48(%rax)
	mov	%r10, 0x50(%rax)
	mov	%r11, 0x58(%rax)
	mov	%r12, 0x60(%rax)
	mov	%r13, 0x68(%rax)
	mov	%r14, 0x70(%rax)
	mov	%r15, 0x78(%rax)
	mov	l1_saved_rax, %rcx
	mov	%rcx, 0x00(%rax)
	xor	%eax, %eax

	/* where the fixup of a faulting VMLAUNCH goes, too */
	.global l1_enter_out
l1_enter_out:
	mov	l1_saved_rsp, %rsp
	pop	%rsi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* 32 stubs of 16 bytes: vector and error code on the stack, then l1_fault. */
	.balign	16
	.global l1_fault_stubs
l1_fault_stubs:
	.set	vector, 0
	.rept	32
	.balign	16
	.if	!((1 << vector) & 0x60227d00)
	push	$0
	.endif
	push	$vector
	jmp	l1_fault_common
	.set	vector, vector + 1
	.endr

	.balign	16
l1_fault_common:
	cmpq	$0, l1_fixup
	je	1f
	/* expected: say which, and go on at the fixup */
	push	%rax
	mov	8(%rsp), %rax
	mov	%rax, l1_fault_vector
	mov	16(%rsp), %rax
	mov	%rax, l1_fault_error
	mov	l1_fixup, %rax
	mov	%rax, 24(%rsp)
	pop	%rax
	add	$16, %rsp
	iretq
1:	mov	(%rsp), %rdi
	mov	8(%rsp), %rsi
	mov	16(%rsp), %rdx
	call	l1_fatal
	hlt

	.data
	.balign	8
	.global l1_fixup, l1_fault_vector, l1_fault_error, l1_exit_rsp
l1_fixup:		.quad 0
l1_fault_vector:	.quad 0
l1_fault_error:		.quad 0
l1_exit_rsp:		.quad 0		/* HOST_RSP, as L1 got it */
l1_saved_rsp:		.quad 0
l1_saved_rax:		.quad 0
	.section .note.GNU-stack, "", @progbits
