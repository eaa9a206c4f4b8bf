/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/bus/fields.txt and fields-cpu.txt, carried inside nvmx-fields. */
	.section .rodata
	.global fields_txt, fields_txt_end, fields_cpu_txt, fields_cpu_txt_end
fields_txt:
	.incbin "tests/bus/fields.txt"
fields_txt_end:
fields_cpu_txt:
	.incbin "tests/machine/guest/fields-cpu.txt"
fields_cpu_txt_end:
	.section .note.GNU-stack, "", @progbits
