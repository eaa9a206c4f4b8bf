/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables for people, printed by libsmartcols: columns as wide as what is in them, if that
 * fits the terminal.  libsmartcols shortens columns in two steps only and leaves none out,
 * so which yield, and how far, is decided here; it is told of no terminal.
 */
#include <langinfo.h>
#include <libsmartcols/libsmartcols.h>

#include "client/nvmxctl.h"

#define CUT_MIN		8	/* columns that are left of a text */

struct table {
	const struct column *columns;
	size_t n;		/* of columns */
	struct libscols_table *scols;
	struct libscols_line *line;	/* the last one */
	size_t k;		/* the next cell in it; n: in a new one */
};

static int add_column(struct table *t, const struct column *column)
{
	struct libscols_column *c;

	c = scols_table_new_column(t->scols, column->title, 0, column->right ? SCOLS_FL_RIGHT : 0);
	return c ? scols_cell_set_color(scols_column_get_header(c), "bold") : -ENOMEM;
}

struct table *table_new(const struct column *columns, size_t n)
{
	_cleanup_table_ struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct table) { .columns = columns, .n = n, .scols = scols_new_table(), .k = n };
	if (!t->scols || scols_table_set_termforce(t->scols, SCOLS_TERMFORCE_NEVER) < 0)
		return NULL;
	for (size_t k = 0; k < n; k++)
		if (add_column(t, &columns[k]) < 0)
			return NULL;
	return steal_ptr(t);
}

struct table *table_free(struct table *t)
{
	if (t)
		scols_unref_table(t->scols);
	free(t);
	return NULL;
}

size_t table_rows(const struct table *t)
{
	return scols_table_get_nlines(t->scols);
}

/* What an administrator should not overlook. */
static const char *cell_colour(const struct column *column, const char *text)
{
	return streq(column->key, "shadowing") && !streq(text, "active") && !streq(text, "-") ?
	       "yellow" : NULL;
}

int table_add(struct table *t, const char *text)
{
	_cleanup_free_ char *safe = text_safe(isempty(text) ? "-" : text);
	int r;

	if (!safe)
		return -ENOMEM;
	if (t->k == t->n) {
		t->line = scols_table_new_line(t->scols, NULL);
		if (!t->line)
			return -ENOMEM;
		t->k = 0;
	}
	r = scols_cell_set_color(scols_line_get_cell(t->line, t->k), cell_colour(&t->columns[t->k], safe));
	if (r == 0)
		r = scols_line_refer_data(t->line, t->k++, steal_ptr(safe));
	return r;
}

/* NULL after the last one; then from the first again. */
static struct libscols_line *next_line(const struct table *t, struct libscols_iter *i)
{
	struct libscols_line *line;

	if (scols_table_next_line(t->scols, i, &line) == 0)
		return line;
	scols_reset_iter(i, SCOLS_ITER_FORWARD);
	return NULL;
}

static void measure(const struct table *t, struct libscols_iter *i, size_t *widths)
{
	struct libscols_line *line;

	for (size_t k = 0; k < t->n; k++)
		widths[k] = text_columns(t->columns[k].title);
	while ((line = next_line(t, i)))
		for (size_t k = 0; k < t->n; k++) {
			size_t columns = text_columns(scols_cell_get_data(scols_line_get_cell(line, k)));

			widths[k] = columns > widths[k] ? columns : widths[k];
		}
}

static size_t total(const size_t *widths, size_t n)
{
	size_t sum = 0;

	for (size_t k = 0; k < n; k++)
		sum += widths[k] > 0 ? widths[k] + 1 : 0;
	return sum > 0 ? sum - 1 : 0;
}

/* Makes it fit, as far as the columns yield: of one that is left out the width is 0. */
static void fit(const struct table *t, size_t *widths, size_t room)
{
	for (unsigned int turn = 1; turn <= COLUMN_TURNS; turn++) {
		size_t sum = total(widths, t->n);

		for (size_t k = 0; k < t->n && sum > room; k++) {
			size_t least = text_columns(t->columns[k].title), excess;

			if (t->columns[k].turn != turn)
				continue;
			if (t->columns[k].leaves) {
				widths[k] = 0;
				continue;
			}
			least = least > CUT_MIN ? least : CUT_MIN;
			excess = total(widths, t->n) > room ? total(widths, t->n) - room : 0;
			if (widths[k] > least)
				widths[k] = widths[k] - least > excess ? widths[k] - excess : least;
		}
	}
}

static const char *ellipsis(void)
{
	return streq(nl_langinfo(CODESET), "UTF-8") ? "\u2026" : "...";
}

static int cut(struct libscols_cell *cell, size_t width)
{
	const char *text = scols_cell_get_data(cell);
	size_t columns, n;
	char *shorter;

	if (text_columns(text) <= width)
		return 0;
	n = text_cut(text, width - text_columns(ellipsis()), &columns);
	if (asprintf(&shorter, "%.*s%s", (int)n, text, ellipsis()) < 0)
		return -ENOMEM;
	return scols_cell_refer_data(cell, shorter);
}

static int fit_terminal(const struct table *t, size_t room)
{
	_cleanup_free_ size_t *widths = calloc(t->n + 1, sizeof(*widths));
	struct libscols_iter *i = scols_new_iter(SCOLS_ITER_FORWARD);
	struct libscols_line *line;
	int r = widths && i ? 0 : -ENOMEM;

	if (r == 0) {
		measure(t, i, widths);
		fit(t, widths, room);
	}
	for (size_t k = 0; k < t->n && r == 0; k++)
		if (widths[k] == 0) {
			struct libscols_column *column = scols_table_get_column(t->scols, k);

			r = scols_column_set_flags(column, scols_column_get_flags(column) |
						   SCOLS_FL_HIDDEN);
		}
	while (r == 0 && (line = next_line(t, i)))
		for (size_t k = 0; k < t->n && r == 0; k++)
			if (widths[k] > 0)
				r = cut(scols_line_get_cell(line, k), widths[k]);
	scols_free_iter(i);
	return r;
}

int table_print(struct table *t, FILE *f, bool headings)
{
	size_t room = terminal_columns(STDOUT_FILENO);
	int r;

	/* libsmartcols has something to say about a table without rows. */
	if (table_rows(t) == 0)
		return 0;
	if (room > 0) {
		r = fit_terminal(t, room);
		if (r < 0)
			return r;
	}
	scols_table_set_stream(t->scols, f);
	scols_table_enable_noheadings(t->scols, !headings);
	scols_table_enable_colors(t->scols, colour_is_on());
	return scols_print_table(t->scols);
}
