/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What set and reset have in common: the VM that runs (--live), the domain's
 * configuration (--config), or both of them or neither.
 */
#ifndef NVMX_CLIENT_CHANGE_H
#define NVMX_CLIENT_CHANGE_H

#include "client/nvmxctl.h"

/* Borrows everything; both functions return STATUS_* and have printed the error. */
struct change {
	int (*live)(struct client *c, const char *path, const struct change *change);
	/* The metadata's element that there is to be (NULL: none), made from the one there is. */
	int (*config)(struct client *c, const char *before, const struct change *change, char **ret);
	const char *policy;			/* "": on top of what is in force */
	const struct policy_change *changes;
	size_t n;
};

/* Of the VM that the first parameter names; STATUS_*. */
int change_make(struct client *c, const struct change *change);

#endif /* NVMX_CLIENT_CHANGE_H */
