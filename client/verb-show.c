/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl show DOMAIN: one VM, its policy and where that comes from.
 */
#include "client/nvmxctl.h"

int verb_show(struct client *c)
{
	_cleanup_json_ struct json_object *vm = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = client_connect(c, NEED_MODULE);
	if (r == STATUS_DONE)
		r = find_vm(c, c->args->parameters[0], &path);
	if (r == STATUS_DONE)
		r = vm_get(c, path, &vm);
	if (r != STATUS_DONE)
		return r;
	client_note_missing(c);

	if (c->args->json != JSON_OFF)
		render_json(pager_out(c), vm, c->args->json);
	else
		render_vm(pager_out(c), vm);
	return STATUS_DONE;
}
