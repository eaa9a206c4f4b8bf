/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Boot ROM of the emulated machine, the part in real mode.  The BIOS calls
 * option ROMs after it has set up PCI, ACPI and the memory map, and before it
 * looks for a disk to boot: we take over there, and no boot loader is needed.
 *
 * Asks the BIOS for the memory map, goes to 32-bit protected mode without
 * paging, as the PVH entry point wants it, and calls load() in load.c.
 */
#define E820_TABLE	0x8000		/* struct pvh_memory of pvh.h, 24 bytes each */
#define E820_END	0x7ff0		/* end address of the table */
#define E820_LIMIT	(E820_TABLE + 64 * 24)
#define SMAP		0x534d4150

	.section .head, "ax"
	.code16
	.globl	rom
rom:
	.byte	0x55, 0xaa
	.byte	0			/* size in sectors; bootimage writes it */
	jmp	start16
	.byte	0			/* makes the checksum zero; ditto */

start16:
	cld
	xorw	%ax, %ax
	movw	%ax, %es
	movw	%ax, %ds
	xorl	%ebx, %ebx
	movl	$E820_TABLE, %edi
1:
	movl	$0xe820, %eax
	movl	$SMAP, %edx
	movl	$20, %ecx
	int	$0x15
	jc	2f
	cmpl	$SMAP, %eax
	jne	2f
	movl	$0, %es:20(%di)
	addw	$24, %di
	cmpw	$E820_LIMIT, %di
	jae	2f
	testl	%ebx, %ebx
	jnz	1b
2:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movl	%edi, E820_END

	inb	$0x92, %al		/* A20 */
	orb	$2, %al
	andb	$0xfe, %al
	outb	%al, $0x92

	lgdtl	%cs:gdtr - rom
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$8, $start32

	.code32
start32:
	movw	$16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	xorw	%ax, %ax
	movw	%ax, %fs
	movw	%ax, %gs
	movl	$0x70000, %esp
	pushl	E820_END
	pushl	$E820_TABLE
	call	load

	.globl	enter
enter:					/* enter(entry, start_info) */
	movl	4(%esp), %eax
	movl	8(%esp), %ebx
	jmp	*%eax

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* flat code */
	.quad	0x00cf93000000ffff	/* flat data */
gdtr:
	.word	gdtr - gdt - 1
	.long	gdt
