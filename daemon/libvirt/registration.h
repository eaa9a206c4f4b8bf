/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Being a source of nvmxd's, as org.nvmx1(5) has it: registered whenever nvmxd is there, with
 * the word whether VMs can be answered for.
 */
#ifndef NVMX_DAEMON_LIBVIRT_REGISTRATION_H
#define NVMX_DAEMON_LIBVIRT_REGISTRATION_H

#include "daemon/libvirt/nvmxd.h"

struct registration;

/* What was told before counts no more: nvmxd asks for every VM again. */
typedef void (*registration_anew_t)(void *userdata);

/* As that source, of which nvmxd.conf has the user. */
int registration_new(sd_event *event, struct nvmxd *nvmxd, const char *source,
		     registration_anew_t on_anew, void *userdata, struct registration **ret);
struct registration *registration_free(struct registration *r);	/* NULL */

/* nvmxd is there, or not. */
void registration_on_nvmxd(struct registration *r, bool there);
/* @missing: why VMs cannot be answered for, a sentence that stays; NULL: they can. */
void registration_set_state(struct registration *r, const char *missing);

/* Is a call that came back with that error one to begin anew after?  Then that is done. */
bool registration_is_lost(struct registration *r, const sd_bus_error *error);

#endif /* NVMX_DAEMON_LIBVIRT_REGISTRATION_H */
