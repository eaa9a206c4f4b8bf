/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads nvmxd.conf.  Owns nothing: what it makes is the caller's.
 */
#include "daemon/config.h"

#include <fcntl.h>

#include "policy/conf-files.h"
#include "policy/json-file.h"

#define CONFIG_NAME	"nvmxd.conf"
#define DROP_IN_DIR	"nvmxd.conf.d"
#define DROP_IN_SUFFIX	".conf"

const char *const config_default_dirs[] = {
	"/usr/share/nvmx",
	"/run/nvmx",
	"/etc/nvmx",
	NULL
};

/* ---- one file ---- */

struct parser {
	struct json_file file;
	struct config_file *config;
};

static int parse_default_policy(struct parser *p, const char *place, struct json_object *value)
{
	const char *s;
	int r;

	r = json_file_expect_string(&p->file, place, value, &s);
	if (r < 0)
		return r;
	if (!policy_name_is_valid(s))
		return json_file_error(&p->file, place, "\"%.64s\" cannot be a policy's name; "
				       "\"nvmxctl policy list\" shows those there are.", s);
	p->config->default_policy = strdup(s);
	p->config->default_policy_place = json_file_place(&p->file, place);
	return p->config->default_policy && p->config->default_policy_place ? 0 : -ENOMEM;
}

static int parse_statistics_interval(struct parser *p, const char *place,
				     struct json_object *value)
{
	int64_t n = -1;

	if (json_object_is_type(value, json_type_string))
		n = streq(json_object_get_string(value), "off") ? 0 : -1;
	else if (json_object_is_type(value, json_type_int))
		n = json_object_get_int64(value);
	if (n < 0 || n > CONFIG_STATISTICS_INTERVAL_MAX)
		return json_file_error(&p->file, place, "This must be seconds, from 1 to %d, or "
				       "\"off\".", CONFIG_STATISTICS_INTERVAL_MAX);
	p->config->statistics_interval = n;
	return 0;
}

static int parse_uri(struct parser *p, const char *place, const char *s, char **ret)
{
	if (!strstr(s, ":///"))
		return json_file_error(&p->file, place, "\"%.64s\" is not the URI of a libvirt on "
				       "this host, such as " CONFIG_LIBVIRT_URI ".", s);
	free(*ret);
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

static int parse_libvirt_uri(struct parser *p, const char *place, struct json_object *value)
{
	const char *s;
	int r;

	r = json_file_expect_string(&p->file, place, value, &s);
	if (r < 0)
		return r;
	if (!streq(s, CONFIG_NO_LIBVIRT) && !strstr(s, ":///"))
		return json_file_error(&p->file, place, "\"%.64s\" is not the URI of a libvirt on "
				       "this host, such as " CONFIG_LIBVIRT_URI "; to use no "
				       "libvirt, say \"" CONFIG_NO_LIBVIRT "\".", s);
	p->config->libvirt_uri = strdup(s);
	return p->config->libvirt_uri ? 0 : -ENOMEM;
}

static void source_clear(struct config_source *s)
{
	free(s->name);
	free(s->user);
	free(s->libvirt_uri);
	*s = (struct config_source) {};
}

static void sources_clear(struct config_sources *sources)
{
	while (sources->n > 0)
		source_clear(&sources->list[--sources->n]);
}

/* It may become an argument, a unit's instance and a part of a label. */
static bool source_name_is_valid(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	return n > 0 && !s[n] && n <= CONFIG_SOURCE_NAME_MAX && *s != '-' && (*s < '0' || *s > '9');
}

static int parse_source_key(struct parser *p, struct config_source *source, const char *place,
			    const char *key, struct json_object *value)
{
	const char *s;
	int r;

	if (!streq(key, "user") && !streq(key, "libvirt-uri"))
		return json_file_error(&p->file, place, "Unknown key \"%.64s\"; a source has user "
				       "and libvirt-uri.", key);
	r = json_file_expect_string(&p->file, place, value, &s);
	if (r < 0)
		return r;
	if (streq(key, "libvirt-uri"))
		return parse_uri(p, place, s, &source->libvirt_uri);
	if (!*s)
		return json_file_error(&p->file, place, "A user has a name or a number.");
	free(source->user);
	source->user = strdup(s);
	return source->user ? 0 : -ENOMEM;
}

static int parse_source(struct parser *p, const char *place, const char *name,
			struct json_object *value)
{
	struct config_sources *sources = &p->config->sources;
	struct config_source *source = &sources->list[sources->n];
	int r;

	if (!source_name_is_valid(name))
		return json_file_error(&p->file, place, "\"%.64s\" cannot be a source's name: letters, "
				       "digits and \"-\" from a letter, %d at most.", name,
				       CONFIG_SOURCE_NAME_MAX);
	if (sources->n == CONFIG_SOURCES_MAX)
		return json_file_error(&p->file, place, "There can be %d sources.", CONFIG_SOURCES_MAX);
	r = json_file_expect(&p->file, place, value, json_type_object);
	if (r < 0)
		return r;

	sources->n++;
	source->name = strdup(name);
	if (!source->name)
		return -ENOMEM;
	json_object_object_foreach(value, key, v) {
		_cleanup_free_ char *at = NULL;

		if (asprintf(&at, "%s.%s", place, key) < 0) {
			at = NULL;
			return -ENOMEM;
		}
		r = parse_source_key(p, source, at, key, v);
		if (r < 0)
			return r;
	}
	if (!source->user && !source->libvirt_uri && !streq(name, CONFIG_LIBVIRT))
		return json_file_error(&p->file, place, "A source needs its user, or a libvirt-uri.");
	return 0;
}

static int parse_sources(struct parser *p, const char *place, struct json_object *value)
{
	int r;

	r = json_file_expect(&p->file, place, value, json_type_object);
	if (r < 0)
		return r;
	json_object_object_foreach(value, name, v) {
		_cleanup_free_ char *at = NULL;

		if (asprintf(&at, "%s.%s", place, name) < 0) {
			at = NULL;
			return -ENOMEM;
		}
		r = parse_source(p, at, name, v);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_schema(struct parser *p, const char *place, struct json_object *value)
{
	return json_file_expect(&p->file, place, value, json_type_string);
}

static const struct {
	const char *key;
	int (*parse)(struct parser *p, const char *place, struct json_object *value);
} keys[] = {
	{ "default-policy",		parse_default_policy },
	{ "statistics-interval",	parse_statistics_interval },
	{ "libvirt-uri",		parse_libvirt_uri },
	{ "sources",			parse_sources },
	/* Editors want it; the file is not fetched. */
	{ "$schema",			parse_schema },
};

static int parse_key(struct parser *p, const char *key, struct json_object *value)
{
	_cleanup_free_ char *place = NULL;

	if (asprintf(&place, ".%s", key) < 0) {
		place = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (streq(keys[i].key, key))
			return keys[i].parse(p, place, value);

	return json_file_error(&p->file, place, "Unknown key \"%s\"; there are default-policy, "
			       "statistics-interval, libvirt-uri and sources.", key);
}

int config_parse(const char *path, const char *text, size_t size,
		 struct config_file *ret, char **ret_error)
{
	struct config_file config = { .statistics_interval = -1 };
	struct parser p = { .config = &config };
	int r;

	r = json_file_parse(&p.file, path, text, size, ret_error);
	if (r < 0)
		return r;
	json_object_object_foreach(p.file.object, key, value) {
		r = parse_key(&p, key, value);
		if (r < 0)
			break;
	}
	json_file_clear(&p.file);
	if (r < 0) {
		config_file_clear(&config);
		return r;
	}

	*ret = config;
	return 0;
}

void config_file_clear(struct config_file *f)
{
	free(f->default_policy);
	free(f->default_policy_place);
	free(f->libvirt_uri);
	sources_clear(&f->sources);
	*f = (struct config_file) { .statistics_interval = -1 };
}

/* ---- all files ---- */

struct loader {
	struct config *config;
	policy_set_error_t on_error;
	void *userdata;
	int unusable;
};

static void on_list_error(const char *sentence, void *userdata)
{
	struct loader *l = userdata;

	l->unusable++;
	if (l->on_error)
		l->on_error(sentence, l->userdata);
}

static void replace(char **setting, char **by)
{
	if (!*by)
		return;
	free(*setting);
	*setting = steal_ptr(*by);
}

/* A later file's says what it says of a source instead of an earlier one's. */
static void put_source(struct config_sources *sources, struct config_source *by)
{
	struct config_source *at = NULL;

	for (size_t i = 0; i < sources->n && !at; i++)
		if (streq(sources->list[i].name, by->name))
			at = &sources->list[i];
	if (at)
		source_clear(at);
	else
		at = &sources->list[sources->n++];
	*at = *by;
	*by = (struct config_source) {};
}

/* How many there would be, libvirt's counted in any case. */
static size_t count_sources(const struct config_sources *a, const struct config_sources *b)
{
	size_t n = 1;

	for (size_t i = 0; i < a->n; i++)
		n += !streq(a->list[i].name, CONFIG_LIBVIRT);
	for (size_t i = 0; i < b->n; i++) {
		bool there = streq(b->list[i].name, CONFIG_LIBVIRT);

		for (size_t k = 0; k < a->n; k++)
			there |= streq(a->list[k].name, b->list[i].name);
		n += !there;
	}
	return n;
}

static void apply(struct config *c, struct config_file *f)
{
	replace(&c->default_policy, &f->default_policy);
	replace(&c->default_policy_place, &f->default_policy_place);
	replace(&c->libvirt_uri, &f->libvirt_uri);
	if (f->statistics_interval >= 0)
		c->statistics_interval = f->statistics_interval;
	for (size_t i = 0; i < f->sources.n; i++)
		put_source(&c->sources, &f->sources.list[i]);
	config_file_clear(f);
}

/* What cannot be used is said, and passed over. */
static int load_file(struct loader *l, const char *path)
{
	_cleanup_free_ char *text = NULL, *sentence = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct config_file f;
	size_t size;
	int r;

	fd = conf_files_open(path, &sentence);
	if (fd == -ENODATA)
		return 0;
	r = fd < 0 ? fd : conf_files_read(fd, path, &text, &size, &sentence);
	if (r >= 0)
		r = config_parse(path, text, size, &f, &sentence);
	if (r >= 0 && count_sources(&l->config->sources, &f.sources) > CONFIG_SOURCES_MAX) {
		config_file_clear(&f);
		r = error_set(&sentence, -EBADMSG, "%s: .sources: There can be %d sources in all files.",
			      path, CONFIG_SOURCES_MAX);
	}
	if (is_shortage(r))
		return r;
	if (r < 0) {
		on_list_error(sentence ?: "Out of memory.", l);
		return 0;
	}

	apply(l->config, &f);
	return 0;
}

/* nvmxd.conf of the last directory that has one. */
static int load_main(struct loader *l, const char *const *dirs)
{
	size_t n = 0;

	while (dirs[n])
		n++;
	while (n > 0) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "%s/" CONFIG_NAME, dirs[--n]) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		/* A link that leads nowhere is there, and an error. */
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0 || errno != ENOENT)
			return load_file(l, path);
	}
	return 0;
}

static int load_drop_ins(struct loader *l, const char *const *dirs)
{
	struct conf_file *files;
	size_t n;
	int r;

	r = conf_files_list(dirs, DROP_IN_DIR, DROP_IN_SUFFIX, on_list_error, l, &files, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = load_file(l, files[i].path);
	conf_files_free(files, n);
	return r;
}

/* What is not said of a source; libvirt's comes first, unless it is to be none. */
static int complete_sources(struct config *c)
{
	struct config_source libvirt = {}, *list = c->sources.list;
	size_t i = 0;

	while (i < c->sources.n && !streq(list[i].name, CONFIG_LIBVIRT))
		i++;
	if (i < c->sources.n) {
		libvirt = list[i];
		memmove(list + i, list + i + 1, (c->sources.n-- - i - 1) * sizeof(*list));
	}
	if (streq(c->libvirt_uri, CONFIG_NO_LIBVIRT)) {
		source_clear(&libvirt);
	} else {
		memmove(list + 1, list, c->sources.n++ * sizeof(*list));
		libvirt.name = libvirt.name ?: strdup(CONFIG_LIBVIRT);
		libvirt.libvirt_uri = libvirt.libvirt_uri ?: strdup(c->libvirt_uri);
		list[0] = libvirt;
	}

	for (i = 0; i < c->sources.n; i++) {
		list[i].user = list[i].user ?: strdup(CONFIG_LIBVIRT_USER);
		if (!list[i].name || !list[i].user || (i == 0 && !list[0].libvirt_uri &&
						       streq(list[0].name, CONFIG_LIBVIRT)))
			return -ENOMEM;
	}
	return 0;
}

int config_load(const char *const *dirs, policy_set_error_t on_error, void *userdata,
		struct config *ret)
{
	struct config c = { .statistics_interval = CONFIG_STATISTICS_INTERVAL };
	struct loader l = { .config = &c, .on_error = on_error, .userdata = userdata };
	int r = 0;

	c.default_policy = strdup(POLICY_DEFAULT);
	c.default_policy_place = strdup("");
	c.libvirt_uri = strdup(CONFIG_LIBVIRT_URI);
	if (!c.default_policy || !c.default_policy_place || !c.libvirt_uri)
		r = -ENOMEM;
	if (r >= 0)
		r = load_main(&l, dirs);
	if (r >= 0)
		r = load_drop_ins(&l, dirs);
	if (r >= 0)
		r = complete_sources(&c);
	if (r < 0) {
		config_clear(&c);
		return r;
	}

	*ret = c;
	return l.unusable;
}

void config_restrict(struct config *c)
{
	*c->default_policy = *c->default_policy_place = '\0';
	c->statistics_interval = 0;
}

const struct config_source *config_source_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->sources.n; i++)
		if (streq(c->sources.list[i].name, name))
			return &c->sources.list[i];
	return NULL;
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

bool config_sources_equal(const struct config_sources *a, const struct config_sources *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!streq(a->list[i].name, b->list[i].name) || !streq(a->list[i].user, b->list[i].user) ||
		    !text_equal(a->list[i].libvirt_uri, b->list[i].libvirt_uri))
			return false;
	return true;
}

bool config_is_restricted(const struct config *c)
{
	return !*c->default_policy;
}

void config_clear(struct config *c)
{
	free(c->default_policy);
	free(c->default_policy_place);
	free(c->libvirt_uri);
	sources_clear(&c->sources);
	*c = (struct config) {};
}
