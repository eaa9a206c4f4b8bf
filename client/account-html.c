/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An account as a page: a bar for each vCPU, with what each level took of its time, and the lines
 * of all of them.
 */
#include <inttypes.h>
#include <time.h>

#include "client/account.h"
#include "client/html.h"

/* What takes less of the time has no line. */
#define SHOWN_SHARE	0.0005

/* The parts of a bar, as they follow one another. */
static const struct part {
	const char *class, *what;
	size_t offset;
} parts[] = {
	{ "l2",		"L2 runs",	offsetof(struct account_totals, l2) },
	{ "l1",		"L1 runs",	offsetof(struct account_totals, l1) },
	{ "l0",		"L0 handles exits", offsetof(struct account_totals, l0) },
	{ "out",	"outside",	offsetof(struct account_totals, outside) },
	{ "halted",	"halted",	offsetof(struct account_totals, halted) },
};

static double share_of(const struct account_totals *t, const struct part *p, uint64_t whole)
{
	return whole ? 100.0 * *(const uint64_t *)((const char *)t + p->offset) / whole : 0;
}

static void put_bar(FILE *f, const struct account_vcpu *v)
{
	struct account_totals t = account_totals(v);

	fputs("<div class=\"s\">", f);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		fprintf(f, "<div class=\"%s\" style=\"width: %.2f%%\" title=\"%s: %.1f %%\"></div>", parts[i].class,
			share_of(&t, &parts[i], v->ns), parts[i].what, share_of(&t, &parts[i], v->ns));
	fputs("</div>", f);
}

static void put_vcpu(FILE *f, const struct account_vcpu *v)
{
	struct account_totals t = account_totals(v);

	fprintf(f, "<tr><td class=\"f\">vCPU %" PRIu32 "</td><td class=\"n\">%.1f</td><td class=\"n\">%.1f</td>"
		"<td class=\"n\">%.1f</td><td class=\"b\">", v->index, share_of(&t, &parts[0], v->ns),
		share_of(&t, &parts[1], v->ns), share_of(&t, &parts[2], v->ns));
	put_bar(f, v);
	fputs("</td></tr>\n", f);
}

static const char *class_of(const struct account_line *line)
{
	if (line->kind == ACCOUNT_OUTSIDE)
		return line->why == ACCOUNT_HALTED ? "halted" : "out";
	if (line->kind == ACCOUNT_GUEST)
		return line->level == ACCOUNT_L2 ? "l2" : "l1";
	return "l0";
}

static int put_line(FILE *f, const struct account_line *line, const struct account_vcpu *v, uint64_t most)
{
	_cleanup_free_ char *text = account_line_text(line);

	if (!text)
		return -ENOMEM;
	fprintf(f, "<tr><td class=\"c\">%s%s</td><td class=\"n\">%.1f</td><td class=\"n\">",
		line->kind == ACCOUNT_DETAIL ? "of it, " : "", text, 100.0 * line->ns / (v->ns ?: 1));
	if (line->count)
		fprintf(f, "%" PRIu64 "</td><td class=\"n\">%.1f", line->count, line->ns / 1e3 / line->count);
	else
		fputs("</td><td class=\"n\">", f);
	fprintf(f, "</td><td class=\"b\"><div class=\"t\"><div class=\"bar %s\" style=\"width: %.1f%%\"></div></div></td></tr>\n",
		class_of(line), most ? 100.0 * line->ns / most : 0);
	return 0;
}

/* v is sorted. */
static int put_lines(FILE *f, const struct account_vcpu *v)
{
	int r = 0;

	fputs("<br>\n<table class=\"w\">\n<tr><th>Where</th><th class=\"n\">%</th><th class=\"n\">Count</th>"
	      "<th class=\"n\">Microseconds each</th><th></th></tr>\n", f);
	for (size_t i = 0; r >= 0 && i < v->n_lines; i++) {
		const struct account_line *line = &v->lines[i];

		if (line->kind == ACCOUNT_DETAIL || line->ns < SHOWN_SHARE * v->ns)
			continue;
		r = put_line(f, line, v, v->lines[0].ns);
		for (size_t k = 0; r >= 0 && k < v->n_lines; k++)
			if (account_is_detail_of(&v->lines[k], line) && v->lines[k].ns >= SHOWN_SHARE * v->ns)
				r = put_line(f, &v->lines[k], v, v->lines[0].ns);
	}
	fputs("</table>\n", f);
	return r;
}

static int put_vm(FILE *f, const struct account_vm *vm)
{
	struct account_vcpu sum = {};
	int r = account_sum(vm, &sum);

	if (r < 0)
		return r;
	account_sort(&sum);
	fputs("<h2>", f);
	html_escaped(f, isempty(vm->name) ? "VM" : vm->name);
	fprintf(f, " (process %" PRIu32 ")</h2>\n<table class=\"w\">\n<tr><th></th><th class=\"n\">L2 %%</th>"
		"<th class=\"n\">L1 %%</th><th class=\"n\">L0 %%</th><th></th></tr>\n", vm->pid);
	for (size_t i = 0; i < vm->n_vcpus; i++)
		put_vcpu(f, &vm->vcpus[i]);
	fputs("</table>\n", f);
	r = put_lines(f, &sum);
	account_vcpu_clear(&sum);
	return r;
}

static void put_intro(FILE *f, const struct account *a, const char *host)
{
	char seconds[32];

	snprintf(seconds, sizeof(seconds), "%.1f seconds", a->ns / 1e9);
	fputs("<dl>\n", f);
	html_item(f, "Host", host, "");
	html_date(f, (uint64_t)time(NULL) * 1000000);
	html_item(f, "Duration", seconds, "");
	html_item(f, "Version", "nvmxctl " NVMX_VERSION, "");
	fputs("</dl>\n<p>", f);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		fprintf(f, "<span class=\"key %s\"></span>%s", parts[i].class, parts[i].what);
	fputs("</p>\n", f);
}

char *account_html(const struct account *a, const char *host)
{
	char *text = NULL;
	size_t size;
	FILE *f;
	int r = 0;

	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	html_begin(f, "Where the time of VMs goes on ", isempty(host) ? "this host" : host);
	put_intro(f, a, host);
	for (size_t i = 0; r >= 0 && i < a->n_vms; i++)
		r = put_vm(f, &a->vms[i]);
	fputs("</body>\n</html>\n", f);
	if (fclose(f) == EOF || r < 0) {
		free(text);
		return NULL;
	}
	return text;
}
