/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection to libvirt by its read-only socket: made as soon as it can be, and again
 * whenever it is lost.  libvirt's calls may block as long as libvirtd hangs; the watchdog of
 * the service ends that.
 */
#ifndef NVMX_DAEMON_LIBVIRT_CONNECTION_H
#define NVMX_DAEMON_LIBVIRT_CONNECTION_H

#include <stdbool.h>

#include <libvirt/libvirt.h>
#include <systemd/sd-event.h>

struct connection;

/* Out of the loop's turns, never out of a call of libvirt's; libvirt may be called. */
typedef void (*connection_state_t)(bool connected, void *userdata);
/* Something about that domain has changed; it may be told twice.  libvirt may not be called. */
typedef void (*connection_domain_t)(const char *uuid, void *userdata);

/* @on_state says first what became of the first try, then each change. */
int connection_new(sd_event *event, const char *uri, connection_state_t on_state,
		   connection_domain_t on_domain, void *userdata, struct connection **ret);
struct connection *connection_free(struct connection *c);	/* NULL */

/* NULL: there is none.  Borrowed, until the next turn of the loop. */
virConnectPtr connection_get(const struct connection *c);
/* Where its domains' pid files are (policy/libvirt-pid.h); while there is a connection. */
const char *connection_pid_dir(const struct connection *c);
/* A call failed; is that because the connection is lost?  Then @on_state says so soon. */
bool connection_is_lost(struct connection *c);

/* libvirt's sentence on the call that failed, without the full stop; never NULL. */
const char *connection_error(void);

#endif /* NVMX_DAEMON_LIBVIRT_CONNECTION_H */
