/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What there is to know of the terminal.
 */
#include <sys/ioctl.h>

#include "client/nvmxctl.h"

#define COLUMNS_DEFAULT	80
#define COLUMNS_MAX	65535		/* a winsize has no more */

bool terminal_is_dumb(void)
{
	const char *term = getenv("TERM");

	return isempty(term) || streq(term, "dumb");
}

size_t terminal_columns(int fd)
{
	const char *said = getenv("COLUMNS");
	struct winsize size;
	unsigned long n;

	if (!isatty(fd))
		return 0;
	/* What is no number of columns says nothing; a sign or a blank makes none either. */
	n = said && *said >= '1' && *said <= '9' ? strtoul(said, NULL, 10) : 0;
	if (n > 0 && n <= COLUMNS_MAX)
		return n;
	return ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 ? COLUMNS_DEFAULT : size.ws_col;
}
