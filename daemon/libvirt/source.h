/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VMs that nvmxd asks about, and what it is told of them: which domain each is, and the
 * settings in that domain's metadata.
 */
#ifndef NVMX_DAEMON_LIBVIRT_SOURCE_H
#define NVMX_DAEMON_LIBVIRT_SOURCE_H

#include "daemon/libvirt/connection.h"
#include "daemon/libvirt/nvmxd.h"
#include "daemon/libvirt/registration.h"

/*
 * Calls to nvmxd whose replies are awaited at once: far below what the bus lets a connection
 * have (max_replies_per_connection), and enough to keep nvmxd busy.
 */
#define SOURCE_CALLS_MAX	32

struct source;

/* VMs are answered for with what is given; all of it outlives the source but nvmxd. */
int source_new(sd_event *event, struct nvmxd *nvmxd, struct registration *registration,
	       struct connection *connection, struct source **ret);
struct source *source_free(struct source *s);	/* NULL; after nvmxd_free() */

/* Nothing is asked any more: nvmxd has gone, or libvirt has.  All comes anew. */
void source_forget(struct source *s);
/* Something about that domain has changed. */
void source_on_domain(struct source *s, const char *uuid);

#endif /* NVMX_DAEMON_LIBVIRT_SOURCE_H */
