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

static int parse_libvirt_read_only(struct parser *p, const char *place,
				   struct json_object *value)
{
	int r;

	r = json_file_expect(&p->file, place, value, json_type_boolean);
	if (r < 0)
		return r;
	p->config->libvirt_read_only = json_object_get_boolean(value);
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
	{ "libvirt-read-only",		parse_libvirt_read_only },
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
			       "statistics-interval, libvirt-uri and libvirt-read-only.", key);
}

int config_parse(const char *path, const char *text, size_t size,
		 struct config_file *ret, char **ret_error)
{
	struct config_file config = { .statistics_interval = -1, .libvirt_read_only = -1 };
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
	*f = (struct config_file) { .statistics_interval = -1, .libvirt_read_only = -1 };
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

static void apply(struct config *c, struct config_file *f)
{
	replace(&c->default_policy, &f->default_policy);
	replace(&c->default_policy_place, &f->default_policy_place);
	replace(&c->libvirt_uri, &f->libvirt_uri);
	if (f->statistics_interval >= 0)
		c->statistics_interval = f->statistics_interval;
	if (f->libvirt_read_only >= 0)
		c->libvirt_read_only = f->libvirt_read_only;
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
	if (r < 0) {
		config_clear(&c);
		return r;
	}

	/* Statistics are all that is ever written. */
	if (c.libvirt_read_only)
		c.statistics_interval = 0;
	else if (c.statistics_interval == 0)
		c.libvirt_read_only = true;
	*ret = c;
	return l.unusable;
}

void config_restrict(struct config *c)
{
	*c->default_policy = *c->default_policy_place = '\0';
	c->statistics_interval = 0;
	c->libvirt_read_only = true;
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
	*c = (struct config) {};
}
