/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvmx inside kvm-intel: the hooks that the series calls, and what our files
 * share.
 *
 * Who owns what: a policy object (struct nvmx_policy_obj) is immutable and
 * counted; the default, each VM and each vCPU hold a reference.  A vCPU uses
 * only its own, which is by definition what its vmcs01 is programmed with, so
 * nothing on the vCPU's path looks at the VM's.  A struct nvmx_vm outlives its
 * kvm for as long as a fd of it is open.
 */
#ifndef _NVMX_H
#define _NVMX_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/nvmx.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "vmx/vmx.h"
#include "vmx/nested.h"

/* ---- fields.c: the fields of this kernel's vmcs12 ------------------------ */

struct nvmx_field_desc {
	u16 encoding;
	u16 offset;
	u8 stock_class;
	u8 allowed_classes;
	const char *name;
};

extern struct nvmx_field_desc nvmx_fields[];
extern const unsigned int nvmx_nr_fields;

/*
 * Index into nvmx_fields[] of the field that @encoding names (its high half
 * names it too), or nvmx_nr_fields if vmcs12 has no such field.
 */
unsigned int nvmx_field_index(unsigned long encoding);

static inline bool nvmx_is_u64_field(u32 encoding)
{
	return vmcs_field_width(encoding) == VMCS_FIELD_WIDTH_U64;
}

/* kvm_intel.nested, and nested.c's parameter, less what the processor lacks. */
extern bool __read_mostly nvmx_nested;
extern bool __read_mostly enable_shadow_vmcs;

static inline bool nvmx_can_shadow(void)
{
	return nvmx_nested && enable_shadow_vmcs;
}

/* NVMX_WIDTH_* */
#define NVMX_NR_WIDTHS	4

/* ---- policy.c ------------------------------------------------------------ */

struct nvmx_policy_obj {
	struct kref refs;
	u32 vmwrite_any_field;
	/* Never NULL; vmwrite_strict may be vmwrite. */
	unsigned long *vmread;
	unsigned long *vmwrite;
	/*
	 * For a vCPU that is not offered "VMWRITE any field": the read-only
	 * data fields exit in it, so that VMWRITE can fail as it must.
	 */
	unsigned long *vmwrite_strict;
	char label[NVMX_LABEL_LEN];
	/*
	 * The read-write fields, then the read-only; each list by width, as the
	 * encoding sorts them, so that a copy need not look at it.
	 */
	struct nvmx_list {
		u8 nr[NVMX_NR_WIDTHS];
		u8 total;
	} rw, ro;
	struct nvmx_shadowed {
		u16 encoding;
		u16 offset;
	} shadowed[];
};

/* The class of each field of nvmx_fields[]; the form in which policies are made. */
struct nvmx_classes {
	u32 vmwrite_any_field;
	char label[NVMX_LABEL_LEN];
	u8 class[];
};

struct nvmx_classes *nvmx_classes_alloc(void);
int nvmx_classes_check(const struct nvmx_classes *classes, u32 *bad_encoding);
struct nvmx_policy_obj *nvmx_policy_create(const struct nvmx_classes *classes);
u8 nvmx_policy_class(const struct nvmx_policy_obj *policy, unsigned int index);
void nvmx_policy_put(struct nvmx_policy_obj *policy);

static inline struct nvmx_policy_obj *nvmx_policy_get(struct nvmx_policy_obj *policy)
{
	kref_get(&policy->refs);
	return policy;
}

/* Where a policy is published: the default's, or a VM's. */
struct nvmx_policy_slot {
	spinlock_t lock;
	struct nvmx_policy_obj *policy;
	u64 generation;
};

struct nvmx_policy_obj *nvmx_slot_get(struct nvmx_policy_slot *slot, u64 *generation);
u64 nvmx_slot_publish(struct nvmx_policy_slot *slot, struct nvmx_policy_obj *policy);

extern struct nvmx_policy_slot nvmx_default_policy;

/* ---- vm.c: VMs and their lifecycle --------------------------------------- */

struct nvmx_vm {
	struct kref refs;
	u64 id;
	/* In nvmx_vms, while kvm lives. */
	struct list_head node;
	/* Guards kvm and vmxon; taken inside vcpu->mutex, never the other way. */
	struct mutex lock;
	/* NULL once the VM is gone. */
	struct kvm *kvm;
	bool vmxon;
	struct nvmx_policy_slot slot;
	struct pid *owner;
	u64 start_time;
	/* Woken when the VM goes. */
	wait_queue_head_t gone;
};

struct nvmx_vm *nvmx_vm_find(u64 id);
void nvmx_vm_put(struct nvmx_vm *vm);
unsigned int nvmx_vm_count(void);
unsigned int nvmx_vm_list(u64 after, struct nvmx_vm_info *infos, unsigned int nr,
			  struct pid_namespace *ns);
int nvmx_vm_info(struct nvmx_vm *vm, struct nvmx_vm_info *info, struct pid_namespace *ns);
int nvmx_vm_set_policy(struct nvmx_vm *vm, const struct nvmx_classes *classes,
		       u64 *generation, u32 *bad_encoding);

/* ---- stats.c ------------------------------------------------------------- */

struct nvmx_field_count {
	u64 vmread;
	u64 vmwrite;
};

/*
 * Fills @counters' totals and @counts[nvmx_nr_fields + 1] (the last one is of
 * fields that vmcs12 lacks).  -ENODEV, -ENOENT.
 */
int nvmx_vm_counters(struct nvmx_vm *vm, struct nvmx_counters *counters,
		     struct nvmx_field_count *counts);

/* ---- event.c: lifecycle records ------------------------------------------ */

struct nvmx_reader;

struct nvmx_reader *nvmx_reader_new(struct pid_namespace *ns);
void nvmx_reader_free(struct nvmx_reader *reader);
ssize_t nvmx_reader_read(struct nvmx_reader *reader, char __user *buf, size_t len,
			 bool nonblock);
__poll_t nvmx_reader_poll(struct nvmx_reader *reader, struct file *file,
			  struct poll_table_struct *wait);
void nvmx_event(u32 type, const struct nvmx_vm *vm);

/* ---- dev.c: /dev/nvmx ---------------------------------------------------- */

void nvmx_dev_init(void);
void nvmx_dev_exit(void);

/* ---- hooks, called by the series ----------------------------------------- */

/* Module; -errno.  @vmread, @vmwrite: stock's bitmaps. */
void nvmx_set_stock(const unsigned long *vmread, const unsigned long *vmwrite);
int nvmx_hardware_setup(bool nested);
void nvmx_hardware_unsetup(void);

/* VM and vCPU; -errno. */
int nvmx_vm_create(struct kvm *kvm);
void nvmx_vm_destroy(struct kvm *kvm);
void nvmx_vcpu_create(struct kvm_vcpu *vcpu);
void nvmx_vcpu_free(struct kvm_vcpu *vcpu);

/* L1 executes VMXON, or user space restores a vCPU that had; -errno. */
int nvmx_vmxon(struct kvm_vcpu *vcpu);

/* Programs vmcs01, which is loaded, with the vCPU's policy. */
void nvmx_program(struct kvm_vcpu *vcpu);

/* The shadow VMCS is loaded. */
void nvmx_copy_shadow_to_vmcs12(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12);
void nvmx_copy_vmcs12_to_shadow(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12);

void nvmx_switch_policy(struct kvm_vcpu *vcpu);

/*
 * Called before each entry, with preemption disabled and before vmcs12 is
 * synced to the shadow VMCS.  With vmcs02 loaded, because L2 runs or is about
 * to, the switch waits for L1's next entry.
 */
static inline void nvmx_prepare_switch_to_guest(struct kvm_vcpu *vcpu)
{
	struct nvmx_vm *vm = to_kvm_vmx(vcpu->kvm)->nvmx;
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (unlikely(vmx->nvmx.policy != READ_ONCE(vm->slot.policy)) &&
	    vmx->loaded_vmcs == &vmx->vmcs01)
		nvmx_switch_policy(vcpu);
}

void nvmx_count_vmread(struct kvm_vcpu *vcpu, unsigned long field);
void nvmx_count_vmwrite(struct kvm_vcpu *vcpu, unsigned long field);

/* Does L1 read the field without an exit, so that a VMWRITE has to be propagated? */
static inline bool nvmx_is_shadowed(struct vcpu_vmx *vmx, unsigned long field)
{
	return !test_bit(field, vmx->nvmx.policy->vmread);
}

/* RDMSR by L1; user space sees what it set. */
static inline void nvmx_hide_msr_bits(struct kvm_vcpu *vcpu, struct msr_data *msr)
{
	if (msr->index == MSR_IA32_VMX_MISC && !msr->host_initiated &&
	    to_vmx(vcpu)->nvmx.hides_vmwrite_any_field)
		msr->data &= ~(u64)MSR_IA32_VMX_MISC_VMWRITE_SHADOW_RO_FIELDS;
}

#endif /* _NVMX_H */
