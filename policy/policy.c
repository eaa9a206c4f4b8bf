/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One policy file.  Strict: what is not understood is an error that names file,
 * line and JSON path.  A struct policy owns all its strings.
 */
#include <ctype.h>
#include <fcntl.h>

#include "policy/conf-files.h"
#include "policy/internal.h"
#include "policy/json-file.h"

struct parser {
	struct json_file file;
	struct policy *policy;
};

static int copy_string(const struct parser *p, const char *s, char **ret)
{
	*ret = strdup(s);
	return *ret ? 0 : error_set(p->file.ret_error, -ENOMEM, "Out of memory.");
}

#define ALNUM	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool policy_name_is_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= POLICY_NAME_MAX && strspn(name, ALNUM) > 0 &&
	       strspn(name, ALNUM "._-") == n &&
	       !streq(name, POLICY_EXTENDS_KERNEL) && !streq(name, POLICY_EXTENDS_NONE);
}

int policy_fields_add(struct policy_field **fields, size_t *n, char *name,
		      unsigned int shadow_class, unsigned int line)
{
	struct policy_field *f;

	f = reallocarray(*fields, *n + 1, sizeof(*f));
	if (!f) {
		free(name);
		return -ENOMEM;
	}
	*fields = f;
	f[*n] = (struct policy_field) { .name = name, .shadow_class = shadow_class, .line = line };
	(*n)++;
	return 0;
}

void policy_fields_free(struct policy_field *fields, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(fields[i].name);
	free(fields);
}

char *policy_field_place(const struct policy *p, const struct policy_field *f)
{
	char *s;

	return asprintf(&s, "%s:%u: .fields.%s: ", p->path, f->line, f->name) < 0 ? NULL : s;
}

int policy_check(const struct policy *p, const struct field_table *table, char **ret_error)
{
	for (size_t k = 0; k < p->n_fields; k++) {
		const struct policy_field *f = &p->fields[k];
		_cleanup_free_ char *place = policy_field_place(p, f);
		int i, r;

		if (field_is_elsewhere(table, f->name))
			continue;
		i = field_lookup(table, place ?: "", f->name, ret_error);
		if (i < 0)
			return i;
		r = field_check_class(&table->fields[i], place ?: "", f->shadow_class, ret_error);
		if (r < 0)
			return r;
		if (p->vmwrite_any_field == NVMX_VMWRITE_ANY_HIDE) {
			r = field_check_hide(&table->fields[i], place ?: "", f->shadow_class, ret_error);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

struct policy *policy_free(struct policy *p)
{
	if (!p)
		return NULL;

	free(p->name);
	free(p->description);
	free(p->extends);
	free(p->path);
	policy_fields_free(p->fields, p->n_fields);
	for (size_t i = 0; i < p->n_match; i++) {
		free(p->match[i].domain);
		free(p->match[i].uuid);
		free(p->match[i].executable);
		free(p->match[i].unit);
	}
	free(p->match);
	free(p);
	return NULL;
}

static int parse_name(struct parser *p, struct json_object *value)
{
	const char *s;
	int r;

	r = json_file_expect_string(&p->file, ".name", value, &s);
	if (r < 0)
		return r;
	if (!policy_name_is_valid(s))
		return json_file_error(&p->file, ".name", "A policy cannot be named \"%.64s\": "
				       "names are letters, digits, '.', '_' and '-', %d at most, and "
				       "neither kernel nor none.", s, POLICY_NAME_MAX);
	return copy_string(p, s, &p->policy->name);
}

static int parse_description(struct parser *p, struct json_object *value)
{
	const char *s;
	int r;

	r = json_file_expect_string(&p->file, ".description", value, &s);
	if (r < 0)
		return r;
	return copy_string(p, s, &p->policy->description);
}

static int parse_extends(struct parser *p, struct json_object *value)
{
	const char *s;
	int r;

	r = json_file_expect_string(&p->file, ".extends", value, &s);
	if (r < 0)
		return r;
	p->policy->extends_line = json_places_line(&p->file.places, ".extends");
	if (!policy_name_is_valid(s) &&
	    !streq(s, POLICY_EXTENDS_KERNEL) && !streq(s, POLICY_EXTENDS_NONE))
		return json_file_error(&p->file, ".extends", "\"%.64s\" cannot be a policy's "
				       "name; name a policy, kernel or none.", s);
	return copy_string(p, s, &p->policy->extends);
}

static int parse_vmwrite_any(struct parser *p, struct json_object *value)
{
	_cleanup_free_ char *place = NULL;
	const char *s;
	int r;

	r = json_file_expect_string(&p->file, "." VMWRITE_ANY_FIELD, value, &s);
	if (r < 0)
		return r;
	place = json_file_place(&p->file, "." VMWRITE_ANY_FIELD);
	return vmwrite_any_parse(place ?: "", s, &p->policy->vmwrite_any_field, p->file.ret_error);
}

static int parse_field(struct parser *p, const char *name, struct json_object *value)
{
	_cleanup_free_ char *json_path = NULL, *place = NULL;
	unsigned int shadow_class;
	const char *s;
	char *copy;
	int r;

	if (asprintf(&json_path, ".fields.%s", name) < 0) {
		json_path = NULL;
		return -ENOMEM;
	}
	r = json_file_expect_string(&p->file, json_path, value, &s);
	if (r < 0)
		return r;
	place = json_file_place(&p->file, json_path);
	r = class_parse(place ?: "", s, &shadow_class, p->file.ret_error);
	if (r < 0)
		return r;

	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	return policy_fields_add(&p->policy->fields, &p->policy->n_fields, copy, shadow_class,
				 json_places_line(&p->file.places, json_path));
}

static int parse_fields(struct parser *p, struct json_object *value)
{
	int r;

	r = json_file_expect(&p->file, ".fields", value, json_type_object);
	if (r < 0)
		return r;
	json_object_object_foreach(value, name, class) {
		r = parse_field(p, name, class);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool uuid_is_valid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(s) != strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

static int parse_match_uuid(struct parser *p, const char *json_path, char *uuid)
{
	if (!uuid_is_valid(uuid))
		return json_file_error(&p->file, json_path, "\"%.64s\" is not a uuid; \"virsh "
				       "domuuid\" prints a domain's.", uuid);
	for (; *uuid; uuid++)
		*uuid = tolower((unsigned char)*uuid);
	return 0;
}

/* The member that a key of a match is for; NULL if there is no such key. */
static char **match_member(struct policy_match *match, const char *key)
{
	if (streq(key, "domain"))
		return &match->domain;
	if (streq(key, "uuid"))
		return &match->uuid;
	if (streq(key, "executable"))
		return &match->executable;
	if (streq(key, "unit"))
		return &match->unit;
	return NULL;
}

static int parse_match_key(struct parser *p, const char *json_path, const char *key,
			   struct json_object *value, struct policy_match *match)
{
	char **member = match_member(match, key);
	const char *s;
	int r;

	if (!member)
		return json_file_error(&p->file, json_path, "Unknown key \"%s\"; a match has "
				       "domain, uuid, executable and unit.", key);
	r = json_file_expect_string(&p->file, json_path, value, &s);
	if (r < 0)
		return r;
	if (isempty(s))
		return json_file_error(&p->file, json_path, "Nothing matches this; give a text, or "
				       "\"*\" for any.");
	r = copy_string(p, s, member);
	if (r < 0)
		return r;
	return member == &match->uuid ? parse_match_uuid(p, json_path, *member) : 0;
}

static int parse_match_one(struct parser *p, size_t i, struct json_object *value)
{
	/* The policy's from now on. */
	struct policy_match *match = &p->policy->match[p->policy->n_match++];
	_cleanup_free_ char *json_path = NULL;
	int r;

	if (asprintf(&json_path, ".match[%zu]", i) < 0) {
		json_path = NULL;
		return -ENOMEM;
	}
	r = json_file_expect(&p->file, json_path, value, json_type_object);
	if (r < 0)
		return r;
	match->line = json_places_line(&p->file.places, json_path);

	json_object_object_foreach(value, key, member) {
		_cleanup_free_ char *member_path = NULL;

		if (asprintf(&member_path, "%s.%s", json_path, key) < 0) {
			member_path = NULL;
			return -ENOMEM;
		}
		r = parse_match_key(p, member_path, key, member, match);
		if (r < 0)
			return r;
	}
	if (json_object_object_length(value) == 0)
		return json_file_error(&p->file, json_path, "This match has no key; give it "
				       "domain, uuid, executable or unit.");
	return 0;
}

static int parse_match(struct parser *p, struct json_object *value)
{
	size_t n;
	int r;

	r = json_file_expect(&p->file, ".match", value, json_type_array);
	if (r < 0)
		return r;

	n = json_object_array_length(value);
	p->policy->match = calloc(n + 1, sizeof(*p->policy->match));
	if (!p->policy->match)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		r = parse_match_one(p, i, json_object_array_get_idx(value, i));
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct {
	const char *key;
	int (*parse)(struct parser *p, struct json_object *value);
} keys[] = {
	{ "name",		parse_name },
	{ "description",	parse_description },
	{ "extends",		parse_extends },
	{ VMWRITE_ANY_FIELD,	parse_vmwrite_any },
	{ "fields",		parse_fields },
	{ "match",		parse_match },
	/* Editors want it; the file is not fetched. */
	{ "$schema",		NULL },
};

static int parse_key(struct parser *p, const char *key, struct json_object *value)
{
	_cleanup_free_ char *json_path = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (streq(keys[i].key, key))
			return keys[i].parse ? keys[i].parse(p, value) :
			       json_file_expect(&p->file, ".$schema", value, json_type_string);

	if (asprintf(&json_path, ".%s", key) < 0) {
		json_path = NULL;
		return -ENOMEM;
	}
	return json_file_error(&p->file, json_path, "Unknown key \"%s\"; a policy has name, "
			       "description, extends, " VMWRITE_ANY_FIELD ", fields and match.", key);
}

static int parse_object(struct parser *p)
{
	int r;

	json_object_object_foreach(p->file.object, key, value) {
		r = parse_key(p, key, value);
		if (r < 0)
			return r;
	}

	if (!p->policy->name)
		return json_file_error(&p->file, "", "The policy has no name; give it "
				       "\"name\": \"NAME\".");
	if (!p->policy->description)
		p->policy->description = strdup("");
	if (!p->policy->extends)
		p->policy->extends = strdup(POLICY_EXTENDS_KERNEL);
	return p->policy->description && p->policy->extends ? 0 : -ENOMEM;
}

int policy_parse(const char *path, const char *text, size_t size,
		 struct policy **ret, char **ret_error)
{
	_cleanup_policy_ struct policy *policy = NULL;
	struct parser p = {};
	int r;

	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return -ENOMEM;
	policy->vmwrite_any_field = -1;
	policy->path = strdup(path);
	if (!policy->path)
		return -ENOMEM;
	p.policy = policy;

	r = json_file_parse(&p.file, path, text, size, ret_error);
	if (r < 0)
		return r;
	r = parse_object(&p);
	json_file_clear(&p.file);
	if (r < 0)
		return r;

	*ret = steal_ptr(policy);
	return 0;
}

/* Of any kind: "nvmxctl policy check" may be given a pipe. */
int policy_read(const char *path, struct policy **ret, char **ret_error)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -EBADF;
	size_t size;
	int r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_set(ret_error, -errno, "%s: Cannot be opened: %m.", path);
	r = conf_files_read(fd, path, &text, &size, ret_error);
	if (r < 0)
		return r;
	return policy_parse(path, text, size, ret, ret_error);
}
