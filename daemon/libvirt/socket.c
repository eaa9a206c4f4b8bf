/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waits for libvirt's socket, by inotify.  Owns the watch.
 */
#include "daemon/libvirt/socket.h"

#include <sys/inotify.h>

#include "policy/util.h"

#define SOCKET		"/run/libvirt/libvirt-sock-ro"
#define SOCKET_MODULAR	"/run/libvirt/virtqemud-sock-ro"	/* preferred if it is there */

struct socket_watch {
	sd_event *event;
	char *path;		/* NULL: where the socket is cannot be told from the URI */
	socket_appears_t fn;
	void *userdata;
	sd_event_source *source;
};

/* The socket that a "socket=" in the uri names, or the usual one; NULL: a session's. */
static int find_path(const char *uri, char **ret)
{
	const char *path = strstr(uri, "socket=/");

	*ret = NULL;
	if (path) {
		path += strlen("socket=");
		*ret = strndup(path, strcspn(path, "&#"));
	} else if (strstr(uri, ":///system")) {
		*ret = strdup(SOCKET);
	} else {
		return 0;
	}
	return *ret ? 0 : -ENOMEM;
}

int socket_watch_new(sd_event *event, const char *uri, socket_appears_t fn, void *userdata,
		     struct socket_watch **ret)
{
	struct socket_watch *s;
	int r;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	r = find_path(uri, &s->path);
	if (r < 0) {
		free(s);
		return r;
	}
	s->event = sd_event_ref(event);
	s->fn = fn;
	s->userdata = userdata;

	*ret = s;
	return 0;
}

struct socket_watch *socket_watch_free(struct socket_watch *s)
{
	if (!s)
		return NULL;
	socket_watch_stop(s);
	sd_event_unref(s->event);
	free(s->path);
	free(s);
	return NULL;
}

void socket_watch_stop(struct socket_watch *s)
{
	s->source = sd_event_source_disable_unref(s->source);
}

/*
 * Something on the way to the socket appeared, or what was watched is gone.  A socket is bound
 * before it listens, and the first of several; whoever is told gives them a moment.
 */
static int on_inotify(sd_event_source *source, const struct inotify_event *e, void *userdata)
{
	struct socket_watch *s = userdata;

	if ((e->mask & (IN_IGNORED | IN_Q_OVERFLOW)) || e->len == 0 || strstr(e->name, "sock") ||
	    strstr(s->path, e->name))
		s->fn(s->userdata);
	return 0;
}

/* The socket's directory, or the one above while that is not there. */
void socket_watch_start(struct socket_watch *s)
{
	_cleanup_free_ char *dir = NULL;
	char *slash;
	int r = -ENOENT;

	socket_watch_stop(s);
	dir = s->path ? strdup(s->path) : NULL;
	if (!dir)
		return;
	while (r == -ENOENT && (slash = strrchr(dir, '/')) && slash > dir) {
		*slash = 0;
		r = sd_event_add_inotify(s->event, &s->source, dir, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR,
					 on_inotify, s);
	}
}

bool socket_watch_suffices(const struct socket_watch *s)
{
	return s->source && access(s->path, F_OK) < 0 && errno == ENOENT &&
	       (!streq(s->path, SOCKET) || access(SOCKET_MODULAR, F_OK) < 0);
}
