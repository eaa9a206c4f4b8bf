/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All or nothing of a change to a VM, to its domain's configuration, or to both.
 * The configuration is written first: it can be put back, whatever the VM had before.
 */
#include <signal.h>

#include "client/change.h"
#include "client/domain-config.h"

static int make_live(struct client *c, const struct change *change)
{
	_cleanup_free_ char *path = NULL;
	int r;

	r = client_connect(c, NEED_SHADOWING);
	if (r == STATUS_DONE)
		r = find_vm(c, c->args->parameters[0], &path);
	return r == STATUS_DONE ? change->live(c, path, change) : r;
}

static int make_config(struct client *c, const struct change *change)
{
	_cleanup_(domain_config_done) struct domain_config d = {};
	_cleanup_free_ char *element = NULL;
	int r;

	/* It helps with ids and names; a domain that does not run can do without. */
	(void)client_reach(c);
	r = domain_config_open(c, &d);
	if (r == STATUS_DONE)
		r = domain_config_find(c, c->args->parameters[0], &d);
	if (r == STATUS_DONE)
		r = change->config(c, d.before, change, &element);
	return r == STATUS_DONE ? domain_config_set(&d, element) : r;
}

static int make_both(struct client *c, const struct change *change)
{
	_cleanup_(domain_config_done) struct domain_config d = {};
	_cleanup_free_ char *path = NULL, *element = NULL;
	sigset_t signals, before;
	int r;

	r = client_connect(c, NEED_SHADOWING);
	if (r == STATUS_DONE)
		r = find_vm(c, c->args->parameters[0], &path);
	if (r == STATUS_DONE)
		r = domain_config_open(c, &d);
	if (r == STATUS_DONE)
		r = domain_config_find_vm(c, path, &d);
	if (r == STATUS_DONE)
		r = change->config(c, d.before, change, &element);
	if (r != STATUS_DONE)
		return r;

	/* Who is asked for a password may press Ctrl-C: not with the half of it done. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	r = domain_config_set(&d, element);
	if (r == STATUS_DONE) {
		r = change->live(c, path, change);
		if (r != STATUS_DONE)
			(void)domain_config_restore(&d);	/* r is what was wrong first */
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

int change_make(struct client *c, const struct change *change)
{
	if (!(c->args->options & ARGS_CONFIG))
		return make_live(c, change);
	return c->args->options & ARGS_LIVE ? make_both(c, change) : make_config(c, change);
}
