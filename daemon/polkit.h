/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks polkit, without waiting for it, whether the sender of a method call may do
 * what it asks.
 */
#ifndef NVMX_DAEMON_POLKIT_H
#define NVMX_DAEMON_POLKIT_H

#include <systemd/sd-bus.h>

/*
 * The rest of the method: called once the caller is authorized, from the event
 * loop, so whatever was looked up before may be gone.  Returns like a method
 * handler: an error to reply with, or having replied.
 */
typedef int (*polkit_authorized_t)(sd_bus_message *call, void *userdata, sd_bus_error *error);

/*
 * To be returned by a method handler.  userdata must live as long as the bus.
 * details: what polkit's rules and dialogues may want to know, pairs of key and
 * value, ending with NULL.
 */
int polkit_authorize(sd_bus_message *call, const char *action, const char *const *details,
		     polkit_authorized_t authorized, void *userdata, sd_bus_error *error);

#endif /* NVMX_DAEMON_POLKIT_H */
