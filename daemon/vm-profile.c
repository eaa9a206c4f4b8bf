/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's profiling window, and who it belongs to.
 *
 * The kernel gives a window to an fd and ends it with that, after its time, or with
 * NVMX_VM_END_WINDOW.  So a window has an fd of its own, which is closed when its owner
 * leaves, and goes with the daemon.  Whether one is open only the kernel says.
 */
#include <inttypes.h>

#include "daemon/vm.h"

void vm_profile_close(struct vm *vm)
{
	void *owner = steal_ptr(vm->profile_owner);

	if (vm->profile_fd >= 0)
		close(vm->profile_fd);
	vm->profile_fd = -EBADF;
	if (owner)
		vm->profile_release(owner);
}

static int explain(const struct vm *vm, int r, char **ret_error)
{
	switch (r) {
	case -EBUSY:
		return error_set(ret_error, r, "VM %" PRIu64 " (%s) is being profiled already; try again when that has ended, in a minute at most.",
				 vm->id, vm_name(vm));
	case -EOPNOTSUPP:
		return error_set(ret_error, -ENOTCONN, "The kernel cannot profile VM %" PRIu64 " (%s), because VMCS shadowing is off.",
				 vm->id, vm_name(vm));
	case -ENOENT:
	case -ENODEV:
		return error_set(ret_error, -ENODEV, "VM %" PRIu64 " (%s) is gone.", vm->id, vm_name(vm));
	}
	return error_set(ret_error, r, "The kernel does not profile VM %" PRIu64 " (%s): %s.",
			 vm->id, vm_name(vm), strerror(-r));
}

int vm_profile_start(struct vm *vm, uint32_t duration_ms, void *owner, void (*release)(void *),
		     char **ret_error)
{
	const char *why = kernel_why_unsupported(vm->context->kernel);
	struct link *link = &vm->context->kernel->link;
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (why)
		return error_set(ret_error, -ENOTCONN, "%s", why);

	r = link_open_vm(link, vm->id, &fd);
	if (r >= 0)
		r = link_vm_start_window(link, fd, duration_ms);
	if (r < 0)
		return explain(vm, r, ret_error);

	/* What was there before has ended, else the kernel had said so. */
	vm_profile_close(vm);
	vm->profile_fd = steal_fd(&fd);
	vm->profile_owner = owner;
	vm->profile_release = release;
	vm_refresh_state(vm);
	log_vm_event(vm, LOG_INFO, MESSAGE_PROFILE_STARTED, "Profiling VM %" PRIu64 " (%s) for up to %" PRIu32 " ms.", vm->id,
		     vm_name(vm), duration_ms);
	return 0;
}

int vm_profile_end(struct vm *vm, char **ret_error)
{
	int r;

	if (vm->profile_fd < 0)
		return -ENOENT;
	r = link_vm_end_window(&vm->context->kernel->link, vm->profile_fd);
	if (r == -ENOENT)
		return r;
	if (r < 0)
		return explain(vm, r, ret_error);

	vm_profile_close(vm);
	vm_refresh_state(vm);
	return 0;
}
