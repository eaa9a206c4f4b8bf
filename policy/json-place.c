/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the line of every value in a JSON text, and keys that come twice.  It
 * runs after json-c, which has checked the grammar and the depth, and so is
 * short: it only has to find where values begin and end.
 */
#include "policy/json-place.h"
#include "policy/policy.h"

/* A longer key is nobody's, and paths stay short. */
#define KEY_MAX		64

struct scanner {
	const char *p;
	const char *end;
	unsigned int line;
	unsigned int depth;
	struct json_places *places;
	char **ret_error;
};

static int scan_value(struct scanner *s, const char *path);

unsigned int json_line(const char *text, size_t size, size_t offset)
{
	unsigned int line = 1;

	for (size_t i = 0; i < size && i < offset; i++)
		if (text[i] == '\n')
			line++;
	return line;
}

static void skip_space(struct scanner *s)
{
	for (; s->p < s->end && strchr(" \t\r\n", *s->p); s->p++)
		if (*s->p == '\n')
			s->line++;
}

static bool take(struct scanner *s, char c)
{
	skip_space(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* What json-c took and this does not is not plain JSON. */
static int odd(struct scanner *s)
{
	return error_set(s->ret_error, -EBADMSG, "This is not plain JSON.");
}

/* Past a string; its raw text without the quotes. */
static int scan_string(struct scanner *s, const char **ret, size_t *ret_len)
{
	const char *start;

	if (!take(s, '"'))
		return odd(s);
	for (start = s->p; s->p < s->end && *s->p != '"'; s->p++) {
		if (*s->p == '\\')
			s->p++;
		else if (*s->p == '\n')
			return odd(s);
	}
	if (s->p >= s->end)
		return odd(s);

	*ret = start;
	*ret_len = s->p - start;
	s->p++;
	return 0;
}

static int add_place(struct scanner *s, const char *path)
{
	struct json_places *l = s->places;

	if (l->n == l->allocated) {
		size_t n = l->allocated ? 2 * l->allocated : 64;
		struct json_place *p = reallocarray(l->places, n, sizeof(*p));

		if (!p)
			return -ENOMEM;
		l->places = p;
		l->allocated = n;
	}
	l->places[l->n].path = strdup(path);
	if (!l->places[l->n].path)
		return -ENOMEM;
	l->places[l->n].line = s->line;
	l->n++;
	return 0;
}

static int scan_object(struct scanner *s, const char *path)
{
	if (take(s, '}'))
		return 0;
	do {
		_cleanup_free_ char *member = NULL;
		const char *key;
		size_t len;
		int r;

		r = scan_string(s, &key, &len);
		if (r < 0)
			return r;
		if (len > KEY_MAX || memchr(key, '\\', len))
			return error_set(s->ret_error, -EBADMSG, "%s: Unknown key \"%.*s\"%s.",
					 *path ? path : ".", (int)(len > KEY_MAX ? KEY_MAX : len),
					 key, len > KEY_MAX ? ", cut here" : "");
		if (asprintf(&member, "%s.%.*s", path, (int)len, key) < 0) {
			member = NULL;
			return -ENOMEM;
		}
		if (!take(s, ':'))
			return odd(s);
		skip_space(s);
		r = scan_value(s, member);
		if (r < 0)
			return r;
	} while (take(s, ','));

	return take(s, '}') ? 0 : odd(s);
}

static int scan_array(struct scanner *s, const char *path)
{
	if (take(s, ']'))
		return 0;
	for (size_t i = 0;; i++) {
		_cleanup_free_ char *element = NULL;
		int r;

		if (asprintf(&element, "%s[%zu]", path, i) < 0) {
			element = NULL;
			return -ENOMEM;
		}
		skip_space(s);
		r = scan_value(s, element);
		if (r < 0)
			return r;
		if (!take(s, ','))
			break;
	}
	return take(s, ']') ? 0 : odd(s);
}

/* Past a number, true, false or null, of which nothing else begins with n. */
static void scan_word(struct scanner *s)
{
	if (*s->p == 'n')
		s->places->n_nulls++;
	while (s->p < s->end && !strchr(",]} \t\r\n", *s->p))
		s->p++;
}

static int scan_value(struct scanner *s, const char *path)
{
	const char *ignored;
	size_t len;
	int r;

	if (s->p >= s->end || s->depth > POLICY_DEPTH_MAX)
		return odd(s);
	r = add_place(s, path);
	if (r < 0)
		return r;

	s->depth++;
	if (take(s, '{'))
		r = scan_object(s, path);
	else if (take(s, '['))
		r = scan_array(s, path);
	else if (*s->p == '"')
		r = scan_string(s, &ignored, &len);
	else
		scan_word(s);
	s->depth--;
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct json_place *x = a, *y = b;
	int c = strcmp(x->path, y->path);

	return c ?: (x->line > y->line) - (x->line < y->line);
}

int json_places_scan(const char *text, size_t size, struct json_places *ret,
		     unsigned int *ret_line, char **ret_error)
{
	struct scanner s = {
		.p = text, .end = text + size, .line = 1,
		.places = ret, .ret_error = ret_error,
	};
	int r;

	skip_space(&s);
	r = scan_value(&s, "");
	if (r < 0) {
		*ret_line = s.line;
		if (r == -ENOMEM)
			error_set(ret_error, r, "Out of memory.");
		return r;
	}

	qsort(ret->places, ret->n, sizeof(*ret->places), compare);
	for (size_t i = 1; i < ret->n; i++) {
		if (!streq(ret->places[i - 1].path, ret->places[i].path))
			continue;
		*ret_line = ret->places[i].line;
		return error_set(ret_error, -EBADMSG, "%s: This key is given twice, on line %u "
				 "already; keep one.", ret->places[i].path,
				 ret->places[i - 1].line);
	}
	return 0;
}

void json_places_clear(struct json_places *places)
{
	for (size_t i = 0; i < places->n; i++)
		free(places->places[i].path);
	free(places->places);
	*places = (struct json_places) {};
}

unsigned int json_places_line(const struct json_places *places, const char *path)
{
	struct json_place key = { .path = (char *)path, .line = 0 };
	size_t low = 0, high = places->n;

	/* Line 0 sorts before the one there is. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&places->places[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < places->n && streq(places->places[low].path, path) ?
	       places->places[low].line : 1;
}
