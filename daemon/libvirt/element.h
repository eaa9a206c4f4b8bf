/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The element with a domain's statistics, of what ListStatistics of nvmxd's says;
 * nvmx-libvirt(8) has its schema.
 */
#ifndef NVMX_DAEMON_LIBVIRT_ELEMENT_H
#define NVMX_DAEMON_LIBVIRT_ELEMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#define ELEMENT_FIELDS	10	/* those with the most exits */

struct element_field {
	char *name;
	uint64_t vmread_exits, vmwrite_exits;
};

struct element_total {
	char *name;
	uint64_t value;
};

/* A VM of ListStatistics'. */
struct element {
	uint64_t id, start_time;
	pid_t pid;
	bool vmxon;
	char *source;		/* the source that knows the VM; "": none */
	char *uuid, *name, *policy, *policy_source;
	struct element_total *totals;
	size_t n_totals;
	struct element_field *fields;	/* most exits first */
	size_t n_fields;
};

/* The next of the array a(ta{sv}a{st}a(sutt)) that was entered.  1; 0: there is none; negative errno. */
int element_read(sd_bus_message *m, struct element *ret);
void element_clear(struct element *e);

/*
 * Without the times: to see whether anything has changed.  @since and @updated are NULL then, and
 * as in ISO 8601 otherwise.
 */
int element_format(const struct element *e, const char *since, const char *updated, char **ret);
/* A time so, in UTC. */
char *element_format_time(int64_t seconds);
/* When a process began, of its start time in ticks since the host's boot. */
char *element_format_since(uint64_t start_time);

#endif /* NVMX_DAEMON_LIBVIRT_ELEMENT_H */
