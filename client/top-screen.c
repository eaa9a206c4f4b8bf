/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl top on a terminal, by ncurses.  Owns the terminal between newterm() and
 * endwin(); whatever ends the loop, a signal too, ends it there.
 */
#include <curses.h>
#include <signal.h>
#include <wchar.h>

#include "client/top.h"

#define FILTER_MAX	32
#define KEY_ESCAPE	27
#define ESCAPE_DELAY_MS	25
#define COSTLY		2.0		/* exits from L1 per exit of L2: one besides the entry */
#define INTERVAL_MIN	(UINT64_C(1000000) / 4)
#define INTERVAL_MAX	(60 * UINT64_C(1000000))
#define ROWS_AT		3		/* below what it is about, headings, and totals */

enum { PAIR_HEADINGS = 1, PAIR_COSTLY };	/* of colours */

struct screen {
	struct top *top;
	uint64_t interval;
	enum top_sort sort;
	char filter[FILTER_MAX + 1];
	bool typing;			/* the filter */
	bool help;
	uint64_t drilled;		/* into that VM; 0: the list */
	uint64_t selected;		/* by a key, a VM's id; 0: whichever is the first */
	uint64_t cursor;		/* the VM with the cursor on it; 0: there is none */
	size_t first;			/* row at the top */
	char message[160];		/* what is wrong */
};

struct screen_column {
	const char *title;
	int width;			/* negative: to the left; 0: the rest */
	const char *key;
	int digits;			/* -1: text */
};

/* As many as fit, from the left. */
static const struct screen_column list_columns[] = {
	{ "ID", 5, "id", -1 },
	{ "NAME", -17, "name", -1 },
	{ "ENTRIES/S", 9, "entries_per_second", 0 },
	{ "EXITS/L2", 8, "exits_per_l2_exit", 1 },
	{ "VMCS/S", 8, "vmcs_exits_per_second", 0 },
	{ "POLICY", -13, "policy", -1 },
	{ "SHADOWING", -12, "shadowing", -1 },
	{ "TOP FIELDS", 0, "top_fields", -1 },
};

static const struct screen_column field_columns[] = {
	{ "FIELD", -28, "name", -1 },
	{ "PER L2", 8, "per_l2_exit", 2 },
	{ "READ/S", 10, "vmread_per_second", 0 },
	{ "WRITE/S", 10, "vmwrite_per_second", 0 },
	{ "SHARE %", 8, "share", 1 },
};

static const char *const help_lines[] = {
	"q            quit, or leave this",
	"Up, Down     choose a VM and stay with it (or k, j); PgUp, PgDn, End",
	"Home         the first VM, whichever that is",
	"Enter        see its fields; Esc goes back",
	"/            show only names and policies with some text in them",
	"e x v n i    sort by entries, exits, VMCS exits, name, id",
	"+ -          look less often, more often",
	"Space        look now",
	"",
	"ENTRIES/S    entries of L1 into L2, per second",
	"EXITS/L2     exits from L1 per exit of L2: the entry, VMREAD, VMWRITE",
	"VMCS/S       VMREAD and VMWRITE exits, per second",
	"SHADOWING    active, profiling, or why the policy has no effect",
};

static volatile sig_atomic_t ended;

static void on_signal(int signal)
{
	ended = signal;
}

/* Exactly width columns: other people's names, in whatever encoding. */
static void put_text(int y, int x, const char *text, int width, bool right)
{
	wchar_t wide[512];
	int n = 0, used = 0, columns;

	for (size_t k; n < (int)ARRAY_SIZE(wide) && (k = text_next(text, &wide[n], &columns)) > 0; text += k) {
		if (used + columns > width)
			break;
		used += columns;
		n++;
	}
	mvhline(y, x, ' ', width);
	mvaddnwstr(y, right ? x + width - used : x, wide, n);
}

static void put_line(int y, const char *text, attr_t attributes)
{
	attron(attributes);
	put_text(y, 0, text, COLS, false);
	attroff(attributes);
}

static void put_row(int y, const struct screen_column *columns, size_t n, struct json_object *row)
{
	int x = 0;

	for (size_t i = 0; i < n; i++) {
		const struct screen_column *c = &columns[i];
		int width = c->width ? abs(c->width) : COLS - x;
		char number[32];
		const char *text = c->title;

		/* The first two are what a row is about: they are cut, others left out. */
		if (x + width > COLS && (i >= 2 || x >= COLS))
			return;
		if (width < (int)strlen(c->title) && i >= 2)
			return;
		if (x + width > COLS)
			width = COLS - x;
		if (row && c->digits >= 0) {
			snprintf(number, sizeof(number), "%.*f", c->digits, json_get_number(row, c->key));
			text = number;
		} else if (row) {
			text = json_get_text(row, c->key);
		}
		put_text(y, x, text, width, c->width > 0);
		x += width + 1;
	}
}

/* Without colours a pair is nothing. */
static attr_t pair(short n)
{
	return has_colors() && colour_is_on() ? COLOR_PAIR(n) : A_NORMAL;
}

static void put_headings(const struct screen_column *columns, size_t n)
{
	attr_t attributes = A_BOLD | pair(PAIR_HEADINGS);

	attron(attributes);
	put_row(1, columns, n, NULL);
	attroff(attributes);
}

static void begin_colours(void)
{
	if (!colour_is_on() || start_color() == ERR || use_default_colors() == ERR)
		return;
	init_pair(PAIR_HEADINGS, COLOR_CYAN, -1);
	init_pair(PAIR_COSTLY, COLOR_YELLOW, -1);
}

static struct json_object *find_row(struct json_object *rows, uint64_t id, size_t *ret_at)
{
	for (size_t i = 0; i < json_length(rows); i++)
		if (json_get_count(json_at(rows, i), "id") == id) {
			*ret_at = i;
			return json_at(rows, i);
		}
	*ret_at = 0;
	return NULL;
}

/* Between the three lines above the rows and the line of keys. */
static int room(void)
{
	return LINES > ROWS_AT + 1 ? LINES - ROWS_AT - 1 : 0;
}

static void put_keys(const struct screen *s)
{
	char line[256];

	if (s->typing)
		snprintf(line, sizeof(line), "Filter: %s_", s->filter);
	else if (*s->message)
		snprintf(line, sizeof(line), "%s", s->message);
	else if (s->drilled)
		snprintf(line, sizeof(line), "Esc back  q quit  h help");
	else
		snprintf(line, sizeof(line), "q quit  h help  Enter fields  / filter%s%s  sort: e x v n i",
			 *s->filter ? " " : "", s->filter);
	put_line(LINES - 1, line, A_REVERSE);
}

static void put_help(void)
{
	put_line(0, "nvmxctl top: keys and columns", A_BOLD);
	for (int i = 0; i < (int)ARRAY_SIZE(help_lines) && i < room(); i++)
		put_line(i + ROWS_AT, help_lines[i], A_NORMAL);
}

static void put_total(struct json_object *rows)
{
	_cleanup_json_ struct json_object *total = top_total(rows);

	attron(A_BOLD);
	put_row(ROWS_AT - 1, list_columns, ARRAY_SIZE(list_columns), total);
	attroff(A_BOLD);
}

static void put_list(struct screen *s, struct json_object *rows)
{
	static const char *const sorts[] = { "entries", "exits", "VMCS exits", "name", "id" };
	size_t n = json_length(rows), at;
	char line[128];

	snprintf(line, sizeof(line), "nvmxctl: %zu of %zu VMs, by %s, every %.2g s", n,
		 json_length(s->top->now), sorts[s->sort], s->interval / 1e6);
	put_line(0, line, A_NORMAL);
	put_headings(list_columns, ARRAY_SIZE(list_columns));
	if (room() > 0)
		put_total(rows);

	/* One that is gone, or that the filter hides, is not selected any more. */
	if (!find_row(rows, s->selected, &at))
		s->selected = 0;
	s->cursor = json_get_count(json_at(rows, at), "id");
	if (at < s->first)
		s->first = at;
	if (room() > 0 && at >= s->first + room())
		s->first = at - room() + 1;
	for (size_t i = s->first; i < n && i < s->first + room(); i++) {
		struct json_object *row = json_at(rows, i);
		attr_t attributes = i == at ? A_REVERSE : A_NORMAL;

		if (json_get_number(row, "exits_per_l2_exit") >= COSTLY)
			attributes |= pair(PAIR_COSTLY);
		put_line(ROWS_AT + i - s->first, "", attributes);
		attron(attributes);
		put_row(ROWS_AT + i - s->first, list_columns, ARRAY_SIZE(list_columns), row);
		attroff(attributes);
	}
}

static void put_vm(struct screen *s, struct json_object *rows)
{
	struct json_object *row, *fields;
	char line[256];
	size_t at;

	row = find_row(rows, s->drilled, &at);
	if (!row) {
		snprintf(s->message, sizeof(s->message), "VM %llu is gone.",
			 (unsigned long long)s->drilled);
		s->drilled = 0;
		put_list(s, rows);
		return;
	}
	snprintf(line, sizeof(line), "VM %s %s: policy %s (%s), %.0f entries/s, %.1f exits from L1 per exit of L2",
		 json_get_text(row, "id"), json_get_text(row, "name"), json_get_text(row, "policy"),
		 json_get_text(row, "shadowing"), json_get_number(row, "entries_per_second"),
		 json_get_number(row, "exits_per_l2_exit"));
	put_line(0, line, A_NORMAL);
	put_headings(field_columns, ARRAY_SIZE(field_columns));
	fields = json_get(row, "fields");
	for (size_t i = 0; i < json_length(fields) && i < (size_t)room(); i++)
		put_row(ROWS_AT - 1 + i, field_columns, ARRAY_SIZE(field_columns), json_at(fields, i));
	if (json_length(fields) == 0 && room() > 0)
		put_line(ROWS_AT - 1, "No VMREAD or VMWRITE exits since the last look.", A_NORMAL);
}

static void draw(struct screen *s)
{
	_cleanup_json_ struct json_object *rows = top_rows(s->top, s->sort, s->drilled ? NULL : s->filter);

	erase();
	if (s->help)
		put_help();
	else if (s->drilled)
		put_vm(s, rows);
	else
		put_list(s, rows);
	put_keys(s);
	refresh();
}

static void look(struct screen *s)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = top_look(s->top, &error);
	if (r < 0)
		snprintf(s->message, sizeof(s->message), "nvmxd does not answer: %s",
			 isempty(error.message) ? strerror(-r) : error.message);
	else
		s->message[0] = '\0';
}

static void move_selection(struct screen *s, long by)
{
	_cleanup_json_ struct json_object *rows = top_rows(s->top, s->sort, s->filter);
	long n = json_length(rows), to;
	size_t at;

	if (n == 0)
		return;
	find_row(rows, s->selected, &at);
	to = (long)at + by;
	to = to < 0 ? 0 : to >= n ? n - 1 : to;
	s->selected = json_get_count(json_at(rows, to), "id");
}

static void type_filter(struct screen *s, int key)
{
	size_t n = strlen(s->filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		s->typing = false;
	} else if (key == KEY_ESCAPE) {
		s->typing = false;
		s->filter[0] = '\0';
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		/* A character of UTF-8 goes whole. */
		while (n > 0 && (s->filter[--n] & 0xc0) == 0x80)
			;
		s->filter[n] = '\0';
	} else if (key >= ' ' && key < 256 && key != 127 && n < FILTER_MAX) {
		s->filter[n] = key;
		s->filter[n + 1] = '\0';
	}
}

static bool sort_key(struct screen *s, int key)
{
	static const char keys[] = "exvni";
	const char *at = key > 0 && key < 128 ? strchr(keys, key) : NULL;

	if (at)
		s->sort = at - keys;
	return at;
}

/* false: leave. */
static bool press(struct screen *s, int key)
{
	switch (key) {
	case 'q':
		if (!s->help)
			return false;
		s->help = false;
		break;
	case 'h':
	case '?':
		s->help = !s->help;
		break;
	case KEY_ESCAPE:
	case KEY_LEFT:
	case KEY_BACKSPACE:
		if (!s->help && !s->drilled)
			s->filter[0] = '\0';
		s->drilled = s->help ? s->drilled : 0;
		s->help = false;
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
	case KEY_RIGHT:
		s->drilled = s->drilled ?: s->cursor;
		s->selected = s->cursor;
		break;
	case '/':
		s->typing = !s->drilled && !s->help;
		break;
	case KEY_UP:
	case 'k':
		move_selection(s, -1);
		break;
	case KEY_DOWN:
	case 'j':
		move_selection(s, 1);
		break;
	case KEY_PPAGE:
		move_selection(s, -room());
		break;
	case KEY_NPAGE:
		move_selection(s, room());
		break;
	case KEY_HOME:
		s->selected = 0;
		break;
	case KEY_END:
		move_selection(s, 1000000);
		break;
	case '+':
		s->interval = s->interval * 2 > INTERVAL_MAX ? INTERVAL_MAX : s->interval * 2;
		break;
	case '-':
		s->interval = s->interval / 2 < INTERVAL_MIN ? INTERVAL_MIN : s->interval / 2;
		break;
	case ' ':
		look(s);
		break;
	default:
		sort_key(s, key);
	}
	return true;
}

static void run(struct screen *s)
{
	while (!ended) {
		uint64_t passed = progress_now_usec() - s->top->now_usec;
		int key;

		if (passed >= s->interval) {
			look(s);
			/* One that fails is tried again after the same time. */
			s->top->now_usec = *s->message ? progress_now_usec() : s->top->now_usec;
			passed = 0;
		}
		draw(s);
		timeout((s->interval - passed) / 1000 + 1);
		key = getch();
		if (key == ERR || key == KEY_RESIZE)
			continue;
		if (s->typing)
			type_filter(s, key);
		else if (!press(s, key))
			return;
	}
}

int top_screen(struct top *top, uint64_t interval_usec)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct screen s = { .top = top, .interval = interval_usec };
	struct sigaction action = { .sa_handler = on_signal };
	SCREEN *terminal;

	set_escdelay(ESCAPE_DELAY_MS);
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return -1;
	/* After newterm(), which has handlers of its own. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
	begin_colours();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);

	run(&s);

	endwin();
	delscreen(terminal);
	/* Ctrl-C is a way to leave. */
	return ended == SIGINT ? 0 : ended;
}
