/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all JSON files of nvmx have in common: syntax, places, types.  json-c reads,
 * json-place.c finds lines, keys that come twice, and what json-c should not have read.
 */
#include <stdarg.h>

#include "policy/internal.h"
#include "policy/json-file.h"

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

char *json_file_place(const struct json_file *f, const char *json_path)
{
	char *s;

	if (asprintf(&s, "%s:%u: %s: ", f->path, json_places_line(&f->places, json_path),
		     *json_path ? json_path : ".") < 0)
		return NULL;
	return s;
}

int json_file_error(const struct json_file *f, const char *json_path, const char *format, ...)
{
	_cleanup_free_ char *place = json_file_place(f, json_path), *sentence = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&sentence, format, ap) < 0)
		sentence = NULL;
	va_end(ap);

	return error_set(f->ret_error, -EBADMSG, "%s%s", place ?: "", sentence ?: "Out of memory.");
}

int json_file_expect(const struct json_file *f, const char *json_path,
		     struct json_object *value, enum json_type type)
{
	if (json_object_is_type(value, type))
		return 0;
	return json_file_error(f, json_path, "This must be %s, not %s.", type_name(type),
			       type_name(json_object_get_type(value)));
}

int json_file_expect_string(const struct json_file *f, const char *json_path,
			    struct json_object *value, const char **ret)
{
	const char *s;
	int r;

	r = json_file_expect(f, json_path, value, json_type_string);
	if (r < 0)
		return r;
	s = json_object_get_string(value);
	/* A NUL in it would cut it short; \u escapes can bring anything. */
	if (strlen(s) != (size_t)json_object_get_string_len(value) || !utf8_is_text(s))
		return json_file_error(f, json_path, "This string has a control character or an "
				       "invalid character; remove it.");
	*ret = s;
	return 0;
}

static int syntax_error(const struct json_file *f, const char *text, size_t size,
			struct json_tokener *tokener)
{
	enum json_tokener_error e = json_tokener_get_error(tokener);
	unsigned int line = json_line(text, size, json_tokener_get_parse_end(tokener));

	switch (e) {
	case json_tokener_continue:
	case json_tokener_error_parse_eof:
		return error_set(f->ret_error, -EBADMSG, "%s:%u: The file ends in the middle of "
				 "its JSON; complete it.", f->path, line);
	case json_tokener_error_depth:
		return error_set(f->ret_error, -EBADMSG, "%s:%u: Arrays and objects are nested "
				 "deeper than %d.", f->path, line, POLICY_DEPTH_MAX);
	case json_tokener_error_parse_utf8_string:
		return error_set(f->ret_error, -EBADMSG, "%s:%u: This is not valid UTF-8; save "
				 "the file as UTF-8.", f->path, line);
	default:
		return error_set(f->ret_error, -EBADMSG, "%s:%u: This is not JSON: %s.", f->path,
				 line, json_tokener_error_desc(e));
	}
}

static int parse_json(struct json_file *f, const char *text, size_t size)
{
	struct json_tokener *tokener;
	const char *nul;
	int r = 0;

	/* json-c would take it for the end. */
	nul = memchr(text, '\0', size);
	if (nul)
		return error_set(f->ret_error, -EBADMSG, "%s:%u: The file has a NUL byte; "
				 "it must be text.", f->path,
				 json_line(text, size, nul - text));

	/* json-c counts the value inside the innermost one as a level, too. */
	tokener = json_tokener_new_ex(POLICY_DEPTH_MAX + 1);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);

	/* With length, so that a text cut short is told from one with an error. */
	f->object = json_tokener_parse_ex(tokener, text, size);
	if (json_tokener_get_error(tokener) != json_tokener_success)
		r = syntax_error(f, text, size, tokener);
	json_tokener_free(tokener);
	return r;
}

/* Values at and below one; a null is none. */
static size_t count_values(struct json_object *value)
{
	size_t n = value != NULL;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, key, member) {
			(void)key;
			n += count_values(member);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			n += count_values(json_object_array_get_idx(value, i));
	}
	return n;
}

/*
 * json-c goes on without a word where it has no memory for a value: a key is then not
 * there, or its value is null.
 */
static int check_complete(const struct json_file *f)
{
	if (count_values(f->object) == f->places.n - f->places.n_nulls)
		return 0;
	return error_set(f->ret_error, -ENOMEM, "%s: Out of memory.", f->path);
}

int json_file_parse(struct json_file *f, const char *path, const char *text, size_t size,
		    char **ret_error)
{
	_cleanup_free_ char *sentence = NULL;
	unsigned int line;
	int r;

	*f = (struct json_file) { .path = path, .ret_error = ret_error };

	if (size > POLICY_FILE_MAX)
		return error_set(ret_error, -EFBIG, "%s: The file is larger than %d bytes.", path,
				 POLICY_FILE_MAX);

	r = parse_json(f, text, size);
	if (r >= 0) {
		r = json_places_scan(text, size, &f->places, &line, &sentence);
		if (r < 0)
			error_set(ret_error, r, "%s:%u: %s", path, line, sentence ?: "Out of memory.");
	}
	if (r >= 0)
		r = check_complete(f);
	if (r >= 0)
		r = json_file_expect(f, "", f->object, json_type_object);
	if (r < 0)
		json_file_clear(f);
	return r;
}

void json_file_clear(struct json_file *f)
{
	json_object_put(f->object);
	f->object = NULL;
	json_places_clear(&f->places);
}
