/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Elements with statistics that nobody writes any more: left by a process before this one, or
 * come along with a saved or migrated domain, or in a definition made of a running one's XML.
 */
#ifndef NVMX_DAEMON_LIBVIRT_STALE_H
#define NVMX_DAEMON_LIBVIRT_STALE_H

#include "daemon/libvirt/connection.h"

struct stale;

struct stale_ops {
	/* There are some that may be: now is the time to find out whose they are. */
	void (*found)(void *userdata);
	/* Is that domain's element one that is written here? */
	bool (*is_written)(const char *uuid, void *userdata);
	/* Nobody's, in the domain that runs with libvirt's id. */
	void (*take_away)(const char *uuid, int id, void *userdata);
};

/* The ops stay. */
int stale_new(sd_event *event, struct connection *connection, const struct stale_ops *ops, void *userdata,
	      struct stale **ret);
struct stale *stale_free(struct stale *st);	/* NULL */

/* That domain, or each that runs, may have one.  It is looked at in a turn of the loop. */
void stale_doubt(struct stale *st, const char *uuid);
void stale_doubt_all(struct stale *st);
/* It could not be taken away: after a pause, which grows. */
void stale_doubt_later(struct stale *st, const char *uuid);
/* It is known now which are written here: has the others taken away. */
void stale_settle(struct stale *st);

#endif /* NVMX_DAEMON_LIBVIRT_STALE_H */
