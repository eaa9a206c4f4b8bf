/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl list [PATTERN...]: all VMs, or those that fit.
 */
#include <inttypes.h>

#include "client/nvmxctl.h"

/* "changed": a policy that was changed is not the one it is named after. */
static const struct column columns[] = {
	{ .key = "id", .title = "ID", .right = true },
	{ .key = "name", .title = "NAME", .turn = 2 },
	{ .key = "pid", .title = "PID", .right = true },
	{ .key = "vmxon", .title = "VMX" },
	{ .key = "policy", .title = "POLICY", .turn = 3 },
	{ .key = "changed", .title = "CHANGED" },
	{ .key = "policy_source", .title = "SOURCE" },
	{ .key = "shadowing", .title = "SHADOWING" },
	{ .key = "uuid", .title = "UUID", .turn = 1 },
};

/* The numbers of a row as they are printed. */
struct numbers {
	char id[24], pid[12];
};

static void numbers_of(const struct vm_row *row, struct numbers *ret)
{
	*ret = (struct numbers) {};
	snprintf(ret->id, sizeof(ret->id), "%" PRIu64, row->id);
	/* An older nvmxd does not say it. */
	if (row->pid > 0)
		snprintf(ret->pid, sizeof(ret->pid), "%" PRIu32, row->pid);
}

static int add_row(struct table *t, const struct vm_row *row, const struct numbers *numbers)
{
	const char *const texts[ARRAY_SIZE(columns)] = {
		numbers->id, row->name, numbers->pid, row->vmxon ? "yes" : "no", row->policy,
		row->changed ? "yes" : "no", row->policy_source, row->shadowing, row->uuid,
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts) && r >= 0; i++)
		r = table_add(t, texts[i]);
	return r;
}

static int print_name(FILE *f, const struct vm_row *row)
{
	_cleanup_free_ char *name = text_safe(row->name ?: "");

	if (name)
		fprintf(f, "%s\n", name);
	return name ? 0 : -ENOMEM;
}

/* From the bus into the table, or onto the screen: there may be thousands. */
static int print_rows(struct client *c)
{
	_cleanup_table_ struct table *t = table_new(columns, ARRAY_SIZE(columns));
	bool names = c->args->options & ARGS_NAME;
	_cleanup_message_ sd_bus_message *rows = NULL;
	int r = t ? 0 : -ENOMEM, status;
	struct numbers numbers;
	struct vm_row row;
	size_t n;

	status = vm_list_rows(c, &rows);
	if (status != STATUS_DONE)
		return status;
	client_note_missing(c);
	while (r >= 0 && (r = vm_next_row(rows, &row)) > 0) {
		numbers_of(&row, &numbers);
		if (vm_fits(numbers.id, row.name ?: "", row.uuid ?: "", numbers.pid, c->args->parameters,
			    c->args->n_parameters))
			r = names ? print_name(pager_out(c), &row) : add_row(t, &row, &numbers);
	}
	if (r >= 0 && names)
		return STATUS_DONE;
	if (r >= 0)
		r = table_print(t, pager_out(c), !c->args->no_legend);
	if (r < 0)
		return client_fail(&SD_BUS_ERROR_NULL, r);
	n = table_rows(t);
	if (!c->args->no_legend && !c->args->quiet)
		fprintf(pager_out(c), "%s%zu VM%s listed.\n", n ? "\n" : "", n, n == 1 ? "" : "s");
	return STATUS_DONE;
}

static void keep_fitting(struct json_object *vms, const struct args *args)
{
	for (size_t i = json_length(vms); i > 0; i--) {
		struct json_object *vm = json_at(vms, i - 1);

		if (!vm_fits(json_get_text(vm, "id"), json_get_text(vm, "name"), json_get_text(vm, "uuid"),
			     json_get_text(vm, "pid"), args->parameters, args->n_parameters))
			json_object_array_del_idx(vms, i - 1, 1);
	}
}

static int print_json(struct client *c)
{
	_cleanup_json_ struct json_object *vms = NULL;
	int r;

	r = vm_list(c, &vms);
	if (r != STATUS_DONE)
		return r;
	client_note_missing(c);
	keep_fitting(vms, c->args);
	render_json(pager_out(c), vms, c->args->json);
	return STATUS_DONE;
}

int verb_list(struct client *c)
{
	int r;

	if (c->args->options & ARGS_NAME && c->args->json != JSON_OFF) {
		fprintf(stderr, "nvmxctl: --name and JSON do not go together: in JSON each VM has its name.\n");
		return STATUS_USAGE;
	}
	r = client_connect(c, NEED_MODULE);
	if (r != STATUS_DONE)
		return r;
	return c->args->json == JSON_OFF ? print_rows(c) : print_json(c);
}
