/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policy files before they are in a directory: what is said of them, and of others
 * because of them.
 */
#include "tests/unit/dirs.h"
#include "tests/unit/table.h"

/* Of files in d->base, by name. */
static struct policy_set *check(struct dirs *d, const struct field_table *table, int expected,
				const char *const *names, size_t n)
{
	struct policy_set *set = NULL;
	const char *files[4];
	char paths[4][128];

	for (size_t i = 0; i < n; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", d->base, names[i]);
		files[i] = paths[i];
	}
	d->errors[0] = '\0';
	if (policy_set_check(d->list, files, n, table, on_error, d, &set) != expected)
		fail_msg("not %d: %s", expected, d->errors);
	return set;
}

#define CHECK(d, expected, ...)								\
	check(d, &test_table, expected, (const char *const[]) { __VA_ARGS__ },		\
	      ARRAY_SIZE(((const char *const[]) { __VA_ARGS__ })))

#define said(d, text)	assert_non_null(strstr((d)->errors, text))
#define unsaid(d, text)	assert_null(strstr((d)->errors, text))

static const char *description_of(const struct policy_set *set, const char *name)
{
	const struct policy *p = NULL;

	assert_int_equal(policy_set_find(set, name, &p, NULL), 0);
	return p->description;
}

static void test_good(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;

	put(d->low, "a.json", "{\"name\":\"a\",\"description\":\"old\"}");
	put(d->base, "a.json", "{\"name\":\"a\",\"description\":\"new\",\"extends\":\"b\"}");
	/* Without its suffix, as a pipe has none. */
	put(d->base, "b", "{\"name\":\"b\"}");
	put(d->high, "b.json", "{\"name\":\"b\",\"description\":\"old\"}");
	set = CHECK(d, 0, "a.json", "b");
	assert_string_equal(d->errors, "");
	assert_string_equal(description_of(set, "a"), "new");
	assert_string_equal(description_of(set, "b"), "");
}

static void test_extends(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;

	put(d->low, "there.json", "{\"name\":\"there\"}");
	put(d->base, "a.json", "{\"name\":\"a\",\n\"extends\":\"ther\"}");
	set = CHECK(d, 1, "a.json");
	said(d, "/a.json:2: .extends: There is no policy \"ther\"; did you mean there?");

	policy_set_free(set);
	set = check(d, NULL, 1, (const char *const[]) { "a.json" }, 1);
	said(d, "/a.json:2: .extends: There is no policy");

	/* Of one that is there, what it does on this kernel. */
	policy_set_free(set);
	put(d->low, "there.json", "{\"name\":\"there\",\"fields\":{\"VM_EXIT_REASON\":\"read-write\"}}");
	put(d->base, "a.json", "{\"name\":\"a\",\"extends\":\"there\",\"vmwrite-any-field\":\"hide\"}");
	set = CHECK(d, 1, "a.json");
	said(d, "/a.json: ");
	said(d, "VM_EXIT_REASON cannot be read-write together with");

	policy_set_free(set);
	put(d->low, "there.json", "{\"name\":\"there\",\"extends\":\"a\"}");
	set = CHECK(d, 1, "a.json");
	said(d, "/a.json:1: .extends: Policy there extends itself by way of others");
}

/* What is wrong anyhow is no news, though it may be said in other words now. */
static void test_others(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;

	put(d->low, "broken.json", "{");
	put(d->low, "lost.json", "{\"name\":\"lost\",\"extends\":\"nowhere\"}");
	put(d->base, "a.json", "{\"name\":\"nowhere-1\"}");
	set = CHECK(d, 0, "a.json");
	assert_string_equal(d->errors, "");

	/* Because of it. */
	policy_set_free(set);
	put(d->low, "user.json", "{\"name\":\"user\",\"extends\":\"z\"}");
	put(d->low, "z.json", "{\"name\":\"z\"}");
	put(d->base, "z.json", "{\"name\":\"renamed\"}");
	set = CHECK(d, 1, "z.json");
	said(d, "/user.json:1: .extends: There is no policy \"z\"");
	policy_set_free(set);
	put(d->base, "z.json", "{\"name\":\"user\"}");
	set = CHECK(d, 2, "z.json");
	said(d, "/z.json: There is a policy user already, in ");
	said(d, "/user.json:1: .extends: Policy z is not usable: ");
	policy_set_free(set);
	put(d->base, "0.json", "{\"name\":\"user\"}");
	set = CHECK(d, 1, "0.json");
	said(d, "/user.json: There is a policy user already, in ");
}

/* One that is broken already, and one that nobody would read where it is. */
static void test_in_place(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;
	char path[128];

	put(d->high, "a.json", "{\"name\":\"a\",\"extends\":\"nowhere\"}");
	set = CHECK(d, 1, "high/a.json");
	said(d, "/high/a.json:1: .extends: There is no policy");

	policy_set_free(set);
	put(d->high, "a.json", "{\"name\":\"a\"}");
	snprintf(path, sizeof(path), "%s/a.json", d->high);
	assert_int_equal(chmod(path, 0666), 0);
	set = CHECK(d, 1, "high/../high/a.json");
	said(d, "/high/../high/a.json: This file is world-writable");

	policy_set_free(set);
	assert_int_equal(chmod(path, 0644), 0);
	set = CHECK(d, 0, "high/a.json", "high/a.json");
	assert_string_equal(d->errors, "");
}

static void test_bad(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;

	put(d->base, "a.json", "{\"name\":\"a\",\"feilds\":{}}");
	put(d->base, "empty.json", "");
	set = CHECK(d, 3, "a.json", "none.json", "empty.json");
	said(d, "/a.json:1: .feilds: Unknown key");
	said(d, "/none.json: Cannot be opened: No such file");
	said(d, "/empty.json:1: ");

	policy_set_free(set);
	put(d->low, "x.json", "{\"name\":\"x\"}");
	put(d->high, "x.json", "{\"name\":\"x\"}");
	put(d->base, "x.json", "{\"name\":\"x\"}");
	put(d->base, "x", "{\"name\":\"x\"}");
	set = CHECK(d, 1, "x.json", "x");
	said(d, "/x: It would replace ");
	unsaid(d, "/x.json: It");

	/* Said once, though another one has it from there. */
	policy_set_free(set);
	put(d->base, "a.json", "{\"name\":\"a\",\"fields\":{\"GUEST_FOO\":\"intercept\"}}");
	put(d->base, "b.json", "{\"name\":\"b\",\"extends\":\"a\"}");
	set = CHECK(d, 1, "a.json", "b.json");
	said(d, "/a.json:1: .fields.GUEST_FOO: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_good),
		TEST(test_extends),
		TEST(test_others),
		TEST(test_in_place),
		TEST(test_bad),
	};

	return cmocka_run_group_tests_name("policy-check", tests, NULL, NULL);
}
