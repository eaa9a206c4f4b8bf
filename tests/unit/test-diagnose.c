/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verdicts, of made-up counters.
 */
#include "client/diagnose.h"
#include "tests/unit/unit.h"

static const char fields[] = "["
	"{\"name\":\"HOST_RSP\",\"allowed\":[\"intercept\",\"read-only\",\"read-write\"]},"
	"{\"name\":\"GUEST_CR3\",\"allowed\":[\"intercept\",\"read-only\",\"read-write\"]},"
	"{\"name\":\"GUEST_DS_AR_BYTES\",\"allowed\":[\"intercept\",\"read-only\"]},"
	"{\"name\":\"GUEST_PML_INDEX\",\"allowed\":[\"intercept\"]}]";

#define VM(more) "{\"id\":7,\"name\":\"one\",\"vmxon\":true" more "}"
#define COUNTS(name, reads, writes)							\
	"{\"name\":\"" name "\",\"encoding\":1,\"vmread\":" #reads ",\"vmwrite\":" #writes "}"

/* With these an exit in two seconds is 0.0625 % of a processor: 32 are 2 %. */
static struct diagnose_host host = { .support = "available", .tsc_khz = 1000 };
static struct hint hint = { .nvmxctl = (char *)"nvmxctl", .vm = (char *)"'my vm'" };

static struct json_object *json(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	assert_non_null(o);
	return o;
}

/* The VM with its counters. */
static struct json_object *vm(const char *vm_text, unsigned int exits, unsigned int reads,
			      unsigned int writes, const char *counts)
{
	_cleanup_free_ char *text = NULL;
	struct json_object *o = json(vm_text), *more;

	assert_true(asprintf(&text, "{\"totals\":{\"nested_exits_reflected\":%u,\"vmread_exits\":%u,"
			     "\"vmwrite_exits\":%u},\"fields\":[%s]}", exits, reads, writes, counts) > 0);
	more = json(text);
	json_object_object_foreach(more, key, value)
		json_object_object_add(o, key, json_object_get(value));
	json_object_put(more);
	render_sort_by_exits(json_get(o, "fields"));
	return o;
}

/* Since L2 had exited 100 times. */
static struct json_object *verdict(struct json_object *now, const char *kvm)
{
	struct json_object *then = vm("{}", 100, 0, 0, ""), *v;

	host.fields = json(fields);
	if (kvm) {
		json_object_object_add(then, "kvm", json("{\"exits\":5,\"io_exits\":1}"));
		json_object_object_add(now, "kvm", json(kvm));
	}
	v = diagnose(&host, then, now, 2, &hint);
	json_object_put(then);
	json_object_put(now);
	json_object_put(host.fields);
	return v;
}

/* Its word, its text and its commands have what is asked for. */
static void expect_of(struct json_object *v, const char *word, const char *text, const char *commands)
{
	assert_string_equal(json_get_text(v, "verdict"), word);
	if (!strstr(json_get_text(v, "text"), text))
		fail_msg("\"%s\" is not in \"%s\"", text, json_get_text(v, "text"));
	assert_string_equal(json_object_to_json_string_ext(json_get(v, "commands"),
			    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), commands);
	json_object_put(v);
}

#define expect(now, ...) expect_of(verdict(now, NULL), __VA_ARGS__)

static void test_states(void **state)
{
	expect(vm("{\"id\":7,\"vmxon\":false}", 100, 0, 0, ""), "not-nested", "has not used VMX", "[]");
	expect(vm(VM(",\"shadowing\":\"inert-evmcs\""), 100, 0, 0, ""), "inert-evmcs", "No policy has an effect", "[]");
	expect(vm(VM(",\"shadowing\":\"profiling\""), 100, 0, 0, ""), "profiling", "in 60 seconds at most", "[]");
	host.support = "no-nested";
	expect(vm(VM(""), 100, 0, 0, ""), "no-nested", "nested=0",
	       "[\"modprobe -r kvm_intel && modprobe kvm_intel nested=1\"]");
	host.support = "available";
	expect(vm(VM(""), 0, 0, 0, ""), "idle", "has not run an L2 yet", "[]");
	/* Nothing new: of what was before nobody knows how long it took. */
	expect(vm(VM(""), 100, 0, 500, COUNTS("HOST_RSP", 0, 500)), "idle",
	       "L2 did not run in these 2.0 seconds. Since the VM was started it had 5.0 VMREAD and VMWRITE exits",
	       "[\"nvmxctl diagnose 'my vm' --duration=60\"]");
}

static void test_cheap(void **state)
{
	struct json_object *v;

	expect(vm(VM(""), 200, 0, 31, COUNTS("HOST_RSP", 0, 31)), "cheap", "Nested and cheap: 0.3 VMREAD and "
	       "VMWRITE exits per exit of L2, at 50 exits of L2 per second, take about 1.9 % of a processor "
	       "(estimated). There is little that a policy could save.", "[]");
	/* Whatever it is per exit of L2: the share of the processor decides. */
	v = verdict(vm(VM(""), 101, 0, 31, COUNTS("HOST_RSP", 0, 31)), NULL);
	assert_string_equal(json_get_text(v, "vmcs_exits"), "31.00");
	assert_string_equal(json_get_text(v, "l2_exits_per_second"), "0.5");
	assert_string_equal(json_get_text(v, "vmcs_cpu_percent"), "1.94");
	expect_of(v, "cheap", "31.0 VMREAD", "[]");
	/* A quarter of all exits is not minor. */
	expect_of(verdict(vm(VM(""), 200, 0, 31, COUNTS("HOST_RSP", 0, 31)), "{\"exits\":129}"), "cheap",
		  "There is little", "[]");
	expect(vm(VM(""), 200, 0, 1, COUNTS("HOST_RSP", 0, 1)), "cheap", "take less than 0.1 % of a processor", "[]");
}

static void test_costly(void **state)
{
	struct json_object *v;

	expect(vm(VM(""), 200, 0, 32, COUNTS("HOST_RSP", 0, 32)), "costly", "take about 2.0 % of a processor",
	       "[\"nvmxctl set 'my vm' HOST_RSP=read-write\",\"nvmxctl profile 'my vm'\"]");
	v = verdict(vm(VM(""), 200, 110, 100, COUNTS("HOST_RSP", 0, 100) ","
		    COUNTS("GUEST_DS_AR_BYTES", 100, 0) "," COUNTS("GUEST_CR3", 10, 0)), NULL);
	assert_string_equal(json_get_text(v, "saved_exits"), "2.00");
	assert_string_equal(json_get_text(v, "saved_cpu_percent"), "12.50");
	expect_of(v, "costly", "Most are of GUEST_DS_AR_BYTES (1.0 per exit of L2), HOST_RSP (1.0). The first command "
		  "below saves 2.0 of them, about 12 % of a processor; \"profile\" measures all fields.",
		  "[\"nvmxctl set 'my vm' GUEST_DS_AR_BYTES=read-only HOST_RSP=read-write\",\"nvmxctl profile 'my vm'\"]");
	host.support = "no-shadow-vmcs";
	expect(vm(VM(""), 200, 0, 200, COUNTS("HOST_RSP", 0, 200)), "no-shadowing", "about 12 % of a processor", "[]");
	host.support = "available";
	/* AR_BYTES cannot be read-write: its VMWRITEs stay. */
	expect(vm(VM(""), 200, 0, 200, COUNTS("GUEST_DS_AR_BYTES", 0, 200)), "unavoidable", "no policy helps", "[]");
}

/* The form that stays, too, where libvirt has the domain. */
static void test_config(void **state)
{
	hint.is_domain = true;
	expect(vm(VM(""), 200, 0, 200, COUNTS("HOST_RSP", 0, 200)), "costly",
	       ", the second does so from the next start of the domain on; \"profile\"",
	       "[\"nvmxctl set 'my vm' HOST_RSP=read-write\",\"nvmxctl set 'my vm' HOST_RSP=read-write --config\","
	       "\"nvmxctl profile 'my vm'\"]");
	hint.is_domain = false;
}

/* An nvmxd that does not know the TSC: by exits per exit of L2, and without a share. */
static void test_unknown_tsc(void **state)
{
	struct json_object *v;

	host.tsc_khz = 0;
	v = verdict(vm(VM(""), 200, 0, 200, COUNTS("HOST_RSP", 0, 200)), NULL);
	assert_null(json_get(v, "vmcs_cpu_percent"));
	expect_of(v, "costly", "Nested and costly: 2.0 VMREAD and VMWRITE exits per exit of L2, at 50 exits of L2 per "
		  "second. Most are of HOST_RSP (2.0 per exit of L2). The first command below saves 2.0 of them; ",
		  "[\"nvmxctl set 'my vm' HOST_RSP=read-write\",\"nvmxctl profile 'my vm'\"]");
	expect(vm(VM(""), 200, 0, 99, COUNTS("HOST_RSP", 0, 99)), "cheap", "1.0 VMREAD", "[]");
	host.tsc_khz = 1000;
}

static void test_feature(void **state)
{
	expect(vm(VM(""), 200, 100, 50, COUNTS("GUEST_PML_INDEX", 100, 0) "," COUNTS("HOST_RSP", 0, 50)), "feature",
	       "67 % of them are accesses to GUEST_PML_INDEX (1.0 per exit of L2)", "[\"-cpu host,vmx-pml=off\"]");
	/* Too seldom to be the feature's. */
	expect(vm(VM(""), 200, 40, 0, COUNTS("GUEST_PML_INDEX", 40, 0)), "unavoidable", "0.4 VMREAD", "[]");
	/* In use, and cheap. */
	expect(vm(VM(""), 120, 20, 0, COUNTS("GUEST_PML_INDEX", 20, 0)), "cheap",
	       "100 % of them are accesses to GUEST_PML_INDEX", "[\"-cpu host,vmx-pml=off\"]");
	/* What costs most comes first, and the feature when that is mended. */
	expect(vm(VM(""), 200, 100, 150, COUNTS("GUEST_PML_INDEX", 100, 0) "," COUNTS("HOST_RSP", 0, 150)), "costly",
	       "Most are of HOST_RSP (1.5 per exit of L2).",
	       "[\"nvmxctl set 'my vm' HOST_RSP=read-write\",\"nvmxctl profile 'my vm'\"]");
}

/* How a domain's CPU hides a feature is a matter of libvirt's version. */
static void test_feature_of_domain(void **state)
{
	struct json_object *v;

	hint.is_domain = true;
	hint.libvirt_version = 9000000;
	v = verdict(vm(VM(""), 200, 100, 50, COUNTS("GUEST_PML_INDEX", 100, 0)), NULL);
	expect_of(v, "feature", "by <qemu:commandline> in the domain (libvirt 9.0 knows no vmx-* features)",
		  "[\"-cpu host,vmx-pml=off\"]");
	hint.libvirt_version = 11003000;
	v = verdict(vm(VM(""), 200, 100, 50, COUNTS("GUEST_PML_INDEX", 100, 0)), NULL);
	expect_of(v, "feature", "put the line below into <cpu> of the domain (virsh edit)",
		  "[\"<feature policy='disable' name='vmx-pml'/>\"]");
	hint.libvirt_version = 0;
	v = verdict(vm(VM(""), 200, 100, 50, COUNTS("GUEST_PML_INDEX", 100, 0)), NULL);
	expect_of(v, "feature", "with libvirt 9.10 and later by <feature policy='disable' name='vmx-pml'/>",
		  "[\"-cpu host,vmx-pml=off\"]");
	hint.is_domain = false;
}

static unsigned int sum_of_percents(struct json_object *v)
{
	struct json_object *reasons = json_get(v, "exit_reasons");
	unsigned int sum = 0;

	for (size_t i = 0; i < json_length(reasons); i++)
		sum += json_get_count(json_at(reasons, i), "percent");
	return sum;
}

static void test_elsewhere(void **state)
{
	struct json_object *v;

	/* What KVM counts otherwise, or not at all, is the rest. */
	v = verdict(vm(VM(""), 200, 0, 10, COUNTS("HOST_RSP", 0, 10)),
		    "{\"exits\":1005,\"io_exits\":401,\"mmio_exits\":0,\"pf_taken\":250}");
	assert_int_equal(sum_of_percents(v), 100);
	assert_string_equal(json_get_text(v, "kvm_exits_per_second"), "500.0");
	expect_of(v, "elsewhere", "It exits 500 times per second, and no policy changes most of that: 40 % port I/O, "
		  "25 % page faults and EPT violations, 20 % exits of L2 that L1 handles, and the VM entries after "
		  "them, 14 % others, such as CPUID, MSRs and control registers, 1 % VMREAD and VMWRITE.", "[]");
	/* 1/3 each, and one of a hundred to go. */
	v = verdict(vm(VM(""), 200, 0, 0, ""), "{\"exits\":605,\"io_exits\":201,\"hypercalls\":200}");
	assert_int_equal(sum_of_percents(v), 100);
	expect_of(v, "elsewhere", "34 % exits of L2", "[]");
	/* The counters are not of the same moment. */
	v = verdict(vm(VM(""), 200, 0, 0, ""), "{\"exits\":195,\"io_exits\":11}");
	assert_int_equal(sum_of_percents(v), 100);
	expect_of(v, "elsewhere", "95 % exits of L2 that L1 handles, and the VM entries after them, 5 % port I/O.", "[]");
}

/* What costs most first, then by kind, then by id. */
static void test_sort(void **state)
{
	struct json_object *verdicts = json("[{\"id\":1,\"verdict\":\"not-nested\"},"
		"{\"id\":2,\"verdict\":\"feature\",\"vmcs_cpu_percent\":3},{\"id\":3,\"verdict\":\"cheap\"},"
		"{\"id\":5,\"verdict\":\"costly\",\"vmcs_cpu_percent\":2},{\"id\":4,\"verdict\":\"costly\",\"vmcs_cpu_percent\":2},"
		"{\"id\":6,\"verdict\":\"no-shadowing\",\"vmcs_cpu_percent\":50}]");
	static const uint64_t order[] = { 6, 2, 4, 5, 3, 1 };

	diagnose_sort(verdicts);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		assert_int_equal(json_get_count(json_at(verdicts, i), "id"), order[i]);
	json_object_put(verdicts);
}

static void test_quotes(void **state)
{
	static const char *const words[][2] = {
		{ "lab", "lab" }, { "größe", "größe" }, { "a.b-c_d:1", "a.b-c_d:1" }, { "", "''" }, { "my vm", "'my vm'" },
		{ "it's", "'it'\\''s'" }, { "$(reboot)", "'$(reboot)'" }, { "~root", "'~root'" }, { "a*", "'a*'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		_cleanup_free_ char *quoted = hint_quote(words[i][0]);

		assert_string_equal(quoted, words[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_cheap),
		cmocka_unit_test(test_costly),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_unknown_tsc),
		cmocka_unit_test(test_feature),
		cmocka_unit_test(test_feature_of_domain),
		cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
