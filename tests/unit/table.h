/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small field table, as the kernel would give it, for the unit tests.
 */
#ifndef NVMX_TESTS_UNIT_TABLE_H
#define NVMX_TESTS_UNIT_TABLE_H

#include "policy/policy.h"

#define I	(1 << NVMX_CLASS_INTERCEPT)
#define RO	(1 << NVMX_CLASS_INTERCEPT | 1 << NVMX_CLASS_READ_ONLY)
#define ANY	(RO | 1 << NVMX_CLASS_READ_WRITE)

#define FIELD(e, n, w, k, s, a, f)					\
	{ .encoding = (e), .name = (n), .width = NVMX_WIDTH_##w,	\
	  .kind = NVMX_KIND_##k, .stock_class = NVMX_CLASS_##s, .allowed_classes = (a),	\
	  .flags = (f) }

static const struct nvmx_field test_fields[] = {
	FIELD(0x0810, "GUEST_INTR_STATUS", 16, GUEST_STATE, INTERCEPT, I, NVMX_FIELD_EAGER | NVMX_FIELD_ABSENT),
	FIELD(0x2012, "VIRTUAL_APIC_PAGE_ADDR", 64, CONTROL, INTERCEPT, I, NVMX_FIELD_SLOW | NVMX_FIELD_LOSSY),
	FIELD(0x2400, "GUEST_PHYSICAL_ADDRESS", 64, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x4002, "CPU_BASED_VM_EXEC_CONTROL", 32, CONTROL, READ_WRITE, ANY, NVMX_FIELD_EAGER),
	FIELD(0x4400, "VM_INSTRUCTION_ERROR", 32, READ_ONLY_DATA, INTERCEPT, I, 0),
	FIELD(0x4402, "VM_EXIT_REASON", 32, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x4404, "VM_EXIT_INTR_INFO", 32, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x4406, "VM_EXIT_INTR_ERROR_CODE", 32, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x4408, "IDT_VECTORING_INFO_FIELD", 32, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x440a, "IDT_VECTORING_ERROR_CODE", 32, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x440c, "VM_EXIT_INSTRUCTION_LEN", 32, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x4816, "GUEST_CS_AR_BYTES", 32, GUEST_STATE, READ_ONLY, RO, NVMX_FIELD_SLOW),
	FIELD(0x4818, "GUEST_SS_AR_BYTES", 32, GUEST_STATE, READ_ONLY, RO, NVMX_FIELD_SLOW),
	FIELD(0x6400, "EXIT_QUALIFICATION", NATURAL, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x640a, "GUEST_LINEAR_ADDRESS", NATURAL, READ_ONLY_DATA, READ_ONLY, ANY, 0),
	FIELD(0x681e, "GUEST_RIP", NATURAL, GUEST_STATE, READ_WRITE, ANY, NVMX_FIELD_EAGER),
	FIELD(0x6c14, "HOST_RSP", NATURAL, HOST_STATE, INTERCEPT, ANY, 0),
};

#undef I
#undef RO
#undef ANY
#undef FIELD

static const struct field_table test_table = { test_fields, ARRAY_SIZE(test_fields) };

static inline unsigned int class_of(const struct assignment *a, const char *name)
{
	int i = field_find(a->table, name);

	return i < 0 ? ~0U : a->classes[i];
}

#endif /* NVMX_TESTS_UNIT_TABLE_H */
