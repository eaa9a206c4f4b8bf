/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's event loop, on sd-event: its handles are I/O sources, its timeouts timers.  One a
 * process, as libvirt has it.
 *
 * It is for the thread that registers it.  A connection that another thread opens is refused
 * handles; libvirt then does without events and keepalive on it, and its calls work.
 */
#ifndef NVMX_DAEMON_LIBVIRT_EVENT_H
#define NVMX_DAEMON_LIBVIRT_EVENT_H

#include <systemd/sd-event.h>

/* Before the first connection; the process exits by @event if the loop cannot go on. */
int event_register(sd_event *event);
/* After the last one is closed. */
void event_clear(void);

#endif /* NVMX_DAEMON_LIBVIRT_EVENT_H */
