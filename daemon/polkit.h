/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asks polkit, without waiting for it, whether the sender of a method call may do
 * what it asks.
 */
#ifndef NVMX_DAEMON_POLKIT_H
#define NVMX_DAEMON_POLKIT_H

#include <stdbool.h>

#include <systemd/sd-bus.h>

/*
 * The rest of the method: called once the caller is authorized, from the event
 * loop, so whatever was looked up before may be gone.  Returns like a method
 * handler: an error to reply with, or having replied.
 */
typedef int (*polkit_authorized_t)(sd_bus_message *call, void *userdata, sd_bus_error *error);

/*
 * Questions that wait for an answer: of one user, who so can never use up those of all, and
 * of all.  The system's bus lets nobody have more than 128 calls without a reply.
 */
#define POLKIT_QUESTIONS_PER_UID	16
#define POLKIT_QUESTIONS_MAX		96

/*
 * on_state hears whether polkit is missing, as often as something shows it: at first, which
 * is asked, with each answer, and when it comes.  Once a process.
 */
typedef void (*polkit_state_t)(bool missing, void *userdata);
int polkit_watch(sd_bus *bus, polkit_state_t on_state, void *userdata);
/* Is there a question that waits for an answer? */
bool polkit_is_asked(void);
/* Before the bus goes: no question is answered any more. */
void polkit_stop(void);

/*
 * To be returned by a method handler.  userdata must live as long as the bus.  Of root's
 * calls authorized is called at once.
 * details: what polkit's rules and dialogues may want to know, pairs of key and
 * value, ending with NULL.
 */
int polkit_authorize(sd_bus_message *call, const char *action, const char *const *details,
		     polkit_authorized_t authorized, void *userdata, sd_bus_error *error);

#endif /* NVMX_DAEMON_POLKIT_H */
