/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl account [VM]: where the time of VMs goes, on any kernel.  All VMs, a line each; or one,
 * with a line for each class of its time.
 */
#include <inttypes.h>

#include "client/account.h"

#define DURATION_USEC		(5 * UINT64_C(1000000))

/* What takes less of the time is summed up, but with --all. */
#define SHOWN_SHARE		0.001

/* MSRs and ports of an exit that are told. */
#define DETAILS_SHOWN		4

static int out_of_memory(void)
{
	fprintf(stderr, "nvmxctl: Out of memory.\n");
	return STATUS_FAILED;
}

/* ---- cells ---- */

static int add_share(struct table *t, uint64_t part, uint64_t whole)
{
	char text[16];

	snprintf(text, sizeof(text), "%.1f", whole ? 100.0 * part / whole : 0);
	return table_add(t, text);
}

/* Three digits or so, and the unit. */
static int add_time(struct table *t, double ns)
{
	static const struct { double ns; const char *unit; } units[] = {
		{ 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" },
	};
	char text[32];
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && ns < units[i].ns)
		i++;
	ns /= units[i].ns;
	snprintf(text, sizeof(text), "%.*f %s", ns < 10 && units[i].ns > 1 ? 2 : ns < 100 && units[i].ns > 1 ? 1 : 0, ns,
		 units[i].unit);
	return table_add(t, text);
}

static int add_count(struct table *t, uint64_t count)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, count);
	return table_add(t, text);
}

/* ---- one VM ---- */

static const struct column line_columns[] = {
	{ .key = "share", .title = "%", .right = true },
	{ .key = "time", .title = "TIME", .right = true, .turn = 2, .leaves = true },
	{ .key = "count", .title = "COUNT", .right = true, .turn = 1, .leaves = true },
	{ .key = "each", .title = "EACH", .right = true },
	{ .key = "where", .title = "WHERE", .turn = 3 },
};

static int add_row(struct table *t, uint64_t ns, uint64_t count, uint64_t whole, const char *indent, const char *text)
{
	_cleanup_free_ char *where = NULL;
	int r;

	if (asprintf(&where, "%s%s", indent, text) < 0) {
		where = NULL;
		return -ENOMEM;
	}
	r = add_share(t, ns, whole);
	if (r >= 0)
		r = add_time(t, ns);
	if (r >= 0)
		r = count ? add_count(t, count) : table_add(t, "");
	if (r >= 0)
		r = count ? add_time(t, (double)ns / count) : table_add(t, "");
	return r < 0 ? r : table_add(t, where);
}

/* KVM's own part of the stays in a guest: the shortest was no more than that. */
static uint64_t way_in_and_out(const struct account_line *line)
{
	uint64_t ns = line->kind == ACCOUNT_GUEST ? line->shortest * line->count : 0;

	return ns < line->ns ? ns : line->ns;
}

static int add_details(struct table *t, const struct account_vcpu *v, const struct account_line *line, bool all)
{
	size_t shown = 0;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < v->n_lines && (all || shown < DETAILS_SHOWN); i++) {
		_cleanup_free_ char *text = NULL;
		const struct account_line *d = &v->lines[i];

		if (!account_is_detail_of(d, line) || (!all && d->ns < SHOWN_SHARE * v->ns))
			continue;
		text = account_line_text(d);
		r = text ? add_row(t, d->ns, d->count, v->ns, "  ", text) : -ENOMEM;
		shown++;
	}
	return r;
}

static int add_line(struct table *t, const struct account_vcpu *v, const struct account_line *line, bool all)
{
	_cleanup_free_ char *text = account_line_text(line);
	uint64_t way = way_in_and_out(line);
	int r;

	if (!text)
		return -ENOMEM;
	r = add_row(t, line->ns - way, line->count, v->ns, "", text);
	if (r >= 0 && way)
		r = add_row(t, way, line->count, v->ns, "",
			    line->level == ACCOUNT_L2 ? "KVM's way into L2 and out, at least" :
							"KVM's way into L1 and out, at least");
	return r < 0 ? r : add_details(t, v, line, all);
}

/* v is sorted. */
static int put_lines(struct client *c, const struct account_vcpu *v)
{
	_cleanup_table_ struct table *t = table_new(line_columns, ARRAY_SIZE(line_columns));
	bool all = c->args->options & ARGS_ALL;
	uint64_t rest = 0, n_rest = 0;
	char text[48];
	int r = t ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < v->n_lines; i++) {
		const struct account_line *line = &v->lines[i];

		if (line->kind == ACCOUNT_DETAIL)
			continue;
		if (all || line->ns >= SHOWN_SHARE * v->ns) {
			r = add_line(t, v, line, all);
			continue;
		}
		rest += line->ns;
		n_rest++;
	}
	snprintf(text, sizeof(text), "%" PRIu64 " more, less than %.1f %% each", n_rest, 100 * SHOWN_SHARE);
	if (r >= 0 && n_rest)
		r = add_row(t, rest, 0, v->ns, "", text);
	return r < 0 ? r : table_print(t, pager_out(c), !c->args->no_legend);
}

static void put_summary(struct client *c, const struct account_vm *vm, const struct account_vcpu *v)
{
	_cleanup_free_ char *name = text_safe(isempty(vm->name) ? "VM" : vm->name);
	struct account_totals t = account_totals(v);
	double whole = v->ns ?: 1;

	if (c->args->no_legend || c->args->quiet)
		return;
	fprintf(pager_out(c), "%s (process %u", name ?: "", vm->pid);
	if (v->index == UINT32_MAX)
		fprintf(pager_out(c), ", %zu vCPU%s", vm->n_vcpus, vm->n_vcpus == 1 ? "" : "s");
	else
		fprintf(pager_out(c), ", vCPU %u", v->index);
	fprintf(pager_out(c), "), %.1f s of vCPUs: L1 %.1f %%, L2 %.1f %%, L0 %.1f %%, halted %.1f %%, outside %.1f %%\n\n",
		v->ns / 1e9, 100 * t.l1 / whole, 100 * t.l2 / whole, 100 * t.l0 / whole, 100 * t.halted / whole,
		100 * t.outside / whole);
}

static int put_vm(struct client *c, const struct account_vm *vm)
{
	struct account_vcpu sum = {}, *v = &sum;
	int r = 0;

	if (c->args->options & ARGS_VCPU) {
		v = NULL;
		for (size_t i = 0; i < vm->n_vcpus; i++)
			if (vm->vcpus[i].index == (uint32_t)c->args->vcpu)
				v = &vm->vcpus[i];
		if (!v) {
			fprintf(stderr, "nvmxctl: vCPU %d of it did not run meanwhile, or is not there.\n", c->args->vcpu);
			return STATUS_FAILED;
		}
	} else {
		r = account_sum(vm, &sum);
	}
	if (r >= 0) {
		account_sort(v);
		put_summary(c, vm, v);
		r = put_lines(c, v);
	}
	account_vcpu_clear(&sum);
	return r < 0 ? out_of_memory() : STATUS_DONE;
}

/* ---- all VMs ---- */

static const struct column vm_columns[] = {
	{ .key = "name", .title = "NAME", .turn = 3 },
	{ .key = "pid", .title = "PID", .right = true, .turn = 1, .leaves = true },
	{ .key = "vcpus", .title = "VCPUS", .right = true, .turn = 1, .leaves = true },
	{ .key = "l1", .title = "L1 %", .right = true },
	{ .key = "l2", .title = "L2 %", .right = true },
	{ .key = "l0", .title = "L0 %", .right = true },
	{ .key = "halted", .title = "HALTED %", .right = true, .turn = 2, .leaves = true },
	{ .key = "outside", .title = "OUTSIDE %", .right = true, .turn = 2, .leaves = true },
	{ .key = "leads", .title = "MOST OF L0", .turn = 4 },
};

/* Of what L0 does; v is sorted. */
static int add_leader(struct table *t, const struct account_vcpu *v)
{
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; !text && i < v->n_lines; i++)
		if (v->lines[i].kind == ACCOUNT_EXIT) {
			text = account_line_text(&v->lines[i]);
			if (!text)
				return -ENOMEM;
		}
	return table_add(t, text ?: "");
}

static int add_vm(struct table *t, const struct account_vm *vm)
{
	_cleanup_free_ char *name = text_safe(vm->name ?: "");
	struct account_vcpu sum = {};
	struct account_totals totals;
	int r;

	r = name ? account_sum(vm, &sum) : -ENOMEM;
	if (r >= 0)
		r = table_add(t, name);
	if (r >= 0)
		r = add_count(t, vm->pid);
	if (r >= 0)
		r = add_count(t, vm->n_vcpus);
	totals = account_totals(&sum);
	for (size_t i = 0; r >= 0 && i < 5; i++)
		r = add_share(t, (const uint64_t[]) { totals.l1, totals.l2, totals.l0, totals.halted, totals.outside }[i],
			      sum.ns);
	account_sort(&sum);
	if (r >= 0)
		r = add_leader(t, &sum);
	account_vcpu_clear(&sum);
	return r;
}

static int put_vms(struct client *c, const struct account *a)
{
	_cleanup_table_ struct table *t = table_new(vm_columns, ARRAY_SIZE(vm_columns));
	int r = t ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < a->n_vms; i++)
		r = add_vm(t, &a->vms[i]);
	if (r >= 0)
		r = table_print(t, pager_out(c), !c->args->no_legend);
	if (r < 0)
		return out_of_memory();
	if (!c->args->no_legend && !c->args->quiet)
		fprintf(pager_out(c), "%s%zu VM%s ran in %.1f s.\n", a->n_vms ? "\n" : "", a->n_vms,
			a->n_vms == 1 ? "" : "s", a->ns / 1e9);
	return STATUS_DONE;
}

/* Only that VM, if there is one. */
static struct account only(const struct account *a, const struct account_vm *vm)
{
	struct account one = *a;

	if (vm) {
		one.vms = (struct account_vm *)vm;
		one.n_vms = 1;
	}
	return one;
}

static int put_json(struct client *c, const struct account *a)
{
	_cleanup_json_ struct json_object *o = account_to_json(a);

	if (!o)
		return out_of_memory();
	render_json(pager_out(c), o, c->args->json);
	return STATUS_DONE;
}

static int put_page(struct client *c, const struct account *a, const struct file *page)
{
	char host[CLIENT_HOST_MAX];
	_cleanup_free_ char *text = account_html(a, client_host_name(c, host));

	if (!text)
		return out_of_memory();
	if (page->path)
		return file_put(page, text);
	fputs(text, pager_out(c));
	return STATUS_DONE;
}

/* Whatever cannot be written, the rest is. */
static int put_all(struct client *c, const struct account *a, const struct account_vm *vm, const struct file *page)
{
	struct account shown = only(a, vm);
	bool to_stdout = c->args->html && !page->path;
	int r = STATUS_DONE, k;

	if (c->args->html)
		r = put_page(c, &shown, page);
	if (to_stdout)
		return r;
	k = c->args->json != JSON_OFF ? put_json(c, &shown) : vm ? put_vm(c, vm) : put_vms(c, a);
	return r == STATUS_DONE ? k : r;
}

static int check_arguments(const struct args *args)
{
	if ((args->options & ARGS_VCPU) && args->n_parameters == 0) {
		fprintf(stderr, "nvmxctl: --vcpu= is of one VM: name it.\n");
		return STATUS_USAGE;
	}
	if (args->html && streq(args->html, "-") && args->json != JSON_OFF) {
		fprintf(stderr, "nvmxctl: Only one of --html=- and --json can have standard output; name a file for the page.\n");
		return STATUS_USAGE;
	}
	return STATUS_DONE;
}

int verb_account(struct client *c)
{
	const struct account_vm *vm = NULL;
	struct account a = {};
	struct file page = {};
	int r;

	r = check_arguments(c->args);
	if (r == STATUS_DONE && c->args->html && !streq(c->args->html, "-"))
		r = file_open(c->args->html, &page);
	if (r == STATUS_DONE)
		r = account_measure(c, c->args->duration_usec ?: DURATION_USEC, &a);
	if (r == STATUS_DONE && c->args->n_parameters > 0)
		r = account_pick(c, &a, &vm);
	if (r == STATUS_DONE) {
		account_note(c, &a);
		r = put_all(c, &a, vm, &page);
	}
	file_close(&page);
	account_clear(&a);
	return r;
}
