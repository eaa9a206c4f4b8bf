/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A profile as one page that needs nothing but itself: no script, no network, and the
 * colours of whoever looks at it.
 */
#include "client/nvmxctl.h"
#include "client/profile.h"

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
	"        --now: #c2571a; --best: #1c6fb8; --track: #efede8; }\n"
	"@media (prefers-color-scheme: dark) {\n"
	"  :root { --page: #191918; --ink: #eceae4; --dim: #a5a39c; --line: #3a3936;\n"
	"          --now: #e58a4c; --best: #5aa9ec; --track: #2a2927; }\n"
	"}\n"
	"body { background: var(--page); color: var(--ink); margin: 2rem auto; padding: 0 1rem;\n"
	"       max-width: 62rem; font: 15px/1.45 system-ui, sans-serif; }\n"
	"h1 { font-size: 1.4rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }\n"
	"h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }\n"
	"p { margin: .3rem 0; color: var(--dim); }\n"
	"table { border-collapse: collapse; width: 100%; }\n"
	"th { text-align: left; font-weight: 600; color: var(--dim); font-size: .85rem; }\n"
	"th, td { padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line);\n"
	"         vertical-align: middle; }\n"
	"td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }\n"
	"td.f { font-family: ui-monospace, monospace; font-size: .85rem; overflow-wrap: anywhere; }\n"
	"td.c { font-size: .85rem; white-space: nowrap; }\n"
	"td.b { width: 40%; padding-right: 0; }\n"
	".t { background: var(--track); border-radius: 3px; margin: 2px 0; }\n"
	".bar { height: 9px; border-radius: 3px; min-width: 2px; }\n"
	".now { background: var(--now); }\n"
	".best { background: var(--best); }\n"
	".key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; "
	"margin: 0 .3em 0 .8em; }\n"
	"</style>\n";

static void put_escaped(FILE *f, const char *s)
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

static void put_bar(FILE *f, const char *class, double value, double max)
{
	fprintf(f, "<div class=\"t\"><div class=\"bar %s\" style=\"width: %.1f%%\"></div></div>", class,
		max > 0 ? value * 100 / max : 0);
}

static void put_pair(FILE *f, double now, double best, double max)
{
	fputs("<td class=\"b\">", f);
	put_bar(f, "now", now, max);
	put_bar(f, "best", best, max);
	fputs("</td>", f);
}

static void put_total(FILE *f, struct json_object *profile, const char *key, const char *what,
		      int digits)
{
	double now = json_get_number(json_get(profile, "now"), key);
	double best = json_get_number(json_get(profile, "best"), key);

	fprintf(f, "<tr><td>%s</td><td class=\"n\">%.*f</td><td class=\"n\">%.*f</td>", what, digits, now,
		digits, best);
	put_pair(f, now, best, now > best ? now : best);
	fputs("</tr>\n", f);
}

static void put_field(FILE *f, struct json_object *field, double max)
{
	double now = json_get_number(field, "cost"), best = json_get_number(field, "best_cost");

	fprintf(f, "<tr><td class=\"f\">%s</td><td class=\"n\">%.2f</td><td class=\"n\">%.2f</td>"
		"<td class=\"c\">%s<br>%s</td><td class=\"n\">%.0f<br>%.0f</td>",
		json_get_text(field, "name"), json_get_number(field, "vmreads"),
		json_get_number(field, "vmwrites"), json_get_text(field, "class"),
		json_get_text(field, "best"), now, best);
	put_pair(f, now, best, max);
	fputs("</tr>\n", f);
}

static void put_fields(FILE *f, struct json_object *fields)
{
	double max = 0;

	for (size_t i = 0; i < json_length(fields); i++) {
		struct json_object *field = json_at(fields, i);
		double now = json_get_number(field, "cost"), best = json_get_number(field, "best_cost");

		max = now > max ? now : max;
		max = best > max ? best : max;
	}
	fputs("<h2>By field</h2>\n<p>Of each the upper line and bar are now, the lower ones best.</p>\n"
	      "<table>\n<tr><th>Field</th><th class=\"n\">VMREADs</th><th class=\"n\">VMWRITEs</th>"
	      "<th>Class</th><th class=\"n\">Ticks</th><th></th></tr>\n", f);
	for (size_t i = 0; i < json_length(fields); i++)
		put_field(f, json_at(fields, i), max);
	fputs("</table>\n", f);
}

static void put_costs(FILE *f, struct json_object *costs)
{
	static const struct { const char *key, *what; } lines[] = {
		{ "intercepted", "an access that exits" },
		{ "propagated", "more for a VMWRITE to a read-only field" },
		{ "free", "an access that does not exit" },
		{ "copy_to_vmcs12", "to copy a field to vmcs12" },
		{ "copy_to_shadow", "to copy a field to the shadow VMCS" },
		{ "slow_path", "for an entry that goes the slow path, whatever the classes" },
	};

	fputs("<h2>Reckoned with</h2>\n<table>\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct json_object *cost = json_get(costs, lines[i].key);

		fprintf(f, "<tr><td class=\"n\">%.0f</td><td>ticks: %s%s</td></tr>\n",
			json_get_number(cost, "ticks"), lines[i].what,
			json_object_get_boolean(json_get(cost, "sampled")) ?
			", sampled on this machine" : "");
	}
	fputs("</table>\n", f);
}

char *profile_html(struct json_object *profile)
{
	char *text = NULL;
	size_t size;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	fputs(head, f);
	fputs("<title>nvmx: ", f);
	put_escaped(f, json_get_text(profile, "name"));
	fputs("</title>\n</head>\n<body>\n<h1>VMCS accesses of ", f);
	put_escaped(f, json_get_text(profile, "name"));
	fprintf(f, "</h1>\n<p>Seen in %s seconds and %s exits of L2, with policy ",
		json_get_text(profile, "seconds"), json_get_text(profile, "l2_exits"));
	put_escaped(f, json_get_text(profile, "policy"));
	fputs(". Everything is per exit of L2; ticks are the TSC's.</p>\n"
	      "<p><span class=\"key now\" style=\"margin-left: 0\"></span>now"
	      "<span class=\"key best\"></span>with the best classes</p>\n"
	      "<h2>In all</h2>\n<table>\n<tr><th></th><th class=\"n\">Now</th><th class=\"n\">Best</th>"
	      "<th></th></tr>\n", f);
	put_total(f, profile, "exits", "Exits from L1", 2);
	put_total(f, profile, "cost", "Ticks for VMCS fields, and the copies of them", 0);
	fputs("</table>\n", f);
	put_fields(f, json_get(profile, "fields"));
	put_costs(f, json_get(profile, "costs"));
	fputs("</body>\n</html>\n", f);
	if (fclose(f) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}
