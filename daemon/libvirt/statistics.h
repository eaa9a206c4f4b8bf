/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Statistics of domains in their metadata: for each domain whose L1 uses VMX, a live-only
 * element that virsh metadata and virsh dumpxml show.  nvmx-libvirt(8) has its schema.
 */
#ifndef NVMX_DAEMON_LIBVIRT_STATISTICS_H
#define NVMX_DAEMON_LIBVIRT_STATISTICS_H

#include "daemon/libvirt/connection.h"
#include "daemon/libvirt/nvmxd.h"

/* How long the end waits for what is still to be taken away. */
#define STATISTICS_STOP_SECONDS	5
/* A domain whose writes fail is tried again after 2, 4, ... up to so many intervals. */
#define STATISTICS_BACKOFF_MAX	16

struct statistics;

/* Of the VMs that source tells of.  The interval is in seconds; 0: nothing is written. */
int statistics_new(sd_event *event, struct nvmxd *nvmxd, struct connection *connection,
		   const char *source, const char *uri, int interval, struct statistics **ret);
/* NULL; after nvmxd_free(), and never while statistics_is_stuck(). */
struct statistics *statistics_free(struct statistics *s);

void statistics_on_nvmxd(struct statistics *s, bool there);
void statistics_on_libvirt(struct statistics *s, bool connected);
void statistics_on_domain(struct statistics *s, const char *uuid);

/* Another one; with 0 what was written is taken away. */
void statistics_set_interval(struct statistics *s, int interval);
/* Takes away what was written; then, or if that lasts too long, the loop exits. */
void statistics_stop(struct statistics *s);
/* The loop has ended: does a thread sit in a call of libvirt's?  Then the process has to _exit(). */
bool statistics_is_stuck(struct statistics *s);

#endif /* NVMX_DAEMON_LIBVIRT_STATISTICS_H */
