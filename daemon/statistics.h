/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Statistics of domains in their metadata: for each domain whose L1 uses VMX, a live-only
 * element that virsh metadata and virsh dumpxml show.  nvmxd(8) has its schema.
 */
#ifndef NVMX_DAEMON_STATISTICS_H
#define NVMX_DAEMON_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#define STATISTICS_FIELDS	10	/* those with the most exits */

struct domain_info;
struct manager;
struct statistics_result;
struct vm;

/* The manager's part. */
struct statistics {
	sd_event_source *timer;	/* on while there is a domain to write for */
	bool refused;		/* libvirt does not let us write; until it is connected anew */
};

/* A VM's part. */
struct vm_statistics {
	int domain_id;		/* of the running domain; -1: not known */
	char *text;		/* what was written, without its times; NULL: nothing is there */
	char *since;		/* when the VM began */
	uint64_t written;	/* CLOCK_MONOTONIC, us */
	char *error;		/* why it could not be written, as it was logged */
};

/* A VM may have become one to write for. */
void statistics_check(struct vm *vm);
/* What libvirt says of the VM's running domain. */
void statistics_on_domain(struct vm *vm, const struct domain_info *info);
void statistics_on_connected(struct manager *m);
void statistics_on_written(struct manager *m, const struct statistics_result *result);
/* Takes the setting as it is now: after a reload. */
void statistics_configure(struct manager *m);
/* Takes away what was written; before libvirt_free(). */
void statistics_stop(struct manager *m);
void statistics_vm_clear(struct vm_statistics *s);

#endif /* NVMX_DAEMON_STATISTICS_H */
