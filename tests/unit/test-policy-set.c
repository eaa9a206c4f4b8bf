/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories of policy files: override, masks, broken files, matches, chains,
 * and the shipped files on a kernel's table.
 */
#include <sys/stat.h>

#include "tests/unit/dirs.h"
#include "tests/unit/table.h"

static struct policy_set *load(struct dirs *d)
{
	struct policy_set *set = NULL;

	d->errors[0] = '\0';
	assert_int_equal(policy_set_load(d->list, &test_table, on_error, d, &set), 0);
	return set;
}

static void test_empty(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = load(*state);
	_cleanup_assignment_ struct assignment *a = NULL, *kernel = NULL;

	assert_string_equal(policy_set_get(set, 0)->name, "stock");
	assert_string_equal(policy_set_get(set, 0)->path, "");
	assert_null(policy_set_get(set, 1));
	assert_int_equal(policy_set_resolve(set, &test_table, "stock", &a, NULL), 0);
	assert_int_equal(assignment_new_kernel(&test_table, &kernel), 0);
	assert_true(assignment_equal(a, kernel));
	assert_string_equal(((struct dirs *)*state)->errors, "");
}

static void test_override_and_mask(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;
	char path[128];

	put(d->low, "a.json", "{\"name\":\"a\",\"description\":\"low\"}");
	put(d->low, "b.json", "{\"name\":\"b\"}");
	put(d->low, "c.json", "{\"name\":\"c\"}");
	put(d->low, "e.json", "{\"name\":\"e\",\"description\":\"low\"}");
	put(d->low, "README", "not a policy");
	put(d->low, ".hidden.json", "not a policy");
	put(d->high, "a.json", "{\"name\":\"a\",\"description\":\"high\"}");
	put(d->high, "c.json", "");
	snprintf(path, sizeof(path), "%s/b.json", d->high);
	assert_int_equal(symlink("/dev/null", path), 0);

	set = load(d);
	assert_string_equal(d->errors, "");
	assert_string_equal(policy_set_get(set, 0)->name, "a");
	assert_string_equal(policy_set_get(set, 0)->description, "high");
	assert_string_equal(policy_set_get(set, 1)->name, "e");
	assert_string_equal(policy_set_get(set, 2)->name, "stock");
	assert_null(policy_set_get(set, 3));
}

static void test_broken_beside_good(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	const struct policy *p = NULL;
	struct dirs *d = *state;
	char *e = NULL;

	put(d->low, "a.json", "{\"name\":\"a\",\n\"fields\":{\"HOST_RSP\":3}}");
	put(d->low, "b.json", "{\"name\":\"b\"}");
	put(d->low, "c.json", "{\"name\":\"b\"}");
	assert_int_equal(mkdir(strcat(strcpy((char [128]){}, d->low), "/d.json"), 0700), 0);
	put(d->low, "\xff.json", "{\"name\":\"f\"}");

	set = load(d);
	assert_non_null(strstr(d->errors, "/a.json:2: .fields.HOST_RSP: "));
	assert_non_null(strstr(d->errors, "/c.json: There is a policy b already, in "));
	assert_non_null(strstr(d->errors, "/?.json: The file's name is not UTF-8"));
	assert_non_null(strstr(d->errors, "/d.json: This is not a regular file"));
	assert_int_equal(policy_set_find(set, "b", &p, NULL), 0);
	assert_int_equal(policy_set_find(set, "a", &p, &e), -ENOENT);
	assert_sentence(e, "Policy a is not usable", "/a.json:2: .fields.HOST_RSP");
	assert_int_equal(policy_set_find(set, "x", &p, &e), -ENOENT);
	assert_sentence(e, "\"x\"", "nvmxctl policy list");
}

static const char *match(const struct policy_set *set, const struct policy_subject *subject)
{
	const struct policy *p = policy_set_match(set, subject, NULL);

	return p ? p->name : "";
}

#define UUID	"6d5f0c0e-61b2-4a3b-9f4b-8f0a5f3b7a01"

static void test_match(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	const struct policy_subject nothing = {}, empty = { "", "", "", "" };
	struct dirs *d = *state;
	size_t i = 77;

	put(d->low, "20-b.json", "{\"name\":\"b\",\"match\":[{\"domain\":\"*\"}]}");
	put(d->high, "10-a.json", "{\"name\":\"a\",\"match\":[{\"domain\":\"x\"},{\"domain\":\"win-[0-9]\"}]}");
	put(d->high, "15-u.json", "{\"name\":\"u\",\"match\":[{\"uuid\":\"6D5F0C0E-61b2-4a3b-9f4b-8f0a5f3b7a01\"}]}");
	put(d->high, "30-e.json", "{\"name\":\"e\",\"match\":[{\"executable\":\"crosvm*\"},"
	    "{\"executable\":\"/opt/*/bin/fire\"}]}");
	put(d->high, "40-s.json", "{\"name\":\"s\",\"match\":[{\"unit\":\"vm@*.service\"}]}");
	put(d->high, "50-all.json", "{\"name\":\"all\",\"match\":[{\"unit\":\"lab.service\",\"executable\":\"qemu\"}]}");
	set = load(d);
	assert_string_equal(d->errors, "");
	assert_string_equal(policy_set_match(set, &(struct policy_subject) { .domain = "win-1" }, &i)->name, "a");
	assert_int_equal(i, 1);
	assert_string_equal(match(set, &(struct policy_subject) { .domain = "win-10" }), "b");
	assert_string_equal(match(set, &(struct policy_subject) { .domain = "win-10", .uuid = UUID }), "u");
	assert_string_equal(match(set, &(struct policy_subject) { .uuid = UUID }), "u");
	assert_string_equal(match(set, &nothing), "");
	assert_string_equal(match(set, &empty), "");
	assert_string_equal(match(set, &(struct policy_subject) { .executable = "/usr/bin/crosvm-1" }), "e");
	assert_string_equal(match(set, &(struct policy_subject) { .executable = "crosvm" }), "e");
	assert_string_equal(match(set, &(struct policy_subject) { .executable = "/crosvm/run" }), "");
	assert_string_equal(match(set, &(struct policy_subject) { .executable = "/opt/x/bin/fire" }), "e");
	assert_string_equal(match(set, &(struct policy_subject) { .executable = "/opt/x/y/bin/fire" }), "");
	assert_string_equal(match(set, &(struct policy_subject) { .unit = "vm@1.service" }), "s");
	/* A match fits in all it asks for. */
	assert_string_equal(match(set, &(struct policy_subject) { .unit = "lab.service" }), "");
	assert_string_equal(match(set, &(struct policy_subject) { .executable = "/qemu" }), "");
	assert_string_equal(match(set, &(struct policy_subject) { .unit = "lab.service", .executable = "/qemu" }), "all");
	assert_null(policy_set_why_broken(set));

	put(d->high, "20-b.json", "");
	put(d->high, "60.json", "{");
	policy_set_free(set);
	set = load(d);
	assert_string_equal(match(set, &(struct policy_subject) { .domain = "win-10" }), "");
	assert_non_null(strstr(policy_set_why_broken(set), "/60.json:1: "));
}

static void test_chain(void **state)
{
	_cleanup_assignment_ struct assignment *a = NULL, *b = NULL;
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;

	put(d->low, "a.json", "{\"name\":\"a\",\"extends\":\"none\",\"vmwrite-any-field\":\"hide\","
	    "\"fields\":{\"HOST_RSP\":\"read-write\",\"GUEST_RIP\":\"read-only\"}}");
	put(d->low, "b.json", "{\"name\":\"b\",\"extends\":\"a\",\"fields\":{\"HOST_RSP\":\"read-only\"}}");
	put(d->low, "c.json", "{\"name\":\"c\",\"extends\":\"b\",\"vmwrite-any-field\":\"inherit\"}");
	set = load(d);
	assert_string_equal(d->errors, "");
	assert_int_equal(policy_set_resolve(set, &test_table, "b", &b, NULL), 0);
	assert_int_equal(b->vmwrite_any_field, NVMX_VMWRITE_ANY_HIDE);
	assert_int_equal(policy_set_resolve(set, &test_table, "c", &a, NULL), 0);
	assert_int_equal(a->vmwrite_any_field, NVMX_VMWRITE_ANY_INHERIT);
	assert_int_equal(class_of(a, "HOST_RSP"), NVMX_CLASS_READ_ONLY);
	assert_int_equal(class_of(a, "GUEST_RIP"), NVMX_CLASS_READ_ONLY);
	assert_int_equal(class_of(a, "VM_EXIT_REASON"), NVMX_CLASS_INTERCEPT);
}

static void test_resolved(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL, *unresolved = NULL;
	_cleanup_assignment_ struct assignment *b = NULL;
	struct dirs *d = *state;

	put(d->low, "a.json", "{\"name\":\"a\",\"fields\":{\"GUEST_FOO\":\"read-only\"}}");
	put(d->low, "b.json", "{\"name\":\"b\",\"extends\":\"none\",\"fields\":{\"HOST_RSP\":\"read-write\"}}");
	set = load(d);
	assert_int_equal(policy_set_resolve(set, &test_table, "b", &b, NULL), 0);
	assert_true(assignment_equal(policy_set_resolved(set, "b"), b));
	assert_ptr_equal(policy_set_resolved(set, "b"), policy_set_resolved(set, "b"));
	assert_null(policy_set_resolved(set, "a"));	/* it cannot be */
	assert_null(policy_set_resolved(set, "c"));	/* there is none */
	policy_set_forget_resolved(set);
	assert_null(policy_set_resolved(set, "b"));

	assert_int_equal(policy_set_load(d->list, NULL, on_error, d, &unresolved), 0);
	assert_null(policy_set_resolved(unresolved, "b"));
	policy_set_forget_resolved(unresolved);
}

static void test_loops(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct assignment *a = NULL;
	struct dirs *d = *state;
	char name[32], text[128];
	char *e = NULL;

	put(d->low, "a.json", "{\"name\":\"a\",\n\"extends\":\"b\"}");
	put(d->low, "b.json", "{\"name\":\"b\",\"extends\":\"a\"}");
	put(d->low, "c.json", "{\"name\":\"c\",\"extends\":\"c\"}");
	put(d->low, "d.json", "{\"name\":\"d\",\n\n\"extends\":\"x\"}");
	for (int i = 0; i < 40; i++) {
		sprintf(name, "l%d.json", i);
		sprintf(text, "{\"name\":\"l%d\",\"extends\":\"l%d\"}", i, i + 1);
		put(d->low, name, text);
	}
	put(d->low, "l40.json", "{\"name\":\"l40\"}");
	set = load(d);
	assert_int_equal(policy_set_resolve(set, &test_table, "b", &a, &e), -ELOOP);
	assert_sentence(e, "/a.json:2: .extends: ", "extends itself by way of others");
	assert_int_equal(policy_set_resolve(set, &test_table, "c", &a, &e), -ELOOP);
	assert_sentence(e, "/c.json:1: .extends: ", "Policy c extends itself;");
	assert_int_equal(policy_set_resolve(set, &test_table, "d", &a, &e), -ENOENT);
	assert_sentence(e, "/d.json:3: .extends: ", "\"x\"");
	assert_int_equal(policy_set_resolve(set, &test_table, "l0", &a, &e), -ELOOP);
	assert_sentence(e, "More than 32");
	assert_int_equal(policy_set_resolve(set, &test_table, "none", &a, &e), -ENOENT);
	assert_sentence(e, "none");
	assert_null(a);
}

static void test_not_on_this_kernel(void **state)
{
	_cleanup_assignment_ struct assignment *good = NULL;
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct assignment *a = NULL;
	struct dirs *d = *state;
	char *e = NULL;

	put(d->low, "a.json", "{\"name\":\"a\",\"fields\":{\n\"GUEST_CS_AR_BYTES\":\"read-write\"}}");
	put(d->low, "b.json", "{\"name\":\"b\",\"fields\":{\n\n\"GUEST_FOO\":\"intercept\"}}");
	put(d->low, "c.json", "{\"name\":\"c\",\"extends\":\"a\"}");
	put(d->low, "e.json", "{\"name\":\"e\",\"extends\":\"a\",\"fields\":{\"GUEST_CS_AR_BYTES\":\"intercept\"}}");
	put(d->low, "f.json", "{\"name\":\"f\",\"fields\":{\"VM_INSTRUCTION_ERROR\":\"read-only\"}}");
	put(d->low, "g.json", "{\"name\":\"g\",\"vmwrite-any-field\":\"hide\","
	    "\"fields\":{\"VM_EXIT_REASON\":\"read-write\"}}");
	set = load(d);
	assert_non_null(strstr(d->errors, "/a.json:2: .fields.GUEST_CS_AR_BYTES: "));
	assert_non_null(strstr(d->errors, "/b.json:3: .fields.GUEST_FOO: "));
	assert_non_null(strstr(d->errors, "/f.json:1: .fields.VM_INSTRUCTION_ERROR: "));
	assert_non_null(strstr(d->errors, "/g.json: VM_EXIT_REASON"));
	/* Said once, not again for c. */
	assert_null(strstr(strstr(d->errors, "GUEST_CS_AR_BYTES: ") + 1, "GUEST_CS_AR_BYTES: "));

	assert_int_equal(policy_set_resolve(set, &test_table, "a", &a, &e), -EOPNOTSUPP);
	assert_sentence(e, "/a.json:2: .fields.GUEST_CS_AR_BYTES: ", "cannot be read-write",
			"intercept or read-only");
	assert_int_equal(policy_set_resolve(set, &test_table, "c", &a, &e), -EOPNOTSUPP);
	assert_sentence(e, "/a.json:2: ");
	assert_int_equal(policy_set_resolve(set, &test_table, "b", &a, &e), -ENXIO);
	assert_sentence(e, "/b.json:3: ", "nvmxctl fields");
	assert_int_equal(policy_set_resolve(set, &test_table, "g", &a, &e), -EOPNOTSUPP);
	assert_sentence(e, "VM_EXIT_REASON", "hide");
	assert_null(a);
	/* What is on top may put it right. */
	assert_int_equal(policy_set_resolve(set, &test_table, "e", &good, NULL), 0);
}

/* Who can write a file says what nvmxd does. */
static void test_writable_by_all(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	const struct policy *p = NULL;
	struct dirs *d = *state;
	char path[128];
	char *e = NULL;

	put(d->low, "a.json", "{\"name\":\"a\"}");
	put(d->low, "b.json", "{\"name\":\"b\"}");
	put(d->high, "b.json", "{\"name\":\"b\",\"description\":\"high\"}");
	snprintf(path, sizeof(path), "%s/a.json", d->low);
	assert_int_equal(chmod(path, 0646), 0);
	set = load(d);
	assert_non_null(strstr(d->errors, "/a.json: This file is world-writable"));
	assert_int_equal(policy_set_find(set, "a", &p, &e), -ENOENT);
	assert_sentence(e, "Policy a is not usable", "chmod o-w");
	assert_int_equal(policy_set_find(set, "b", &p, NULL), 0);
	assert_string_equal(p->description, "high");

	/* /tmp's bit does not help: others can still add files. */
	assert_int_equal(chmod(d->high, 01777), 0);
	policy_set_free(set);
	set = load(d);
	assert_non_null(strstr(d->errors, "/high: This directory is world-writable"));
	assert_int_equal(policy_set_find(set, "b", &p, NULL), 0);
	assert_string_equal(p->description, "");
}

static void test_bad_dirs(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	const struct policy *p = NULL;
	struct dirs *d = *state;
	char path[128];

	put(d->low, "a.json", "{\"name\":\"a\"}");
	snprintf(path, sizeof(path), "%s/loop.json", d->low);
	assert_int_equal(symlink("loop.json", path), 0);
	snprintf(path, sizeof(path), "%s/nowhere.json", d->low);
	assert_int_equal(symlink("none.json", path), 0);
	snprintf(path, sizeof(path), "%s/fifo.json", d->low);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(rmdir(d->high), 0);
	assert_int_equal(symlink(d->high, d->high), 0);
	set = load(d);
	assert_non_null(strstr(d->errors, "/high: The directory cannot be read: Too many levels"));
	assert_non_null(strstr(d->errors, "/loop.json: Cannot be opened: Too many levels"));
	assert_non_null(strstr(d->errors, "/nowhere.json: Cannot be opened: No such file"));
	assert_non_null(strstr(d->errors, "/fifo.json: This is not a regular file"));
	assert_int_equal(policy_set_find(set, "a", &p, NULL), 0);

	policy_set_free(set);
	assert_int_equal(unlink(d->high), 0);
	put(d->base, "high", "not a directory");
	set = load(d);
	assert_non_null(strstr(d->errors, "/high: The directory cannot be read: Not a directory"));
	assert_int_equal(policy_set_find(set, "a", &p, NULL), 0);
}

/* A file alone, with the kernel's table but without what it extends. */
static void test_check(void **state)
{
	static const struct {
		const char *text;
		int error;
		const char *words[2];
	} files[] = {
		{ "{\"name\":\"x\",\"extends\":\"nowhere\",\"fields\":{\"HOST_RSP\":\"read-write\"}}", 0, {} },
		{ "{\"name\":\"x\",\"fields\":{\"VM_EXIT_REASON\":\"read-write\"}}", 0, {} },
		/* another processor's, another kernel's */
		{ "{\"name\":\"x\",\"fields\":{\"TSC_MULTIPLIER\":\"read-only\",\"GUEST_S_CET\":\"read-write\"}}", 0, {} },
		{ "{\"name\":\"x\",\"fields\":{\"GUEST_S_CET\":\"read-write\",\"GUEST_S_CAT\":\"read-write\"}}",
		  -ENXIO, { "/x.json:1: .fields.GUEST_S_CAT: ", "vmcs12 has no field" } },
		{ "{\"name\":\"x\",\n\"fields\":{\"GUEST_FOO\":\"intercept\"}}", -ENXIO,
		  { "/x.json:2: .fields.GUEST_FOO: ", "vmcs12 has no field" } },
		{ "{\"name\":\"x\",\"fields\":{\"HOST_RSP\":\"read-only\",\"GUEST_INTR_STATUS\":\"read-only\"}}",
		  -EOPNOTSUPP, { "/x.json:1: .fields.GUEST_INTR_STATUS: ", "does not find it" } },
		{ "{\"name\":\"x\",\"vmwrite-any-field\":\"hide\",\"fields\":{\"VM_EXIT_REASON\":\"read-write\"}}",
		  -EOPNOTSUPP, { "/x.json:1: .fields.VM_EXIT_REASON: ", "=hide" } },
		{ "{\"name\":\"x\",\"vmwrite-any-field\":\"hide\",\"fields\":{\"HOST_RSP\":\"read-write\"}}", 0, {} },
	};
	struct dirs *d = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/x.json", d->low);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_policy_ struct policy *p = NULL;
		char *e = NULL;

		put(d->low, "x.json", files[i].text);
		assert_int_equal(policy_read(path, &p, NULL), 0);
		assert_int_equal(policy_check(p, &test_table, &e), files[i].error);
		if (files[i].error < 0)
			assert_sentence(e, files[i].words[0], files[i].words[1]);
		assert_null(e);
	}
}

/* Fields that another processor or kernel has are left out, the others hold. */
static void test_field_elsewhere(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	_cleanup_assignment_ struct assignment *a = NULL;
	struct dirs *d = *state;

	put(d->low, "x.json", "{\"name\":\"x\",\"fields\":{\"GUEST_S_CET\":\"read-write\",\"HOST_RSP\":\"read-only\"}}");
	set = load(d);
	assert_string_equal(d->errors, "");
	assert_int_equal(policy_set_resolve(set, &test_table, "x", &a, NULL), 0);
	assert_int_equal(class_of(a, "HOST_RSP"), NVMX_CLASS_READ_ONLY);
	assert_int_equal(class_of(a, "GUEST_RIP"), NVMX_CLASS_READ_WRITE);
}

/* Who writes a field's name where a policy belongs is told what it is. */
static void test_field_for_policy(void **state)
{
	static const char *const names[][2] = {
		{ "HOST_RSP", "HOST_RSP is a field, not a policy; it is set with HOST_RSP=CLASS, where CLASS is intercept" },
		{ "host-rsp", "HOST_RSP is a field, not a policy" },
		{ "ar-bytes", "ar-bytes is a group of fields, not a policy; it is set with ar-bytes=CLASS" },
		{ "vmwrite-any-field", "vmwrite-any-field=VALUE, where VALUE is inherit or hide" },
		{ "HOST_RS", "There is no policy \"HOST_RS\"" },
		{ "exit-info", "There is no policy \"exit-info\"" },
	};
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;

	put(d->low, "GUEST_RIP.json", "{\"name\":\"GUEST_RIP\"}");
	put(d->low, "b.json", "{\"name\":\"b\",\"extends\":\"HOST_RSP\"}");
	set = load(d);
	assert_non_null(strstr(d->errors, "/b.json:1: .extends: There is no policy \"HOST_RSP\""));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct assignment *a = NULL;
		char *e = NULL;

		assert_int_equal(policy_set_resolve(set, &test_table, names[i][0], &a, &e), -ENOENT);
		assert_sentence(e, names[i][1]);
	}
	for (size_t i = 0; i < 2; i++) {
		_cleanup_assignment_ struct assignment *a = NULL;

		assert_int_equal(policy_set_resolve(set, &test_table, i ? "GUEST_RIP" : "stock", &a, NULL), 0);
	}
}

static void test_without_table(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;

	put(d->low, "a.json", "{\"name\":\"a\",\"fields\":{\"GUEST_FOO\":\"intercept\"}}");
	assert_int_equal(policy_set_load(d->list, NULL, on_error, d, &set), 0);
	assert_string_equal(d->errors, "");
	assert_string_equal(policy_set_get(set, 0)->name, "a");

	/* What extends what is known all the same. */
	policy_set_free(set);
	put(d->low, "b.json", "{\"name\":\"b\",\"extends\":\"c\"}");
	assert_int_equal(policy_set_load(d->list, NULL, on_error, d, &set), 0);
	assert_non_null(strstr(d->errors, "/b.json:1: .extends: There is no policy \"c\""));
}

/* Stock is always there, even if its file is not usable. */
static void test_broken_stock(void **state)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;

	put(d->low, "stock.json", "{");
	set = load(d);
	assert_non_null(strstr(d->errors, "/stock.json:1: "));
	assert_int_equal(policy_set_resolve(set, &test_table, "stock", &a, NULL), 0);
}

static void test_shipped(void **state)
{
	static const struct {
		const char *name, *field;
		unsigned int shadow_class;
	} expected[] = {
		{ "stock", "VM_EXIT_REASON", NVMX_CLASS_READ_ONLY },
		{ "stock", "GUEST_SS_AR_BYTES", NVMX_CLASS_READ_ONLY },
		{ "legacy", "VM_EXIT_REASON", NVMX_CLASS_READ_WRITE },
		{ "legacy", "GUEST_RIP", NVMX_CLASS_READ_WRITE },
		{ "legacy", "GUEST_SS_AR_BYTES", NVMX_CLASS_READ_ONLY },
		{ "legacy", "VM_INSTRUCTION_ERROR", NVMX_CLASS_INTERCEPT },
		{ "no-ar-bytes", "GUEST_CS_AR_BYTES", NVMX_CLASS_INTERCEPT },
		{ "no-ar-bytes", "GUEST_SS_AR_BYTES", NVMX_CLASS_INTERCEPT },
		{ "no-ar-bytes", "VM_EXIT_REASON", NVMX_CLASS_READ_ONLY },
		{ "intercept-all", "GUEST_RIP", NVMX_CLASS_INTERCEPT },
		{ "intercept-all", "VM_EXIT_REASON", NVMX_CLASS_INTERCEPT },
	};
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct dirs *d = *state;
	_cleanup_free_ char *dir = NULL;

	assert_true(asprintf(&dir, "%s/policy", getenv("NVMX_SOURCE") ?: ".") > 0);
	d->list[0] = dir;
	set = load(d);
	assert_string_equal(d->errors, "");
	assert_null(policy_set_get(set, 4));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		_cleanup_assignment_ struct assignment *a = NULL;

		assert_int_equal(policy_set_resolve(set, &test_table, expected[i].name, &a, NULL), 0);
		assert_int_equal(class_of(a, expected[i].field), expected[i].shadow_class);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_override_and_mask),
		TEST(test_broken_beside_good),
		TEST(test_writable_by_all),
		TEST(test_bad_dirs),
		TEST(test_match),
		TEST(test_chain),
		TEST(test_resolved),
		TEST(test_loops),
		TEST(test_not_on_this_kernel),
		TEST(test_check),
		TEST(test_field_elsewhere),
		TEST(test_field_for_policy),
		TEST(test_without_table),
		TEST(test_broken_stock),
		TEST(test_shipped),
	};

	return cmocka_run_group_tests_name("policy-set", tests, NULL, NULL);
}
