/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for a libvirt that is not there: watches for the sockets that libvirtd, or
 * virtqemud, listens at.  Runs in the thread that calls libvirt and owns the watch.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/libvirt-internal.h"
#include "policy/util.h"

#define SOCKET		"/run/libvirt/libvirt-sock-ro"
#define SOCKET_MODULAR	"/run/libvirt/virtqemud-sock-ro"	/* preferred if it is there */

/* The socket that a "socket=" in the uri names, or the usual one; NULL: not of this host. */
static char *socket_path(const char *uri)
{
	const char *path;

	if (!strstr(uri, ":///"))
		return NULL;
	path = strstr(uri, "socket=/");
	if (!path)
		return strdup(SOCKET);
	path += strlen("socket=");
	return strndup(path, strcspn(path, "&#"));
}

/* Nothing to connect to, and inotify says when that changes. */
bool libvirt_socket_awaited(struct libvirt *l)
{
	_cleanup_free_ char *path = socket_path(l->uri);

	return path && l->inotify_fd >= 0 && access(path, F_OK) < 0 && errno == ENOENT &&
	       (!streq(path, SOCKET) || access(SOCKET_MODULAR, F_OK) < 0);
}

/*
 * Something on the way to the socket appeared, or what was watched is gone.  A
 * socket is bound before it listens, and the first of several; a moment later they
 * are all of use.
 */
static void on_inotify(int watch, int fd, int events, void *userdata)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct libvirt *l = userdata;
	_cleanup_free_ char *path = socket_path(l->uri);
	const struct inotify_event *e;
	bool ours = !path;
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		for (char *p = buffer; p < buffer + n; p += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)p;
			ours |= (e->mask & IN_IGNORED) || e->len == 0 ||
				strstr(e->name, "sock") || strstr(path ?: "", e->name);
		}
	}
	if (!ours)
		return;
	l->retry_ms = LIBVIRT_RETRY_MIN_MS;
	libvirt_retry_soon(l);
}

void libvirt_socket_unwatch(struct libvirt *l)
{
	if (l->inotify_fd < 0)
		return;
	libvirt.virEventRemoveHandle(l->inotify_watch);
	l->inotify_watch = -1;
	close(l->inotify_fd);
	l->inotify_fd = -1;
}

/*
 * Watches the socket's directory, or the one above while that is not there: the
 * creation of either makes us look again.
 */
void libvirt_socket_watch(struct libvirt *l)
{
	_cleanup_free_ char *dir = NULL;
	char *slash;
	int r = -1;

	libvirt_socket_unwatch(l);
	dir = socket_path(l->uri);
	if (!dir)
		return;
	l->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (l->inotify_fd < 0)
		return;
	while (r < 0 && (slash = strrchr(dir, '/')) && slash > dir) {
		*slash = 0;
		r = inotify_add_watch(l->inotify_fd, dir, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
		if (r < 0 && errno != ENOENT)
			break;
	}
	if (r >= 0)
		l->inotify_watch = libvirt.virEventAddHandle(l->inotify_fd, VIR_EVENT_HANDLE_READABLE,
							     on_inotify, l, NULL);
	if (l->inotify_watch < 0) {
		close(l->inotify_fd);
		l->inotify_fd = -1;
	}
}
