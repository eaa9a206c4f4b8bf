/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waits for a libvirt that is not there: for the socket that libvirtd, or virtqemud, listens at.
 */
#ifndef NVMX_DAEMON_LIBVIRT_SOCKET_H
#define NVMX_DAEMON_LIBVIRT_SOCKET_H

#include <stdbool.h>

#include <systemd/sd-event.h>

struct socket_watch;

/* Perhaps it is there now. */
typedef void (*socket_appears_t)(void *userdata);

/* Of the libvirt with that URI. */
int socket_watch_new(sd_event *event, const char *uri, socket_appears_t fn, void *userdata,
		     struct socket_watch **ret);
struct socket_watch *socket_watch_free(struct socket_watch *s);	/* NULL */

/* To be called before the socket is tried, so that one that appears after that is not missed. */
void socket_watch_start(struct socket_watch *s);
void socket_watch_stop(struct socket_watch *s);
/* There is nothing to connect to, and the watch will say when that changes. */
bool socket_watch_suffices(const struct socket_watch *s);

#endif /* NVMX_DAEMON_LIBVIRT_SOCKET_H */
