/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel link of the tests: the kernel is a process behind a socket
 * (loopback.h says how they talk), so that it outlives the daemon as the real one
 * does.  Every fd is a connection.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/uio.h>

#include "daemon/link.h"
#include "daemon/loopback.h"

/* A test's kernel that does not answer is an error, not a hang. */
#define REPLY_SECONDS	10

/* EPIPE and an end of file are what ENODEV is on the device. */
static int socket_error(void)
{
	return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? -ENODEV : -errno;
}

static int loopback_call(int fd, unsigned int request, void *arg)
{
	const struct loopback_call *call = loopback_call_find(request);
	struct loopback_request head = { .request = request };
	struct loopback_reply reply;
	_cleanup_free_ uint8_t *out = NULL;
	uint64_t array = 0;
	uint32_t room = 0, nr;
	struct iovec iov[3];
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 3 };
	ssize_t k;

	if (!call)
		return -ENOTTY;
	if (call->array > 0) {
		memcpy(&array, (uint8_t *)arg + call->array, sizeof(array));
		memcpy(&room, (uint8_t *)arg + call->nr, sizeof(room));
	}

	head.arg_size = call->arg_size;
	iov[0] = (struct iovec) { &head, sizeof(head) };
	iov[1] = (struct iovec) { arg, call->arg_size };
	iov[2] = (struct iovec) { (void *)(uintptr_t)array,
				  call->to_kernel ? room * call->element : 0 };
	/* Before anything is sent: a call without memory for its answer was not made. */
	out = malloc(LOOPBACK_MESSAGE_MAX);
	if (!out)
		return -ENOMEM;
	if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		return socket_error();
	k = recv(fd, out, LOOPBACK_MESSAGE_MAX, 0);
	if (k < 0)
		return socket_error();
	if (k == 0)
		return -ENODEV;
	if ((size_t)k < sizeof(reply) + call->arg_size)
		return -EBADMSG;

	/* As with an ioctl the struct is written back whatever the result. */
	memcpy(&reply, out, sizeof(reply));
	if (call->arg_size > 0)
		memcpy(arg, out + sizeof(reply), call->arg_size);
	if (call->array == 0)
		return reply.error;

	memcpy((uint8_t *)arg + call->array, &array, sizeof(array));
	memcpy(&nr, (uint8_t *)arg + call->nr, sizeof(nr));
	if (reply.error == 0 && !call->to_kernel) {
		size_t bytes = (nr < room ? nr : room) * call->element;

		if ((size_t)k < sizeof(reply) + call->arg_size + bytes)
			return -EBADMSG;
		if (bytes > 0)	/* else there may be no array */
			memcpy((void *)(uintptr_t)array, out + sizeof(reply) + call->arg_size, bytes);
	}

	return reply.error;
}

static int loopback_connect(const char *path, int *ret_fd)
{
	struct timeval timeout = { .tv_sec = REPLY_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == ECONNREFUSED ? -ENOENT : -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;

	*ret_fd = steal_fd(&fd);
	return 0;
}

static int loopback_open(const char *path, int *ret_fd, int *ret_event_fd)
{
	_cleanup_close_ int fd = -EBADF, event_fd = -EBADF;
	int r;

	r = loopback_connect(path, &event_fd);
	if (r < 0)
		return r;
	r = loopback_call(event_fd, LOOPBACK_EVENTS, NULL);
	if (r < 0)
		return r;
	r = loopback_connect(path, &fd);
	if (r < 0)
		return r;

	*ret_fd = steal_fd(&fd);
	*ret_event_fd = steal_fd(&event_fd);
	return 0;
}

static int loopback_open_vm(const char *path, int registry, uint64_t id, int *ret_fd)
{
	struct nvmx_open_vm arg = { .size = sizeof(arg), .id = id };
	_cleanup_close_ int fd = -EBADF;
	int r;

	r = loopback_connect(path, &fd);
	if (r < 0)
		return r;
	r = loopback_call(fd, NVMX_OPEN_VM, &arg);
	if (r < 0)
		return r;

	*ret_fd = steal_fd(&fd);
	return 0;
}

const struct link_ops link_loopback_ops = {
	.name = "loopback",
	.open = loopback_open,
	.call = loopback_call,
	.open_vm = loopback_open_vm,
};
