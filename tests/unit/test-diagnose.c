/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verdicts, of made-up counters.
 */
#include "client/diagnose.h"
#include "client/nvmxctl.h"
#include "tests/unit/unit.h"

static const char fields[] = "["
	"{\"name\":\"HOST_RSP\",\"allowed\":[\"intercept\",\"read-only\",\"read-write\"]},"
	"{\"name\":\"GUEST_CR3\",\"allowed\":[\"intercept\",\"read-only\",\"read-write\"]},"
	"{\"name\":\"GUEST_DS_AR_BYTES\",\"allowed\":[\"intercept\",\"read-only\"]},"
	"{\"name\":\"GUEST_PML_INDEX\",\"allowed\":[\"intercept\"]}]";

#define VM(more) "{\"id\":7,\"name\":\"one\",\"vmxon\":true" more "}"
#define COUNTS(name, reads, writes)							\
	"{\"name\":\"" name "\",\"encoding\":1,\"vmread\":" #reads ",\"vmwrite\":" #writes "}"

static struct json_object *json(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	assert_non_null(o);
	return o;
}

static struct json_object *statistics(unsigned int exits, unsigned int reads, unsigned int writes,
				      const char *counts)
{
	_cleanup_free_ char *text = NULL;
	struct json_object *o;

	assert_true(asprintf(&text, "{\"totals\":{\"nested_exits_reflected\":%u,\"vmread_exits\":%u,"
			     "\"vmwrite_exits\":%u},\"fields\":[%s]}", exits, reads, writes, counts) > 0);
	o = json(text);
	render_sort_by_exits(json_get(o, "fields"));
	return o;
}

/* The verdict's word, its text and its commands have what is asked for. */
static void expect(const char *vm_text, const char *support, struct json_object *now,
		   const struct diagnose_kvm *kvm, const char *word, const char *text,
		   const char *commands)
{
	struct json_object *vm = json(vm_text), *table = json(fields), *v;
	struct json_object *then = statistics(100, 0, 0, "");

	v = diagnose(vm, table, support, then, now, kvm, 2);
	assert_string_equal(json_get_text(v, "verdict"), word);
	if (!strstr(json_get_text(v, "text"), text))
		fail_msg("\"%s\" is not in \"%s\"", text, json_get_text(v, "text"));
	assert_string_equal(json_object_to_json_string_ext(json_get(v, "commands"),
			    JSON_C_TO_STRING_PLAIN), commands);
	json_object_put(v);
	json_object_put(vm);
	json_object_put(table);
	json_object_put(then);
	json_object_put(now);
}

static void test_states(void **state)
{
	expect("{\"id\":7,\"vmxon\":false}", "available", statistics(100, 0, 0, ""), NULL,
	       "not-nested", "has not used VMX", "[]");
	expect(VM(",\"shadowing\":\"inert-evmcs\""), "available", statistics(100, 0, 0, ""), NULL,
	       "inert-evmcs", "The policy is inert", "[]");
	expect(VM(",\"shadowing\":\"profiling\""), "available", statistics(100, 0, 0, ""), NULL,
	       "profiling", "when it has ended", "[]");
	expect(VM(""), "no-nested", statistics(100, 0, 0, ""), NULL, "no-nested", "nested=0",
	       "[\"modprobe -r kvm_intel && modprobe kvm_intel nested=1\"]");
	expect(VM(""), "available", statistics(0, 0, 0, ""), NULL, "idle", "has not run an L2", "[]");
}

static void test_cheap(void **state)
{
	struct diagnose_kvm kvm = { .exits = 200, .io_exits = 10 };

	expect(VM(""), "available", statistics(200, 0, 50, COUNTS("HOST_RSP", 0, 50)), NULL, "cheap",
	       "0.5 VMREAD and VMWRITE exits per exit of L2. There is little to gain", "[]");
	/* A quarter of all exits is not minor. */
	expect(VM(""), "available", statistics(200, 0, 50, COUNTS("HOST_RSP", 0, 50)), &kvm, "cheap",
	       "There is little to gain", "[]");
	/* Nothing new: the figures are those of before. */
	expect(VM(""), "available", statistics(100, 0, 0, ""), NULL, "cheap", "L2 does not run now",
	       "[]");
}

static void test_costly(void **state)
{
	expect(VM(""), "available", statistics(200, 110, 100, COUNTS("HOST_RSP", 0, 100) ","
	       COUNTS("GUEST_DS_AR_BYTES", 100, 0) "," COUNTS("GUEST_CR3", 10, 0)), NULL, "costly",
	       "because of GUEST_DS_AR_BYTES (1.0 per exit of L2), HOST_RSP (1.0 per exit of L2). Of 2.1",
	       "[\"nvmxctl set 7 GUEST_DS_AR_BYTES=read-only HOST_RSP=read-write\","
	       "\"nvmxctl profile 7\"]");
	expect(VM(""), "no-shadow-vmcs", statistics(200, 0, 200, COUNTS("HOST_RSP", 0, 200)), NULL,
	       "no-shadowing", "2.0 per exit of L2, some 2500 instructions", "[]");
	/* AR_BYTES cannot be read-write: its VMWRITEs stay. */
	expect(VM(""), "available", statistics(200, 0, 200, COUNTS("GUEST_DS_AR_BYTES", 0, 200)), NULL,
	       "unavoidable", "No policy can help", "[]");
}

static void test_feature(void **state)
{
	expect(VM(""), "available", statistics(200, 100, 50, COUNTS("GUEST_PML_INDEX", 100, 0) ","
	       COUNTS("HOST_RSP", 0, 50)), NULL, "feature",
	       "GUEST_PML_INDEX exits 1.0 times per exit of L2 (67 % of its VMREAD",
	       "[\"-cpu host,vmx-pml=off\"]");
	expect(VM(""), "available", statistics(200, 10, 0, COUNTS("GUEST_PML_INDEX", 10, 0)), NULL,
	       "cheap", "0.1 VMREAD", "[]");
	/* What costs most comes first, and the feature when that is mended. */
	expect(VM(""), "available", statistics(200, 100, 150, COUNTS("GUEST_PML_INDEX", 100, 0) ","
	       COUNTS("HOST_RSP", 0, 150)), NULL, "costly", "because of HOST_RSP (1.5 per exit of L2).",
	       "[\"nvmxctl set 7 HOST_RSP=read-write\",\"nvmxctl profile 7\"]");
}

static void test_elsewhere(void **state)
{
	struct diagnose_kvm kvm = { .exits = 1000, .io_exits = 500, .mmio_exits = 0, .pf_taken = 250 };

	expect(VM(""), "available", statistics(200, 0, 10, COUNTS("HOST_RSP", 0, 10)), &kvm, "elsewhere",
	       "500 times a second, is mostly something that nvmx cannot help: 1 % VMCS fields, 20 % "
	       "exits of L2 that L1 handles and its entries after them, 50 % port I/O, 0 % MMIO, 25 % "
	       "page faults", "[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_cheap),
		cmocka_unit_test(test_costly),
		cmocka_unit_test(test_feature),
		cmocka_unit_test(test_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
