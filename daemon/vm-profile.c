/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's profiling window, and who it belongs to: the connection that started it.
 *
 * The kernel gives a window to an fd and ends it with that, after its time, or with
 * NVMX_VM_END_WINDOW.  So a window has an fd of its own, which is closed when the
 * connection leaves the bus, and goes with the daemon.  Whether one is open only
 * the kernel says.
 */
#include <inttypes.h>

#include "daemon/bus-error.h"
#include "daemon/vm.h"

void vm_profile_close(struct vm *vm)
{
	vm->profile_owner = sd_bus_track_unref(vm->profile_owner);
	if (vm->profile_fd >= 0)
		close(vm->profile_fd);
	vm->profile_fd = -EBADF;
}

static int on_owner_gone(sd_bus_track *track, void *userdata)
{
	vm_profile_close(userdata);
	return 0;
}

static int explain(const struct vm *vm, int r, sd_bus_error *error)
{
	switch (r) {
	case -EBUSY:
		return sd_bus_error_setf(error, NVMX_ERROR("ProfileBusy"),
					 "VM %" PRIu64 " (%s) is being profiled already; try again when that has ended, in a minute at most.",
					 vm->id, vm->name);
	case -EOPNOTSUPP:
		return sd_bus_error_setf(error, NVMX_ERROR("NoKernelSupport"),
					 "The kernel cannot profile VM %" PRIu64 " (%s), because VMCS shadowing is off.",
					 vm->id, vm->name);
	case -ENOENT:
	case -ENODEV:
		return sd_bus_error_setf(error, NVMX_ERROR("VMGone"), "VM %" PRIu64 " (%s) is gone.",
					 vm->id, vm->name);
	}
	return sd_bus_error_set_errnof(error, r, "The kernel does not profile VM %" PRIu64 " (%s): %s.",
				       vm->id, vm->name, strerror(-r));
}

int vm_profile_start(struct vm *vm, sd_bus_message *call, uint32_t duration_ms, sd_bus_error *error)
{
	_cleanup_(sd_bus_track_unrefp) sd_bus_track *owner = NULL;
	const char *why = manager_why_unsupported(vm->manager);
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (why)
		return bus_error_set(error, -ENOTCONN, why);

	/* First the owner: one who left while polkit was asked gets nothing. */
	r = sd_bus_track_new(vm->manager->bus, &owner, on_owner_gone, vm);
	if (r < 0)
		return r;
	r = sd_bus_track_add_sender(owner, call);
	if (r < 0)
		return r;

	r = link_open_vm(&vm->manager->link, vm->id, &fd);
	if (r >= 0)
		r = link_vm_start_window(&vm->manager->link, fd, duration_ms);
	if (r < 0)
		return explain(vm, r, error);

	/* What was there before has ended, else the kernel had said so. */
	vm_profile_close(vm);
	vm->profile_fd = steal_fd(&fd);
	vm->profile_owner = steal_ptr(owner);
	log_vm_event(vm, LOG_INFO, MESSAGE_PROFILE_STARTED, "Profiling VM %" PRIu64 " (%s) for up to %" PRIu32 " ms.", vm->id,
		     vm->name, duration_ms);
	return 0;
}

int vm_profile_end(struct vm *vm, sd_bus_message *call, sd_bus_error *error)
{
	int r = -ENOENT;

	if (vm->profile_owner &&
	    sd_bus_track_contains(vm->profile_owner, sd_bus_message_get_sender(call)))
		r = link_vm_end_window(&vm->manager->link, vm->profile_fd);
	if (r == -ENOENT)
		return sd_bus_error_setf(error, NVMX_ERROR("NoProfile"),
					 "The caller has no profiling window of VM %" PRIu64 " (%s) open, or it has ended by itself.",
					 vm->id, vm->name);
	if (r < 0)
		return explain(vm, r, error);

	vm_profile_close(vm);
	return 0;
}
