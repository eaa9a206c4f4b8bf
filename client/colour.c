/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether there are colours, and which mean what: on a terminal only, and not with
 * NO_COLOR (https://no-color.org) or on one that is dumb.
 */
#include "client/nvmxctl.h"

bool colour_is_on(void)
{
	/* A pager is started for a terminal only. */
	return isempty(getenv("NO_COLOR")) && !terminal_is_dumb() && isatty(STDOUT_FILENO);
}

const char *colour_begin(enum colour colour)
{
	static const char *const sequences[] = {
		[COLOUR_BOLD]	= "\033[1m",
		[COLOUR_GOOD]	= "\033[32m",
		[COLOUR_NOTE]	= "\033[33m",
		[COLOUR_BAD]	= "\033[31m",
	};

	return colour != COLOUR_NONE && colour_is_on() ? sequences[colour] : "";
}

const char *colour_end(enum colour colour)
{
	return colour != COLOUR_NONE && colour_is_on() ? "\033[0m" : "";
}
