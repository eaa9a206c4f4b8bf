/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.nvmx1.Account on the bus: who looks, how long yet, and what they read.  All share one look:
 * it begins with the first who is allowed to, and ends with the process, when nobody looks any more.
 */
#ifndef NVMX_ACCOUNT_WATCH_H
#define NVMX_ACCOUNT_WATCH_H

#include <stdbool.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "policy/bus.h"

/* Each costs every vCPU time, so none is without end; Watch() again goes on. */
#define WATCH_MIN_USEC		UINT64_C(1000)
#define WATCH_MAX_USEC		(UINT64_C(3600) * 1000000)

/* Of all users; who asks for more is told so. */
#define WATCHERS_MAX		32

struct watch;

/* Puts the object on the bus; both are borrowed, and outlive it. */
int watch_new(sd_event *event, sd_bus *bus, struct watch **ret);
struct watch *watch_free(struct watch *w);	/* NULL */

/* Is there somebody who looks, or waits for polkit? */
bool watch_is_busy(const struct watch *w);

#endif /* NVMX_ACCOUNT_WATCH_H */
