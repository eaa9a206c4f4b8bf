/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables for people: columns as wide as what is in them, if that fits the terminal.  Owns
 * a copy of each cell's text.
 */
#include <langinfo.h>

#include "client/nvmxctl.h"

#define CUT_MIN		8	/* columns that are left of a text */

struct cell {
	char *text;
	size_t columns;
};

struct table {
	const struct column *columns;
	size_t n;		/* of columns */
	struct cell *cells;	/* row by row */
	size_t n_cells, size;
};

struct table *table_new(const struct column *columns, size_t n)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t)
		*t = (struct table) { .columns = columns, .n = n };
	return t;
}

struct table *table_free(struct table *t)
{
	for (size_t i = 0; t && i < t->n_cells; i++)
		free(t->cells[i].text);
	if (t)
		free(t->cells);
	free(t);
	return NULL;
}

size_t table_rows(const struct table *t)
{
	return t->n_cells / t->n;
}

int table_add(struct table *t, const char *text)
{
	struct cell *cell;

	if (t->n_cells == t->size) {
		size_t size = t->size > 0 ? t->size * 2 : 64 * t->n;
		struct cell *cells = reallocarray(t->cells, size, sizeof(*cells));

		if (!cells)
			return -ENOMEM;
		t->cells = cells;
		t->size = size;
	}
	cell = &t->cells[t->n_cells];
	cell->text = render_safe(isempty(text) ? "-" : text);
	if (!cell->text)
		return -ENOMEM;
	cell->columns = text_columns(cell->text);
	t->n_cells++;
	return 0;
}

/* What an administrator should not overlook. */
static enum colour cell_colour(const struct column *column, const char *text)
{
	return streq(column->key, "shadowing") && !streq(text, "active") && !streq(text, "-") ?
	       COLOUR_NOTE : COLOUR_NONE;
}

static void measure(const struct table *t, size_t *widths)
{
	for (size_t k = 0; k < t->n; k++)
		widths[k] = text_columns(t->columns[k].title);
	for (size_t i = 0; i < t->n_cells; i++)
		if (t->cells[i].columns > widths[i % t->n])
			widths[i % t->n] = t->cells[i].columns;
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

static void pad(FILE *f, size_t n)
{
	static const char blanks[] = "                                                                ";

	for (size_t k; n > 0; n -= k) {
		k = n < sizeof(blanks) - 1 ? n : sizeof(blanks) - 1;
		fwrite(blanks, 1, k, f);
	}
}

static void put_cell(FILE *f, const struct column *column, const struct cell *cell, size_t width,
		     enum colour colour, bool last)
{
	const char *end = cell->columns > width ? ellipsis() : "";
	size_t columns = cell->columns, n = strlen(cell->text);

	if (columns > width) {
		n = text_cut(cell->text, width - text_columns(end), &columns);
		columns += text_columns(end);
	}
	if (column->right)
		pad(f, width - columns);
	fputs(colour_begin(colour), f);
	fwrite(cell->text, 1, n, f);
	fputs(end, f);
	fputs(colour_end(colour), f);
	/* Nothing is to the right of the last one. */
	if (!last)
		pad(f, column->right ? 1 : width - columns + 1);
}

int table_print(const struct table *t, FILE *f, bool headings)
{
	_cleanup_free_ size_t *widths = calloc(t->n + 1, sizeof(*widths));
	size_t room = terminal_columns(STDOUT_FILENO), last = 0;

	if (!widths)
		return -ENOMEM;
	if (t->n_cells == 0)
		return 0;
	measure(t, widths);
	if (room > 0)
		fit(t, widths, room);
	for (size_t k = 0; k < t->n; k++)
		last = widths[k] > 0 ? k : last;

	for (size_t k = 0; k < t->n && headings; k++) {
		struct cell title = { .text = (char *)t->columns[k].title };

		title.columns = text_columns(title.text);
		if (widths[k] > 0)
			put_cell(f, &t->columns[k], &title, widths[k], COLOUR_BOLD, k == last);
	}
	if (headings)
		fputc('\n', f);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t k = i % t->n;

		if (widths[k] > 0)
			put_cell(f, &t->columns[k], &t->cells[i], widths[k],
				 cell_colour(&t->columns[k], t->cells[i].text), k == last);
		if (k == t->n - 1)
			fputc('\n', f);
	}
	return 0;
}
