// SPDX-License-Identifier: GPL-2.0-only
/*
 * Enlightened VMCSs: readers are told when the VM's policy becomes inert, and when
 * that is over.  A guest may take one up and drop it at every entry into L2, so the
 * record waits: whatever happens meanwhile is one record, or none.
 */
#include "vm.h"

/* Between a change and its record, so that a VM has no more than one in that time. */
#define NVMX_EVMCS_TELL_MS	1000

/*
 * A record is due if a reader may believe something else.  That is not only what the
 * last record told: each may have looked at the VM since, in between two changes.
 */
static void nvmx_evmcs_tell(struct work_struct *work)
{
	struct nvmx_vm *vm = container_of(work, struct nvmx_vm, evmcs_tell.work);

	mutex_lock(&vm->lock);
	if (vm->kvm) {
		u8 now = BIT(nvmx_vm_uses_evmcs(vm));

		if (vm->evmcs_shown & ~now)
			nvmx_event(NVMX_EVENT_VM_STATE, &vm->name);
		vm->evmcs_shown = now;
	}
	mutex_unlock(&vm->lock);
}

void nvmx_evmcs_init(struct nvmx_vm *vm)
{
	INIT_DELAYED_WORK(&vm->evmcs_tell, nvmx_evmcs_tell);
	vm->evmcs_shown = BIT(false);
}

void nvmx_evmcs_queue(struct nvmx_vm *vm)
{
	queue_delayed_work(system_wq, &vm->evmcs_tell, msecs_to_jiffies(NVMX_EVMCS_TELL_MS));
}

/* As nvmx_window_cancel(): after kvm is NULL. */
void nvmx_evmcs_cancel(struct nvmx_vm *vm)
{
	cancel_delayed_work_sync(&vm->evmcs_tell);
}
