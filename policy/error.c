/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors of the policy library: a negative errno and one sentence, which the
 * caller owns.
 */
#include <stdarg.h>

#include "policy/internal.h"

/* What is quoted may be anything, also cut in the middle of a character. */
static void make_text(char *s)
{
	while (*s) {
		size_t n = utf8_length(s);

		if (n == 0 || (unsigned char)*s < 0x20 || *s == 0x7f) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

int error_set(char **ret_error, int r, const char *format, ...)
{
	char *s = NULL;
	va_list ap;

	if (!ret_error)
		return r;

	va_start(ap, format);
	if (vasprintf(&s, format, ap) < 0)
		s = NULL;
	va_end(ap);

	if (s)
		make_text(s);
	*ret_error = s;
	return r;
}
