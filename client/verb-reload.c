/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl reload: nvmxd reads its configuration and the policy files again.
 */
#include "client/nvmxctl.h"

int verb_reload(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = client_connect(c, NEED_DAEMON);
	if (r != STATUS_DONE)
		return r;
	r = client_reload(c, &error);
	return r < 0 ? client_fail(&error, r) : STATUS_DONE;
}
