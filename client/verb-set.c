/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl set DOMAIN [POLICY] [FIELD=CLASS...]: another policy for a running VM,
 * or changes on top of the one in force.
 */
#include "client/nvmxctl.h"

static int append_changes(sd_bus_message *m, const struct policy_change *changes, size_t n)
{
	int r;

	r = sd_bus_message_open_container(m, 'a', "{ss}");
	for (size_t i = 0; i < n && r >= 0; i++)
		r = sd_bus_message_append(m, "{ss}", changes[i].name, changes[i].value);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int call(struct client *c, const char *path, const char *policy,
		const struct policy_change *changes, size_t n)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = client_new_change(c, path, "SetPolicy", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "s", policy);
	if (r >= 0)
		r = append_changes(m, changes, n);
	return client_call_change(c, r, m);
}

int verb_set(struct client *c)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	_cleanup_free_ char *path = NULL, *sentence = NULL;
	const char *policy;
	size_t n;
	int r;

	r = args_parse_changes(c->args->parameters + 1, c->args->n_parameters - 1,
			       &policy, &changes, &n, &sentence);
	if (r < 0) {
		fprintf(stderr, "nvmxctl: %s\n", sentence ?: "Out of memory.");
		return r == -EINVAL ? STATUS_USAGE : STATUS_FAILED;
	}

	r = client_connect(c, NEED_SHADOWING);
	if (r == STATUS_DONE)
		r = client_find_vm(c, c->args->parameters[0], &path);
	return r == STATUS_DONE ? call(c, path, policy, changes, n) : r;
}
