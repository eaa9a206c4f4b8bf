/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Accounts: the document there and back, what is none, and what happened between two. */
#include "tests/unit/unit.h"

#include "policy/account.h"

#define DOCUMENT							\
	"{\"ns\":2000,\"beyond\":1,\"lost\":2,\"vms\":[{\"pid\":7,\"start_time\":9,\"number\":0,\"name\":\"gr\xc3\xb6\xc3\x9f" "e\"," \
	"\"vcpus\":[{\"vcpu\":3,\"ns\":1000,\"lines\":["		\
	"{\"in\":\"L1\",\"count\":4,\"ns\":400,\"shortest\":50},"	\
	"{\"in\":\"L2\",\"count\":1,\"ns\":100},"			\
	"{\"outside\":\"halted\",\"count\":1,\"ns\":100},"		\
	"{\"from\":\"L1\",\"reason\":\"VMREAD\",\"to\":\"L1\",\"count\":3,\"ns\":300},"	\
	"{\"from\":\"L2\",\"reason\":\"93\",\"to\":\"L1\",\"count\":1,\"ns\":100},"	\
	"{\"from\":\"L1\",\"reason\":\"MSR_WRITE\",\"to\":\"L1\",\"what\":1760,\"count\":2,\"ns\":20}]}]}]}"

static int parse(const char *text, struct account *ret, char **ret_error)
{
	struct json_object *o = json_tokener_parse(text);
	int r = o ? account_from_json(o, ret, ret_error) : -EINVAL;

	json_object_put(o);
	return r;
}

static void test_there_and_back(void **state)
{
	struct account a;
	struct json_object *o;

	assert_int_equal(parse(DOCUMENT, &a, NULL), 0);
	assert_int_equal(a.n_vms, 1);
	assert_string_equal(a.vms[0].name, "gr\xc3\xb6\xc3\x9f" "e");
	assert_int_equal(a.vms[0].vcpus[0].n_lines, 6);
	assert_int_equal(a.vms[0].vcpus[0].lines[3].reason, 23);
	assert_int_equal(a.vms[0].vcpus[0].lines[4].reason, 93);
	assert_int_equal(a.vms[0].vcpus[0].lines[5].kind, ACCOUNT_DETAIL);
	o = account_to_json(&a);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), DOCUMENT);
	json_object_put(o);
	account_clear(&a);
}

/* Each is the document with one thing in it changed. */
static void test_bad(void **state)
{
	static const char *const bad[] = {
		"[]", "{}", "{\"ns\":1}", "{\"ns\":-1,\"vms\":[]}", "{\"ns\":\"1\",\"vms\":[]}", "{\"ns\":1,\"vms\":{}}",
		"{\"vms\":[3]}", "{\"vms\":[{}]}", "{\"vms\":[{\"pid\":4294967296,\"vcpus\":[]}]}",
		"{\"vms\":[{\"vcpus\":[{\"vcpu\":0}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"in\":\"L3\"}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"in\":1}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"outside\":\"here\"}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"from\":\"L1\",\"to\":\"L1\"}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"from\":\"L1\",\"to\":\"L1\",\"reason\":\"VMREAT\"}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"from\":\"L1\",\"to\":\"L1\",\"reason\":\"65536\"}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"from\":\"L1\",\"to\":\"L1\",\"reason\":\"\"}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"in\":\"L1\",\"count\":-1}]}]}]}",
		"{\"vms\":[{\"vcpus\":[{\"lines\":[{\"in\":\"L1\",\"count\":{}}]}]}]}",
	};
	struct account a;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *error = NULL;

		if (parse(bad[i], &a, &error) != -EBADMSG || !error || !strstr(error, "no account"))
			fail_msg("%s is taken", bad[i]);
	}
}

static void test_subtract(void **state)
{
	struct account then, now;
	struct account_vcpu *v;

	assert_int_equal(parse(DOCUMENT, &then, NULL), 0);
	assert_int_equal(parse(DOCUMENT, &now, NULL), 0);
	account_subtract(&now, &then);
	assert_int_equal(now.n_vms, 0);		/* nothing happened */
	account_clear(&now);

	assert_int_equal(parse(DOCUMENT, &now, NULL), 0);
	now.ns = 5000;
	v = &now.vms[0].vcpus[0];
	v->ns = 4000;
	v->lines[0].ns = 3000;
	v->lines[3].ns = 200;		/* was under way, and became another */
	v->lines[3].count = 4;
	account_subtract(&now, &then);
	assert_int_equal(now.ns, 3000);
	assert_int_equal(now.lost, 0);
	assert_int_equal(v->ns, 3000);
	assert_int_equal(v->n_lines, 2);
	assert_int_equal(v->lines[0].ns, 2600);
	assert_int_equal(v->lines[0].count, 0);
	assert_int_equal(v->lines[1].ns, 0);
	assert_int_equal(v->lines[1].count, 1);
	account_clear(&now);

	/* Another process of that number is another VM. */
	assert_int_equal(parse(DOCUMENT, &now, NULL), 0);
	now.vms[0].start_time++;
	account_subtract(&now, &then);
	assert_int_equal(now.n_vms, 1);
	assert_int_equal(now.vms[0].vcpus[0].lines[0].ns, 400);
	account_clear(&now);
	account_clear(&then);
}

static void test_sum(void **state)
{
	struct account a;
	struct account_vcpu sum;
	struct account_vm twice;

	assert_int_equal(parse(DOCUMENT, &a, NULL), 0);
	a.vms[0].vcpus[0].lines[0].shortest = 60;
	twice = a.vms[0];
	twice.n_vcpus = 2;
	twice.vcpus = (struct account_vcpu[]) { a.vms[0].vcpus[0], a.vms[0].vcpus[0] };
	assert_int_equal(account_sum(&twice, &sum), 0);
	assert_int_equal(sum.ns, 2000);
	assert_int_equal(sum.n_lines, 6);
	account_sort(&sum);
	assert_int_equal(sum.lines[0].ns, 800);
	assert_int_equal(sum.lines[0].shortest, 60);
	assert_int_equal(sum.lines[5].kind, ACCOUNT_DETAIL);
	account_vcpu_clear(&sum);
	account_clear(&a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
