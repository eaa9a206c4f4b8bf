/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * top.c: what nvmxctl top shows, as rows; top-screen.c: the screen.
 */
#ifndef NVMX_CLIENT_TOP_H
#define NVMX_CLIENT_TOP_H

#include "client/nvmxctl.h"

enum top_sort {
	TOP_SORT_ENTRIES,
	TOP_SORT_EXITS,
	TOP_SORT_VMCS,
	TOP_SORT_NAME,
	TOP_SORT_ID,
};

/* Owns both looks at the VMs; the first one has nothing to compare with. */
struct top {
	struct client *client;
	struct json_object *then, *now;	/* by statistics_list() */
	uint64_t then_usec, now_usec;
};

void top_done(struct top *top);

/* Looks again.  Negative errno and error: what there is stays. */
int top_look(struct top *top, sd_bus_error *error);

/*
 * The VMs whose name or policy has the filter in it (NULL: all), as objects: id, name,
 * policy, shadowing, vmxon, entries_per_second, l2_exits_per_second, exits_per_l2_exit (with
 * the entry itself), vmcs_exits_per_second, fields (as top_fields()), top_fields (text).
 */
struct json_object *top_rows(const struct top *top, enum top_sort sort, const char *filter);
/* The numbers of those rows, together; its name is "total". */
struct json_object *top_total(struct json_object *rows);

/* Until Ctrl-C or q; returns a signal that is to end the program, or 0. */
int top_screen(struct top *top, uint64_t interval_usec);

#endif /* NVMX_CLIENT_TOP_H */
