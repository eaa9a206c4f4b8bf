/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors of the policy library: a negative errno and one sentence, which the
 * caller owns.
 */
#include <stdarg.h>

#include "policy/internal.h"

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

	/* What is quoted may be anything, also cut in the middle of a character. */
	if (s)
		utf8_clean(s);
	*ret_error = s;
	return r;
}

bool error_said_before(char **said, const char *sentence)
{
	_cleanup_free_ char *line = NULL, *all = NULL;

	if (asprintf(&line, "\n%s\n", sentence) < 0) {
		line = NULL;
		return false;
	}
	if (*said && strstr(*said, line))
		return true;
	if (asprintf(&all, "%s%s", *said ?: "", line) < 0) {
		all = NULL;
		return false;
	}

	free(*said);
	*said = steal_ptr(all);
	return false;
}
