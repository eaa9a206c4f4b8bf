/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM of the kernel's list: vm.c has its life and what is known of it,
 * vm-policy.c how its policy is decided and applied, vm-profile.c its profiling
 * window, vm-dbus.c its face on the bus.
 * The manager owns it.
 */
#ifndef NVMX_DAEMON_VM_H
#define NVMX_DAEMON_VM_H

#include <sys/types.h>

#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/proc.h"
#include "daemon/statistics.h"

#define VM_PATH_PREFIX	MANAGER_PATH "/vm"
#define VM_INTERFACE	"org.nvmx1.VM"

struct domain_info;

/* Where a policy came from; ascending precedence. */
enum policy_source {
	POLICY_SOURCE_DEFAULT,
	POLICY_SOURCE_MATCH,
	POLICY_SOURCE_METADATA,
	POLICY_SOURCE_RUNTIME,
};

/*
 * The policy in force, always as the kernel told it; base and source are from the
 * label.  assignment is NULL if the kernel's answer made no sense.
 */
struct vm_policy {
	struct assignment *assignment;
	char *base;
	enum policy_source source;
	bool labelled;
};

/* What libvirt says of the VM's domain. */
enum vm_domain {
	VM_DOMAIN_ASKED,	/* no answer yet: the policy is left as it is */
	VM_DOMAIN_NONE,		/* none of libvirt's, or there is no libvirt */
	VM_DOMAIN_KNOWN,
};

struct vm {
	struct manager *manager;

	uint64_t id, start_time;
	pid_t pid;
	char *path;			/* on the bus */
	char *name;			/* the domain's, or the process's */
	char uuid[PROC_UUID_LEN];	/* "": none */
	char *executable, *unit;	/* as in proc.h; NULL if the process could not be seen */
	bool vmxon;

	int fd;
	sd_event_source *hangup;

	enum vm_domain domain;
	bool metadata_seen;		/* libvirt could tell whether there is any */
	struct metadata *metadata;	/* the last that was well-formed; NULL: none */
	char *metadata_text;		/* as libvirt gave it; NULL: none */
	char *metadata_error;		/* why it could not be read */
	bool false_uuid;		/* its uuid is that of another process's domain, as was said */
	struct vm_statistics statistics;

	struct vm_policy policy;
	char *error;			/* PolicyError; NULL: none */
	bool announced;			/* on the bus */

	/* What there was no memory for, until vm_try_again(). */
	bool stale;			/* the kernel may have another policy than this says */
	bool unasked;			/* libvirt is to be asked, or asked again */
	bool undecided;			/* the policy is to be decided, ... */
	bool supersede;			/* ... also in the place of one set at run time */

	int profile_fd;			/* its window may have ended by itself; -EBADF: none */
	sd_bus_track *profile_owner;	/* whoever started it */
};

/* vm.c. -ENOENT, -ENODEV: gone before it could be opened. */
int vm_new(struct manager *m, uint64_t id, pid_t pid, uint64_t start_time, struct vm **ret);
struct vm *vm_free(struct vm *vm);	/* NULL */
DEFINE_CLEANUP(struct vm *, vm_free)
#define _cleanup_vm_ _cleanup_(vm_freep)

int vm_get_info(const struct vm *vm, struct nvmx_vm_info *ret);
void vm_set_vmxon(struct vm *vm);
void vm_ask_libvirt(struct vm *vm);
/* Does what could not be done before; says to the manager what still cannot. */
void vm_try_again(struct vm *vm);
void vm_on_domain(struct vm *vm, const struct domain_info *info);

/* vm-policy.c */
const char *policy_source_to_string(enum policy_source source);
void vm_policy_clear(struct vm_policy *p);
/* Asks the kernel what is in force; says on the bus what changed. */
int vm_policy_refresh(struct vm *vm);
/* Decides anew and applies it; a policy set at run time stays, unless superseded. */
void vm_policy_settle(struct vm *vm, bool supersede_runtime);
/* Why the policy in force is, as a sentence; the caller's to free.  NULL without memory. */
char *vm_policy_reason(const struct vm *vm);
/* What SetPolicy would put in force.  *ret_base is the caller's to free. */
int vm_policy_compute(struct vm *vm, const char *name, const struct policy_change *changes,
		      size_t n, struct assignment **ret, char **ret_base, char **ret_error);
int vm_policy_set(struct vm *vm, const struct assignment *a, const char *base, char **ret_error);
int vm_policy_reset(struct vm *vm, char **ret_error);
int vm_policy_overrides(const struct vm *vm, struct policy_change **ret, size_t *ret_n);
/* Are there any?  Negative errno. */
int vm_policy_is_changed(const struct vm *vm);

/* vm-profile.c: both reply to the call with an error of their own, or leave that to the caller. */
int vm_profile_start(struct vm *vm, sd_bus_message *call, uint32_t duration_ms, sd_bus_error *error);
int vm_profile_end(struct vm *vm, sd_bus_message *call, sd_bus_error *error);
void vm_profile_close(struct vm *vm);

/* vm-dbus.c */
int vm_bus_add(struct manager *m);
void vm_bus_changed(struct vm *vm, const char *const *properties);
/* A property that is a string; "" if there is none. */
const char *vm_bus_text(const struct vm *vm, const char *property);
const char *vm_shadowing(const struct vm *vm);
/* a{st} totals, a(sutt) fields, as of GetStatistics. */
int vm_bus_append_counters(sd_bus_message *reply, const struct vm *vm, const struct nvmx_counters *counters,
			   const struct nvmx_field_counters *fields);
/* a{sv} of the properties of ListStatistics, with their names as properties. */
int vm_bus_append_properties(sd_bus_message *reply, const struct vm *vm);

#endif /* NVMX_DAEMON_VM_H */
