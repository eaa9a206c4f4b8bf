/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another try for what the host had too little memory or too few files for: a
 * timer with a growing pause.  It is made when there is memory, so that setting it
 * needs none.
 */
#ifndef NVMX_DAEMON_RETRY_H
#define NVMX_DAEMON_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

/* The first pause; each is twice the one before, until a try needs no other. */
#define RETRY_MIN_MS	250
#define RETRY_MAX_MS	30000

struct retry;

/* Does everything that was not done; calls retry_soon() for what fails again. */
typedef void (*retry_t)(void *userdata);

int retry_new(sd_event *event, retry_t fn, void *userdata, struct retry **ret);
struct retry *retry_free(struct retry *t);	/* NULL */

/* Calls the function after the pause.  Again before that: no effect. */
void retry_soon(struct retry *t);

#endif /* NVMX_DAEMON_RETRY_H */
