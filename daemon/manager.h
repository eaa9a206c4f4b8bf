/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manager: the one object that owns everything, and lives as long as the
 * process.  manager.c has its life (kernel, libvirt, VMs coming and going),
 * manager-files.c its configuration and policies, manager-dbus.c its face on the bus.
 */
#ifndef NVMX_DAEMON_MANAGER_H
#define NVMX_DAEMON_MANAGER_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/config.h"
#include "daemon/link.h"
#include "daemon/retry.h"
#include "daemon/statistics.h"
#include "policy/policy.h"

#define MANAGER_BUS_NAME	"org.nvmx1"
#define MANAGER_PATH		"/org/nvmx1"
#define MANAGER_INTERFACE	"org.nvmx1.Manager"

struct libvirt;
struct vm;

enum kernel_support {
	KERNEL_NO_MODULE,	/* the device is not there; waiting for it */
	KERNEL_NO_NESTED,	/* the module is, with nested=0 */
	KERNEL_NO_SHADOW_VMCS,	/* ..., with nothing to shadow in */
	KERNEL_AVAILABLE,
};

struct manager_options {
	const struct link_ops *link;
	const char *link_path;
	const char *libvirt_uri;	/* instead of the configuration's; NULL: not given */
	const char *const *policy_dirs;	/* ends with NULL */
	const char *const *config_dirs;	/* ends with NULL */
};

struct manager {
	struct manager_options options;	/* borrowed strings */
	struct config config;		/* as the files said it at the start, or at a reload */

	sd_event *event;
	sd_bus *bus;
	struct retry *retry;		/* see manager_try_again() */
	bool reload_again;		/* files could not be read, whoever asked for it */

	struct link link;
	sd_event_source *link_event;	/* records and EPOLLHUP, while the link is open */
	sd_event_source *link_watch;	/* inotify, while it is not */
	int link_error;			/* the last reason not to be open, said once */

	enum kernel_support support;
	uint32_t tsc_khz;		/* 0: no kernel */
	struct nvmx_field *fields;
	struct field_table table;	/* of fields; assignments borrow it */

	struct policy_set *policies;	/* loaded with the table while there is one */

	struct libvirt *libvirt;	/* NULL: without */
	bool libvirt_connected;
	bool libvirt_missing;	/* its library is not there: no link, though one is wanted */
	struct statistics statistics;
	bool polkit_missing;
	/* Sentences on the first file that is not used; NULL: all are. */
	char *config_error, *policy_error;
	char *files_said;		/* see manager-files.c */

	struct vm **vms;		/* by id, ascending */
	size_t n_vms;
	uint64_t last_id;		/* the highest seen */
};

int manager_new(const struct manager_options *options, struct manager **ret);
struct manager *manager_free(struct manager *m);	/* NULL */
DEFINE_CLEANUP(struct manager *, manager_free)
#define _cleanup_manager_ _cleanup_(manager_freep)

/*
 * Takes the name on the bus, then finds kernel and VMs.  -EADDRINUSE: the name is not to be
 * had, and another try would come to the same.
 */
int manager_start(struct manager *m);

/* manager-files.c; -EBADMSG: read, but a file is broken, and *ret_error (may be NULL) is about it. */
int manager_load_config(struct manager *m);
int manager_load_policies(struct manager *m, char **ret_error);
/*
 * Reads configuration and policy files again and applies them; *ret_error on the first
 * broken one.  With a broken configuration file the configuration stays as it was.  What
 * libvirt-uri says is for the next start.
 */
int manager_reload(struct manager *m, char **ret_error);

/*
 * r is why something was not done.  If the host had too little of something, the
 * manager soon looks again at the kernel, at its files, and at what VMs have noted as not
 * done (see vm_try_again()); else nothing happens.
 */
void manager_try_again(struct manager *m, int r);

const char *kernel_support_to_string(enum kernel_support support);
/* Why policies are not possible, as a sentence; NULL if they are. */
const char *manager_why_unsupported(const struct manager *m);

/*
 * What nvmxd has to do without now, a sentence each, the kernel's first; borrowed until the
 * manager changes.  Returns how many there are.
 */
#define MANAGER_MISSING_MAX 6
#define MANAGER_RESTRICTED \
	"The configuration is not used because a file of it is broken: no VM gets a default policy, and no statistics are written to libvirt, until it is mended and \"systemctl reload nvmxd\" is run."
size_t manager_missing(const struct manager *m, const char *ret[MANAGER_MISSING_MAX]);
void manager_missing_changed(struct manager *m);

/* Index of the first VM with that id or a higher one; n_vms: there is none. */
size_t manager_vm_place(const struct manager *m, uint64_t id);
struct vm *manager_find_vm(const struct manager *m, uint64_t id);
void manager_remove_vm(struct manager *m, struct vm *vm);
void manager_update_status(const struct manager *m);	/* what systemctl status shows */

/* describe.c: JSON of what the object's properties are; the caller's to free */
int describe_manager(const struct manager *m, char **ret);
int describe_vm(const struct vm *vm, char **ret);

/* manager-dbus.c */
/* A property that is a string. */
const char *manager_bus_text(const struct manager *m, const char *property);
int manager_bus_add(struct manager *m);
int manager_bus_take_name(struct manager *m);	/* says itself what is wrong; see manager_start() */
/*
 * r is what became of a signal.  One that is lost cannot be made good, for whoever
 * listens believes to know all: nvmxd ends then.
 */
void manager_bus_check_sent(struct manager *m, int r);
void manager_bus_changed(struct manager *m, const char *property);
void manager_bus_vm_new(struct manager *m, const struct vm *vm);
void manager_bus_vm_removed(struct manager *m, const struct vm *vm);
void manager_bus_policy_changed(struct manager *m, const struct vm *vm);
void manager_bus_vmx_started(struct manager *m, const struct vm *vm);
/* a{ss} of the fields that are not intercept; a may be NULL. */
int manager_bus_append_classes(sd_bus_message *reply, const struct assignment *a);

#endif /* NVMX_DAEMON_MANAGER_H */
