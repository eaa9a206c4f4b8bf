/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policy in a libvirt domain's configuration: its metadata from the next start
 * on.  By the caller's own libvirt rights; nvmxd has no part in it.  These return
 * STATUS_*, and have printed the error.
 */
#ifndef NVMX_CLIENT_DOMAIN_CONFIG_H
#define NVMX_CLIENT_DOMAIN_CONFIG_H

#include <libvirt/libvirt.h>

#include "client/nvmxctl.h"

/* Owns all of it; starts as {}. */
struct domain_config {
	char *uri;
	virConnectPtr conn;
	virDomainPtr domain;
	char *before;			/* the element at domain_config_find(); NULL: there is none */
};

/* Asks for a password if libvirt's polkit wants one. */
int domain_config_open(struct client *c, struct domain_config *ret);

/*
 * The domain of a running VM, by nvmxd's path of it; or, without a path, by name, uuid, a
 * running VM's id or pid, or what only one name or uuid begins with.
 */
int domain_config_find_vm(struct client *c, const char *path, struct domain_config *d);
int domain_config_find(struct client *c, const char *name, struct domain_config *d);

/* The element that there is from now on; NULL: none. */
int domain_config_set(struct domain_config *d, const char *element);
/* As it was when the domain was found. */
int domain_config_restore(struct domain_config *d);

void domain_config_done(struct domain_config *d);

#endif /* NVMX_CLIENT_DOMAIN_CONFIG_H */
