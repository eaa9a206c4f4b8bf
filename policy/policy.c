/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One policy file.  Strict: what is not understood is an error that names file,
 * line and JSON path.  A struct policy owns all its strings.
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <sys/stat.h>

#include "policy/internal.h"
#include "policy/json-place.h"

struct parser {
	const char *path;		/* of the file */
	struct json_places places;
	struct policy *policy;
	char **ret_error;
};

static const char *type_name(enum json_type type)
{
	switch (type) {
	case json_type_null:
		return "null";
	case json_type_boolean:
		return "a boolean";
	case json_type_double:
	case json_type_int:
		return "a number";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "an array";
	case json_type_string:
		return "a string";
	}
	return "something else";
}

static char *place_of(const struct parser *p, const char *json_path)
{
	char *s;

	if (asprintf(&s, "%s:%u: %s: ", p->path, json_places_line(&p->places, json_path),
		     *json_path ? json_path : ".") < 0)
		return NULL;
	return s;
}

static int expect(const struct parser *p, const char *json_path, struct json_object *value,
		  enum json_type type)
{
	_cleanup_free_ char *place = NULL;

	if (json_object_is_type(value, type))
		return 0;
	place = place_of(p, json_path);
	return error_set(p->ret_error, -EBADMSG, "%sThis must be %s, not %s.", place ?: "",
			 type_name(type), type_name(json_object_get_type(value)));
}

/* Borrowed from the JSON object. */
static int expect_string(const struct parser *p, const char *json_path,
			 struct json_object *value, const char **ret)
{
	_cleanup_free_ char *place = NULL;
	const char *s;
	int r;

	r = expect(p, json_path, value, json_type_string);
	if (r < 0)
		return r;
	s = json_object_get_string(value);
	/* A NUL in it would cut it short; \u escapes can bring anything. */
	if (strlen(s) != (size_t)json_object_get_string_len(value) || !utf8_is_text(s)) {
		place = place_of(p, json_path);
		return error_set(p->ret_error, -EBADMSG, "%sA control character, or what is no "
				 "character, is in this string; take it out.", place ?: "");
	}
	*ret = s;
	return 0;
}

static int copy_string(const struct parser *p, const char *s, char **ret)
{
	*ret = strdup(s);
	return *ret ? 0 : error_set(p->ret_error, -ENOMEM, "Out of memory.");
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
	for (size_t i = 0; i < p->n_match; i++)
		free(p->match[i]);
	free(p->match);
	free(p);
	return NULL;
}

static int parse_name(struct parser *p, struct json_object *value)
{
	_cleanup_free_ char *place = NULL;
	const char *s;
	int r;

	r = expect_string(p, ".name", value, &s);
	if (r < 0)
		return r;
	if (!policy_name_is_valid(s)) {
		place = place_of(p, ".name");
		return error_set(p->ret_error, -EBADMSG, "%sA policy cannot be named \"%.64s\": "
				 "names are letters, digits, '.', '_' and '-', %d at most, and "
				 "neither kernel nor none.", place ?: "", s, POLICY_NAME_MAX);
	}
	return copy_string(p, s, &p->policy->name);
}

static int parse_description(struct parser *p, struct json_object *value)
{
	const char *s;
	int r;

	r = expect_string(p, ".description", value, &s);
	if (r < 0)
		return r;
	return copy_string(p, s, &p->policy->description);
}

static int parse_extends(struct parser *p, struct json_object *value)
{
	_cleanup_free_ char *place = NULL;
	const char *s;
	int r;

	r = expect_string(p, ".extends", value, &s);
	if (r < 0)
		return r;
	p->policy->extends_line = json_places_line(&p->places, ".extends");
	if (!policy_name_is_valid(s) &&
	    !streq(s, POLICY_EXTENDS_KERNEL) && !streq(s, POLICY_EXTENDS_NONE)) {
		place = place_of(p, ".extends");
		return error_set(p->ret_error, -EBADMSG, "%s\"%.64s\" cannot be a policy's name; "
				 "name a policy, kernel or none.", place ?: "", s);
	}
	return copy_string(p, s, &p->policy->extends);
}

static int parse_vmwrite_any(struct parser *p, struct json_object *value)
{
	_cleanup_free_ char *place = NULL;
	const char *s;
	int r;

	r = expect_string(p, "." VMWRITE_ANY_FIELD, value, &s);
	if (r < 0)
		return r;
	place = place_of(p, "." VMWRITE_ANY_FIELD);
	return vmwrite_any_parse(place ?: "", s, &p->policy->vmwrite_any_field, p->ret_error);
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
	r = expect_string(p, json_path, value, &s);
	if (r < 0)
		return r;
	place = place_of(p, json_path);
	r = class_parse(place ?: "", s, &shadow_class, p->ret_error);
	if (r < 0)
		return r;

	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	return policy_fields_add(&p->policy->fields, &p->policy->n_fields, copy, shadow_class,
				 json_places_line(&p->places, json_path));
}

static int parse_fields(struct parser *p, struct json_object *value)
{
	int r;

	r = expect(p, ".fields", value, json_type_object);
	if (r < 0)
		return r;
	json_object_object_foreach(value, name, class) {
		r = parse_field(p, name, class);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_match_one(struct parser *p, size_t i, struct json_object *value)
{
	_cleanup_free_ char *json_path = NULL, *place = NULL;
	const char *s = NULL;
	int r;

	if (asprintf(&json_path, ".match[%zu]", i) < 0) {
		json_path = NULL;
		return -ENOMEM;
	}
	r = expect(p, json_path, value, json_type_object);
	if (r < 0)
		return r;

	json_object_object_foreach(value, key, glob) {
		_cleanup_free_ char *member = NULL;

		if (asprintf(&member, "%s.%s", json_path, key) < 0) {
			member = NULL;
			return -ENOMEM;
		}
		if (!streq(key, "domain")) {
			place = place_of(p, member);
			return error_set(p->ret_error, -EBADMSG, "%sUnknown key \"%s\"; "
					 "a match has domain only.", place ?: "", key);
		}
		r = expect_string(p, member, glob, &s);
		if (r < 0)
			return r;
	}
	if (isempty(s)) {
		place = place_of(p, json_path);
		return error_set(p->ret_error, -EBADMSG, "%sThis match fits nothing; give it "
				 "\"domain\": \"GLOB\".", place ?: "");
	}
	return copy_string(p, s, &p->policy->match[p->policy->n_match++]);
}

static int parse_match(struct parser *p, struct json_object *value)
{
	size_t n;
	int r;

	r = expect(p, ".match", value, json_type_array);
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
	_cleanup_free_ char *json_path = NULL, *place = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (streq(keys[i].key, key))
			return keys[i].parse ? keys[i].parse(p, value) :
			       expect(p, ".$schema", value, json_type_string);

	if (asprintf(&json_path, ".%s", key) < 0) {
		json_path = NULL;
		return -ENOMEM;
	}
	place = place_of(p, json_path);
	return error_set(p->ret_error, -EBADMSG, "%sUnknown key \"%s\"; a policy has name, "
			 "description, extends, " VMWRITE_ANY_FIELD ", fields and match.",
			 place ?: "", key);
}

static int parse_object(struct parser *p, struct json_object *object)
{
	_cleanup_free_ char *place = NULL;
	int r;

	r = expect(p, "", object, json_type_object);
	if (r < 0)
		return r;
	json_object_object_foreach(object, key, value) {
		r = parse_key(p, key, value);
		if (r < 0)
			return r;
	}

	if (!p->policy->name) {
		place = place_of(p, "");
		return error_set(p->ret_error, -EBADMSG, "%sThe policy has no name; give it "
				 "\"name\": \"NAME\".", place ?: "");
	}
	if (!p->policy->description)
		p->policy->description = strdup("");
	if (!p->policy->extends)
		p->policy->extends = strdup(POLICY_EXTENDS_KERNEL);
	return p->policy->description && p->policy->extends ? 0 : -ENOMEM;
}

static int syntax_error(const char *path, const char *text, size_t size,
			struct json_tokener *tokener, char **ret_error)
{
	enum json_tokener_error e = json_tokener_get_error(tokener);
	unsigned int line = json_line(text, size, json_tokener_get_parse_end(tokener));

	switch (e) {
	case json_tokener_continue:
	case json_tokener_error_parse_eof:
		return error_set(ret_error, -EBADMSG, "%s:%u: The file ends in the middle of its "
				 "JSON; complete it.", path, line);
	case json_tokener_error_depth:
		return error_set(ret_error, -EBADMSG, "%s:%u: Arrays and objects are nested "
				 "deeper than %d.", path, line, POLICY_DEPTH_MAX);
	case json_tokener_error_parse_utf8_string:
		return error_set(ret_error, -EBADMSG, "%s:%u: This is not valid UTF-8; save the "
				 "file as UTF-8.", path, line);
	default:
		return error_set(ret_error, -EBADMSG, "%s:%u: This is not JSON: %s.", path, line,
				 json_tokener_error_desc(e));
	}
}

static int parse_json(const char *path, const char *text, size_t size,
		      struct json_object **ret, char **ret_error)
{
	struct json_tokener *tokener;
	struct json_object *o;
	const char *nul;
	int r = 0;

	/* json-c would take it for the end. */
	nul = memchr(text, '\0', size);
	if (nul)
		return error_set(ret_error, -EBADMSG, "%s:%u: A NUL byte is in the file; "
				 "policies are text.", path, json_line(text, size, nul - text));

	/* json-c counts the value inside the innermost one as a level, too. */
	tokener = json_tokener_new_ex(POLICY_DEPTH_MAX + 1);
	if (!tokener)
		return error_set(ret_error, -ENOMEM, "Out of memory.");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);

	/* With length, so that a text cut short is told from one with an error. */
	o = json_tokener_parse_ex(tokener, text, size);
	if (json_tokener_get_error(tokener) != json_tokener_success) {
		r = syntax_error(path, text, size, tokener, ret_error);
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tokener);
	if (r == 0)
		*ret = o;
	return r;
}

int policy_parse(const char *path, const char *text, size_t size,
		 struct policy **ret, char **ret_error)
{
	_cleanup_policy_ struct policy *policy = NULL;
	_cleanup_free_ char *sentence = NULL;
	struct parser p = { .path = path, .ret_error = ret_error };
	struct json_object *object = NULL;
	unsigned int line;
	int r;

	if (size > POLICY_FILE_MAX)
		return error_set(ret_error, -EFBIG, "%s: The file is larger than the %d bytes "
				 "that a policy may have.", path, POLICY_FILE_MAX);

	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return error_set(ret_error, -ENOMEM, "Out of memory.");
	policy->vmwrite_any_field = -1;
	policy->path = strdup(path);
	if (!policy->path)
		return error_set(ret_error, -ENOMEM, "Out of memory.");
	p.policy = policy;

	r = parse_json(path, text, size, &object, ret_error);
	if (r < 0)
		return r;

	r = json_places_scan(text, size, &p.places, &line, &sentence);
	if (r < 0)
		error_set(ret_error, r, "%s:%u: %s", path, line, sentence ?: "Out of memory.");
	else
		r = parse_object(&p, object);

	json_object_put(object);
	json_places_clear(&p.places);
	if (r < 0) {
		if (r == -ENOMEM && ret_error && !*ret_error)
			error_set(ret_error, r, "Out of memory.");
		return r;
	}

	*ret = steal_ptr(policy);
	return 0;
}

int policy_read(const char *path, struct policy **ret, char **ret_error)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	size_t size = 0;
	ssize_t n;

	/* One byte more tells a file that is too large; a device or fifo does not block. */
	text = malloc(POLICY_FILE_MAX + 1);
	if (!text)
		return error_set(ret_error, -ENOMEM, "Out of memory.");

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_set(ret_error, -errno, "%s: Cannot be opened: %m.", path);
	while (size <= POLICY_FILE_MAX) {
		n = read(fd, text + size, POLICY_FILE_MAX + 1 - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(ret_error, -errno, "%s: Cannot be read: %m.", path);
		if (n == 0)
			break;
		size += n;
	}
	return policy_parse(path, text, size, ret, ret_error);
}
