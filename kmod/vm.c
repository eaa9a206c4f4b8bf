// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs: born, in VMX operation, gone.  nvmx_vms lists those whose kvm lives, by
 * id; kvm's part of a struct nvmx_vm ends with nvmx_vm_detach(), before the vCPUs do.
 */
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "vm.h"

static LIST_HEAD(nvmx_vms);
static DEFINE_MUTEX(nvmx_vms_lock);
static unsigned int nvmx_nr_vms;
static u64 nvmx_last_id;

/* Field 22 of /proc/PID/stat, as fs/proc/array.c makes it. */
static u64 nvmx_start_time(struct task_struct *task)
{
	return div_u64(task->group_leader->start_boottime, NSEC_PER_SEC / USER_HZ);
}

/*
 * What the creator of a VM, who is current, runs, as /proc/PID/exe has it for him; a copy,
 * for a reference to the file would keep its mount busy for as long as the VM lives.  ""
 * if there is none, or no path below PATH_MAX.  NULL: no memory, so that whoever sees ""
 * may rely on it.
 */
static char *nvmx_executable(void)
{
	struct file *file = nvmx_get_exe_file(current->mm);
	char *buf = kmalloc(PATH_MAX, GFP_KERNEL);
	char *path, *copy = NULL;

	if (buf) {
		path = file ? d_path(&file->f_path, buf, PATH_MAX) : NULL;
		copy = kstrdup(IS_ERR_OR_NULL(path) ? "" : path, GFP_KERNEL_ACCOUNT);
	}
	kfree(buf);
	if (file)
		fput(file);

	return copy;
}

struct nvmx_vm *nvmx_vm_new(struct kvm *kvm)
{
	struct nvmx_vm *vm;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return NULL;

	vm->executable = nvmx_executable();
	if (!vm->executable) {
		kfree(vm);
		return NULL;
	}

	kref_init(&vm->refs);
	mutex_init(&vm->lock);
	spin_lock_init(&vm->slot.lock);
	init_waitqueue_head(&vm->gone);
	vm->kvm = kvm;
	vm->name.owner = get_pid(task_tgid(current));
	vm->name.start_time = nvmx_start_time(current);
	vm->slot.policy = nvmx_slot_get(&nvmx_default_policy, NULL);
	vm->in_force = nvmx_policy_get(vm->slot.policy);
	nvmx_window_init(vm);
	nvmx_evmcs_init(vm);

	mutex_lock(&nvmx_vms_lock);
	vm->name.id = ++nvmx_last_id;
	list_add_tail(&vm->node, &nvmx_vms);
	WRITE_ONCE(nvmx_nr_vms, nvmx_nr_vms + 1);
	/* Before anybody can find it, and have another record sent. */
	nvmx_event(NVMX_EVENT_VM_CREATED, &vm->name);
	mutex_unlock(&nvmx_vms_lock);

	return vm;
}

void nvmx_vm_detach(struct nvmx_vm *vm)
{
	mutex_lock(&nvmx_vms_lock);
	list_del(&vm->node);
	WRITE_ONCE(nvmx_nr_vms, nvmx_nr_vms - 1);
	mutex_unlock(&nvmx_vms_lock);

	/* Whoever holds a fd is past kvm after this. */
	mutex_lock(&vm->lock);
	WRITE_ONCE(vm->kvm, NULL);
	mutex_unlock(&vm->lock);

	nvmx_window_cancel(vm);
	nvmx_evmcs_cancel(vm);
	wake_up_all(&vm->gone);
	nvmx_event(NVMX_EVENT_VM_GONE, &vm->name);
}

static void nvmx_vm_release(struct kref *refs)
{
	struct nvmx_vm *vm = container_of(refs, struct nvmx_vm, refs);

	nvmx_policy_put(vm->in_force);
	nvmx_policy_put(vm->slot.policy);
	put_pid(vm->name.owner);
	kfree(vm->executable);
	kfree(vm);
}

void nvmx_vm_put(struct nvmx_vm *vm)
{
	kref_put(&vm->refs, nvmx_vm_release);
}

void nvmx_vm_vmxon(struct nvmx_vm *vm)
{
	bool first;

	mutex_lock(&vm->lock);
	first = !vm->vmxon;
	vm->vmxon = true;
	vm->any_field_seen = true;
	mutex_unlock(&vm->lock);

	if (first)
		nvmx_event(NVMX_EVENT_VM_VMXON, &vm->name);
}

/*
 * By the VM's policy, not the vCPU's: one that is set is for good what L1 is told, though
 * this vCPU has not taken it up.
 */
bool nvmx_vm_shows_hidden(struct nvmx_vm *vm)
{
	bool hidden;

	mutex_lock(&vm->lock);
	vm->any_field_seen = true;
	hidden = vm->slot.policy->vmwrite_any_field == NVMX_VMWRITE_ANY_HIDE;
	mutex_unlock(&vm->lock);

	return hidden;
}

struct nvmx_vm *nvmx_vm_find(u64 id)
{
	struct nvmx_vm *vm, *found = NULL;

	mutex_lock(&nvmx_vms_lock);
	list_for_each_entry(vm, &nvmx_vms, node) {
		if (vm->name.id == id) {
			kref_get(&vm->refs);
			found = vm;
			break;
		}
	}
	mutex_unlock(&nvmx_vms_lock);

	return found;
}

unsigned int nvmx_vm_count(void)
{
	return READ_ONCE(nvmx_nr_vms);
}

/* Does a vCPU of the VM, whose kvm is there, use an enlightened VMCS? */
bool nvmx_vm_uses_evmcs(const struct nvmx_vm *vm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	lockdep_assert_held(&vm->lock);

	kvm_for_each_vcpu(i, vcpu, vm->kvm)
		if (nvmx_uses_evmcs(to_vmx(vcpu)))
			return true;

	return false;
}

static void nvmx_vm_fill_vcpus(struct nvmx_vm *vm, struct nvmx_vm_info *info)
{
	struct nvmx_policy_obj *policy = READ_ONCE(vm->in_force);
	struct kvm_vcpu *vcpu;
	unsigned long i;

	lockdep_assert_held(&vm->lock);

	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		info->nr_vcpus++;
		/* Compared, never followed: the vCPU may let go of it now. */
		if (READ_ONCE(to_vmx(vcpu)->nvmx.policy) != policy)
			info->nr_pending++;
	}
}

/* NVMX_VM_STATE_*, which a reader is about to see. */
static u32 nvmx_vm_state(struct nvmx_vm *vm)
{
	bool evmcs = nvmx_vm_uses_evmcs(vm);
	u32 state = 0;

	lockdep_assert_held(&vm->lock);

	if (vm->vmxon)
		state |= NVMX_VM_STATE_VMXON;
	if (evmcs)
		state |= NVMX_VM_STATE_EVMCS;
	if (vm->window_owner)
		state |= NVMX_VM_STATE_WINDOW;
	vm->evmcs_shown |= BIT(evmcs);

	return state;
}

int nvmx_vm_info(struct nvmx_vm *vm, struct nvmx_vm_info *info, struct pid_namespace *ns)
{
	*info = (struct nvmx_vm_info) {
		.size = sizeof(*info),
		.id = vm->name.id,
		.start_time = vm->name.start_time,
		.pid = pid_nr_ns(vm->name.owner, ns),
	};

	mutex_lock(&vm->lock);
	if (!vm->kvm) {
		mutex_unlock(&vm->lock);
		return -ENODEV;
	}
	info->state = nvmx_vm_state(vm);
	nvmx_vm_fill_vcpus(vm, info);
	mutex_unlock(&vm->lock);

	return 0;
}

unsigned int nvmx_vm_list(u64 after, struct nvmx_vm_info *infos, unsigned int nr,
			  struct pid_namespace *ns)
{
	struct nvmx_vm *vm;
	unsigned int n = 0;

	mutex_lock(&nvmx_vms_lock);
	list_for_each_entry(vm, &nvmx_vms, node) {
		if (n == nr)
			break;
		/* One that goes at this moment is not listed any more. */
		if (vm->name.id > after && !nvmx_vm_info(vm, &infos[n], ns))
			n++;
	}
	mutex_unlock(&nvmx_vms_lock);

	return n;
}

struct nvmx_policy_obj *nvmx_vm_policy_in_force(struct nvmx_vm *vm)
{
	struct nvmx_policy_obj *policy;

	spin_lock(&vm->slot.lock);
	policy = nvmx_policy_get(vm->in_force);
	spin_unlock(&vm->slot.lock);

	return policy;
}

/*
 * The policy set, or whether a window is open, has changed, and kvm is there: work
 * out what is in force, and have every vCPU look before its next entry.  KVM_REQ_EVENT does that and nothing else that could be seen: a vCPU
 * that is past its look and not yet in the guest finds the request and goes round
 * again.
 */
void nvmx_vm_put_in_force(struct nvmx_vm *vm)
{
	struct nvmx_policy_obj *policy, *old;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	lockdep_assert_held(&vm->lock);

	spin_lock(&vm->slot.lock);
	policy = vm->slot.policy;
	if (vm->window_owner)
		policy = nvmx_window_policies[policy->vmwrite_any_field];
	old = vm->in_force;
	WRITE_ONCE(vm->in_force, nvmx_policy_get(policy));
	spin_unlock(&vm->slot.lock);
	nvmx_policy_put(old);

	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		kvm_make_request(KVM_REQ_EVENT, vcpu);
		kvm_vcpu_kick(vcpu);
	}
}

/* Would "VMWRITE any field" become another than what L1 has seen? */
static bool nvmx_vm_is_too_late(const struct nvmx_vm *vm, const struct nvmx_classes *classes)
{
	lockdep_assert_held(&vm->lock);

	return vm->any_field_seen && classes->vmwrite_any_field != vm->slot.policy->vmwrite_any_field;
}

int nvmx_vm_set_policy(struct nvmx_vm *vm, const struct nvmx_classes *classes,
		       u64 *generation, u32 *bad_encoding)
{
	struct nvmx_policy_obj *policy = NULL;
	int r;

	/* First: memory may be long in coming, and who lists VMs waits for the lock. */
	r = nvmx_classes_check(classes, bad_encoding);
	if (!r) {
		policy = nvmx_policy_create(classes);
		if (!policy)
			r = -ENOMEM;
	}

	mutex_lock(&vm->lock);
	/* vm->lock holds off both what fixes vmwrite_any_field and another change. */
	if (!vm->kvm) {
		/* Also for a policy that is at fault: the fd's VM is no more. */
		*bad_encoding = NVMX_NO_FIELD;
		r = -ENODEV;
	} else if (!r && nvmx_vm_is_too_late(vm, classes)) {
		r = -EBUSY;
	} else if (!r) {
		*generation = nvmx_slot_publish(&vm->slot, nvmx_policy_get(policy));
		nvmx_vm_put_in_force(vm);
		nvmx_event(NVMX_EVENT_VM_POLICY, &vm->name);
	}
	mutex_unlock(&vm->lock);
	nvmx_policy_put(policy);

	return r;
}
