/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages that need nothing but themselves: no script, no network, and the colours of whoever looks
 * at them.
 */
#include <time.h>

#include "client/html.h"
#include "client/nvmxctl.h"

static const char head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<head>\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" "
	"content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	"<style>\n"
	":root { --page: #fcfcfb; --ink: #1d1d1b; --dim: #5f5e5a; --line: #dddbd5;\n"
	"        --now: #c2571a; --best: #1c6fb8; --track: #efede8; --l2: #2c7a4b; --out: #7a5aa6; }\n"
	"@media (prefers-color-scheme: dark) {\n"
	"  :root { --page: #191918; --ink: #eceae4; --dim: #a5a39c; --line: #3a3936;\n"
	"          --now: #e58a4c; --best: #5aa9ec; --track: #2a2927; --l2: #5cc08a; --out: #b598e0; }\n"
	"}\n"
	"body { background: var(--page); color: var(--ink); margin: 2rem auto; padding: 0 1rem;\n"
	"       max-width: 62rem; font: 15px/1.45 system-ui, sans-serif; }\n"
	"h1 { font-size: 1.4rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }\n"
	"h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }\n"
	"p { margin: .3rem 0; color: var(--dim); }\n"
	"dl { display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: .1rem 1rem;\n"
	"     margin: 0 0 1rem; }\n"
	"dt { color: var(--dim); }\n"
	"dd { margin: 0; overflow-wrap: anywhere; }\n"
	"table { border-collapse: collapse; width: 100%; }\n"
	"th { text-align: left; font-weight: 600; color: var(--dim); font-size: .85rem; }\n"
	"th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);\n"
	"         vertical-align: middle; }\n"
	"td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }\n"
	"td.f { font-family: ui-monospace, monospace; font-size: .85rem; white-space: nowrap; }\n"
	"td.c { font-size: .85rem; white-space: nowrap; }\n"
	"td.b { width: 40%; padding-right: 0; }\n"
	"tr > :last-child { padding-right: 0; }\n"
	".t { background: var(--track); border-radius: 3px; margin: 2px 0; }\n"
	".bar { height: 9px; border-radius: 3px; min-width: 2px; }\n"
	".now { background: var(--now); }\n"
	".best { background: var(--best); }\n"
	/* Where time goes. */
	".s { display: flex; height: 18px; border-radius: 3px; overflow: hidden; background: var(--track); }\n"
	".l1 { background: var(--best); }\n"
	".l2 { background: var(--l2); }\n"
	".l0 { background: var(--now); }\n"
	".out { background: var(--out); }\n"
	".halted { background: var(--line); }\n"
	".key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; "
	"margin: 0 .3em 0 .8em; }\n"
	".key:first-child { margin-left: 0; }\n"
	/* No room for a field's name and its figures in one row: the name and the bars get rows of their own. */
	"@media (max-width: 42rem) {\n"
	"  dl { grid-template-columns: max-content 1fr; }\n"
	"  .w { display: block; }\n"
	"  .w tbody { display: block; }\n"
	"  .w tr { display: grid; grid-template-columns: 1fr 1.2fr 1.5fr .8fr; align-items: center;\n"
	"          column-gap: .9rem; border-bottom: 1px solid var(--line); padding: .4rem 0; }\n"
	"  .w th, .w td { border: 0; padding: .1rem 0; }\n"
	"  .w th:first-child, .w td.f, .w td.b { grid-column: 1 / -1; width: auto; }\n"
	"  .w th:last-child { display: none; }\n"
	"}\n"
	"</style>\n";

void html_escaped(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s, f);
		}
}

void html_item(FILE *f, const char *what, const char *value, const char *more)
{
	fprintf(f, "<dt>%s</dt><dd>", what);
	html_escaped(f, isempty(value) ? "unknown" : value);
	fprintf(f, "%s</dd>\n", more);
}

void html_date(FILE *f, uint64_t time_usec)
{
	time_t t = time_usec / 1000000;
	char date[64] = "";
	struct tm tm;

	if (t > 0 && localtime_r(&t, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %Z", &tm);
	html_item(f, "Date", date, "");
}

void html_begin(FILE *f, const char *what, const char *name)
{
	fputs(head, f);
	fputs("<title>nvmx: ", f);
	html_escaped(f, name);
	fprintf(f, "</title>\n</head>\n<body>\n<h1>%s", what);
	html_escaped(f, name);
	fputs("</h1>\n", f);
}
