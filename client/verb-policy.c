/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl policy list | show NAME | check FILE... | edit NAME: the policies that nvmxd
 * knows; what is done with files is policy-check.c's and policy-edit.c's.
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

static int fail(int r)
{
	fprintf(stderr, "nvmxctl: The policies cannot be shown: %s.\n", strerror(-r));
	return STATUS_FAILED;
}

/* Those that nvmxd has read. */
static int list_of_daemon(struct client *c, struct json_object *policies)
{
	_cleanup_json_ struct json_object *rows = NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = client_call(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "ListPolicies", NULL, &m);
	if (r != STATUS_DONE)
		return r;
	r = bus_json_read(m, &rows);
	if (r < 0)
		return fail(r);

	for (size_t i = 0; i < json_length(rows); i++) {
		struct json_object *policy = json_object_new_object();

		for (size_t k = 0; k < ARRAY_SIZE(list_columns); k++)
			json_object_object_add(policy, list_columns[k].key, json_object_get(
				json_at(json_at(rows, i), k)));
		json_object_array_add(policies, policy);
	}
	return STATUS_DONE;
}

static void put_note(const char *sentence, void *userdata)
{
	const struct client *c = userdata;

	if (!c->args->quiet)
		fprintf(stderr, "nvmxctl: Note: %s\n", sentence);
}

/* Those that it would read. */
static int list_of_files(struct client *c, struct json_object *policies)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	const struct policy *p;
	int r;

	put_note("nvmxd cannot be reached; these are the policies in the files of this machine.", c);
	r = policy_set_load(policy_set_default_dirs, NULL, put_note, c, &set);
	if (r < 0)
		return fail(r);
	for (size_t i = 0; (p = policy_set_get(set, i)); i++) {
		struct json_object *policy = json_object_new_object();

		json_add_text(policy, "name", p->name);
		json_add_text(policy, "description", p->description);
		json_add_text(policy, "path", p->path);
		json_object_array_add(policies, policy);
	}
	return STATUS_DONE;
}

static int policy_list(struct client *c)
{
	_cleanup_json_ struct json_object *policies = json_object_new_array();
	int r;

	/* The files of another machine are not here. */
	r = c->args->host || c->args->machine ? client_connect(c, NEED_DAEMON) : STATUS_DONE;
	if (r == STATUS_DONE)
		r = c->bus || client_reach(c) ? list_of_daemon(c, policies) : list_of_files(c, policies);
	if (r != STATUS_DONE)
		return r;

	if (c->args->json != JSON_OFF)
		render_json(pager_out(c), policies, c->args->json);
	else
		r = render_table(pager_out(c), policies, list_columns, ARRAY_SIZE(list_columns),
				 !c->args->no_legend);
	return r < 0 ? fail(r) : STATUS_DONE;
}

static int print_policy(struct client *c, struct json_object *any, struct json_object *fields)
{
	_cleanup_json_ struct json_object *rows = json_object_new_array();
	int r;

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
	r = render_table(pager_out(c), rows, show_columns, ARRAY_SIZE(show_columns), !c->args->no_legend);
	return r < 0 ? fail(r) : STATUS_DONE;
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
	r = bus_json_read(m, &any);
	if (r >= 0)
		r = bus_json_read(m, &fields);
	if (r < 0)
		return fail(r);
	if (c->args->json == JSON_OFF)
		return print_policy(c, any, fields);

	policy = json_object_new_object();
	json_object_object_add(policy, "name", json_object_new_string(name));
	json_object_object_add(policy, "vmwrite_any_field", json_object_get(any));
	json_object_object_add(policy, "fields", json_object_get(fields));
	render_json(pager_out(c), policy, c->args->json);
	return STATUS_DONE;
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
		return policy_check_files(c, (const char *const *)c->args->parameters + 1, n, true);
	if (streq(what, "edit") && n == 1)
		return policy_edit(c);
	fprintf(stderr, "nvmxctl: It is \"nvmxctl policy list\", \"nvmxctl policy show NAME\", "
		"\"nvmxctl policy check FILE...\" or \"nvmxctl policy edit NAME\".\n");
	return STATUS_USAGE;
}
