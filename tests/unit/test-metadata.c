/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <nvmx:policy>: read, written, resolved, refused.
 */
#include "tests/unit/table.h"
#include "tests/unit/unit.h"

#define NS "xmlns:nvmx=\"" METADATA_NAMESPACE "\""

static struct policy_set *builtin(void)
{
	const char *none = NULL;
	struct policy_set *set = NULL;

	assert_int_equal(policy_set_load(&none, &test_table, NULL, NULL, &set), 0);
	return set;
}

static void test_whole(void **state)
{
	_cleanup_metadata_ struct metadata *m = NULL, *bare = NULL;

	assert_int_equal(metadata_parse("<nvmx:policy " NS " name='stock' vmwrite-any-field='hide'>\n"
					"  <!-- a note -->\n"
					"  <nvmx:field name='HOST_RSP' class='read-write'/>\n"
					"  <nvmx:field class='intercept' name='GUEST_CS_AR_BYTES'></nvmx:field>\n"
					"</nvmx:policy>\n", &m, NULL), 0);
	assert_string_equal(m->name, "stock");
	assert_int_equal(m->vmwrite_any_field, NVMX_VMWRITE_ANY_HIDE);
	assert_int_equal(m->n_fields, 2);
	assert_string_equal(m->fields[0].name, "HOST_RSP");
	assert_int_equal(m->fields[0].shadow_class, NVMX_CLASS_READ_WRITE);
	assert_int_equal(m->fields[0].line, 3);
	assert_int_equal(m->fields[1].shadow_class, NVMX_CLASS_INTERCEPT);

	/* As libvirt hands it out: without the namespace. */
	assert_int_equal(metadata_parse("<policy vmwrite-any-field='hide' name='stock'>"
					"<field name='GUEST_CS_AR_BYTES' class='intercept'/>"
					"<field name='HOST_RSP' class='read-write'/></policy>", &bare, NULL), 0);
	assert_true(metadata_equal(m, bare));
	bare->fields[0].shadow_class = NVMX_CLASS_READ_ONLY;
	assert_false(metadata_equal(m, bare));
	assert_false(metadata_equal(m, NULL));
	assert_true(metadata_equal(NULL, NULL));
}

static void test_least(void **state)
{
	_cleanup_metadata_ struct metadata *m = NULL;

	assert_int_equal(metadata_parse("<p:policy xmlns:p='" METADATA_NAMESPACE "'/>", &m, NULL), 0);
	assert_null(m->name);
	assert_int_equal(m->vmwrite_any_field, -1);
	assert_int_equal(m->n_fields, 0);
}

static void test_round_trip(void **state)
{
	static const char *const texts[] = {
		"<policy/>",
		"<policy name=\"stock\"/>",
		"<policy name=\"a\" vmwrite-any-field=\"inherit\"/>",
		"<policy><field name=\"HOST_RSP\" class=\"read-write\"/>"
		"<field name=\"&lt;&amp;&quot;\" class=\"intercept\"/></policy>",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_metadata_ struct metadata *m = NULL;
		_cleanup_free_ char *s = NULL;

		assert_int_equal(metadata_parse(texts[i], &m, NULL), 0);
		assert_int_equal(metadata_format(m, &s), 0);
		assert_string_equal(s, texts[i]);
	}
}

struct bad {
	const char *text;
	int error;
	const char *words[3];
};

static const struct bad bad[] = {
	{ "", -EBADMSG, { "Metadata", "not XML" } },
	{ "<nvmx:policy " NS ">", -EBADMSG, { "Metadata, line 1", "not XML" } },
	{ "\n\n<nvmx:policy " NS "></nvmx:polic>", -EBADMSG, { "Metadata, line 3", "not XML" } },
	{ "<policy name='\xff'/>", -EBADMSG, { "Metadata, line 1", "not XML" } },
	{ "<nvmx:config " NS "/>", -EBADMSG, { "line 1", "<config>", METADATA_NAMESPACE } },
	{ "<a:policy xmlns:a='urn:other'/>", -EBADMSG, { "<policy> of namespace urn:other" } },
	{ "<policy><nvmx:fields " NS "/></policy>", -EBADMSG, { "line 1, <policy>", "<fields>" } },
	{ "<policy><a:field xmlns:a='urn:other' name='HOST_RSP' class='intercept'/></policy>",
	  -EBADMSG, { "<field> of namespace urn:other" } },
	{ "<policy><field name='A' class='intercept'><field name='B' class='intercept'/></field></policy>",
	  -EBADMSG, { "<field>: Unexpected element <field>" } },
	{ "<policy>\ntext</policy>", -EBADMSG, { "Metadata, line", "<policy>", "text" } },
	{ "<policy><![CDATA[x]]></policy>", -EBADMSG, { "<policy>", "text" } },
	{ "<policy><?php x?></policy>", -EBADMSG, { "<policy>", "text" } },
	{ "<policy nam='a'/>",
	  -EBADMSG, { "<policy>", "Unknown attribute \"nam\"", "name and vmwrite" } },
	{ "<policy xmlns:n='" METADATA_NAMESPACE "' n:name='a'/>",
	  -EBADMSG, { "Unknown attribute \"name\"" } },
	{ "<policy name='a b'/>", -EBADMSG, { "<policy>, attribute name", "\"a b\"" } },
	{ "<policy name=''/>", -EBADMSG, { "<policy>, attribute name" } },
	{ "<policy name='none'/>", -EBADMSG, { "<policy>, attribute name", "\"none\"" } },
	{ "<policy name='a' name='b'/>", -EBADMSG, { "not XML" } },
	{ "<policy vmwrite-any-field='show'/>", -EDOM,
	  { "<policy>, attribute vmwrite-any-field", "\"show\"", "inherit or hide" } },
	{ "<policy>\n<field name='HOST_RSP' class='rw'/></policy>", -EDOM,
	  { "line 2, <field>, attribute class", "\"rw\"", "read-write" } },
	{ "<policy><field name='HOST_RSP'/></policy>",
	  -EBADMSG, { "<field>", "\"class\" is missing" } },
	{ "<policy><field class='intercept'/></policy>",
	  -EBADMSG, { "<field>", "\"name\" is missing" } },
	{ "<policy><field name='A' class='intercept' x='y'/></policy>", -EBADMSG,
	  { "<field>", "Unknown attribute \"x\"", "name and class" } },
	{ "<policy><field name='A' class='intercept'/>\n<field name='A' class='intercept'/></policy>",
	  -EBADMSG, { "line 2, <field>", "A is given twice" } },
	{ "<!DOCTYPE policy [<!ENTITY a 'b'>]><policy name='&a;'/>",
	  -EBADMSG, { "document type" } },
	{ "<!DOCTYPE policy SYSTEM 'file:///etc/passwd'><policy/>", -EBADMSG, { "document type" } },
	{ "<policy name='&a;'/>", -EBADMSG, { "not XML" } },
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct metadata *m = NULL;
		char *e = NULL;
		int r = metadata_parse(bad[i].text, &m, &e);

		if (r != bad[i].error)
			fail_msg("%d for %s (%s)", r, bad[i].text, e ?: "");
		assert_null(m);
		assert_sentence(e, bad[i].words[0], bad[i].words[1] ?: "", bad[i].words[2] ?: "");
	}
}

static void test_truncated(void **state)
{
	static const char text[] = "<nvmx:policy " NS " name='stock'>"
				   "<nvmx:field name='HOST_RSP' class='read-write'/></nvmx:policy>";

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		_cleanup_free_ char *copy = strndup(text, n);
		struct metadata *m = NULL;
		char *e = NULL;

		assert_int_equal(metadata_parse(copy, &m, &e), -EBADMSG);
		assert_null(m);
		assert_sentence(e, "Metadata");
	}
}

static void test_large_and_deep(void **state)
{
	const size_t size = 10 * 1024 * 1024;
	_cleanup_free_ char *text = malloc(size + 1);
	struct metadata *m = NULL;
	char *e = NULL;

	assert_non_null(text);
	memset(text, ' ', size);
	text[size] = '\0';
	assert_int_equal(metadata_parse(text, &m, &e), -EFBIG);
	assert_sentence(e, "65536");

	for (size_t i = 0; i < 20000; i++)
		memcpy(text + 3 * i, "<a>", 3);
	text[60000] = '\0';
	assert_int_equal(metadata_parse(text, &m, &e), -EBADMSG);
	assert_sentence(e, "Metadata");
	assert_null(m);
}

static void test_resolve(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = builtin();
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_metadata_ struct metadata *m = NULL;

	assert_int_equal(metadata_parse("<policy vmwrite-any-field='hide'>"
					"<field name='HOST_RSP' class='read-write'/></policy>", &m, NULL), 0);
	assert_int_equal(metadata_resolve(m, set, &test_table, "stock", &a, NULL), 0);
	assert_int_equal(class_of(a, "HOST_RSP"), NVMX_CLASS_READ_WRITE);
	assert_int_equal(class_of(a, "GUEST_RIP"), NVMX_CLASS_READ_WRITE);
	assert_int_equal(a->vmwrite_any_field, NVMX_VMWRITE_ANY_HIDE);
}

/* A domain that was defined on, or comes from, a host that has more. */
static void test_field_elsewhere(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = builtin();
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_metadata_ struct metadata *m = NULL;

	assert_int_equal(metadata_parse("<policy><field name='HOST_SSP' class='read-write'/>"
					"<field name='HOST_RSP' class='read-only'/></policy>", &m, NULL), 0);
	assert_int_equal(metadata_resolve(m, set, &test_table, "stock", &a, NULL), 0);
	assert_int_equal(class_of(a, "HOST_RSP"), NVMX_CLASS_READ_ONLY);
}

static const struct bad unresolvable[] = {
	{ "<policy name='x'/>", -ENOENT, { "Metadata, attribute name of <policy>", "\"x\"" } },
	{ "<policy>\n<field name='GUEST_FOO' class='intercept'/></policy>", -ENXIO,
	  { "Metadata, line 2, <field>", "GUEST_FOO", "nvmxctl fields" } },
	/* Groups are for the command line. */
	{ "<policy><field name='ar-bytes' class='intercept'/></policy>", -ENXIO, { "ar-bytes" } },
	{ "<policy><field name='GUEST_SS_AR_BYTES' class='read-write'/></policy>", -EOPNOTSUPP,
	  { "<field>: GUEST_SS_AR_BYTES cannot be read-write", "intercept or read-only" } },
	{ "<policy><field name='VM_INSTRUCTION_ERROR' class='read-only'/></policy>", -EOPNOTSUPP,
	  { "VM_INSTRUCTION_ERROR cannot be read-only", "only be intercept" } },
	{ "<policy vmwrite-any-field='hide'><field name='VM_EXIT_REASON' class='read-write'/></policy>",
	  -EOPNOTSUPP, { "Metadata: VM_EXIT_REASON", "hide" } },
};

static void test_unresolvable(void **state)
{
	_cleanup_policy_set_ struct policy_set *set = builtin();

	for (size_t i = 0; i < ARRAY_SIZE(unresolvable); i++) {
		_cleanup_metadata_ struct metadata *m = NULL;
		struct assignment *a = NULL;
		char *e = NULL;

		assert_int_equal(metadata_parse(unresolvable[i].text, &m, NULL), 0);
		assert_int_equal(metadata_resolve(m, set, &test_table, "stock", &a, &e),
				 unresolvable[i].error);
		assert_null(a);
		assert_sentence(e, unresolvable[i].words[0], unresolvable[i].words[1] ?: "",
				unresolvable[i].words[2] ?: "");
	}
}

struct change_case {
	const char *base;		/* NULL: none */
	const char *name;
	struct policy_change changes[3];
	const char *result;		/* NULL: refused */
	int error;
	const char *word;
};

static const struct change_case change_cases[] = {
	{ NULL, "stock", {}, "<policy name=\"stock\"/>", 0, NULL },
	{ NULL, "", { { "HOST_RSP", "read-write" } }, "<policy><field name=\"HOST_RSP\" class=\"read-write\"/></policy>", 0, NULL },
	{ "<policy name='a'><field name='HOST_RSP' class='intercept'/></policy>", "",
	  { { "HOST_RSP", "read-only" }, { VMWRITE_ANY_FIELD, "hide" } },
	  "<policy name=\"a\" vmwrite-any-field=\"hide\"><field name=\"HOST_RSP\" class=\"read-only\"/></policy>", 0, NULL },
	{ "<policy name='a' vmwrite-any-field='hide'><field name='HOST_RSP' class='intercept'/></policy>", "b", {},
	  "<policy name=\"b\"/>", 0, NULL },
	{ "<policy vmwrite-any-field='hide'/>", "", { { VMWRITE_ANY_FIELD, "inherit" } },
	  "<policy vmwrite-any-field=\"inherit\"/>", 0, NULL },
	{ NULL, "", { { "GUEST_SS_AR_BYTES", "intercept" }, { "ar-bytes", "read-only" } },
	  "<policy><field name=\"GUEST_CS_AR_BYTES\" class=\"read-only\"/>"
	  "<field name=\"GUEST_SS_AR_BYTES\" class=\"intercept\"/></policy>", 0, NULL },
	{ NULL, "none", {}, NULL, -EINVAL, "\"none\" cannot be" },
	{ NULL, "", { { "HOST_RPS", "read-only" } }, NULL, -ENXIO, "did you mean HOST_RSP" },
	{ NULL, "", { { "HOST_RSP", "rw" } }, NULL, -EDOM, "HOST_RSP: " },
	{ NULL, "", { { VMWRITE_ANY_FIELD, "show" } }, NULL, -EDOM, "show" },
	{ NULL, "", { { "HOST_RSP", "read-only" }, { "HOST_RSP", "intercept" } }, NULL, -EINVAL, "twice" },
};

static void test_changes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(change_cases); i++) {
		const struct change_case *c = &change_cases[i];
		_cleanup_metadata_ struct metadata *base = NULL, *m = NULL;
		_cleanup_free_ char *text = NULL, *sentence = NULL;
		size_t n = 0;
		int r;

		while (n < ARRAY_SIZE(c->changes) && c->changes[n].name)
			n++;
		if (c->base)
			assert_int_equal(metadata_parse(c->base, &base, NULL), 0);
		r = metadata_change(base, c->name, c->changes, n, &test_table, &m, &sentence);
		assert_int_equal(r, c->result ? 0 : c->error);
		if (c->result) {
			assert_int_equal(metadata_format(m, &text), 0);
			assert_string_equal(text, c->result);
		} else {
			assert_non_null(strstr(sentence, c->word));
			assert_null(m);
		}
	}
}

/* Names go unchecked then, but what a group is cannot be known. */
static void test_changes_without_table(void **state)
{
	static const struct policy_change field = { "GUEST_FOO", "read-only" }, group = { "ar-bytes", "intercept" };
	static const struct field_table none;
	_cleanup_metadata_ struct metadata *m = NULL, *refused = NULL;
	_cleanup_free_ char *sentence = NULL;

	assert_int_equal(metadata_change(NULL, "", &field, 1, &none, &m, NULL), 0);
	assert_string_equal(m->fields[0].name, "GUEST_FOO");
	assert_int_equal(metadata_change(NULL, "", &group, 1, &none, &refused, &sentence), -ENXIO);
	assert_non_null(strstr(sentence, "ar-bytes is a group"));
}

/* exit-information is those that allow the class. */
static void test_change_exit_information(void **state)
{
	static const struct policy_change group = { "exit-information", "read-only" };
	_cleanup_metadata_ struct metadata *m = NULL;
	size_t n = 0;

	for (size_t i = 0; i < test_table.n; i++)
		n += test_table.fields[i].kind == NVMX_KIND_READ_ONLY_DATA &&
		     field_allows(&test_table.fields[i], NVMX_CLASS_READ_ONLY);
	assert_int_equal(metadata_change(NULL, "", &group, 1, &test_table, &m, NULL), 0);
	assert_true(n > 0);
	assert_int_equal(m->n_fields, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_changes_without_table),
		cmocka_unit_test(test_change_exit_information),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_large_and_deep),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_field_elsewhere),
		cmocka_unit_test(test_unresolvable),
	};

	return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
