/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel link that is one: /dev/nvmx.  The registry's fd takes calls and
 * gives lifecycle records.  While it is open the module cannot be unloaded.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "daemon/link.h"

static int device_call(int fd, unsigned int request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int device_open(const char *path, int *ret_fd, int *ret_event_fd)
{
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;

	*ret_fd = *ret_event_fd = fd;
	return 0;
}

static int device_open_vm(const char *path, int fd, uint64_t id, int *ret_fd)
{
	struct nvmx_open_vm arg = { .size = sizeof(arg), .id = id };
	int r;

	r = device_call(fd, NVMX_OPEN_VM, &arg);
	if (r < 0)
		return r;

	*ret_fd = arg.fd;
	return 0;
}

const struct link_ops link_device_ops = {
	.name = "device",
	.open = device_open,
	.call = device_call,
	.open_vm = device_open_vm,
};
