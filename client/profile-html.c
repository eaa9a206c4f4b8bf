/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A profile as a page.
 */
#include "client/html.h"
#include "client/nvmxctl.h"
#include "client/profile.h"

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

static void put_circumstances(FILE *f, struct json_object *profile)
{
	_cleanup_free_ char *id = NULL, *seconds = NULL, *version = NULL;

	if (asprintf(&id, " (VM %s)", json_get_text(profile, "id")) < 0)
		id = NULL;
	if (asprintf(&seconds, "%s seconds, %s exits of L2", json_get_text(profile, "seconds"),
		     json_get_text(profile, "l2_exits")) < 0)
		seconds = NULL;
	if (asprintf(&version, "nvmxctl %s", json_get_text(profile, "version")) < 0)
		version = NULL;
	fputs("<dl>\n", f);
	html_item(f, "VM", json_get_text(profile, "name"), id ?: "");
	html_item(f, "Host", json_get_text(profile, "host"), "");
	html_date(f, json_get_count(profile, "time_usec"));
	html_item(f, "Duration", seconds ?: "", "");
	html_item(f, "Policy", json_get_text(profile, "policy"), "");
	html_item(f, "Version", version ?: "", "");
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
	html_begin(f, "VMCS accesses of ", json_get_text(profile, "name"));
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
