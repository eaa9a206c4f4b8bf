/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl stats DOMAIN [--vcpu=N]: totals, and exits by field.
 */
#include "client/nvmxctl.h"

int verb_stats(struct client *c)
{
	_cleanup_json_ struct json_object *statistics = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = client_connect(c, NEED_NESTED);
	if (r == STATUS_DONE)
		r = find_vm(c, c->args->parameters[0], &path);
	if (r == STATUS_DONE)
		r = statistics_get(c, path, c->args->vcpu, &statistics);
	if (r != STATUS_DONE)
		return r;

	if (c->args->json != JSON_OFF)
		render_json(pager_out(c), statistics, c->args->json);
	else
		render_statistics(pager_out(c), statistics, !c->args->no_legend);
	return STATUS_DONE;
}
