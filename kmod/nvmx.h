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
#include <linux/tracepoint-defs.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"

/* ---- fields.c: the fields of this kernel's vmcs12 ------------------------ */

struct nvmx_field_desc {
	u16 encoding;
	u16 offset;
	u8 stock_class;
	u8 allowed_classes;
	/* NVMX_FIELD_* */
	u8 flags;
	const char *name;
};

extern struct nvmx_field_desc nvmx_fields[];
extern const unsigned int nvmx_nr_fields;
/* Not only the kernel's own list. */
extern bool nvmx_knows_all_fields;

/*
 * Index into nvmx_fields[] of the field that @encoding names (its high half
 * names it too), or nvmx_nr_fields if vmcs12 has no such field.
 */
unsigned int nvmx_field_index(unsigned long encoding);

/* NVMX_KIND_* */
static inline u8 nvmx_field_kind(u32 encoding)
{
	return (encoding >> 10) & 3;
}

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

/* ---- probe.c ------------------------------------------------------------- */

int nvmx_probe_fields(void);

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
	/* A shadowed field is NVMX_FIELD_LAZY: L2's exits fetch such fields at once. */
	bool lazy;
	/*
	 * The read-write fields; those of them of which a change has to mark
	 * vmcs12 dirty (NVMX_FIELD_SLOW) are in a list of their own; and all
	 * shadowed fields.  Each list by width, as the encoding sorts them, so
	 * that a copy need not look at it.
	 */
	u8 nr_read_write;
	struct nvmx_list {
		u8 nr[NVMX_NR_WIDTHS];
		u8 total;
	} rw, rw_slow, all;
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
/* In force while a profiling window is open; by vmwrite_any_field. */
extern struct nvmx_policy_obj *nvmx_window_policies[NVMX_VMWRITE_ANY_HIDE + 1];

/* ---- vm.c: VMs and their lifecycle --------------------------------------- */

struct nvmx_vm {
	struct kref refs;
	u64 id;
	/* In nvmx_vms, while kvm lives. */
	struct list_head node;
	/*
	 * Guards kvm, vmxon, window_owner and evmcs_shown, and every change of
	 * policy; taken inside vcpu->mutex, never the other way.
	 */
	struct mutex lock;
	/* NULL once the VM is gone. */
	struct kvm *kvm;
	bool vmxon;
	/* The policy that was set, and what its vCPUs are to take up: that, or a window's. */
	struct nvmx_policy_slot slot;
	struct nvmx_policy_obj *in_force;
	/* Whose profiling window is open; compared only. */
	const void *window_owner;
	struct delayed_work window_end;
	/* BIT(false) and BIT(true): what readers may believe of NVMX_VM_STATE_EVMCS. */
	u8 evmcs_shown;
	struct delayed_work evmcs_tell;
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
struct nvmx_policy_obj *nvmx_vm_policy_in_force(struct nvmx_vm *vm);
void nvmx_vm_put_in_force(struct nvmx_vm *vm);
bool nvmx_vm_uses_evmcs(const struct nvmx_vm *vm);

/* ---- window.c: profiling windows ----------------------------------------- */

void nvmx_window_init(struct nvmx_vm *vm);
int nvmx_window_start(struct nvmx_vm *vm, const void *owner, u32 duration_ms);
int nvmx_window_end(struct nvmx_vm *vm, const void *owner);
void nvmx_window_cancel(struct nvmx_vm *vm);

/* ---- evmcs.c: records of enlightened VMCSs ------------------------------- */

void nvmx_evmcs_init(struct nvmx_vm *vm);
void nvmx_evmcs_cancel(struct nvmx_vm *vm);

/* ---- stats.c ------------------------------------------------------------- */

/* One in so many copies and slow-path entries is timed. */
#define NVMX_SAMPLE_EVERY	64

/* The TSC if the @nth of its kind, from 0, is to be timed, else 0. */
static inline u64 nvmx_cost_begin(u64 nth)
{
	return nth % NVMX_SAMPLE_EVERY ? 0 : rdtsc();
}

static inline void nvmx_cost_end(struct nvmx_cost *cost, u64 begin)
{
	if (begin) {
		cost->timed++;
		cost->cycles += rdtsc() - begin;
	}
}

struct nvmx_field_count {
	u64 vmread;
	u64 vmwrite;
};

/*
 * A vCPU counts by a field's place in vmcs12, which the handler of the exit has at
 * hand; a high half has one of its own.  The last slot is of what vmcs12 lacks.
 */
#define NVMX_NO_FIELD_SLOT	(sizeof(struct vmcs12) / sizeof(u16))
#define NVMX_NR_SLOTS		(NVMX_NO_FIELD_SLOT + 1)

static inline unsigned int nvmx_count_slot(short offset)
{
	return offset < 0 ? NVMX_NO_FIELD_SLOT : offset / sizeof(u16);
}

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

/*
 * L1 executes VMXON, or user space restores a vCPU that had: before anything
 * else is done, -ENOMEM; and when nothing can fail any more.
 */
int nvmx_alloc_counts(struct kvm_vcpu *vcpu);
void nvmx_vmxon(struct kvm_vcpu *vcpu);

/* The vCPU has taken up an enlightened VMCS, or dropped it. */
void nvmx_evmcs_changed(struct kvm_vcpu *vcpu);

/* Programs vmcs01, which is loaded, with the vCPU's policy. */
void nvmx_program(struct kvm_vcpu *vcpu);

/*
 * Around prepare_vmcs02_rare(): an entry that goes the slow path.  A sample that
 * another task got into is no measure of it.
 */
#define NVMX_SLOW_PATH(vmx, call)						\
do {										\
	struct nvmx_vcpu *__nvmx = &(vmx)->nvmx;				\
	u64 __begin = nvmx_cost_begin(__nvmx->slow_path_entries++);		\
	unsigned long __switches = current->nivcsw;				\
										\
	call;									\
	if (__switches == current->nivcsw)					\
		nvmx_cost_end(&__nvmx->slow_path, __begin);			\
} while (0)

/* L2's exit has to fetch what is otherwise fetched when L1 asks for it. */
static inline bool nvmx_shadows_lazy(struct vcpu_vmx *vmx)
{
	return vmx->nvmx.policy->lazy;
}

/*
 * May L1 have written to the shadow VMCS what vmcs12 lacks?  Without such fields
 * it need not even be loaded for a copy.  Nor is there anything of the kind while
 * L2 is left for SMM: RSM goes on with L2 by vmcs12, and the shadow VMCS is still
 * what L1 made of it before it entered L2.
 */
static inline bool nvmx_shadows_read_write(struct vcpu_vmx *vmx)
{
	return vmx->nvmx.policy->nr_read_write &&
	       !(is_smm(&vmx->vcpu) && vmx->nested.smm.guest_mode);
}

static inline bool nvmx_shadows_any(struct vcpu_vmx *vmx)
{
	return vmx->nvmx.policy->all.total;
}

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
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (unlikely(vmx->nvmx.policy != READ_ONCE(vmx->nvmx.vm->in_force)) &&
	    vmx->loaded_vmcs == &vmx->vmcs01)
		nvmx_switch_policy(vcpu);
}

DECLARE_TRACEPOINT(nvmx_vmread_exit);
DECLARE_TRACEPOINT(nvmx_vmwrite_exit);
void nvmx_trace_vmread(struct kvm_vcpu *vcpu, unsigned long field);
void nvmx_trace_vmwrite(struct kvm_vcpu *vcpu, unsigned long field);

/*
 * An access by L1 to its current VMCS exited; @offset as the handler found it.
 * L2's accesses, with VMCS shadowing that L1 does itself, are not L1's.
 */
static inline void nvmx_count_vmread(struct kvm_vcpu *vcpu, unsigned long field, short offset)
{
	if (is_guest_mode(vcpu))
		return;

	vcpu->stat.nested_vmread_exits++;
	to_vmx(vcpu)->nvmx.counts[nvmx_count_slot(offset)].vmread++;
	if (tracepoint_enabled(nvmx_vmread_exit))
		nvmx_trace_vmread(vcpu, field);
}

static inline void nvmx_count_vmwrite(struct kvm_vcpu *vcpu, unsigned long field, short offset)
{
	if (is_guest_mode(vcpu))
		return;

	vcpu->stat.nested_vmwrite_exits++;
	to_vmx(vcpu)->nvmx.counts[nvmx_count_slot(offset)].vmwrite++;
	if (tracepoint_enabled(nvmx_vmwrite_exit))
		nvmx_trace_vmwrite(vcpu, field);
}

/*
 * The register operands of VMREAD and VMWRITE, as kvm_register_read() and
 * kvm_register_write() have them; the caller asked is_64_bit_mode() for them all.
 */
static inline unsigned long nvmx_read_gpr(struct kvm_vcpu *vcpu, int reg, bool is_64bit)
{
	unsigned long value = kvm_register_read_raw(vcpu, reg);

	return is_64bit ? value : (u32)value;
}

static inline void nvmx_write_gpr(struct kvm_vcpu *vcpu, int reg, unsigned long value,
				  bool is_64bit)
{
	kvm_register_write_raw(vcpu, reg, is_64bit ? value : (u32)value);
}

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
		msr->data &= ~(u64)VMX_MISC_VMWRITE_SHADOW_RO_FIELDS;
}

#endif /* _NVMX_H */
