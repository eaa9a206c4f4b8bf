/* SPDX-License-Identifier: GPL-2.0-only */
/* VMs: vm.c, their profiling windows (window.c) and enlightened VMCSs (evmcs.c). */
#ifndef _NVMX_VM_H
#define _NVMX_VM_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "event.h"
#include "policy.h"

struct kvm;

/* Outlives its kvm for as long as a fd of it is open. */
struct nvmx_vm {
	struct kref refs;
	struct nvmx_vm_name name;
	/* What created it, as that saw its path; never changes. */
	const char *executable;
	/* In nvmx_vms, while kvm lives. */
	struct list_head node;
	/*
	 * Guards kvm, vmxon, any_field_seen, window_owner and evmcs_shown, and every
	 * change of policy; taken inside vcpu->mutex, never the other way.
	 */
	struct mutex lock;
	/* NULL once the VM is gone. */
	struct kvm *kvm;
	bool vmxon;
	/* L1 may know of "VMWRITE any field", which must not change any more. */
	bool any_field_seen;
	/* The policy that was set, and what its vCPUs are to take up: that, or a window's. */
	struct nvmx_policy_slot slot;
	struct nvmx_policy_obj *in_force;
	/* Whose profiling window is open; compared only. */
	const void *window_owner;
	struct delayed_work window_end;
	/* BIT(false) and BIT(true): what readers may believe of NVMX_VM_STATE_EVMCS. */
	u8 evmcs_shown;
	struct delayed_work evmcs_tell;
	/* Woken when the VM goes. */
	wait_queue_head_t gone;
};

/* With kvm's reference, to be put once it is detached, which is done once; NULL: no memory. */
struct nvmx_vm *nvmx_vm_new(struct kvm *kvm);
void nvmx_vm_detach(struct nvmx_vm *vm);

/* A reference to the VM with that id, NULL if there is none now. */
struct nvmx_vm *nvmx_vm_find(u64 id);
void nvmx_vm_put(struct nvmx_vm *vm);

unsigned int nvmx_vm_count(void);
/* At most @nr VMs with an id above @after; gives how many. */
unsigned int nvmx_vm_list(u64 after, struct nvmx_vm_info *infos, unsigned int nr,
			  struct pid_namespace *ns);
/* -ENODEV */
int nvmx_vm_info(struct nvmx_vm *vm, struct nvmx_vm_info *info, struct pid_namespace *ns);
bool nvmx_vm_uses_evmcs(const struct nvmx_vm *vm);

/* A vCPU executes VMXON. */
void nvmx_vm_vmxon(struct nvmx_vm *vm);
/* L1 reads IA32_VMX_MISC: does it find "VMWRITE any field" hidden, now and for ever? */
bool nvmx_vm_shows_hidden(struct nvmx_vm *vm);

/* -ENODEV, -EBUSY, -ENOMEM, and as nvmx_classes_check(). */
int nvmx_vm_set_policy(struct nvmx_vm *vm, const struct nvmx_classes *classes,
		       u64 *generation, u32 *bad_encoding);
/* A reference to what vCPUs of the VM are to take up now. */
struct nvmx_policy_obj *nvmx_vm_policy_in_force(struct nvmx_vm *vm);
void nvmx_vm_put_in_force(struct nvmx_vm *vm);

/* ---- window.c: profiling windows ----------------------------------------- */

void nvmx_window_init(struct nvmx_vm *vm);
int nvmx_window_start(struct nvmx_vm *vm, const void *owner, u32 duration_ms);
/* -ENOENT: @owner has none open. */
int nvmx_window_end(struct nvmx_vm *vm, const void *owner);
void nvmx_window_cancel(struct nvmx_vm *vm);

/* ---- evmcs.c: records of enlightened VMCSs ------------------------------- */

void nvmx_evmcs_init(struct nvmx_vm *vm);
/* A vCPU has taken one up, or dropped it. */
void nvmx_evmcs_queue(struct nvmx_vm *vm);
void nvmx_evmcs_cancel(struct nvmx_vm *vm);

#endif /* _NVMX_VM_H */
