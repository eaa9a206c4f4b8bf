/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pause before another try, longer each time: from PAUSE_MIN_MS, twice the one before, up to
 * PAUSE_MAX_MS.
 */
#ifndef NVMX_DAEMON_LIBVIRT_PAUSE_H
#define NVMX_DAEMON_LIBVIRT_PAUSE_H

#include <systemd/sd-event.h>

#define PAUSE_MIN_MS	250
#define PAUSE_MAX_MS	30000

struct pause;

/* The next try.  Whatever fails again starts another pause. */
typedef void (*pause_t)(void *userdata);

int pause_new(sd_event *event, pause_t fn, void *userdata, struct pause **ret);
struct pause *pause_free(struct pause *p);	/* NULL */

/* Without an effect while it lasts. */
void pause_start(struct pause *p);
/* Something new: it lasts PAUSE_MIN_MS from now on. */
void pause_start_anew(struct pause *p);
/* It is over, and so is what it was for: the next one is short. */
void pause_reset(struct pause *p);

#endif /* NVMX_DAEMON_LIBVIRT_PAUSE_H */
