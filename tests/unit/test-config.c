/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxd.conf: what is taken, what is refused and where, and which file wins.
 */
#include <json-c/json.h>

#include "daemon/config.h"
#include "tests/unit/dirs.h"

static int parse(const char *text, struct config_file *ret, char **ret_error)
{
	return config_parse("/x.conf", text, strlen(text), ret, ret_error);
}

static void test_file(void **state)
{
	struct config_file f;

	assert_int_equal(parse("{}", &f, NULL), 0);
	assert_null(f.default_policy);
	assert_null(f.libvirt_uri);
	assert_int_equal(f.statistics_interval, -1);
	assert_int_equal(f.sources.n, 0);

	assert_int_equal(parse("{\n\"default-policy\": \"legacy\",\n\"statistics-interval\": 60,\n"
			       "\"libvirt-uri\": \"test:///default\", \"sources\": { \"pve\": { \"user\": \"pve\" } } }",
			       &f, NULL), 0);
	assert_string_equal(f.default_policy, "legacy");
	assert_string_equal(f.default_policy_place, "/x.conf:2: .default-policy: ");
	assert_int_equal(f.statistics_interval, 60);
	assert_string_equal(f.libvirt_uri, "test:///default");
	assert_int_equal(f.sources.n, 1);
	assert_string_equal(f.sources.list[0].name, "pve");
	assert_string_equal(f.sources.list[0].user, "pve");
	assert_null(f.sources.list[0].libvirt_uri);
	config_file_clear(&f);

	assert_int_equal(parse("{\"statistics-interval\":\"off\",\"libvirt-uri\":\"none\"}", &f, NULL), 0);
	assert_int_equal(f.statistics_interval, 0);
	assert_string_equal(f.libvirt_uri, "none");
	config_file_clear(&f);
	assert_int_equal(parse("{\"statistics-interval\":0}", &f, NULL), 0);
	assert_int_equal(f.statistics_interval, 0);
	assert_int_equal(parse("{\"statistics-interval\":86400}", &f, NULL), 0);
	assert_int_equal(f.statistics_interval, 86400);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		const char *place, *word;
	} files[] = {
		{ "", "/x.conf:1: ", "ends in the middle" },
		{ "[]", "/x.conf:1: .: ", "must be an object, not an array" },
		{ "{\"a\":1,\n}", "/x.conf:2: ", "not JSON" },
		{ "{\n\"defaultpolicy\":\"x\"}", "/x.conf:2: .defaultpolicy: ", "Unknown key" },
		{ "{\"libvirt-uri\":\"none\",\n\"libvirt-uri\":\"none\"}", "/x.conf:2: .libvirt-uri: ", "twice" },
		{ "{\"default-policy\":3}", "/x.conf:1: .default-policy: ", "must be a string, not a number" },
		{ "{\"default-policy\":\"kernel\"}", "/x.conf:1: .default-policy: ", "cannot be a policy's name" },
		{ "{\"default-policy\":\"a/b\"}", "/x.conf:1: .default-policy: ", "nvmxctl policy list" },
		{ "{\"statistics-interval\":-1}", "/x.conf:1: .statistics-interval: ", "from 1 to 86400, or \"off\"" },
		{ "{\"statistics-interval\":86401}", "/x.conf:1: .statistics-interval: ", "from 1 to" },
		{ "{\"statistics-interval\":99999999999999999999}", "/x.conf:1: .statistics-interval: ", "from 1 to" },
		{ "{\"statistics-interval\":1.5}", "/x.conf:1: .statistics-interval: ", "from 1 to" },
		{ "{\"statistics-interval\":\"on\"}", "/x.conf:1: .statistics-interval: ", "from 1 to" },
		{ "{\"statistics-interval\":null}", "/x.conf:1: .statistics-interval: ", "from 1 to" },
		{ "{\"libvirt-uri\":\"\"}", "/x.conf:1: .libvirt-uri: ", "not the URI" },
		{ "{\"libvirt-uri\":\"qemu+ssh://host/system\"}", "/x.conf:1: .libvirt-uri: ", "say \"none\"" },
		{ "{\"libvirt-uri\":\"qemu:///\\u0007\"}", "/x.conf:1: .libvirt-uri: ", "control character" },
		{ "{\"sources\":1}", "/x.conf:1: .sources: ", "must be an object" },
		{ "{\"sources\":{\"a\":\n1}}", "/x.conf:2: .sources.a: ", "must be an object" },
		{ "{\"sources\":{\"a b\":{}}}", "/x.conf:1: .sources.", "cannot be a source's name" },
		{ "{\"sources\":{\"1a\":{}}}", "/x.conf:1: .sources.", "cannot be a source's name" },
		{ "{\"sources\":{\"a\":{}}}", "/x.conf:1: .sources.a: ", "needs its user" },
		{ "{\"sources\":{\"a\":{\"user\":\"\"}}}", "/x.conf:1: .sources.a.user: ", "a name or a number" },
		{ "{\"sources\":{\"a\":{\"uri\":\"x\"}}}", "/x.conf:1: .sources.a.uri: ", "user and libvirt-uri" },
		{ "{\"sources\":{\"a\":{\"libvirt-uri\":\"none\"}}}", "/x.conf:1: .sources.a.libvirt-uri: ", "not the URI" },
		{ "{\"sources\":{\"a\":{\"user\":\"1\"},\"b\":{\"user\":\"1\"},\"c\":{\"user\":\"1\"},"
		  "\"d\":{\"user\":\"1\"},\"e\":{\"user\":\"1\"},\"f\":{\"user\":\"1\"},\"g\":{\"user\":\"1\"},"
		  "\"h\":{\"user\":\"1\"},\"i\":{\"user\":\"1\"}}}", "/x.conf:1: .sources.i: ", "There can be 8" },
		/* What came before the error is not kept. */
		{ "{\"default-policy\":\"a\",\"libvirt-uri\":\"none\",\n\"x\":1}", "/x.conf:2: .x: ", "Unknown key" },
	};
	struct config_file f;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *e = NULL;

		assert_int_equal(parse(files[i].text, &f, &e), -EBADMSG);
		assert_sentence(e, files[i].place, files[i].word);
	}
}

static int load(struct dirs *d, struct config *ret)
{
	d->errors[0] = '\0';
	return config_load(d->list, on_error, d, ret);
}

static void assert_config(const struct config *c, const char *policy, int interval,
			  const char *uri)
{
	assert_string_equal(c->default_policy, policy);
	assert_int_equal(c->statistics_interval, interval);
	assert_string_equal(c->libvirt_uri, uri);
}

static void drop_ins(struct dirs *d)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/nvmxd.conf.d", d->low);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/nvmxd.conf.d", d->high);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void test_precedence(void **state)
{
	struct dirs *d = *state;
	struct config c;

	assert_int_equal(load(d, &c), 0);
	assert_config(&c, "stock", 30, "qemu:///system");
	config_clear(&c);

	/* The main file of the last directory is the only one. */
	put(d->low, "nvmxd.conf", "{\"default-policy\":\"low\",\"statistics-interval\":40}");
	put(d->high, "nvmxd.conf", "{\"default-policy\":\"high\"}");
	assert_int_equal(load(d, &c), 0);
	assert_config(&c, "high", 30, "qemu:///system");
	config_clear(&c);

	/* Drop-ins go on top, by name, whatever their directory. */
	drop_ins(d);
	put(d->low, "nvmxd.conf.d/20.conf", "{\"default-policy\":\"low20\"}");
	put(d->high, "nvmxd.conf.d/10.conf", "{\"default-policy\":\"high10\",\"statistics-interval\":50}");
	put(d->low, "nvmxd.conf.d/10.conf", "{\"libvirt-uri\":\"none\"}");
	put(d->low, "nvmxd.conf.d/README", "not a drop-in");
	assert_int_equal(load(d, &c), 0);
	assert_config(&c, "low20", 50, "qemu:///system");
	config_clear(&c);

	/* An empty file masks. */
	put(d->high, "nvmxd.conf.d/20.conf", "");
	put(d->high, "nvmxd.conf", "");
	assert_int_equal(load(d, &c), 0);
	assert_config(&c, "high10", 50, "qemu:///system");
	assert_string_equal(d->errors, "");
	config_clear(&c);
}

static void test_unusable(void **state)
{
	struct dirs *d = *state;
	struct config c;
	char path[128];

	drop_ins(d);
	put(d->low, "nvmxd.conf", "{\"statistics-interval\":40}");
	put(d->low, "nvmxd.conf.d/10.conf", "{\"default-policy\":\"half\",\n\"applied\":1}");
	put(d->low, "nvmxd.conf.d/20.conf", "{\"libvirt-uri\":\"none\"}");
	assert_int_equal(load(d, &c), 1);
	assert_config(&c, "stock", 40, "none");
	assert_non_null(strstr(d->errors, "/10.conf:2: .applied: "));
	assert_false(config_is_restricted(&c));
	config_restrict(&c);
	assert_config(&c, "", 0, "none");
	assert_true(config_is_restricted(&c));
	config_clear(&c);

	snprintf(path, sizeof(path), "%s/nvmxd.conf.d/20.conf", d->low);
	assert_int_equal(chmod(path, 0666), 0);
	snprintf(path, sizeof(path), "%s/nvmxd.conf.d", d->high);
	assert_int_equal(chmod(path, 0777), 0);
	snprintf(path, sizeof(path), "%s/nvmxd.conf", d->high);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(load(d, &c), 4);
	assert_config(&c, "stock", 30, "qemu:///system");
	assert_non_null(strstr(d->errors, "/20.conf: This file is world-writable"));
	assert_non_null(strstr(d->errors, "/high/nvmxd.conf.d: This directory is world-writable"));
	assert_non_null(strstr(d->errors, "/high/nvmxd.conf: Cannot be opened: No such file"));
	config_clear(&c);
}

/* Without statistics nothing is written; without writing there are no statistics. */
static void assert_source(const struct config *c, size_t i, const char *name, const char *user,
			  const char *uri)
{
	assert_true(i < c->sources.n);
	assert_string_equal(c->sources.list[i].name, name);
	assert_string_equal(c->sources.list[i].user, user);
	if (uri)
		assert_string_equal(c->sources.list[i].libvirt_uri, uri);
	else
		assert_null(c->sources.list[i].libvirt_uri);
}

static void test_sources(void **state)
{
	struct dirs *d = *state;
	struct config c, again;

	assert_int_equal(load(d, &c), 0);
	assert_int_equal(c.sources.n, 1);
	assert_source(&c, 0, "libvirt", "nvmx-libvirt", "qemu:///system");
	assert_null(config_source_find(&c, "pve"));
	config_clear(&c);

	/* libvirt has the first word, whatever the order; a later file's word on a source counts. */
	drop_ins(d);
	put(d->low, "nvmxd.conf", "{\"sources\":{\"pve\":{\"user\":\"pve\"},\"lab\":{\"libvirt-uri\":\"qemu:///lab\"},"
				  "\"libvirt\":{\"user\":\"0\"}}}");
	put(d->high, "nvmxd.conf.d/9.conf", "{\"sources\":{\"pve\":{\"user\":\"33\"}},\"libvirt-uri\":\"qemu:///x\"}");
	assert_int_equal(load(d, &c), 0);
	assert_int_equal(c.sources.n, 3);
	assert_source(&c, 0, "libvirt", "0", "qemu:///x");
	assert_source(&c, 1, "pve", "33", NULL);
	assert_source(&c, 2, "lab", "nvmx-libvirt", "qemu:///lab");
	assert_ptr_equal(config_source_find(&c, "lab"), &c.sources.list[2]);
	assert_int_equal(load(d, &again), 0);
	assert_true(config_sources_equal(&c.sources, &again.sources));
	config_clear(&again);

	put(d->high, "nvmxd.conf.d/9.conf", "{\"libvirt-uri\":\"none\"}");
	assert_int_equal(load(d, &again), 0);
	assert_int_equal(again.sources.n, 2);
	assert_source(&again, 0, "pve", "pve", NULL);
	assert_false(config_sources_equal(&c.sources, &again.sources));
	config_clear(&again);
	config_clear(&c);

	/* Eight in all files, libvirt's counted. */
	put(d->high, "nvmxd.conf.d/9.conf", "{\"sources\":{\"a\":{\"user\":\"1\"},\"b\":{\"user\":\"1\"},\"c\":{\"user\":\"1\"},"
					    "\"d\":{\"user\":\"1\"},\"e\":{\"user\":\"1\"},\"f\":{\"user\":\"1\"}}}");
	assert_int_equal(load(d, &c), 1);
	assert_non_null(strstr(d->errors, "There can be 8 sources in all files."));
	assert_int_equal(c.sources.n, 3);
	config_clear(&c);
}

/* The schema for editors knows every key, and no other. */
static void test_schema(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct json_object *schema, *properties;
	int n = 0;

	assert_true(asprintf(&path, "%s/daemon/nvmxd.conf.schema.json", getenv("NVMX_SOURCE") ?: ".") > 0);
	schema = json_object_from_file(path);
	assert_non_null(schema);
	assert_true(json_object_object_get_ex(schema, "properties", &properties));
	json_object_object_foreach(properties, key, value) {
		_cleanup_free_ char *text = NULL;
		struct config_file f;
		char *e = NULL;

		(void)value;
		assert_true(asprintf(&text, "{\"%s\":null}", key) > 0);
		assert_int_equal(parse(text, &f, &e), -EBADMSG);
		assert_sentence(e, "This must be");
		n++;
	}
	assert_int_equal(n, 5);
	json_object_put(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file),
		TEST(test_refused),
		TEST(test_precedence),
		TEST(test_unusable),
		TEST(test_sources),
		TEST(test_schema),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
