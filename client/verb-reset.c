/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl reset DOMAIN: drops what was set at run time.
 */
#include "client/nvmxctl.h"

int verb_reset(struct client *c)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = client_connect(c, NEED_SHADOWING);
	if (r == STATUS_DONE)
		r = client_find_vm(c, c->args->parameters[0], &path);
	if (r != STATUS_DONE)
		return r;

	r = client_new_change(c, path, "Reset", &m);
	return client_call_change(c, r, m);
}
