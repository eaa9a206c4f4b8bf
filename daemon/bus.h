/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxd on the bus: the connection and the name, and what the objects show.  Layer 4 of
 * nvmxd: manager-dbus.c, vm-dbus.c and sources-dbus.c have an interface each, and all of
 * them see this.  What they are asked for they do by what is below; reloading is the
 * manager's, which they reach by the callback.
 */
#ifndef NVMX_DAEMON_BUS_H
#define NVMX_DAEMON_BUS_H

#include <systemd/sd-bus.h>

#include "daemon/sources.h"
#include "daemon/vm-set.h"

#define BUS_NAME	"org.nvmx1"
#define BUS_PATH	"/org/nvmx1"

struct bus {
	sd_bus *bus;
	sd_event *event;		/* borrowed, as all below are */
	struct kernel *kernel;
	const struct files *files;
	struct vm_set *vms;
	struct sources *sources;
	bool polkit_missing;
	sd_bus_track *peers[CONFIG_SOURCES_MAX];	/* sources-dbus.c's: who is which source */

	/* Reads the files anew and applies them; as files_reload(). */
	int (*reload)(void *userdata, char **ret_error);
	/* Missing is another. */
	void (*missing_changed)(void *userdata);
	void *userdata;
};

/* Connects and puts the objects there; says itself what is wrong. */
int bus_open(struct bus *bus);
/* -EADDRINUSE: the name is not to be had, and another try would come to the same. */
int bus_take_name(struct bus *bus);
void bus_close(struct bus *bus);

/*
 * r is what became of a signal.  One that is lost cannot be made good, for whoever
 * listens believes to know all: nvmxd ends then.
 */
void bus_check_sent(const struct bus *bus, int r);

/*
 * What nvmxd has to do without now, a sentence each, the kernel's first; borrowed until
 * something changes.  Returns how many there are.
 */
#define BUS_MISSING_MAX (5 + CONFIG_SOURCES_MAX)
size_t bus_missing(const struct bus *bus, const char *ret[BUS_MISSING_MAX]);

/* Without the module there is no list, which is not the same as an empty one. */
int bus_need_module(const struct bus *bus, sd_bus_error *error);

/* ---- manager-dbus.c ---- */

int manager_bus_add(struct bus *bus);
void manager_bus_changed(const struct bus *bus, const char *property);
void manager_bus_vm_new(const struct bus *bus, const struct vm *vm);
/* Before it is removed; NVMs changes after. */
void manager_bus_vm_removed(const struct bus *bus, const struct vm *vm);

/* ---- vm-dbus.c ---- */

#define VM_PATH_MAX	48
/* The VM's object. */
const char *vm_bus_path(const struct vm *vm, char path[VM_PATH_MAX]);
/* An id as a path ends with it: digits without a leading zero, so that each VM has one. */
bool vm_bus_parse_id(const char *s, uint64_t *ret);
/* That VM, or VMGone or NoSuchVM. */
int vm_bus_find(const struct bus *bus, uint64_t id, struct vm **ret, sd_bus_error *error);
const struct bus *vm_bus_get(void);	/* once vm_bus_add() was called */
int vm_bus_add(struct bus *bus);
/* Tells everybody what changed; enum vm_change. */
void vm_bus_changed(const struct bus *bus, const struct vm *vm, unsigned int what);
/* (tosssusbbs), a row of ListVMs; (ta{sv}a{st}a(sutt)), one of ListStatistics. */
int vm_bus_append_row(const struct bus *bus, sd_bus_message *reply, const struct vm *vm);
int vm_bus_append_statistics(const struct bus *bus, sd_bus_message *reply, const struct vm *vm);
/* a{ss} of the fields that are not intercept; a may be NULL. */
int vm_bus_append_classes(sd_bus_message *reply, const struct assignment *a);

/* ---- sources-dbus.c ---- */

int sources_bus_add(struct bus *bus);
void sources_bus_close(struct bus *bus);
/* Asks the connection that is the source. */
void sources_bus_ask(const struct bus *bus, const struct source *s, const struct vm *vm);

#endif /* NVMX_DAEMON_BUS_H */
