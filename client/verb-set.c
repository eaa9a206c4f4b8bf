/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl set DOMAIN [POLICY] [FIELD=CLASS...] [--live] [--config]: another policy for
 * a running VM or in a domain's configuration, or changes on top of the one there.
 */
#include "client/change.h"

static int append_changes(sd_bus_message *m, const struct policy_change *changes, size_t n)
{
	int r;

	r = sd_bus_message_open_container(m, 'a', "{ss}");
	for (size_t i = 0; i < n && r >= 0; i++)
		r = sd_bus_message_append(m, "{ss}", changes[i].name, changes[i].value);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int set_live(struct client *c, const char *path, const struct change *change)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = client_new_change(c, path, NVMX_BUS_VM, "SetPolicy", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "s", change->policy);
	if (r >= 0)
		r = append_changes(m, change->changes, change->n);
	return client_call_change(c, r, m);
}

static int fail(const char *sentence)
{
	fprintf(stderr, "nvmxctl: %s\n", sentence ?: "Out of memory.");
	return STATUS_FAILED;
}

/* What the metadata go on top of: their policy as it is here, or else the kernel's own list. */
static int get_base(struct client *c, const char *policy, const struct field_table *table,
		    struct assignment **ret)
{
	_cleanup_json_ struct json_object *any = NULL, *fields = NULL;
	_cleanup_assignment_ struct assignment *none = NULL;
	_cleanup_free_ struct policy_change *changes = NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	_cleanup_free_ char *sentence = NULL;
	size_t n = 0;
	int r;

	if (!policy)
		return assignment_new_kernel(table, ret) < 0 ? fail(NULL) : STATUS_DONE;
	r = client_call(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "GetPolicy", policy, &m);
	if (r != STATUS_DONE)
		return r;
	if (bus_json_read(m, &any) < 0 || bus_json_read(m, &fields) < 0 ||
	    assignment_new(table, &none) < 0)
		return fail(NULL);
	changes = calloc(json_length(fields) + 1, sizeof(*changes));
	if (!changes)
		return fail(NULL);
	changes[n++] = (struct policy_change) { VMWRITE_ANY_FIELD, json_object_get_string(any) };
	json_object_object_foreach(fields, name, class)
		changes[n++] = (struct policy_change) { name, json_object_get_string(class) };
	return assignment_apply(none, changes, n, ret, &sentence) < 0 ? fail(sentence) : STATUS_DONE;
}

/* Could a VM have it on this kernel?  Each change, as --live would say it, and then all of it. */
static int check(struct client *c, const struct metadata *m, const struct change *change,
		 const struct field_table *table)
{
	_cleanup_assignment_ struct assignment *base = NULL, *changed = NULL;
	_cleanup_free_ char *sentence = NULL;
	int r;

	r = get_base(c, m->name, table, &base);
	if (r != STATUS_DONE)
		return r;
	if (assignment_apply(base, change->changes, change->n, &changed, &sentence) < 0 ||
	    metadata_apply(m, base, &sentence) < 0)
		return fail(sentence);
	return STATUS_DONE;
}

static int set_config(struct client *c, const char *before, const struct change *change, char **ret)
{
	_cleanup_metadata_ struct metadata *old = NULL, *new = NULL;
	_cleanup_free_ struct nvmx_field *fields = NULL;
	_cleanup_free_ char *sentence = NULL;
	struct field_table table = {};
	int r;

	if (before && !*change->policy && metadata_parse(before, &old, &sentence) < 0) {
		fprintf(stderr, "nvmxctl: The policy in the domain's configuration cannot be changed: %s "
			"Give policy=NAME to replace it.\n", sentence ?: "Out of memory.");
		return STATUS_FAILED;
	}
	r = vm_ask_field_table(c, &fields, &table.n);
	if (r != STATUS_DONE)
		return r;
	table.fields = fields;
	if (metadata_change(old, change->policy, change->changes, change->n, &table, &new, &sentence) < 0)
		return fail(sentence);
	if (table.n > 0)
		r = check(c, new, change, &table);
	else if (!c->args->quiet)
		fprintf(stderr, "nvmxctl: Note: Without nvmxd and its kernel it cannot be checked whether these "
			"fields, classes and policies exist.\n");
	if (r == STATUS_DONE && metadata_format(new, ret) < 0)
		r = fail(NULL);
	return r;
}

int verb_set(struct client *c)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	_cleanup_free_ char *sentence = NULL;
	struct change change = { .live = set_live, .config = set_config };
	int r;

	r = args_parse_changes(c->args->parameters + 1, c->args->n_parameters - 1,
			       &change.policy, &changes, &change.n, &sentence);
	if (r < 0) {
		fprintf(stderr, "nvmxctl: %s\n", sentence ?: "Out of memory.");
		return r == -EINVAL ? STATUS_USAGE : STATUS_FAILED;
	}
	change.changes = changes;
	return change_make(c, &change);
}
