/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl policy list | show NAME | check FILE... | edit NAME: the policies that nvmxd
 * knows, and a look at a file before it becomes one.
 */
#include "client/nvmxctl.h"

static const struct column list_columns[] = {
	{ .key = "name", .title = "NAME" },
	{ .key = "description", .title = "DESCRIPTION", .turn = 2 },
	{ .key = "path", .title = "FILE", .turn = 1, .leaves = true },
};

static const struct column show_columns[] = {
	{ .key = "name", .title = "FIELD" },
	{ .key = "class", .title = "CLASS" },
};

static int policy_list(struct client *c)
{
	_cleanup_json_ struct json_object *rows = NULL, *policies = json_object_new_array();
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = client_connect(c, NEED_MODULE);
	if (r == STATUS_DONE)
		r = client_call(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "ListPolicies", NULL, &m);
	if (r != STATUS_DONE)
		return r;
	if (client_read_json(m, &rows) < 0)
		return STATUS_FAILED;

	for (size_t i = 0; i < json_length(rows); i++) {
		struct json_object *policy = json_object_new_object();

		for (size_t k = 0; k < ARRAY_SIZE(list_columns); k++)
			json_object_object_add(policy, list_columns[k].key, json_object_get(
				json_at(json_at(rows, i), k)));
		json_object_array_add(policies, policy);
	}

	if (c->args->json != JSON_OFF)
		render_json(pager_out(c), policies, c->args->json);
	else if (render_table(pager_out(c), policies, list_columns, ARRAY_SIZE(list_columns),
			      !c->args->no_legend) < 0)
		return STATUS_FAILED;
	return STATUS_DONE;
}

static int print_policy(struct client *c, struct json_object *any, struct json_object *fields)
{
	_cleanup_json_ struct json_object *rows = json_object_new_array();

	if (!json_object_is_type(fields, json_type_object)) {
		fprintf(stderr, "nvmxctl: nvmxd's GetPolicy is not one that this nvmxctl knows.\n");
		return STATUS_FAILED;
	}
	json_object_object_foreach(fields, name, class) {
		struct json_object *row = json_object_new_object();

		json_object_object_add(row, "name", json_object_new_string(name));
		json_object_object_add(row, "class", json_object_get(class));
		json_object_array_add(rows, row);
	}
	fprintf(pager_out(c), VMWRITE_ANY_FIELD ": %s\n\n", json_object_get_string(any));
	return render_table(pager_out(c), rows, show_columns, ARRAY_SIZE(show_columns),
			    !c->args->no_legend) < 0 ? STATUS_FAILED : STATUS_DONE;
}

static int policy_show(struct client *c)
{
	_cleanup_json_ struct json_object *any = NULL, *fields = NULL, *policy = NULL;
	const char *name = c->args->parameters[1];
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = client_connect(c, NEED_MODULE);
	if (r == STATUS_DONE)
		r = client_call(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "GetPolicy", name, &m);
	if (r != STATUS_DONE)
		return r;
	if (client_read_json(m, &any) < 0 || client_read_json(m, &fields) < 0)
		return STATUS_FAILED;
	if (c->args->json == JSON_OFF)
		return print_policy(c, any, fields);

	policy = json_object_new_object();
	json_object_object_add(policy, "name", json_object_new_string(name));
	json_object_object_add(policy, "vmwrite_any_field", json_object_get(any));
	json_object_object_add(policy, "fields", json_object_get(fields));
	render_json(pager_out(c), policy, c->args->json);
	return STATUS_DONE;
}

static int check_files(struct client *c)
{
	_cleanup_free_ struct nvmx_field *fields = NULL;
	struct field_table table;
	int status;

	(void)client_reach(c);
	status = vm_ask_field_table(c, &fields, &table.n);
	if (status != STATUS_DONE)
		return status;
	table.fields = fields;

	for (int i = 1; i < c->args->n_parameters; i++) {
		_cleanup_policy_ struct policy *p = NULL;
		_cleanup_free_ char *sentence = NULL;

		if (policy_read(c->args->parameters[i], &p, &sentence) >= 0 &&
		    (table.n == 0 || policy_check(p, &table, &sentence) >= 0)) {
			if (!c->args->quiet)
				fprintf(pager_out(c), "%s: policy %s, %s.\n",
					c->args->parameters[i], p->name, table.n == 0 ?
					"as far as can be told without a kernel" :
					"with fields and classes that this kernel has");
			continue;
		}
		fprintf(stderr, "nvmxctl: %s\n", sentence ?: "Out of memory.");
		status = STATUS_FAILED;
	}
	return status;
}

int verb_policy(struct client *c)
{
	const char *what = c->args->parameters[0];
	int n = c->args->n_parameters - 1;

	if (streq(what, "list") && n == 0)
		return policy_list(c);
	if (streq(what, "show") && n == 1)
		return policy_show(c);
	if (streq(what, "check") && n >= 1)
		return check_files(c);
	if (streq(what, "edit") && n == 1)
		return policy_edit(c);
	fprintf(stderr, "nvmxctl: It is \"nvmxctl policy list\", \"nvmxctl policy show NAME\", "
		"\"nvmxctl policy check FILE...\" or \"nvmxctl policy edit NAME\".\n");
	return STATUS_USAGE;
}
