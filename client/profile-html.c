/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A profile as one page that needs nothing but itself: no script, no network, and the
 * colours of whoever looks at it.
 */
#include <time.h>

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

/* best is NULL if nothing is advised. */
static void put_bars(FILE *f, double now, const double *best, double max)
{
	fputs("<td class=\"b\">", f);
	put_bar(f, "now", now, max);
	if (best)
		put_bar(f, "best", *best, max);
	fputs("</td>", f);
}

static void put_total(FILE *f, struct json_object *profile, const char *key, const char *what,
		      int digits)
{
	struct json_object *best = json_get(profile, "best");
	double n = json_get_number(json_get(profile, "now"), key), m = json_get_number(best, key);

	fprintf(f, "<tr><td>%s</td><td class=\"n\">%.*f</td>", what, digits, n);
	if (best)
		fprintf(f, "<td class=\"n\">%.*f</td>", digits, m);
	put_bars(f, n, best ? &m : NULL, n > m ? n : m);
	fputs("</tr>\n", f);
}

static void put_totals(FILE *f, struct json_object *profile)
{
	fprintf(f, "<h2>Totals</h2>\n<table>\n<tr><th></th><th class=\"n\">Now</th>%s<th></th></tr>\n",
		profile_is_advice(profile) ? "<th class=\"n\">Best</th>" : "");
	put_total(f, profile, "exits", "Exits from L1", 2);
	put_total(f, profile, "cost", "Ticks for VMCS accesses and copies", 0);
	fputs("</table>\n", f);
}

static void put_field(FILE *f, struct json_object *field, bool advice, double max)
{
	double now = json_get_number(field, "cost"), best = json_get_number(field, "best_cost");

	fprintf(f, "<tr><td class=\"f\">%s</td><td class=\"n\">%.2f</td><td class=\"n\">%.2f</td>"
		"<td class=\"c\">%s", json_get_text(field, "name"), json_get_number(field, "vmreads"),
		json_get_number(field, "vmwrites"), json_get_text(field, "class"));
	if (advice)
		fprintf(f, "<br>%s", json_get_text(field, "best"));
	fprintf(f, "</td><td class=\"n\">%.0f", now);
	if (advice)
		fprintf(f, "<br>%.0f", best);
	fputs("</td>", f);
	put_bars(f, now, advice ? &best : NULL, max);
	fputs("</tr>\n", f);
}

static void put_fields(FILE *f, struct json_object *profile)
{
	struct json_object *fields = json_get(profile, "fields");
	bool advice = profile_is_advice(profile);
	double max = 0;

	for (size_t i = 0; i < json_length(fields); i++) {
		struct json_object *field = json_at(fields, i);
		double now = json_get_number(field, "cost"), best = json_get_number(field, "best_cost");

		max = now > max ? now : max;
		max = best > max ? best : max;
	}
	fputs("<h2>Fields</h2>\n", f);
	if (advice)
		fputs("<p>The upper class, ticks and bar of each field are those of now, the lower ones the best.</p>\n", f);
	fputs("<table class=\"w\">\n<tr><th>Field</th><th class=\"n\">VMREADs</th><th class=\"n\">VMWRITEs</th>"
	      "<th class=\"c\">Class</th><th class=\"n\">Ticks</th><th></th></tr>\n", f);
	for (size_t i = 0; i < json_length(fields); i++)
		put_field(f, json_at(fields, i), advice, max);
	fputs("</table>\n", f);
}

static void put_costs(FILE *f, struct json_object *costs)
{
	static const struct { const char *key, *what; } lines[] = {
		{ "intercepted", "VMREAD or VMWRITE that exits" },
		{ "propagated", "More for a VMWRITE to a read-only field" },
		{ "free", "VMREAD or VMWRITE that does not exit" },
		{ "copy_to_vmcs12", "Copy of a field to vmcs12" },
		{ "copy_to_shadow", "Copy of a field to the shadow VMCS" },
		{ "slow_path", "Slow path of a VM entry, the same for each class" },
	};

	fputs("<h2>Costs that the ticks are estimated with</h2>\n<table>\n"
	      "<tr><th></th><th class=\"n\">Ticks</th></tr>\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct json_object *cost = json_get(costs, lines[i].key);

		fprintf(f, "<tr><td>%s%s</td><td class=\"n\">%.0f</td></tr>\n", lines[i].what,
			json_object_get_boolean(json_get(cost, "sampled")) ? " (sampled in this VM)" : "",
			json_get_number(cost, "ticks"));
	}
	fputs("</table>\n", f);
}

static void put_item(FILE *f, const char *what, const char *value, const char *more)
{
	fprintf(f, "<dt>%s</dt><dd>", what);
	put_escaped(f, isempty(value) ? "unknown" : value);
	fprintf(f, "%s</dd>\n", more);
}

static void put_circumstances(FILE *f, struct json_object *profile)
{
	time_t t = json_get_count(profile, "time_usec") / 1000000;
	_cleanup_free_ char *id = NULL, *seconds = NULL, *version = NULL;
	char date[64] = "";
	struct tm tm;

	if (t > 0 && localtime_r(&t, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %Z", &tm);
	if (asprintf(&id, " (VM %s)", json_get_text(profile, "id")) < 0)
		id = NULL;
	if (asprintf(&seconds, "%s seconds, %s exits of L2", json_get_text(profile, "seconds"),
		     json_get_text(profile, "l2_exits")) < 0)
		seconds = NULL;
	if (asprintf(&version, "nvmxctl %s", json_get_text(profile, "version")) < 0)
		version = NULL;
	fputs("<dl>\n", f);
	put_item(f, "VM", json_get_text(profile, "name"), id ?: "");
	put_item(f, "Host", json_get_text(profile, "host"), "");
	put_item(f, "Date", date, "");
	put_item(f, "Duration", seconds ?: "", "");
	put_item(f, "Policy", json_get_text(profile, "policy"), "");
	put_item(f, "Version", version ?: "", "");
	fputs("</dl>\n", f);
}

static void put_intro(FILE *f, struct json_object *profile)
{
	fputs("<p>All figures are per exit of L2. Ticks are of the TSC, and estimated.</p>\n", f);
	if (profile_is_advice(profile))
		fputs("<p><span class=\"key now\"></span>now<span class=\"key best\"></span>"
		      "with the best class of each field</p>\n", f);
	else
		fprintf(f, "<p><strong>These are too few exits of L2 to advise: at least %s are needed.</strong></p>\n",
			json_get_text(profile, "advice_exits"));
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
	fputs("</h1>\n", f);
	put_circumstances(f, profile);
	put_intro(f, profile);
	put_totals(f, profile);
	put_fields(f, profile);
	put_costs(f, json_get(profile, "costs"));
	fputs("</body>\n</html>\n", f);
	if (fclose(f) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}
