/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a profiling window says, of made-up counters; and the nearest of some words.
 */
#include "client/nvmxctl.h"
#include "client/profile.h"
#include "tests/unit/unit.h"

#define FIELD(e, name, kind, stock, allowed, flags)					\
	"{\"encoding\":" #e ",\"name\":\"" name "\",\"width\":\"32\",\"kind\":\"" kind "\","	\
	"\"allowed\":[\"intercept\"" allowed "],\"stock\":\"" stock "\",\"flags\":[" flags "]}"
#define RO	",\"read-only\""
#define ANY	RO ",\"read-write\""

static const char fields_text[] = "["
	FIELD(1, "READ", "guest-state", "intercept", ANY, "\"eager\"") ","
	FIELD(2, "WRITTEN", "guest-state", "intercept", ANY, "\"eager\"") ","
	FIELD(3, "SELDOM", "guest-state", "intercept", ANY, "\"eager\"") ","
	FIELD(4, "UNUSED", "guest-state", "read-write", ANY, "\"eager\"") ","
	FIELD(5, "AR_BYTES", "guest-state", "intercept", RO, "\"eager\"") ","
	FIELD(6, "ABSENT", "control", "intercept", "", "\"absent\"") ","
	FIELD(7, "EXIT_INFO", "exit-information", "read-only", ANY, "") ","
	FIELD(8, "LAZY_A", "guest-state", "intercept", ANY, "\"slow\",\"lazy\"") ","
	FIELD(9, "LAZY_B", "guest-state", "intercept", ANY, "\"slow\",\"lazy\"") "]";

static struct json_object *json(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	assert_non_null(o);
	return o;
}

/* Counters after the exits, L1 having read and written as accesses says. */
static struct json_object *statistics(const char *exits, const char *rare, const char *accesses)
{
	_cleanup_free_ char *text = NULL;

	assert_true(asprintf(&text, "{\"totals\":{\"nested_entries\":%s,\"nested_exits_reflected\":%s,"
			     "\"rare_syncs\":%s},\"fields\":[%s]}", exits, exits, rare, accesses) > 0);
	return json(text);
}

#define COUNT(e, name, reads, writes)	\
	"{\"encoding\":" #e ",\"name\":\"" name "\",\"vmread\":" #reads ",\"vmwrite\":" #writes "}"

static struct json_object *compute(const char *vm_text, const char *rare, const char *accesses)
{
	struct json_object *vm = json(vm_text), *fields = json(fields_text), *profile = NULL;
	struct json_object *then = statistics("100", "0", ""), *now = statistics("1100", rare, accesses);

	assert_int_equal(profile_compute(vm, fields, then, now, 10, &profile_default_costs, &profile), 0);
	json_object_put(vm);
	json_object_put(fields);
	json_object_put(then);
	json_object_put(now);
	return profile;
}

static const char vm_stock[] = "{\"id\":1,\"name\":\"one\",\"policy\":\"stock\","
	"\"vmwrite_any_field\":\"inherit\","
	"\"fields\":{\"UNUSED\":\"read-write\",\"EXIT_INFO\":\"read-only\"}}";

static struct json_object *row(struct json_object *profile, const char *name)
{
	struct json_object *fields = json_get(profile, "fields");

	for (size_t i = 0; i < json_object_array_length(fields); i++)
		if (streq(json_get_text(json_object_array_get_idx(fields, i), "name"), name))
			return json_object_array_get_idx(fields, i);
	return NULL;
}

#define assert_best(profile, name, class)	\
	assert_string_equal(json_get_text(row(profile, name), "best"), class)

static void test_best_classes(void **state)
{
	struct json_object *p = compute(vm_stock, "0",
		COUNT(1, "READ", 1000, 0) "," COUNT(2, "WRITTEN", 0, 1000) "," COUNT(3, "SELDOM", 0, 10) ","
		COUNT(5, "AR_BYTES", 1000, 1000) "," COUNT(6, "ABSENT", 5000, 0) ","
		COUNT(7, "EXIT_INFO", 3000, 0));
	struct json_object *costs;

	assert_best(p, "READ", "read-only");
	assert_best(p, "WRITTEN", "read-write");
	/* 0.01 * 1250 < 10 + 10 */
	assert_best(p, "SELDOM", "intercept");
	assert_best(p, "AR_BYTES", "read-only");
	assert_best(p, "ABSENT", "intercept");
	assert_best(p, "EXIT_INFO", "read-only");
	assert_null(row(p, "UNUSED"));

	costs = json_get(row(p, "AR_BYTES"), "costs");
	assert_string_equal(json_get_text(costs, "intercept"), "2500.0");
	/* 6 for the VMREAD, 1250 + 110 for the VMWRITE, 10 for the copy */
	assert_string_equal(json_get_text(costs, "read-only"), "1376.0");
	assert_true(json_object_object_get_ex(costs, "read-write", NULL));
	assert_null(json_get(costs, "read-write"));
	assert_string_equal(json_get_text(json_get(row(p, "WRITTEN"), "costs"), "read-write"), "26.0");

	/* The first is where most is to be saved. */
	assert_string_equal(json_get_text(json_object_array_get_idx(json_get(p, "fields"), 0), "name"),
			    "READ");
	/* Entry, READ, WRITTEN, SELDOM, AR_BYTES twice, ABSENT five times. */
	assert_string_equal(json_get_text(json_get(p, "now"), "exits"), "10.01");
	assert_string_equal(json_get_text(json_get(p, "best"), "exits"), "7.01");
	assert_int_equal(json_get_count(json_get(p, "now"), "copied_unused"), 1);
	assert_int_equal(json_get_count(json_get(p, "best"), "copied_unused"), 0);
	/* now: 1250 + 1250 + 12.5 + 2500 + 6250 + (18 + 10) + 20 */
	assert_string_equal(json_get_text(json_get(p, "now"), "cost"), "11310");
	json_object_put(p);
}

/* Two lazy fields: a fetch of both is 20 each time, with the default costs. */
static void test_lazy(void **state)
{
	/* L1 asks at each exit anyway. */
	struct json_object *p = compute(vm_stock, "1000", COUNT(8, "LAZY_A", 1000, 0));

	assert_best(p, "LAZY_A", "read-only");
	assert_string_equal(json_get_text(json_get(p, "best"), "cost"), "36");
	json_object_put(p);

	/* 0.02 * 1250 = 25: worth the copy, not the fetch at each exit. */
	p = compute(vm_stock, "20", COUNT(8, "LAZY_A", 20, 0));
	assert_best(p, "LAZY_A", "intercept");
	json_object_put(p);

	/* Both together are worth it. */
	p = compute(vm_stock, "20", COUNT(8, "LAZY_A", 20, 0) "," COUNT(9, "LAZY_B", 20, 0));
	assert_best(p, "LAZY_A", "read-only");
	assert_best(p, "LAZY_B", "read-only");
	json_object_put(p);
}

static void test_hide(void **state)
{
	struct json_object *p = compute(vm_stock, "0", COUNT(7, "EXIT_INFO", 0, 1000));

	assert_best(p, "EXIT_INFO", "read-write");
	json_object_put(p);
	p = compute("{\"id\":1,\"name\":\"one\",\"vmwrite_any_field\":\"hide\",\"fields\":{}}", "0",
		    COUNT(7, "EXIT_INFO", 0, 1000));
	assert_best(p, "EXIT_INFO", "intercept");
	json_object_put(p);
}

static void test_nothing(void **state)
{
	struct json_object *vm = json(vm_stock), *fields = json(fields_text), *p = NULL;
	struct json_object *s = statistics("100", "0", "");

	assert_int_equal(profile_compute(vm, fields, s, s, 10, &profile_default_costs, &p), -ENODATA);
	json_object_put(vm);
	json_object_put(fields);
	json_object_put(s);
}

static void test_sampled(void **state)
{
	struct json_object *s = json("{\"totals\":{\"shadow_to_vmcs12\":10,\"fields_to_vmcs12\":100,"
		"\"to_vmcs12_timed\":2,\"to_vmcs12_cycles\":300,\"slow_path_timed\":2,"
		"\"slow_path_cycles\":1000,\"to_shadow_timed\":0}}");
	struct profile_costs c;

	profile_costs_from(s, &c);
	assert_true(c.to_vmcs12_sampled && c.to_vmcs12 == 15);
	assert_true(c.slow_path_sampled && c.slow_path == 500);
	assert_true(!c.to_shadow_sampled && c.to_shadow == PROFILE_COPY);
	assert_true(c.intercepted == PROFILE_INTERCEPTED);
	json_object_put(s);
}

static struct policy *parse_policy(struct json_object *profile, const char *stock_text, const char *stock_any)
{
	struct json_object *fields = json(fields_text), *stock = json(stock_text);
	struct json_object *file = profile_policy(profile, fields, stock, stock_any, "mine", "of \"one\"");
	const char *text = json_object_to_json_string(file);
	struct policy *policy = NULL;
	char *sentence = NULL;

	assert_int_equal(policy_parse("x.json", text, strlen(text), &policy, &sentence), 0);
	assert_string_equal(policy->name, "mine");
	json_object_put(file);
	json_object_put(fields);
	json_object_put(stock);
	return policy;
}

/* The file is one that the library reads, and has what is best. */
static void test_policy(void **state)
{
	struct json_object *p = compute(vm_stock, "0",
		COUNT(1, "READ", 1000, 0) "," COUNT(3, "SELDOM", 0, 10));
	_cleanup_policy_ struct policy *read = parse_policy(p, "{}", "inherit");

	assert_string_equal(read->extends, POLICY_EXTENDS_NONE);
	assert_int_equal(read->n_fields, 1);
	assert_string_equal(read->fields[0].name, "READ");
	assert_int_equal(read->fields[0].shadow_class, NVMX_CLASS_READ_ONLY);
	assert_int_equal(read->vmwrite_any_field, -1);
	json_object_put(p);
}

/* stock has most of what is best: what is not is shorter. */
static void test_policy_on_stock(void **state)
{
	struct json_object *p = compute(vm_stock, "0", COUNT(1, "READ", 1000, 0) ","
		COUNT(2, "WRITTEN", 0, 1000) "," COUNT(5, "AR_BYTES", 1000, 0) "," COUNT(7, "EXIT_INFO", 1000, 0));
	static const char stock[] = "{\"WRITTEN\":\"read-write\",\"UNUSED\":\"read-write\",\"AR_BYTES\":\"read-only\","
		"\"EXIT_INFO\":\"read-only\"}";
	struct policy *read = parse_policy(p, stock, "inherit");

	assert_string_equal(read->extends, "stock");
	assert_int_equal(read->n_fields, 2);
	assert_string_equal(read->fields[0].name, "READ");
	assert_int_equal(read->fields[0].shadow_class, NVMX_CLASS_READ_ONLY);
	/* L1 does not access it. */
	assert_string_equal(read->fields[1].name, "UNUSED");
	assert_int_equal(read->fields[1].shadow_class, NVMX_CLASS_INTERCEPT);
	assert_int_equal(read->vmwrite_any_field, -1);
	policy_free(read);

	/* An administrator's stock may hide what this VM's L1 sees. */
	read = parse_policy(p, stock, "hide");
	assert_int_equal(read->vmwrite_any_field, NVMX_VMWRITE_ANY_INHERIT);
	policy_free(read);

	/* As many to say: it needs no stock. */
	read = parse_policy(p, "{\"WRITTEN\":\"read-write\",\"UNUSED\":\"read-write\"}", "inherit");
	assert_string_equal(read->extends, POLICY_EXTENDS_NONE);
	assert_int_equal(read->n_fields, 4);
	policy_free(read);
	json_object_put(p);
}

/* One exit less than is needed. */
static void test_little(void **state)
{
	struct json_object *vm = json(vm_stock), *fields = json(fields_text), *p = NULL;
	struct json_object *then = statistics("1", "0", ""), *now = statistics("1000", "0", COUNT(1, "READ", 999, 0));

	assert_int_equal(profile_compute(vm, fields, then, now, 10, &profile_default_costs, &p), 0);
	assert_false(profile_is_advice(p));
	assert_string_equal(json_get_text(p, "advice_seconds"), "12.0");
	assert_null(json_get(p, "best"));
	assert_null(json_get(row(p, "READ"), "best"));
	assert_string_equal(json_get_text(row(p, "READ"), "cost"), "1250.0");
	json_object_put(p);
	json_object_put(vm);
	json_object_put(fields);
	json_object_put(then);
	json_object_put(now);
}

static void test_page(void **state)
{
	struct json_object *p = compute("{\"id\":1,\"name\":\"<b>&\\\"\\u0007\",\"policy\":\"stock\","
		"\"fields\":{}}", "0", COUNT(1, "READ", 1000, 0));
	char *text;

	setenv("TZ", "UTC", 1);
	json_add_text(p, "host", "hv<1>");
	json_add_text(p, "version", "4.7");
	json_add_count(p, "time_usec", 1795788584 * UINT64_C(1000000));
	text = profile_html(p);
	assert_non_null(strstr(text, "&lt;b&gt;&amp;&quot;?</title>"));
	assert_non_null(strstr(text, "<dt>VM</dt><dd>&lt;b&gt;&amp;&quot;? (VM 1)</dd>"));
	assert_non_null(strstr(text, "<dt>Host</dt><dd>hv&lt;1&gt;</dd>"));
	assert_non_null(strstr(text, "<dt>Date</dt><dd>2026-11-27 14:09:44 UTC</dd>"));
	assert_non_null(strstr(text, "<dt>Duration</dt><dd>10.0 seconds, 1000 exits of L2</dd>"));
	assert_non_null(strstr(text, "<dt>Version</dt><dd>nvmxctl 4.7</dd>"));
	assert_null(strstr(text, "<b>"));
	assert_null(strstr(text, "http:"));
	assert_non_null(strstr(text, "<div class=\"bar now\" style=\"width: 100.0%\">"));
	free(text);
	json_object_put(p);
}

static const char *nearest(const char *wanted)
{
	static const char *const words[] = { "read-only", "read-write", "HOST_RSP", "HOST_RIP", "show" };
	struct nearest n = {};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		nearest_try(&n, wanted, words[i]);
	return n.name;
}

static void test_nearest(void **state)
{
	assert_string_equal(nearest("readonly"), "read-only");
	assert_string_equal(nearest("READ_ONLY"), "read-only");
	assert_string_equal(nearest("read-wrtie"), "read-write");
	assert_string_equal(nearest("host_rsp"), "HOST_RSP");
	assert_string_equal(nearest("shwo"), "show");
	assert_null(nearest("shutdown"));
	assert_null(nearest("x"));
	assert_null(nearest(""));
	assert_null(nearest("a word that is longer than any field's name can ever be, or so I hope"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_best_classes),
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_hide),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_sampled),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_policy_on_stock),
		cmocka_unit_test(test_little),
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
