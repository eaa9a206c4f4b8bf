/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl reset DOMAIN [--live] [--config]: drops what was set at run time, or the
 * policy in the domain's configuration.
 */
#include "client/change.h"

static int reset_live(struct client *c, const char *path, const struct change *change)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	(void)change;
	r = client_new_change(c, path, NVMX_BUS_VM, "Reset", &m);
	return client_call_change(c, r, m);
}

static int reset_config(struct client *c, const char *before, const struct change *change, char **ret)
{
	(void)c;
	(void)before;
	(void)change;
	*ret = NULL;
	return STATUS_DONE;
}

int verb_reset(struct client *c)
{
	static const struct change reset = { .live = reset_live, .config = reset_config };

	return change_make(c, &reset);
}
