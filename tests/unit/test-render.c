/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What nvmxctl prints, of made-up VMs.
 */
#include "client/nvmxctl.h"
#include "tests/unit/output.h"

static struct json_object *json(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	assert_non_null(o);
	return o;
}

static const char *yes_no(struct json_object *value)
{
	return json_object_get_boolean(value) ? "yes" : "no";
}

static const struct column columns[] = {
	{ .key = "id", .title = "ID", .right = true },
	{ .key = "name", .title = "NAME" },
	{ .key = "vmxon", .title = "VMX", .text = yes_no },
};

static void test_rows(void **state)
{
	_cleanup_json_ struct json_object *rows = json(
		"[{\"id\":1,\"name\":\"win\",\"vmxon\":true},{\"id\":10,\"name\":\"\",\"vmxon\":false}]");
	struct output o;

	start(&o);
	assert_int_equal(render_table(o.f, rows, columns, ARRAY_SIZE(columns), true), 0);
	assert_output(&o, "ID NAME VMX\n"
			  " 1 win  yes\n"
			  "10 -    no\n");
	start(&o);
	assert_int_equal(render_table(o.f, rows, columns, 2, false), 0);
	assert_output(&o, " 1 win\n10 -\n");
}

static void test_rows_empty(void **state)
{
	_cleanup_json_ struct json_object *rows = json("[]");
	struct output o;

	start(&o);
	assert_int_equal(render_table(o.f, rows, columns, ARRAY_SIZE(columns), true), 0);
	assert_output(&o, "");
}

static void test_rows_hostile(void **state)
{
	_cleanup_json_ struct json_object *rows = json("[{\"id\":1,\"name\":\"a\\u001b[2Jb\\nc\"}]");
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_int_equal(render_table(f, rows, columns, 2, false), 0);
	fclose(f);
	assert_null(strchr(text, '\033'));
	assert_ptr_equal(strchr(text, '\n'), text + size - 1);
	free(text);
}

static const char vm_text[] =
	"{\"id\":3,\"name\":\"win\\u001b11\",\"name_origin\":\"source libvirt, /x.pid\",\"pending\":\"It waits.\",\"uuid\":\"\",\"pid\":4711,\"executable\":\"/usr/bin/qemu\",\"unit\":\"\",\"vcpus\":2,\"vmxon\":true,"
	"\"policy\":\"stock\",\"policy_source\":\"metadata\",\"policy_reason\":\"So it is.\",\"policy_error\":\"No such thing.\","
	"\"vmwrite_any_field\":\"hide\",\"shadowing\":\"inert-evmcs\",\"unknown\":1,"
	"\"overrides\":{\"GUEST_CS_AR_BYTES\":\"intercept\",\"vmwrite-any-field\":\"hide\"},"
	"\"fields\":{\"GUEST_RIP\":\"read-write\",\"VM_EXIT_REASON\":\"read-only\","
	"\"GUEST_RSP\":\"read-write\",\"HOST_RSP\":\"intercept\"}}";

static void test_vm(void **state)
{
	_cleanup_json_ struct json_object *vm = json(vm_text);
	struct output o;

	start(&o);
	render_vm(o.f, vm);
	assert_output(&o,
		"              Name: win?11\n"
		"         Name from: source libvirt, /x.pid\n"
		"              UUID: -\n"
		"                Id: 3\n"
		"               PID: 4711\n"
		"        Executable: /usr/bin/qemu\n"
		"              Unit: -\n"
		"             vCPUs: 2\n"
		"          VMX used: yes\n"
		"            Policy: stock\n"
		"            Source: metadata\n"
		"            Reason: So it is.\n"
		"         Overrides: GUEST_CS_AR_BYTES=intercept\n"
		"                    vmwrite-any-field=hide\n"
		" VMWRITE any field: hide\n"
		"   Shadowed fields: 2 read-write, 1 read-only\n"
		"         Shadowing: inert-evmcs (L1 uses an enlightened VMCS: the policy has no effect)\n"
		"           Pending: It waits.\n"
		"             Error: No such thing.\n");
}

static void test_vm_json(void **state)
{
	_cleanup_json_ struct json_object *vm =
		json("{\"id\":18446744073709551615,\"vmxon\":false,\"overrides\":{}}");
	struct output o;

	start(&o);
	render_json(o.f, vm, JSON_SHORT);
	assert_output(&o, "{\"id\":18446744073709551615,\"vmxon\":false,\"overrides\":{}}\n");
	start(&o);
	render_json(o.f, vm, JSON_PRETTY);
	assert_output(&o, "{\n  \"id\": 18446744073709551615,\n  \"vmxon\": false,\n"
			  "  \"overrides\": {}\n}\n");
}

static void test_vm_least(void **state)
{
	_cleanup_json_ struct json_object *vm = json("{}");
	struct output o;

	start(&o);
	render_vm(o.f, vm);
	fclose(o.f);
	assert_non_null(strstr(o.text, "Policy: -\n"));
	assert_null(strstr(o.text, "Error"));
	assert_null(strstr(o.text, "Overrides"));
	free(o.text);
}

static void test_statistics(void **state)
{
	_cleanup_json_ struct json_object *s = json(
		"{\"vcpu\":null,\"totals\":{\"new_one\":7,\"vmread_exits\":18446744073709551615,"
		"\"nested_entries\":12},\"fields\":["
		"{\"name\":\"GUEST_RIP\",\"encoding\":26654,\"vmread\":1,\"vmwrite\":1},"
		"{\"name\":\"other\",\"encoding\":4294967295,\"vmread\":0,\"vmwrite\":9},"
		"{\"name\":\"GUEST_CR0\",\"encoding\":26624,\"vmread\":2,\"vmwrite\":0}]}");
	struct json_object *fields;
	struct output o;

	json_object_object_get_ex(s, "fields", &fields);
	render_sort_by_exits(fields);
	start(&o);
	render_statistics(o.f, s, true);
	fclose(o.f);
	assert_ptr_equal(strstr(o.text, "            12  nested_entries "), o.text);
	assert_non_null(strstr(o.text, "18446744073709551615  vmread_exits "));
	assert_non_null(strstr(o.text, "             0  rare_syncs "));
	assert_non_null(strstr(o.text, "             7  new_one\n"));
	assert_string_equal(strstr(o.text, "\n\n"),
			    "\n\n"
			    "FIELD     VMREAD VMWRITE EXITS\n"
			    "other          0       9     9\n"
			    "GUEST_CR0      2       0     2\n"
			    "GUEST_RIP      1       1     2\n");
	free(o.text);
}

static struct json_object *with_averages(uint32_t tsc_khz)
{
	struct json_object *s = json(
		"{\"totals\":{\"slow_path_entries\":65,\"to_vmcs12_timed\":3,\"to_vmcs12_cycles\":1001,"
		"\"to_shadow_timed\":0,\"to_shadow_cycles\":0,\"slow_path_timed\":2,"
		"\"slow_path_cycles\":9007199254740991,\"slow_path_other\":5},\"fields\":[]}");

	render_add_averages(s, tsc_khz);
	return s;
}

static void test_averages(void **state)
{
	_cleanup_json_ struct json_object *s = with_averages(2000000), *unknown = with_averages(0),
		*slower = with_averages(1000), *none = json("{\"totals\":{}}");
	struct json_object *averages;

	json_object_object_get_ex(s, "averages", &averages);
	assert_string_equal(json_object_to_json_string_ext(averages, JSON_C_TO_STRING_PLAIN),
		"{\"to_vmcs12\":{\"cycles\":334,\"microseconds\":0.167},"
		"\"slow_path\":{\"cycles\":4503599627370496,\"microseconds\":2251799813685.248}}");
	json_object_object_get_ex(slower, "averages", &averages);
	assert_non_null(strstr(json_object_to_json_string_ext(averages, JSON_C_TO_STRING_PLAIN),
			       "\"to_vmcs12\":{\"cycles\":334,\"microseconds\":333.667}"));
	json_object_object_get_ex(unknown, "averages", &averages);
	assert_non_null(strstr(json_object_to_json_string_ext(averages, JSON_C_TO_STRING_PLAIN),
			       "\"to_vmcs12\":{\"cycles\":334},"));
	render_add_averages(none, 2000000);
	json_object_object_get_ex(none, "averages", &averages);
	assert_int_equal(json_object_object_length(averages), 0);
}

static void test_averages_as_text(void **state)
{
	_cleanup_json_ struct json_object *s = with_averages(2000000), *unknown = with_averages(0);
	struct output o;

	start(&o);
	render_statistics(o.f, s, true);
	fclose(o.f);
	assert_non_null(strstr(o.text, "            65  slow_path_entries       VM entries into L2 that took"));
	assert_non_null(strstr(o.text, "           334  to_vmcs12_average       "
			       "TSC cycles of a copy to vmcs12 (0.167 microseconds)\n"));
	assert_non_null(strstr(o.text, "4503599627370496  slow_path_average "));
	assert_null(strstr(o.text, "to_shadow_average"));
	assert_null(strstr(o.text, "_timed"));
	assert_null(strstr(o.text, "_cycles"));
	/* Only what averages are made of is left out. */
	assert_non_null(strstr(o.text, "             5  slow_path_other\n"));
	free(o.text);

	start(&o);
	render_statistics(o.f, unknown, true);
	fclose(o.f);
	assert_non_null(strstr(o.text, "TSC cycles of a copy to vmcs12\n"));
	free(o.text);
}

static void test_field_table(void **state)
{
	_cleanup_json_ struct json_object *fields = json(
		"[{\"encoding\":2066,\"name\":\"GUEST_PML_INDEX\",\"allowed\":[\"intercept\"],"
		"\"flags\":[\"eager\",\"absent\",\"new\"]},"
		"{\"encoding\":17410,\"name\":\"VM_EXIT_REASON\","
		"\"allowed\":[\"intercept\",\"read-only\",\"read-write\"],\"flags\":[]}]");
	_cleanup_free_ struct nvmx_field *table = NULL;
	size_t n;

	assert_int_equal(vm_field_table(fields, &table, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(table[0].name, "GUEST_PML_INDEX");
	assert_int_equal(table[0].flags, NVMX_FIELD_EAGER | NVMX_FIELD_ABSENT);
	assert_int_equal(table[0].allowed_classes, 1);
	assert_int_equal(table[0].kind, NVMX_KIND_GUEST_STATE);
	assert_int_equal(table[1].encoding, 0x4402);
	assert_int_equal(table[1].kind, NVMX_KIND_READ_ONLY_DATA);
	assert_int_equal(table[1].allowed_classes, 7);
	assert_int_equal(table[1].flags, 0);
}

static void test_shadowing(void **state)
{
	_cleanup_json_ struct json_object *vm = json("{\"shadowing\":\"profiling\"}");
	struct output o;

	start(&o);
	render_vm(o.f, vm);
	fclose(o.f);
	assert_non_null(strstr(o.text, "         Shadowing: profiling (a profiling window is open: "
			       "every field is intercepted until it ends)\n"));
	free(o.text);
}

static void test_error_statuses(void **state)
{
	static const struct {
		const char *name;
		int status;
	} expected[] = {
		{ "org.nvmx1.Error.NoSuchVM", STATUS_NO_VM },
		{ "org.nvmx1.Error.AmbiguousName", STATUS_NO_VM },
		{ "org.nvmx1.Error.VMGone", STATUS_NO_VM },
		{ "org.nvmx1.Error.NoKernelSupport", STATUS_NO_KERNEL },
		{ "org.nvmx1.Error.NoSuchField", STATUS_FAILED },
		{ "org.nvmx1.Error.TooLate", STATUS_FAILED },
		{ "org.freedesktop.DBus.Error.AccessDenied", STATUS_REFUSED },
		{ "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", STATUS_REFUSED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		sd_bus_error e = SD_BUS_ERROR_MAKE_CONST(expected[i].name, "x");

		assert_int_equal(client_error_status(&e), expected[i].status);
	}
	assert_int_equal(STATUS_DONE, 0);
	assert_int_equal(STATUS_FAILED, 1);
	assert_int_equal(STATUS_USAGE, 2);
	assert_int_equal(STATUS_NO_VM, 3);
	assert_int_equal(STATUS_NO_KERNEL, 4);
	assert_int_equal(STATUS_REFUSED, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_rows_empty),
		cmocka_unit_test(test_rows_hostile),
		cmocka_unit_test(test_vm),
		cmocka_unit_test(test_vm_json),
		cmocka_unit_test(test_vm_least),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_averages),
		cmocka_unit_test(test_averages_as_text),
		cmocka_unit_test(test_field_table),
		cmocka_unit_test(test_shadowing),
		cmocka_unit_test(test_error_statuses),
	};

	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
