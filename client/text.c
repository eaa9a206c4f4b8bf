/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text of other people, and how many columns of a terminal it takes.
 */
#include <wchar.h>
#include <wctype.h>

#include "client/nvmxctl.h"

char *text_safe(const char *s)
{
	char *copy = strdup(s);

	for (unsigned char *p = (unsigned char *)copy; p && *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		/* U+0080 to U+009F, which are control characters, too, and two bytes in UTF-8. */
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
	return copy;
}

size_t text_next(const char *s, wchar_t *ret, int *ret_columns)
{
	mbstate_t state = {};
	wchar_t w;
	size_t k;

	/* Nearly all of it is ASCII. */
	if (*s >= 0x20 && *s < 0x7f) {
		*ret = *s;
		*ret_columns = 1;
		return 1;
	}
	k = mbrtowc(&w, s, MB_CUR_MAX, &state);
	if (k == 0)
		return 0;
	if (k == (size_t)-1 || k == (size_t)-2) {
		k = 1;
		w = L'\0';
	}
	*ret_columns = iswprint(w) ? wcwidth(w) : -1;
	*ret = w;
	if (*ret_columns < 0) {
		*ret = L'?';
		*ret_columns = 1;
	}
	return k;
}

/* The longest beginning, in bytes, that takes so many columns at most; how many it takes. */
static size_t beginning(const char *s, size_t n, size_t columns, size_t *ret_columns)
{
	size_t at = 0, used = 0, k;
	wchar_t w;
	int more;

	while (at < n && (k = text_next(s + at, &w, &more)) > 0 && used + more <= columns) {
		at += k;
		used += more;
	}
	*ret_columns = used;
	return at;
}

size_t text_columns(const char *s)
{
	size_t columns;

	(void)beginning(s, SIZE_MAX, SIZE_MAX, &columns);
	return columns;
}

size_t text_cut(const char *s, size_t columns, size_t *ret_columns)
{
	return beginning(s, SIZE_MAX, columns, ret_columns);
}

/* Bytes until the next blank.  What is in quotes is one word if it fits a line: a command, to be copied. */
static size_t word(const char *s, size_t room)
{
	size_t n = 0, columns;

	while (s[n] && s[n] != ' ') {
		const char *end = s[n] == '"' ? strchr(s + n + 1, '"') : NULL;

		n++;
		if (end && beginning(s + n, end - (s + n), room, &columns) == (size_t)(end - (s + n)))
			n = end + 1 - s;
	}
	return n;
}

void text_wrap(FILE *f, size_t used, size_t indent, const char *text)
{
	_cleanup_free_ char *safe = text_safe(text);
	size_t width = terminal_columns(STDOUT_FILENO), room = width > indent ? width - indent : 1;
	const char *s = safe ?: "";

	if (width == 0) {
		fputs(s, f);
		return;
	}
	for (bool first = true; *s; first = false) {
		size_t n = word(s, room), columns;

		(void)beginning(s, n, SIZE_MAX, &columns);
		if (used > indent && used + !first + columns > width) {
			fprintf(f, "\n%*s", (int)indent, "");
			used = indent;
		} else if (!first) {
			fputc(' ', f);
			used++;
		}
		fwrite(s, 1, n, f);
		used += columns;
		s += n;
		s += *s == ' ';
	}
}
