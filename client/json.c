/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Short ways to what is in a JSON object: what is missing is empty, or zero.
 */
#include "client/nvmxctl.h"

struct json_object *json_get(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value;
}

const char *json_get_text(struct json_object *o, const char *key)
{
	return json_object_get_string(json_get(o, key)) ?: "";
}

uint64_t json_get_count(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_get(o, key));
}

size_t json_length(struct json_object *o)
{
	if (json_object_is_type(o, json_type_array))
		return json_object_array_length(o);
	return json_object_is_type(o, json_type_object) ? json_object_object_length(o) : 0;
}

struct json_object *json_at(struct json_object *array, size_t i)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_get_idx(array, i) : NULL;
}

double json_get_number(struct json_object *o, const char *key)
{
	return json_object_get_double(json_get(o, key));
}

void json_add_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

void json_add_count(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

void json_add_number(struct json_object *o, const char *key, double value, int digits)
{
	char text[48];

	/* Its own text: a double has digits that mean nothing. */
	snprintf(text, sizeof(text), "%.*f", digits, value);
	json_object_object_add(o, key, json_object_new_double_s(value, text));
}

/*
 * An empty object in one line, as json-c has it from 0.17 on; before, it was two.  No
 * string of JSON has a newline in it.
 */
static void close_up(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		*to++ = *p;
		if (*p == '{' && p[1] == '\n' && p[1 + strspn(p + 1, "\n ")] == '}')
			p += strspn(p + 1, "\n ");
	}
	*to = '\0';
}

char *json_to_text(struct json_object *o, bool pretty)
{
	int flags = pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN;
	const char *s = json_object_to_json_string_ext(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *text = s ? strdup(s) : NULL;

	if (text)
		close_up(text);
	return text;
}
