/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl list [PATTERN...]: all VMs, or those that fit.
 */
#include "client/nvmxctl.h"

static const char *yes_no(struct json_object *value)
{
	return json_object_get_boolean(value) ? "yes" : "no";
}

/* "changed": a policy that was changed is not the one it is named after. */
static const struct column columns[] = {
	{ .key = "id", .title = "ID", .right = true },
	{ .key = "name", .title = "NAME", .turn = 2 },
	{ .key = "pid", .title = "PID", .right = true },
	{ .key = "vmxon", .title = "VMX", .text = yes_no },
	{ .key = "policy", .title = "POLICY", .turn = 3 },
	{ .key = "changed", .title = "CHANGED", .text = yes_no },
	{ .key = "policy_source", .title = "SOURCE" },
	{ .key = "shadowing", .title = "SHADOWING" },
	{ .key = "uuid", .title = "UUID", .turn = 1 },
};

static void keep_fitting(struct json_object *vms, const struct args *args)
{
	for (size_t i = json_length(vms); i > 0; i--)
		if (!vm_fits(json_at(vms, i - 1), args->parameters, args->n_parameters))
			json_object_array_del_idx(vms, i - 1, 1);
}

int verb_list(struct client *c)
{
	_cleanup_json_ struct json_object *vms = NULL;
	size_t n;
	int r;

	r = client_connect(c, NEED_MODULE);
	if (r == STATUS_DONE)
		r = c->args->json == JSON_OFF ? vm_list_briefly(c, &vms) : vm_list(c, &vms);
	if (r != STATUS_DONE)
		return r;
	client_note_missing(c);
	keep_fitting(vms, c->args);

	if (c->args->json != JSON_OFF) {
		render_json(pager_out(c), vms, c->args->json);
		return STATUS_DONE;
	}
	n = json_length(vms);
	if (render_table(pager_out(c), vms, columns, ARRAY_SIZE(columns), !c->args->no_legend) < 0)
		return STATUS_FAILED;
	if (!c->args->no_legend && !c->args->quiet)
		fprintf(pager_out(c), "%s%zu VM%s listed.\n", n ? "\n" : "", n, n == 1 ? "" : "s");
	return STATUS_DONE;
}
