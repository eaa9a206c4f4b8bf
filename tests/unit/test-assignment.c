/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names, field lists, and assignments: changes on top, differences, entries for
 * the kernel, and everything that is refused.
 */
#include "tests/unit/table.h"
#include "tests/unit/unit.h"

static struct assignment *kernel(void)
{
	struct assignment *a = NULL;

	assert_int_equal(assignment_new_kernel(&test_table, &a), 0);
	return a;
}

static int apply(const struct assignment *base, const char *name, const char *value,
		 struct assignment **ret, char **ret_error)
{
	struct policy_change c = { name, value };

	return assignment_apply(base, &c, 1, ret, ret_error);
}

static void test_names(void **state)
{
	for (unsigned int i = 0; i < NVMX_NR_CLASSES; i++)
		assert_int_equal(class_from_string(class_to_string(i)), i);
	assert_null(class_to_string(NVMX_NR_CLASSES));
	assert_int_equal(class_from_string("Read-Only"), -EDOM);
	assert_int_equal(class_from_string(""), -EDOM);
	assert_string_equal(vmwrite_any_to_string(NVMX_VMWRITE_ANY_HIDE), "hide");
	assert_int_equal(vmwrite_any_from_string("inherit"), NVMX_VMWRITE_ANY_INHERIT);
	assert_int_equal(vmwrite_any_from_string("show"), -EDOM);
	assert_string_equal(kind_to_string(NVMX_KIND_READ_ONLY_DATA), "exit-information");
	assert_string_equal(width_to_string(NVMX_WIDTH_64), "64");
	assert_string_equal(width_to_string(NVMX_WIDTH_32), "32");
	assert_null(width_to_string(4));
	assert_string_equal(field_flag_to_string(2), "lazy");
	assert_null(field_flag_to_string(5));
	for (unsigned int bit = 0; field_flag_to_string(bit); bit++)
		assert_int_equal(field_flag_from_string(field_flag_to_string(bit)), bit);
	assert_int_equal(NVMX_FIELD_ABSENT, 1 << field_flag_from_string("absent"));
	assert_int_equal(NVMX_FIELD_LOSSY, 1 << field_flag_from_string("lossy"));
	assert_int_equal(field_flag_from_string("fast"), -EDOM);
}

static void test_fields_found(void **state)
{
	for (size_t i = 0; i < test_table.n; i++) {
		assert_int_equal(field_find(&test_table, test_fields[i].name), i);
		assert_int_equal(field_find_encoding(&test_table, test_fields[i].encoding), i);
	}
	assert_int_equal(field_find(&test_table, "guest_rip"), -ENXIO);
	assert_int_equal(field_find_encoding(&test_table, 0), -ENXIO);
	assert_int_equal(field_find_encoding(&test_table, NVMX_NO_FIELD), -ENXIO);
}

static void test_stock(void **state)
{
	_cleanup_assignment_ struct assignment *a = kernel();

	assert_int_equal(class_of(a, "GUEST_RIP"), NVMX_CLASS_READ_WRITE);
	assert_int_equal(class_of(a, "GUEST_CS_AR_BYTES"), NVMX_CLASS_READ_ONLY);
	assert_int_equal(class_of(a, "HOST_RSP"), NVMX_CLASS_INTERCEPT);
	assert_int_equal(assignment_check(a, NULL), 0);
}

static void test_entries_and_back(void **state)
{
	_cleanup_assignment_ struct assignment *a = kernel(), *b = NULL;
	_cleanup_free_ struct nvmx_policy_entry *entries = NULL;
	size_t n;

	a->vmwrite_any_field = NVMX_VMWRITE_ANY_HIDE;
	assert_int_equal(assignment_to_entries(a, &entries, &n), 0);
	assert_int_equal(n, 13);
	for (size_t i = 0; i < n; i++) {
		assert_int_not_equal(entries[i].shadow_class, NVMX_CLASS_INTERCEPT);
		if (i > 0)
			assert_true(entries[i - 1].encoding < entries[i].encoding);
	}
	assert_int_equal(assignment_from_entries(&test_table, entries, n, NVMX_VMWRITE_ANY_HIDE,
						 &b, NULL), 0);
	assert_true(assignment_equal(a, b));
	b->classes[0] = NVMX_CLASS_READ_ONLY;
	assert_false(assignment_equal(a, b));
}

static void test_entries_unknown(void **state)
{
	struct nvmx_policy_entry field = { 0x6c16, NVMX_CLASS_READ_ONLY }, class = { 0x681e, 3 };
	struct assignment *a = NULL;
	char *e = NULL;

	assert_int_equal(assignment_from_entries(&test_table, &field, 1, 0, &a, &e), -ENXIO);
	assert_sentence(e, "0x6c16");
	assert_int_equal(assignment_from_entries(&test_table, &class, 1, 0, &a, &e), -EDOM);
	assert_sentence(e, "GUEST_RIP", "3");
	assert_int_equal(assignment_from_entries(&test_table, NULL, 0, 2, &a, &e), -EDOM);
	assert_sentence(e, VMWRITE_ANY_FIELD);
	assert_null(a);
}

static void test_change_field(void **state)
{
	_cleanup_assignment_ struct assignment *base = kernel(), *a = NULL;

	assert_int_equal(apply(base, "HOST_RSP", "read-write", &a, NULL), 0);
	assert_int_equal(class_of(a, "HOST_RSP"), NVMX_CLASS_READ_WRITE);
	assert_int_equal(class_of(base, "HOST_RSP"), NVMX_CLASS_INTERCEPT);
}

static void test_change_group_ar_bytes(void **state)
{
	_cleanup_assignment_ struct assignment *base = kernel(), *a = NULL;

	assert_int_equal(apply(base, "ar-bytes", "intercept", &a, NULL), 0);
	assert_int_equal(class_of(a, "GUEST_CS_AR_BYTES"), NVMX_CLASS_INTERCEPT);
	assert_int_equal(class_of(a, "GUEST_SS_AR_BYTES"), NVMX_CLASS_INTERCEPT);
	assert_int_equal(class_of(a, "GUEST_RIP"), NVMX_CLASS_READ_WRITE);
}

static void test_change_group_exit_information(void **state)
{
	_cleanup_assignment_ struct assignment *base = kernel(), *a = NULL;

	assert_int_equal(apply(base, "exit-information", "read-write", &a, NULL), 0);
	assert_int_equal(class_of(a, "VM_EXIT_REASON"), NVMX_CLASS_READ_WRITE);
	assert_int_equal(class_of(a, "GUEST_PHYSICAL_ADDRESS"), NVMX_CLASS_READ_WRITE);
	/* The one that allows nothing is passed over. */
	assert_int_equal(class_of(a, "VM_INSTRUCTION_ERROR"), NVMX_CLASS_INTERCEPT);
}

static void test_field_beats_group(void **state)
{
	_cleanup_assignment_ struct assignment *base = kernel(), *a = NULL, *b = NULL;
	const struct policy_change changes[] = {
		{ "GUEST_CS_AR_BYTES", "read-only" }, { "ar-bytes", "intercept" },
	}, reversed[] = { changes[1], changes[0] };

	assert_int_equal(assignment_apply(base, changes, 2, &a, NULL), 0);
	assert_int_equal(class_of(a, "GUEST_CS_AR_BYTES"), NVMX_CLASS_READ_ONLY);
	assert_int_equal(class_of(a, "GUEST_SS_AR_BYTES"), NVMX_CLASS_INTERCEPT);
	assert_int_equal(assignment_apply(base, reversed, 2, &b, NULL), 0);
	assert_true(assignment_equal(a, b));
}

static void test_groups(void **state)
{
	size_t n = 0;

	for (; field_group_name(n); n++)
		assert_true(field_is_group(field_group_name(n)));
	assert_int_equal(n, 2);
	assert_false(field_is_group("GUEST_RIP"));
}

static void test_diff(void **state)
{
	_cleanup_assignment_ struct assignment *base = kernel(), *a = NULL, *b = NULL;
	_cleanup_free_ struct policy_change *d = NULL, *none = NULL;
	const struct policy_change changes[] = {
		{ VMWRITE_ANY_FIELD, "hide" }, { "ar-bytes", "intercept" }, { "GUEST_RIP", "read-write" },
	};
	size_t n;

	assert_int_equal(assignment_apply(base, changes, 3, &a, NULL), 0);
	assert_int_equal(assignment_diff(a, base, &d, &n), 0);
	assert_int_equal(n, 3);		/* GUEST_RIP was read-write before */
	assert_string_equal(d[0].name, "GUEST_CS_AR_BYTES");
	assert_string_equal(d[0].value, "intercept");
	assert_string_equal(d[1].name, "GUEST_SS_AR_BYTES");
	assert_string_equal(d[2].name, VMWRITE_ANY_FIELD);
	assert_string_equal(d[2].value, "hide");

	assert_int_equal(assignment_apply(base, d, n, &b, NULL), 0);
	assert_true(assignment_equal(a, b));
	assert_int_equal(assignment_diff(base, base, &none, &n), 0);
	assert_int_equal(n, 0);
}

struct refused {
	const char *name, *value;
	int error;
	const char *words[3];
};

static const struct refused refused[] = {
	{ "GUEST_FOO", "read-only", -ENXIO, { "GUEST_FOO", "nvmxctl fields" } },
	{ "GUEST_S_CET", "intercept", -ENXIO,
	  { "This kernel's vmcs12 has no field GUEST_S_CET on this processor, so L1 cannot access it",
	    "only policy files and metadata" } },
	{ "guest_rip", "read-only", -ENXIO, { "guest_rip", "did you mean GUEST_RIP" } },
	{ "ar_bytes", "read-only", -ENXIO, { "ar_bytes" } },
	{ "", "read-only", -ENXIO, { "nvmxctl fields" } },
	{ "GUEST_RIP", "shadow",
	  -EDOM, { "GUEST_RIP", "shadow", "intercept, read-only or read-write" } },
	{ "ar-bytes", "", -EDOM, { "ar-bytes" } },
	{ VMWRITE_ANY_FIELD, "show", -EDOM, { "show", "inherit or hide" } },
	{ "GUEST_CS_AR_BYTES", "read-write", -EOPNOTSUPP,
	  { "GUEST_CS_AR_BYTES cannot be read-write, because a VMWRITE has to drop its reserved bits",
	    "intercept or read-only" } },
	{ "ar-bytes", "read-write", -EOPNOTSUPP, { "AR_BYTES", "intercept or read-only" } },
	{ "VM_INSTRUCTION_ERROR", "read-only", -EOPNOTSUPP,
	  { "VM_INSTRUCTION_ERROR cannot be read-only, because L0 writes it", "only be intercept" } },
	{ "VM_INSTRUCTION_ERROR", "read-write", -EOPNOTSUPP, { "VM_INSTRUCTION_ERROR" } },
	{ "GUEST_INTR_STATUS", "read-write", -EOPNOTSUPP,
	  { "GUEST_INTR_STATUS cannot be read-write, because kvm_intel does not find it in this processor",
	    "only be intercept" } },
	{ "VIRTUAL_APIC_PAGE_ADDR", "read-only", -EOPNOTSUPP,
	  { "VIRTUAL_APIC_PAGE_ADDR cannot be read-only, because this processor does not keep all its bits",
	    "only be intercept" } },
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_assignment_ struct assignment *base = kernel(), *before = kernel();
		struct assignment *a = NULL;
		char *e = NULL;

		assert_int_equal(apply(base, refused[i].name, refused[i].value, &a, &e),
				 refused[i].error);
		assert_null(a);
		assert_true(assignment_equal(base, before));
		assert_sentence(e, refused[i].words[0], refused[i].words[1] ?: "",
				refused[i].words[2] ?: "");
	}
}

/* Why is the kernel's to know; that it is so is told. */
static void test_refused_without_reason(void **state)
{
	static const struct nvmx_field fields[] = {
		{ .encoding = 0x6c14, .name = "HOST_RSP", .kind = NVMX_KIND_HOST_STATE, .allowed_classes = 1 },
		{ .encoding = 0x6c16, .name = "HOST_AR_BYTES", .allowed_classes = 1 },
	};
	const struct field_table table = { fields, ARRAY_SIZE(fields) };
	_cleanup_assignment_ struct assignment *base = NULL;
	struct assignment *a = NULL;
	char *e = NULL;

	assert_int_equal(assignment_new_kernel(&table, &base), 0);
	for (size_t i = 0; i < table.n; i++) {
		assert_int_equal(apply(base, fields[i].name, "read-write", &a, &e), -EOPNOTSUPP);
		assert_sentence(e, fields[i].name,
				"cannot be read-write on this kernel and processor; it can only be intercept.");
	}
	assert_null(a);
}

static void test_refused_whole(void **state)
{
	_cleanup_assignment_ struct assignment *base = kernel();
	const struct policy_change changes[] = {
		{ "HOST_RSP", "read-write" }, { "GUEST_CS_AR_BYTES", "read-write" },
	};
	struct assignment *a = NULL;

	assert_int_equal(assignment_apply(base, changes, 2, &a, NULL), -EOPNOTSUPP);
	assert_null(a);
	assert_int_equal(class_of(base, "HOST_RSP"), NVMX_CLASS_INTERCEPT);
}

static void test_hide_with_read_write(void **state)
{
	_cleanup_assignment_ struct assignment *base = kernel(), *a = NULL;
	const struct policy_change changes[] = {
		{ VMWRITE_ANY_FIELD, "hide" }, { "VM_EXIT_REASON", "read-write" },
	};
	struct assignment *none = NULL;
	char *e = NULL;

	assert_int_equal(assignment_apply(base, changes, 2, &none, &e), -EOPNOTSUPP);
	assert_sentence(e, "VM_EXIT_REASON", VMWRITE_ANY_FIELD "=hide");
	assert_int_equal(assignment_apply(base, changes, 1, &a, NULL), 0);
	assert_int_equal(a->vmwrite_any_field, NVMX_VMWRITE_ANY_HIDE);
	assert_int_equal(apply(a, "exit-information", "read-write", &none, &e), -EOPNOTSUPP);
	assert_sentence(e, "read-write");
	assert_null(none);
}

static void test_twice_and_too_many(void **state)
{
	_cleanup_free_ struct policy_change *many = NULL;
	_cleanup_assignment_ struct assignment *base = kernel();
	const struct policy_change changes[] = {
		{ "HOST_RSP", "read-write" }, { "HOST_RSP", "read-write" },
	};
	struct assignment *a = NULL;
	char *e = NULL;

	assert_int_equal(assignment_apply(base, changes, 2, &a, &e), -EINVAL);
	assert_sentence(e, "HOST_RSP", "twice");
	many = calloc(NVMX_MAX_ENTRIES + 1, sizeof(*many));
	assert_non_null(many);
	assert_int_equal(assignment_apply(base, many, NVMX_MAX_ENTRIES + 1, &a, &e), -EINVAL);
	assert_sentence(e, "1024");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_fields_found),
		cmocka_unit_test(test_stock),
		cmocka_unit_test(test_entries_and_back),
		cmocka_unit_test(test_entries_unknown),
		cmocka_unit_test(test_change_field),
		cmocka_unit_test(test_change_group_ar_bytes),
		cmocka_unit_test(test_change_group_exit_information),
		cmocka_unit_test(test_field_beats_group),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_without_reason),
		cmocka_unit_test(test_refused_whole),
		cmocka_unit_test(test_hide_with_read_write),
		cmocka_unit_test(test_twice_and_too_many),
	};

	return cmocka_run_group_tests_name("assignment", tests, NULL, NULL);
}
