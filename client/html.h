/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parts of pages in HTML.
 */
#ifndef NVMX_CLIENT_HTML_H
#define NVMX_CLIENT_HTML_H

#include <stdint.h>
#include <stdio.h>

/* Head and heading, "WHATNAME"; what is HTML, name is escaped. */
void html_begin(FILE *f, const char *what, const char *name);
/* As text; control characters become '?'. */
void html_escaped(FILE *f, const char *s);
/* Of a <dl>; value is escaped, and "unknown" if it is empty; more is HTML. */
void html_item(FILE *f, const char *what, const char *value, const char *more);
void html_date(FILE *f, uint64_t time_usec);	/* since 1970 */

#endif /* NVMX_CLIENT_HTML_H */
