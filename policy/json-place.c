/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the line of every value in a JSON text, keys that come twice, and what
 * is not JSON as RFC 8259 has it.  json-c has read the text before, but takes more
 * than that; its own strict mode differs from version to version: 0.16 saturates a
 * number that is too large, 0.18 refuses it, and every string that is not ASCII.
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

/* What json-c took and RFC 8259 does not. */
static int odd(struct scanner *s, const char *why)
{
	return error_set(s->ret_error, -EBADMSG, "This is not JSON: %s.", why);
}

/* Past a string; its raw text without the quotes. */
static int scan_string(struct scanner *s, const char **ret, size_t *ret_len)
{
	const char *start;

	if (!take(s, '"'))
		return odd(s, "a string in double quotes is expected");
	for (start = s->p; s->p < s->end && *s->p != '"'; s->p++) {
		if (*s->p == '\\')
			s->p++;
		if (s->p < s->end && (unsigned char)*s->p < ' ')
			return odd(s, "a control character in a string must be escaped");
	}
	if (s->p >= s->end)
		return odd(s, "a string does not end");

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
			return odd(s, "a colon is expected");
		skip_space(s);
		r = scan_value(s, member);
		if (r < 0)
			return r;
	} while (take(s, ','));

	return take(s, '}') ? 0 : odd(s, "a comma or } is expected");
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
	return take(s, ']') ? 0 : odd(s, "a comma or ] is expected");
}

static size_t digits(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && p[n] >= '0' && p[n] <= '9')
		n++;
	return n;
}

/* RFC 8259, section 6: no sign but a minus, no zero in front, digits around the point. */
static bool is_number(const char *p, const char *end)
{
	size_t n;

	if (p < end && *p == '-')
		p++;
	n = digits(p, end);
	if (n == 0 || (n > 1 && *p == '0'))
		return false;
	p += n;
	if (p < end && *p == '.') {
		n = digits(p + 1, end);
		if (n == 0)
			return false;
		p += 1 + n;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		n = digits(p, end);
		if (n == 0)
			return false;
		p += n;
	}
	return p == end;
}

static bool is_word(const char *p, const char *end, const char *word)
{
	return (size_t)(end - p) == strlen(word) && memcmp(p, word, end - p) == 0;
}

/* Past a number, true, false or null. */
static int scan_word(struct scanner *s)
{
	const char *start = s->p;

	while (s->p < s->end && !strchr(",:]} \t\r\n", *s->p))
		s->p++;
	if (is_word(start, s->p, "null"))
		s->places->n_nulls++;
	else if (!is_word(start, s->p, "true") && !is_word(start, s->p, "false") &&
		 !is_number(start, s->p))
		return odd(s, "a value is expected");
	return 0;
}

static int scan_value(struct scanner *s, const char *path)
{
	const char *ignored;
	size_t len;
	int r;

	if (s->p >= s->end || s->depth > POLICY_DEPTH_MAX)
		return odd(s, "a value is expected");
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
		r = scan_word(s);
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
	if (r >= 0) {
		skip_space(&s);
		if (s.p < s.end)
			r = odd(&s, "something follows the object");
	}
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
