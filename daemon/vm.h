/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM of the kernel's list: vm.c has its life and what is known of it, vm-policy.c how its
 * policy is decided and applied, vm-profile.c its profiling window.  Layer 2 of nvmxd: a VM
 * knows the kernel, the files and what it is told; it knows no other VM, no bus and no
 * source, and says what changed by one callback.
 */
#ifndef NVMX_DAEMON_VM_H
#define NVMX_DAEMON_VM_H

#include <sys/types.h>

#include "daemon/files.h"
#include "daemon/kernel.h"
#include "daemon/log.h"
#include "daemon/proc.h"
#include "daemon/retry.h"

struct vm;

/* What of a VM changed; several at once. */
enum vm_change {
	VM_CHANGED_IDENTITY	= 1 << 0,	/* name, uuid, or from where they are */
	VM_CHANGED_VMXON	= 1 << 1,
	VM_CHANGED_BASE		= 1 << 2,	/* the name of the policy */
	VM_CHANGED_SOURCE	= 1 << 3,	/* enum policy_source */
	VM_CHANGED_CLASSES	= 1 << 4,
	VM_CHANGED_OVERRIDES	= 1 << 5,
	VM_CHANGED_VMWRITE_ANY	= 1 << 6,
	VM_CHANGED_ERROR	= 1 << 7,
	VM_CHANGED_SHADOWING	= 1 << 8,
	VM_CHANGED_PENDING	= 1 << 9,
	VM_CHANGED_GONE		= 1 << 10,	/* alone: to be freed, by who is told */
};

/* What is in force is another; overrides may be without that, when their base is. */
#define VM_CHANGED_POLICY	(VM_CHANGED_BASE | VM_CHANGED_SOURCE | VM_CHANGED_CLASSES | \
				 VM_CHANGED_VMWRITE_ANY)

/* The VM is whole, and may be asked anything. */
typedef void (*vm_changed_t)(struct vm *vm, unsigned int what, void *userdata);

/* What all VMs live in; outlives them. */
struct vm_context {
	sd_event *event;
	struct kernel *kernel;
	const struct files *files;
	struct retry *retry;
	vm_changed_t changed;
	void *userdata;
};

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
	uint64_t generation;		/* the kernel's count of policies set */
};

/* What is known of a VM from those who may know it; vm.c has the table. */
enum vm_state {
	VM_WAITING,		/* a source has not answered: the policy is left as it is */
	VM_STRAY,		/* no source knows it, or there is none */
	VM_KNOWN,		/* one does, and its settings can be used */
	VM_BROKEN,		/* one does, and they cannot: the policy is left as it is */
	VM_STATES_N,
};

/* What is still to be done, since it failed; each includes those before it. */
enum vm_owed {
	VM_OWES_NOTHING,
	VM_OWES_REFRESH,	/* the kernel may have another policy than policy says */
	VM_OWES_SETTLE,		/* the policy is to be decided, ... */
	VM_OWES_SUPERSEDE,	/* ... also in the place of one set at run time */
};

struct vm {
	const struct vm_context *context;

	uint64_t id, start_time;
	pid_t pid;
	struct proc_identity process;	/* as /proc told at the VM's birth */
	char *executable;		/* as the kernel noted it then, cleaned as those are; "" */
	bool vmxon;
	uint32_t kernel_state;		/* NVMX_VM_STATE_* */

	int fd;
	sd_event_source *hangup;

	enum vm_state state;
	unsigned int awaited;		/* bit i: source i has not answered */
	int source;			/* who knows it, by number; -1: nobody */
	char *source_name;		/* NULL: nobody */
	char *name, *uuid, *origin;	/* as the source says it; NULL: nobody does */
	char *settings;			/* the last that were well-formed, as told; NULL: none */
	struct metadata *metadata;	/* the same, parsed; NULL: none */
	bool told;			/* the source has told good settings, be it none */
	char *settings_error;		/* VM_BROKEN: why */
	bool false_uuid;		/* process.uuid is that of another process, as was said */
	enum vm_owed owed;

	struct vm_policy policy;
	uint64_t overrides;		/* a digest of what vm_policy_overrides() gave last */
	char *error;			/* PolicyError; NULL: none */

	int profile_fd;			/* its window may have ended by itself; -EBADF: none */
	void *profile_owner;		/* see vm_profile_start() */
	void (*profile_release)(void *owner);
};

/*
 * awaited: the sources that are to answer.  -ENOENT, -ENODEV: gone before it could be opened.
 * Nothing is decided before vm_begin(), and no change is told.
 */
int vm_new(const struct vm_context *context, uint64_t id, pid_t pid, uint64_t start_time,
	   unsigned int awaited, struct vm **ret);
void vm_begin(struct vm *vm);
struct vm *vm_free(struct vm *vm);	/* NULL */
DEFINE_CLEANUP(struct vm *, vm_free)
#define _cleanup_vm_ _cleanup_(vm_freep)

/* A source's word on a VM.  Borrowed strings; settings and error may be "". */
struct vm_answer {
	unsigned int source;		/* its number: a lower one has precedence */
	const char *source_name;
	const char *name, *uuid;	/* uuid: in lower case; "" has none */
	const char *origin;		/* how the source knows, for people */
	const char *settings;		/* "": none */
	const char *error;		/* why they could not be had; "": they could */
};

#define VM_ANSWER_NAME_MAX	256	/* bytes, as the others */
#define VM_ANSWER_ORIGIN_MAX	4096	/* a path's */
#define VM_ANSWER_SETTINGS_MAX	65536
#define VM_ANSWER_ERROR_MAX	4096

/* Of one text, which what names, as it may be shown and logged: no line ends in it.  -EINVAL. */
int vm_answer_check_line(const char *what, const char *s, size_t max, char **ret_error);
/* What may be told at all; *ret_error says what is wrong.  -EINVAL. */
int vm_answer_check(const struct vm_answer *answer, char **ret_error);
/*
 * Takes an answer, which has been checked.  Settings that make no sense are no error of the
 * call's: the VM says so.  -EEXIST: a source with precedence knows the VM; -ENOMEM.
 */
int vm_told(struct vm *vm, const struct vm_answer *answer);
/* The source does not know the VM.  reason: why its uuid is not to be trusted; "": it is. */
void vm_unknown(struct vm *vm, unsigned int source, const char *reason);

/* The kernel's word: what NVMX_VM_GET_INFO says now. */
void vm_take_state(struct vm *vm, uint32_t kernel_state);
void vm_refresh_state(struct vm *vm);
/* Policy files or configuration were read again. */
void vm_files_changed(struct vm *vm);
/* Does what is owed. */
void vm_try_again(struct vm *vm);

int vm_get_info(const struct vm *vm, struct nvmx_vm_info *ret);
/* For people; never NULL.  The uuid is "" if there is none. */
const char *vm_name(const struct vm *vm);
const char *vm_uuid(const struct vm *vm);
const char *vm_origin(const struct vm *vm);
/* Is the name a source's word, rather than the process's own? */
static inline bool vm_is_vouched(const struct vm *vm)
{
	return vm->source >= 0;
}

/* Whether the policy does anything right now; a property's values. */
const char *vm_shadowing(const struct vm *vm);

/* ---- to the log, with the VM's fields ---- */

#define log_vm(vm, level, ...) \
	log_message(level, NULL, (vm)->id, vm_uuid(vm), __VA_ARGS__)
#define log_vm_event(vm, level, message_id, ...) \
	log_message(level, message_id, (vm)->id, vm_uuid(vm), __VA_ARGS__)

/* ---- between the files of a VM ---- */

void vm_changed(struct vm *vm, unsigned int what);
/* Takes the sentence; NULL: nothing is wrong.  Returns whether it is another. */
bool vm_set_error(struct vm *vm, char *sentence);
/* r is why something was not done: is it to be done later? */
void vm_owe(struct vm *vm, enum vm_owed owed, int r);

/* ---- vm-policy.c ---- */

const char *policy_source_to_string(enum policy_source source);
void vm_policy_clear(struct vm_policy *p);
/* Asks the kernel what is in force, if it has another since. */
int vm_policy_refresh(struct vm *vm);
/* Decides anew and applies it; a policy set at run time stays, unless superseded. */
void vm_policy_settle(struct vm *vm, bool supersede_runtime);
/* Why the policy in force is, as a sentence; the caller's to free.  NULL without memory. */
char *vm_policy_reason(const struct vm *vm);
/* What SetPolicy would put in force.  *ret_base is the caller's to free. */
int vm_policy_compute(struct vm *vm, const char *name, const struct policy_change *changes,
		      size_t n, struct assignment **ret, char **ret_base, char **ret_error);
int vm_policy_set(struct vm *vm, const struct assignment *a, const char *base, char **ret_error);
/* -EAGAIN: a source has not answered, so what it would be reset to is not known. */
int vm_policy_reset(struct vm *vm, char **ret_error);
int vm_policy_overrides(const struct vm *vm, struct policy_change **ret, size_t *ret_n);
/* VM_CHANGED_OVERRIDES if they are others than when this was last called, else 0. */
unsigned int vm_policy_compare_overrides(struct vm *vm);
/* Are there any?  Negative errno. */
int vm_policy_is_changed(const struct vm *vm);

/* ---- vm-profile.c ---- */

/*
 * Opens a profiling window that is owner's, who is let go with release() when it is closed.
 * Errors have a sentence; on an error owner stays the caller's.
 */
int vm_profile_start(struct vm *vm, uint32_t duration_ms, void *owner, void (*release)(void *),
		     char **ret_error);
/* -ENOENT: none is open. */
int vm_profile_end(struct vm *vm, char **ret_error);
void vm_profile_close(struct vm *vm);

#endif /* NVMX_DAEMON_VM_H */
