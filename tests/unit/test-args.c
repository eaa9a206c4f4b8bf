/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl's arguments.
 */
#include "client/nvmxctl.h"
#include "tests/unit/unit.h"

static const struct verb verbs[] = {
	{ "list", "", "", 0, 0, NULL, 0, "" },
	{ "show", "DOMAIN", "", 1, 1, NULL, ARGS_VCPU | ARGS_DURATION, "" },
	{ "set", "DOMAIN [POLICY] [FIELD=CLASS...]", "", 2, -1, NULL, 0, "" },
	{ "help", "[VERB]", "", 0, 1, NULL, 0, "" },
	{}
};

static char *words[16];

/* argv is written to by getopt and by args_parse_changes(). */
static int parse(const char *line, struct args *ret, char **ret_error)
{
	static char text[256];
	int argc = 1;

	words[0] = (char *)"nvmxctl";
	snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		words[argc++] = w;
	words[argc] = NULL;
	return args_parse(argc, words, verbs, ret, ret_error);
}

static void test_default_verb(void **state)
{
	struct args a;

	assert_int_equal(parse("", &a, NULL), 0);
	assert_string_equal(a.verb->name, "list");
	assert_int_equal(a.json, JSON_OFF);
	assert_int_equal(a.vcpu, NVMX_ALL_VCPUS);
	assert_false(a.quiet || a.no_legend || a.no_pager || a.help || a.version);
}

static void test_all_options(void **state)
{
	struct args a;

	assert_int_equal(parse("--json=short -q --no-legend --no-pager --vcpu=3 -H root@h show d",
			       &a, NULL), 0);
	assert_int_equal(a.json, JSON_SHORT);
	assert_true(a.quiet && a.no_legend && a.no_pager);
	assert_int_equal(a.vcpu, 3);
	assert_string_equal(a.host, "root@h");
	assert_string_equal(a.verb->name, "show");
	assert_int_equal(a.n_parameters, 1);
	assert_string_equal(a.parameters[0], "d");
	assert_int_equal(parse("-M box", &a, NULL), 0);
	assert_string_equal(a.machine, "box");
}

static void test_options_after(void **state)
{
	struct args a;

	assert_int_equal(parse("show d --json pretty", &a, NULL), 0);
	assert_int_equal(a.json, JSON_PRETTY);
	assert_string_equal(a.parameters[0], "d");
	assert_int_equal(parse("show -- -d", &a, NULL), 0);
	assert_string_equal(a.parameters[0], "-d");
}

static void test_seconds(void **state)
{
	static const struct { const char *line; uint64_t usec; } good[] = {
		{ "show d --duration=10", 10000000 },
		{ "show d --duration=0.5", 500000 },
		{ "show d --duration=10s", 10000000 },
		{ "show d --duration=1ms", 1000 },
		{ "show d --duration=1min", 60000000 },
		{ "show d --duration=86400", 86400000000 },
	};
	struct args a;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse(good[i].line, &a, NULL), 0);
		assert_int_equal(a.duration_usec, good[i].usec);
	}
}

static void test_help_needs_no_verb(void **state)
{
	struct args a;

	assert_int_equal(parse("--help", &a, NULL), 0);
	assert_true(a.help && !a.named);
	assert_int_equal(parse("--help show", &a, NULL), 0);
	assert_true(a.help && a.named);
	assert_string_equal(a.verb->name, "show");
	assert_int_equal(parse("nonsense --version", &a, NULL), 0);
	assert_true(a.version);
}

static void test_help_is_a_verb(void **state)
{
	struct args a;

	assert_int_equal(parse("help", &a, NULL), 0);
	assert_true(a.help && !a.named);
	assert_int_equal(parse("-q help show", &a, NULL), 0);
	assert_true(a.help && a.named && a.quiet);
	assert_string_equal(a.verb->name, "show");
	assert_int_equal(parse("help help", &a, NULL), 0);
	assert_true(a.help && a.named);
	assert_string_equal(a.verb->name, "help");
}

static void test_no_ask_password(void **state)
{
	struct args a;

	assert_int_equal(parse("set d stock", &a, NULL), 0);
	assert_false(a.no_ask_password);
	assert_int_equal(parse("set d stock --no-ask-password", &a, NULL), 0);
	assert_true(a.no_ask_password);
}

/* The last one counts; the output of the tests is no terminal. */
static void test_json(void **state)
{
	struct args a;

	assert_int_equal(parse("-j", &a, NULL), 0);
	assert_int_equal(a.json, isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT);
	assert_int_equal(parse("-jq --json=off", &a, NULL), 0);
	assert_int_equal(a.json, JSON_OFF);
	assert_true(a.quiet);
}

static void test_usage(void **state)
{
	static const char *const bad[][2] = {
		{ "frob", "\"frob\"" },
		{ "shwo a", "did you mean \"show\"?" },
		{ "status d", "did you mean \"show\"?" },
		{ "dominfo d", "did you mean \"show\"?" },
		{ "domstats d", "did you mean \"stats\"?" },
		{ "daemon-reload", "did you mean \"reload\"?" },
		{ "edit x", "did you mean \"policy edit\"?" },
		{ "cat x", "did you mean \"policy show\"?" },
		{ "help frob", "\"frob\"" },
		{ "help show d", "Too many arguments; the usage is \"nvmxctl help [VERB]\"" },
		{ "help --vcpu=1", "--vcpu cannot be used with \"help\"" },
		{ "list --vcpu=1", "--vcpu cannot be used with \"list\"" },
		{ "show d --duration=0", "--duration=0 is not a time" },
		{ "show d --duration=-1", "--duration=-1 is not a time" },
		{ "show d --duration=0x1", "--duration=0x1 is not a time" },
		{ "show d --duration=inf", "--duration=inf is not a time" },
		{ "show d --duration=1h", "--duration=1h is not a time" },
		{ "show d --duration=0.1ms", "is not a time" },
		{ "show d --duration=1e9", "is not a time" },
		{ "show d --duration=86401", "is not a time" },
		{ "show", "nvmxctl show DOMAIN" },
		{ "show a b", "Too many" },
		{ "list a", "Too many arguments; the usage is \"nvmxctl list\"" },
		{ "set d", "Too few" },
		{ "--json=xml", "pretty, short or off" },
		{ "--json", "--json needs an argument" },
		{ "--frob", "--frob" },
		{ "-x", "-x" },
		{ "--vcpu=x show d", "--vcpu=x" },
		{ "--vcpu=-1 show d", "--vcpu=-1" },
		{ "--vcpu=99999999999999999999 show d", "--vcpu=" },
		{ "--vcpu=1x show d", "--vcpu=1x" },
		{ "-H a -M b", "cannot be used together" },
		{ "--quiet=yes", "--quiet=yes" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct args a = {};
		char *e = NULL;

		assert_int_equal(parse(bad[i][0], &a, &e), -EINVAL);
		assert_sentence(e, bad[i][1]);
	}
}

static int changes_of(const char *line, const char **policy, struct policy_change **changes,
		      size_t *n, char **e)
{
	struct args a;

	assert_int_equal(parse(line, &a, NULL), 0);
	return args_parse_changes(a.parameters + 1, a.n_parameters - 1, policy, changes, n, e);
}

static void test_changes(void **state)
{
	_cleanup_free_ struct policy_change *changes = NULL, *more = NULL;
	const char *policy;
	size_t n;

	assert_int_equal(changes_of("set d stock ar-bytes=intercept HOST_RSP=read-write", &policy,
				    &changes, &n, NULL), 0);
	assert_string_equal(policy, "stock");
	assert_int_equal(n, 2);
	assert_string_equal(changes[0].name, "ar-bytes");
	assert_string_equal(changes[0].value, "intercept");
	assert_string_equal(changes[1].name, "HOST_RSP");

	assert_int_equal(changes_of("set d a=b=c", &policy, &more, &n, NULL), 0);
	assert_string_equal(policy, "");
	assert_int_equal(n, 1);
	assert_string_equal(more[0].value, "b=c");
}

static void test_bad_changes(void **state)
{
	static const char *const bad[][2] = {
		{ "set d =read-only", "\"=read-only\"" },
		{ "set d HOST_RSP=", "\"HOST_RSP=\"" },
		{ "set d stock legacy", "\"legacy\"" },
		{ "set d ar-bytes=intercept stock", "\"stock\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct policy_change *changes = NULL;
		const char *policy;
		char *e = NULL;
		size_t n;

		assert_int_equal(changes_of(bad[i][0], &policy, &changes, &n, &e), -EINVAL);
		assert_null(changes);
		assert_sentence(e, bad[i][1], "FIELD=CLASS");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_verb),
		cmocka_unit_test(test_all_options),
		cmocka_unit_test(test_options_after),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_help_needs_no_verb),
		cmocka_unit_test(test_help_is_a_verb),
		cmocka_unit_test(test_no_ask_password),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_bad_changes),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
