/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One policy file: what is accepted, and where each error says it is.
 */
#include <locale.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

static int parse(const char *text, struct policy **ret, char **ret_error)
{
	return policy_parse("x.json", text, strlen(text), ret, ret_error);
}

static void test_whole(void **state)
{
	_cleanup_policy_ struct policy *p = NULL;

	assert_int_equal(parse("{\n"
			       "  \"$schema\": \"s\",\n"
			       "  \"name\": \"win\", \"description\": \"for Wind\xc3\xb6ws\",\n"
			       "  \"extends\": \"none\", \"vmwrite-any-field\": \"hide\",\n"
			       "  \"fields\": { \"HOST_RSP\": \"read-write\",\n"
			       "    \"GUEST_CS_AR_BYTES\": \"read-only\" },\n"
			       "  \"match\": [ { \"domain\": \"win-*\" }, {\"domain\":\"w[0-9]\",\n"
			       "    \"uuid\": \"6D5F0C0E-61B2-4A3B-9F4B-8F0A5F3B7A01\"},\n"
			       "    { \"executable\": \"/usr/bin/qemu*\", \"unit\": \"a.service\" } ]\n"
			       "}\n", &p, NULL), 0);
	assert_string_equal(p->name, "win");
	assert_string_equal(p->description, "for Wind\xc3\xb6ws");
	assert_string_equal(p->extends, "none");
	assert_string_equal(p->path, "x.json");
	assert_int_equal(p->extends_line, 4);
	assert_int_equal(p->vmwrite_any_field, NVMX_VMWRITE_ANY_HIDE);
	assert_int_equal(p->n_fields, 2);
	assert_string_equal(p->fields[0].name, "HOST_RSP");
	assert_int_equal(p->fields[0].shadow_class, NVMX_CLASS_READ_WRITE);
	assert_int_equal(p->fields[0].line, 5);
	assert_int_equal(p->fields[1].line, 6);
	assert_int_equal(p->n_match, 3);
	assert_string_equal(p->match[1].domain, "w[0-9]");
	assert_string_equal(p->match[1].uuid, "6d5f0c0e-61b2-4a3b-9f4b-8f0a5f3b7a01");
	assert_null(p->match[1].executable);
	assert_int_equal(p->match[1].line, 7);
	assert_null(p->match[2].domain);
	assert_string_equal(p->match[2].executable, "/usr/bin/qemu*");
	assert_string_equal(p->match[2].unit, "a.service");
	assert_int_equal(p->match[2].line, 9);
}

static void test_least(void **state)
{
	_cleanup_policy_ struct policy *p = NULL;

	assert_int_equal(parse("{\"name\":\"a\"}", &p, NULL), 0);
	assert_string_equal(p->extends, "kernel");
	assert_string_equal(p->description, "");
	assert_int_equal(p->vmwrite_any_field, -1);
	assert_int_equal(p->n_fields, 0);
	assert_int_equal(p->n_match, 0);
}

struct bad {
	const char *text;
	const char *words[3];
};

static const struct bad bad[] = {
	/* not JSON */
	{ "", { "x.json:1: ", "ends in the middle" } },
	{ "{\n\"name\": \"a\",\n\"fields\": {\"GUEST", { "x.json:3: ", "ends in the middle" } },
	{ "{\n\"name\": \"a\"\n", { "x.json:3: ", "ends in the middle" } },
	{ "{ \"name\": \"a\" } {}", { "x.json:1: ", "not JSON" } },
	{ "{\n\"name\": \"a\",\n}", { "x.json:3: ", "not JSON" } },
	{ "{\n\"name\": 'a' }", { "x.json:2: ", "not JSON" } },
	{ "{ /* no comments */ \"name\": \"a\" }", { "x.json:1: ", "not JSON" } },
	{ "{ name: \"a\" }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": \"a\",\n\"match\": [1,\n] }", { "x.json:3: ", "not JSON" } },
	{ "{ \"name\": TRUE }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": NaN }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": -Infinity }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": nullx }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": 01 }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": +1 }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": 1. }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": .5 }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": 1e }", { "x.json:1: ", "not JSON" } },
	{ "{ \"name\": -1.25e+10 }", { "x.json:1: .name: ", "not a number" } },
	{ "{ \"name\": \"a\tb\" }", { "x.json:1: ", "control character" } },
	{ "{ \"name\": \"a\" } # a", { "x.json:1: ", "not JSON" } },
	{ "\n{ \"name\": \"a\xff\" }", { "x.json:2: ", "UTF-8" } },
	{ "{ \"name\": \"a\", \"description\": \"\xc3(\" }", { "x.json:1: ", "UTF-8" } },
	/* wrong types */
	{ "[]", { "x.json:1: ", "an object, not an array" } },
	{ "\"name\"", { "x.json:1: ", "an object, not a string" } },
	{ "null", { "x.json:1: " } },
	{ "{ \"name\": 1 }", { "x.json:1: .name: ", "a string, not a number" } },
	{ "{ \"name\": null }", { "x.json:1: .name: ", "a string, not null" } },
	{ "{ \"name\": \"a\", \"description\": [] }", { ".description: ", "not an array" } },
	{ "{ \"name\": \"a\", \"extends\": true }", { ".extends: ", "not a boolean" } },
	{ "{ \"name\": \"a\",\n\"fields\": [] }",
	  { "x.json:2: .fields: ", "an object, not an array" } },
	{ "{ \"name\": \"a\",\n\"fields\": {\n\"HOST_RSP\": 2 } }",
	  { "x.json:3: .fields.HOST_RSP: ", "a string, not a number" } },
	{ "{ \"name\": \"a\", \"match\": {} }", { ".match: ", "an array, not an object" } },
	{ "{ \"name\": \"a\", \"match\": [ \"x\" ] }", { ".match[0]: ", "an object" } },
	{ "{ \"name\": \"a\",\n\"match\": [ {\"domain\":\"x\"},\n{ \"domain\": 1 } ] }",
	  { "x.json:3: .match[1].domain: ", "a string" } },
	{ "{ \"name\": \"a\", \"vmwrite-any-field\": true }",
	  { ".vmwrite-any-field: ", "a string" } },
	/* unknown */
	{ "{ \"name\": \"a\",\n\n\"field\": {} }",
	  { "x.json:3: .field: ", "Unknown key \"field\"", "match" } },
	{ "{ \"n\\u0061me\": \"a\" }", { "x.json:1: ", "Unknown key" } },
	{ "{ \"name\": \"a\", \"match\": [ { \"domain\": \"x\", \"pid\": \"x\" } ] }",
	  { ".match[0].pid: ", "Unknown key \"pid\"", "domain, uuid, executable and unit" } },
	{ "{ \"name\": \"a\", \"match\": [ { \"uuid\": \"x\" } ] }",
	  { ".match[0].uuid: ", "\"x\" is not a uuid", "virsh domuuid" } },
	{ "{ \"name\": \"a\", \"match\": [ { \"uuid\": \"6d5f0c0e-61b2-4a3b-9f4b-8f0a5f3b7a0g\" } ] }",
	  { ".match[0].uuid: ", "is not a uuid" } },
	{ "{ \"name\": \"a\", \"match\": [ { \"unit\": 3 } ] }", { ".match[0].unit: ", "a string" } },
	{ "{ \"name\": \"a\", \"match\": [ {} ] }", { ".match[0]: ", "has no key" } },
	{ "{ \"name\": \"a\", \"match\": [ {\"domain\":\"\"} ] }",
	  { ".match[0].domain: ", "Nothing matches" } },
	/* twice */
	{ "{ \"name\": \"a\",\n\"name\": \"b\" }", { "x.json:2: .name: ", "twice", "line 1" } },
	{ "{ \"name\": \"a\", \"fields\": {\n\"HOST_RSP\": \"intercept\",\n\"HOST_RSP\": \"intercept\" } }",
	  { "x.json:3: .fields.HOST_RSP: ", "twice", "line 2" } },
	/* names */
	{ "{}", { "x.json:1: ", "has no name" } },
	{ "{ \"name\": \"\" }", { ".name: ", "cannot be named" } },
	{ "{ \"name\": \"kernel\" }", { ".name: ", "cannot be named \"kernel\"" } },
	{ "{ \"name\": \"none\" }", { ".name: ", "cannot be named \"none\"" } },
	{ "{ \"name\": \"a/b\" }", { ".name: ", "cannot be named" } },
	{ "{ \"name\": \".a\" }", { ".name: ", "cannot be named" } },
	{ "{ \"name\": \"a\\u0000b\" }", { ".name: ", "control character" } },
	{ "{ \"name\": \"a\", \"description\": \"x\\ny\" }",
	  { ".description: ", "control character" } },
	{ "{ \"name\": \"a\", \"description\": \"\\uffff\" }",
	  { ".description: ", "invalid character" } },
	{ "{ \"name\": \"a\", \"description\": \"\xed\xa0\x80\" }", { "x.json:1: " } },
	{ "{ \"name\": \"a\", \"description\": \"\xc0\x80\" }", { "x.json:1: " } },
	{ "{ \"name\": \"a\", \"extends\": \"b c\" }", { ".extends: ", "\"b c\"" } },
};

static const struct bad bad_values[] = {
	{ "{ \"name\": \"a\",\n\"fields\": {\n\"HOST_RSP\": \"rw\" } }",
	  { "x.json:3: .fields.HOST_RSP: ", "\"rw\"", "intercept, read-only or read-write" } },
	{ "{ \"name\": \"a\", \"vmwrite-any-field\": \"show\" }",
	  { ".vmwrite-any-field: ", "\"show\"", "inherit or hide" } },
};

static void check(const struct bad *b, int error)
{
	struct policy *p = NULL;
	char *e = NULL;

	if (parse(b->text, &p, &e) != error)
		fail_msg("accepted, or with another error: %s (%s)", b->text, e ?: "");
	assert_null(p);
	assert_sentence(e, b->words[0], b->words[1] ?: "", b->words[2] ?: "");
}

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check(&bad[i], -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(bad_values); i++)
		check(&bad_values[i], -EDOM);
}

/* Every text cut short is an error, and none of them crashes. */
static void test_truncated(void **state)
{
	static const char text[] = "{ \"name\": \"a\", \"fields\": { \"HOST_RSP\": \"read-write\" },\n"
				   "\"match\": [ { \"domain\": \"w\\u00f6\" } ] }";

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		/* On the heap, so that ASan sees a read beyond the end. */
		_cleanup_free_ char *copy = malloc(n + 1);
		struct policy *p = NULL;
		char *e = NULL;

		assert_non_null(copy);
		memcpy(copy, text, n);
		copy = realloc(copy, n ?: 1);
		assert_int_equal(policy_parse("x.json", copy, n, &p, &e), -EBADMSG);
		assert_null(p);
		assert_sentence(e, "x.json:", "ends in the middle");
	}
}

static void test_nul(void **state)
{
	static const char text[] = "{\n\"name\": \"a\" }\0x";
	struct policy *p = NULL;
	char *e = NULL;

	assert_int_equal(policy_parse("x.json", text, sizeof(text) - 1, &p, &e), -EBADMSG);
	assert_sentence(e, "x.json:2: ", "NUL");
}

static void nest(char *text, size_t depth, char open, char close)
{
	memset(text, open, depth);
	memset(text + depth, close, depth);
	text[2 * depth] = '\0';
}

static void test_nested(void **state)
{
	_cleanup_free_ char *text = malloc(40001);
	struct policy *p = NULL;
	char *e = NULL;

	assert_non_null(text);
	for (size_t depth = 1; depth <= 20000; depth = depth < 12 ? depth + 1 : depth * 10) {
		/* json-c lets an empty array be one level deeper. */
		if (depth == POLICY_DEPTH_MAX + 1)
			continue;
		nest(text, depth, '[', ']');
		assert_int_equal(parse(text, &p, &e), -EBADMSG);
		assert_sentence(e, depth <= POLICY_DEPTH_MAX ? "an object, not" : "deeper than 8");
	}
	assert_int_equal(parse("{\"fields\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}",
			       &p, &e), -EBADMSG);
	assert_sentence(e, "x.json:1: ", "deeper than 8");
}

static void test_10_megabytes(void **state)
{
	const size_t size = 10 * 1024 * 1024;
	_cleanup_free_ char *text = malloc(size);
	char path[] = "/tmp/nvmx-unit-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	struct policy *p = NULL;
	char *e = NULL;

	assert_true(fd >= 0);
	assert_non_null(text);
	memset(text, ' ', size);
	assert_int_equal(policy_parse("x.json", text, size, &p, &e), -EFBIG);
	assert_sentence(e, "x.json: ", "65536");

	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(policy_read(path, &p, &e), -EFBIG);
	unlink(path);
	assert_sentence(e, path, "65536");
	assert_null(p);
}

static void test_largest(void **state)
{
	_cleanup_policy_ struct policy *p = NULL;
	_cleanup_free_ char *text = malloc(POLICY_FILE_MAX + 1);
	char *e = NULL;

	assert_non_null(text);
	memset(text, ' ', POLICY_FILE_MAX + 1);
	memcpy(text, "{\"name\":\"a\"}", 12);
	assert_int_equal(policy_parse("x.json", text, POLICY_FILE_MAX, &p, NULL), 0);
	p = policy_free(p);
	assert_int_equal(policy_parse("x.json", text, POLICY_FILE_MAX + 1, &p, &e), -EFBIG);
	assert_sentence(e, "x.json");
}

/* Many keys, and long ones: quick, and within memory. */
static void test_many_keys(void **state)
{
	_cleanup_free_ char *text = malloc(POLICY_FILE_MAX);
	struct policy *p = NULL;
	char *e = NULL;
	size_t n = 0;

	assert_non_null(text);
	n += sprintf(text, "{\"name\":\"a\",\"fields\":{\"F\":\"intercept\"");
	for (unsigned int i = 0; n < POLICY_FILE_MAX - 64; i++)
		n += sprintf(text + n, ",\"%x\":1", i);
	n += sprintf(text + n, "}}");
	assert_int_equal(policy_parse("x.json", text, n, &p, &e), -EBADMSG);
	assert_sentence(e, ".fields.0: ", "a string");

	n = sprintf(text, "{\"name\":\"a\",\n\"");
	memset(text + n, 'k', 50000);
	n += 50000;
	n += sprintf(text + n, "\":1}");
	assert_int_equal(policy_parse("x.json", text, n, &p, &e), -EBADMSG);
	assert_true(strlen(e) < 200);
	assert_sentence(e, "x.json:2: ", "Unknown key", "cut here");
}

static void test_not_readable(void **state)
{
	struct policy *p = NULL;
	char *e = NULL;

	assert_int_equal(policy_read("/nonexistent/x.json", &p, &e), -ENOENT);
	assert_sentence(e, "/nonexistent/x.json: ");
	assert_int_equal(policy_read("/", &p, &e), -EISDIR);
	assert_sentence(e, "/: ");
}

/* What goes into a sentence is cut, but not in the middle of a character. */
static void test_sentence_is_text(void **state)
{
	char text[256];
	struct policy *p = NULL;
	char *e = NULL;

	for (size_t pad = 0; pad < 4; pad++) {
		size_t n = sprintf(text, "{ \"name\": \"%.*s", (int)pad, "aaaa");

		for (int i = 0; i < 40; i++)
			n += sprintf(text + n, "\xe2\x82\xac");
		sprintf(text + n, "\" }");
		assert_int_equal(parse(text, &p, &e), -EBADMSG);
		assert_int_equal(mbstowcs(NULL, e, 0) == (size_t)-1, 0);
		assert_sentence(e, "cannot be named");
	}
	assert_int_equal(error_set(&e, -EPERM, "a\nb\x1b\xff\xe2\x82%s.", "\xf0\x9f\x98\x80"), -EPERM);
	assert_string_equal(e, "a?b????\xf0\x9f\x98\x80.");
	free(e);
}

static void test_names_valid(void **state)
{
	char name[POLICY_NAME_MAX + 2];

	assert_true(policy_name_is_valid("stock"));
	assert_true(policy_name_is_valid("0.a_b-c"));
	assert_false(policy_name_is_valid(""));
	assert_false(policy_name_is_valid("-a"));
	assert_false(policy_name_is_valid("a:b"));
	assert_false(policy_name_is_valid("a b"));
	assert_false(policy_name_is_valid("k\xc3\xb6"));
	memset(name, 'a', sizeof(name));
	name[POLICY_NAME_MAX] = '\0';
	assert_true(policy_name_is_valid(name));
	name[POLICY_NAME_MAX] = 'a';
	name[POLICY_NAME_MAX + 1] = '\0';
	assert_false(policy_name_is_valid(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_10_megabytes),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_not_readable),
		cmocka_unit_test(test_sentence_is_text),
		cmocka_unit_test(test_names_valid),
	};

	/* For mbstowcs(). */
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
