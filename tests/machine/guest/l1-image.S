/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The linked bare-metal L1, carried inside the host program. */
	.section .rodata
	.global l1_image, l1_image_end
l1_image:
	.incbin L1_BIN
l1_image_end:
	.section .note.GNU-stack, "", @progbits
