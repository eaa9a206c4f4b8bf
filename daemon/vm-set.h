/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VMs that nvmxd manages, and how one is found.  Layer 3 of nvmxd.
 */
#ifndef NVMX_DAEMON_VM_SET_H
#define NVMX_DAEMON_VM_SET_H

#include "daemon/vm.h"

/* Owns the VMs. */
struct vm_set {
	struct vm **vms;		/* by id, ascending */
	size_t n;
	uint64_t last_id;		/* the highest there has been */
};

/* An id that there has been, whatever becomes of it. */
void vm_set_seen(struct vm_set *set, uint64_t id);
int vm_set_add(struct vm_set *set, struct vm *vm);	/* -ENOMEM: vm stays the caller's */
void vm_set_remove(struct vm_set *set, struct vm *vm);	/* frees it */
void vm_set_clear(struct vm_set *set);

/* Index of the first VM with that id or a higher one; n: there is none. */
size_t vm_set_place(const struct vm_set *set, uint64_t id);
struct vm *vm_set_find(const struct vm_set *set, uint64_t id);

/*
 * The VM that is meant by a domain's name or uuid, or an id, or a process's name or uuid, in
 * that order; the other one of the pid.  1 with *ret; 0: there is none; -ENOTUNIQ: ret_two[]
 * has two that may be meant.
 */
int vm_set_find_name(const struct vm_set *set, const char *name, struct vm *ret_two[2]);
int vm_set_find_pid(const struct vm_set *set, pid_t pid, struct vm *ret_two[2]);

#endif /* NVMX_DAEMON_VM_SET_H */
