/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl reset DOMAIN: drops what was set at run time.
 */
#include "client/nvmxctl.h"

int verb_reset(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = client_connect(c, NEED_SHADOWING);
	if (r == STATUS_DONE)
		r = client_find_vm(c, c->args->parameters[0], &path);
	if (r != STATUS_DONE)
		return r;

	r = sd_bus_message_new_method_call(c->bus, &m, NVMX_BUS_NAME, path, NVMX_BUS_VM, "Reset");
	if (r >= 0)
		r = sd_bus_message_set_allow_interactive_authorization(m, true);
	if (r >= 0) {
		agent_open(c->args);
		r = sd_bus_call(c->bus, m, 0, &error, NULL);
		agent_close();
	}
	return r < 0 ? client_fail(&error, r) : STATUS_DONE;
}
