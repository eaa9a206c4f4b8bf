// SPDX-License-Identifier: GPL-2.0-only
/*
 * Profiling windows: for a bounded time every field is intercepted, so that each
 * access is an exit and is counted.  The window belongs to the fd that started it
 * and goes with it; the VM's policy is untouched, and in force again afterwards.
 */
#include "fields.h"
#include "vm.h"

/* kvm is there. */
static void nvmx_window_close(struct nvmx_vm *vm)
{
	lockdep_assert_held(&vm->lock);

	vm->window_owner = NULL;
	nvmx_vm_put_in_force(vm);
	nvmx_event(NVMX_EVENT_VM_STATE, &vm->name);
}

static void nvmx_window_expired(struct work_struct *work)
{
	struct nvmx_vm *vm = container_of(work, struct nvmx_vm, window_end.work);

	mutex_lock(&vm->lock);
	/*
	 * One that was ended, and followed by another, while this waited for the
	 * lock: the timer is the other's now.
	 */
	if (vm->kvm && vm->window_owner && !delayed_work_pending(&vm->window_end))
		nvmx_window_close(vm);
	mutex_unlock(&vm->lock);
}

void nvmx_window_init(struct nvmx_vm *vm)
{
	INIT_DELAYED_WORK(&vm->window_end, nvmx_window_expired);
}

int nvmx_window_start(struct nvmx_vm *vm, const void *owner, u32 duration_ms)
{
	int r = 0;

	mutex_lock(&vm->lock);
	if (!vm->kvm) {
		r = -ENODEV;
	} else if (!nvmx_can_shadow()) {
		r = -EOPNOTSUPP;
	} else if (vm->window_owner) {
		r = -EBUSY;
	} else {
		vm->window_owner = owner;
		nvmx_vm_put_in_force(vm);
		mod_delayed_work(system_wq, &vm->window_end, msecs_to_jiffies(duration_ms));
		nvmx_event(NVMX_EVENT_VM_STATE, &vm->name);
	}
	mutex_unlock(&vm->lock);

	return r;
}

int nvmx_window_end(struct nvmx_vm *vm, const void *owner)
{
	int r = 0;

	mutex_lock(&vm->lock);
	if (!vm->kvm) {
		r = -ENODEV;
	} else if (vm->window_owner != owner) {
		r = -ENOENT;
	} else {
		cancel_delayed_work(&vm->window_end);
		nvmx_window_close(vm);
	}
	mutex_unlock(&vm->lock);

	return r;
}

/* The VM goes: after kvm is NULL, so that no window can follow. */
void nvmx_window_cancel(struct nvmx_vm *vm)
{
	cancel_delayed_work_sync(&vm->window_end);
}
