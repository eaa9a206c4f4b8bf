/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread that calls libvirt: connects, listens to events, looks domains up,
 * and posts what it finds to the main thread.
 *
 * It sleeps in libvirt's event loop.  Connected, nothing of ours wakes it but an
 * event or a request (libvirtd itself pings its clients every five seconds, see
 * keepalive_interval in libvirtd.conf).  Not connected, it waits for the socket to appear;
 * where there is one that does not answer, it tries again with a growing pause.
 *
 * libvirt's callbacks only put requests into l->todo; calls are made from the
 * loop, so no call ever runs inside another.
 */
#include "daemon/libvirt-internal.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/log.h"
#include "policy/policy.h"
#include "policy/util.h"

#define RETRY_MIN_MS		250
#define RETRY_MAX_MS		30000

/*
 * A libvirtd that hangs is given up after (count + 1) intervals.  Longer than the
 * interval of libvirtd's own pings, each of which restarts ours: so this costs no
 * wake-up.
 */
#define KEEPALIVE_INTERVAL	10
#define KEEPALIVE_COUNT		2

#define SOCKET		"/run/libvirt/libvirt-sock-ro"
#define SOCKET_MODULAR		"/run/libvirt/virtqemud-sock-ro"	/* preferred if it is there */

static const char *last_error_message(void)
{
	const char *message = virGetLastErrorMessage();

	return isempty(message) ? "unknown error" : message;
}

/* ---- requests ------------------------------------------------------------ */

static void todo_append(struct libvirt *l, struct request *q)
{
	q->next = NULL;
	*l->todo_end = q;
	l->todo_end = &q->next;
}

static struct request *todo_take(struct libvirt *l)
{
	struct request *q = l->todo;

	if (!q)
		return NULL;
	l->todo = q->next;
	if (!l->todo)
		l->todo_end = &l->todo;
	return q;
}

static void todo_clear(struct libvirt *l)
{
	struct request *q;

	while ((q = todo_take(l)))
		libvirt_request_free(q);
}

static void todo_add_domain(struct libvirt *l, virDomainPtr dom, int type)
{
	struct request *q;

	q = calloc(1, sizeof(*q));
	if (q)
		q->name = strdup(virDomainGetName(dom));
	if (!q || !q->name || virDomainGetUUIDString(dom, q->uuid) < 0) {
		log_error("An event of domain '%s' is lost: %s",
			virDomainGetName(dom), q && q->name ? last_error_message() : "no memory");
		libvirt_request_free(q);
		return;
	}
	q->type = type;
	todo_append(l, q);
}

/* Moves what the main thread asked for behind what libvirt said before. */
static void todo_fetch_lookups(struct libvirt *l)
{
	pthread_mutex_lock(&l->mutex);
	if (l->lookups) {
		*l->todo_end = l->lookups;
		l->todo_end = l->lookups_end;
		l->lookups = NULL;
		l->lookups_end = &l->lookups;
	}
	pthread_mutex_unlock(&l->mutex);
}

/* ---- messages ------------------------------------------------------------ */

static void post_state(struct libvirt *l, bool connected)
{
	struct message *m;

	m = calloc(1, sizeof(*m));
	if (!m) {
		log_error("The state of libvirt is lost: no memory");
		return;
	}
	m->type = MESSAGE_STATE;
	m->connected = connected;
	libvirt_post(l, m);
}

static struct message *message_new_domain(const char *uuid, const char *name)
{
	struct message *m;

	m = calloc(1, sizeof(*m));
	if (m && name)
		m->info.name = strdup(name);
	if (!m || (name && !m->info.name)) {
		log_error("What libvirt says of domain %s is lost: no memory", uuid);
		return libvirt_message_free(m);
	}
	m->type = MESSAGE_DOMAIN;
	snprintf(m->info.uuid, sizeof(m->info.uuid), "%s", uuid);
	m->info.id = -1;

	return m;
}

static void post_absent(struct libvirt *l, const struct request *q)
{
	struct message *m;

	m = message_new_domain(q->uuid, q->type == REQUEST_LOOKUP ? NULL : q->name);
	if (!m)
		return;
	m->info.kind = q->type == REQUEST_LOOKUP ? DOMAIN_UNKNOWN : DOMAIN_GONE;
	libvirt_post(l, m);
}

/*
 * The metadata of the definition in force, or why it could not be had.  Returns
 * -ENOENT if the domain went away in between, -ENOTCONN if the connection did: both will be
 * told by other ways.
 */
static int get_metadata(struct libvirt *l, virDomainPtr dom, struct domain_info *info)
{
	info->metadata = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT,
					      METADATA_NAMESPACE, VIR_DOMAIN_AFFECT_CURRENT);
	if (info->metadata)
		return 0;

	switch (virGetLastErrorCode()) {
	case VIR_ERR_NO_DOMAIN_METADATA:
		return 0;
	case VIR_ERR_NO_DOMAIN:
		return -ENOENT;
	}
	if (l->closed || virConnectIsAlive(l->conn) != 1)
		return -ENOTCONN;

	info->error = -EIO;
	info->error_text = strdup(last_error_message());
	return 0;
}

/* libvirt's memory is malloc's, so its strings may become the message's. */
static int post_domain(struct libvirt *l, virDomainPtr dom)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	struct message *m;
	int r;

	if (virDomainGetUUIDString(dom, uuid) < 0)
		return -EIO;
	m = message_new_domain(uuid, virDomainGetName(dom));
	if (!m)
		return -ENOMEM;
	m->info.kind = DOMAIN_INFO;
	m->info.id = (int)virDomainGetID(dom);
	r = get_metadata(l, dom, &m->info);
	if (r < 0) {
		libvirt_message_free(m);
		return r;
	}
	libvirt_post(l, m);
	return 0;
}

static void do_request(struct libvirt *l, const struct request *q)
{
	virDomainPtr dom;
	int r;

	if (q->type == REQUEST_GONE) {
		post_absent(l, q);
		return;
	}

	dom = virDomainLookupByUUIDString(l->conn, q->uuid);
	if (dom) {
		r = post_domain(l, dom);
		virDomainFree(dom);
		if (r == -ENOENT)
			post_absent(l, q);
	} else if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
		post_absent(l, q);
	} else if (!l->closed && virConnectIsAlive(l->conn) == 1) {
		log_error("Cannot look domain %s up in libvirt: %s",
			q->uuid, last_error_message());
	}
}

/* ---- what libvirt calls -------------------------------------------------- */

/* Errors are said where they are handled, not on libvirt's own account. */
static void on_error(void *userdata, virErrorPtr error)
{
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail,
			void *userdata)
{
	struct libvirt *l = userdata;

	switch (event) {
	case VIR_DOMAIN_EVENT_STOPPED:
		todo_add_domain(l, dom, REQUEST_GONE);
		break;
	case VIR_DOMAIN_EVENT_DEFINED:
	case VIR_DOMAIN_EVENT_UNDEFINED:
	case VIR_DOMAIN_EVENT_STARTED:
		todo_add_domain(l, dom, REQUEST_REFRESH);
		break;
	}

	return 0;
}

static void on_metadata(virConnectPtr conn, virDomainPtr dom, int type, const char *uri,
			void *userdata)
{
	if (type == VIR_DOMAIN_METADATA_ELEMENT && uri && streq(uri, METADATA_NAMESPACE))
		todo_add_domain(userdata, dom, REQUEST_REFRESH);
}

static void on_close(virConnectPtr conn, int reason, void *userdata)
{
	struct libvirt *l = userdata;

	l->closed = true;
}

static void on_wake(int watch, int fd, int events, void *userdata)
{
	uint64_t count;
	ssize_t n;

	n = read(fd, &count, sizeof(count));
	(void)n;
}

static void on_retry(int timer, void *userdata)
{
	struct libvirt *l = userdata;

	l->retry = true;
}

/* ---- the connection ------------------------------------------------------ */

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
static bool waiting_for_socket(struct libvirt *l)
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
	l->retry_ms = RETRY_MIN_MS;
	virEventUpdateTimeout(l->retry_timer, l->retry_ms);
}

static void unwatch_socket_dir(struct libvirt *l)
{
	if (l->inotify_fd < 0)
		return;
	virEventRemoveHandle(l->inotify_watch);
	l->inotify_watch = -1;
	close(l->inotify_fd);
	l->inotify_fd = -1;
}

/*
 * Watches the socket's directory, or the one above while that is not there: the
 * creation of either makes us look again.
 */
static void watch_socket_dir(struct libvirt *l)
{
	_cleanup_free_ char *dir = NULL;
	char *slash;
	int r = -1;

	unwatch_socket_dir(l);
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
		l->inotify_watch = virEventAddHandle(l->inotify_fd, VIR_EVENT_HANDLE_READABLE,
						     on_inotify, l, NULL);
	if (l->inotify_watch < 0) {
		close(l->inotify_fd);
		l->inotify_fd = -1;
	}
}

static void drop_connection(struct libvirt *l)
{
	if (!l->conn)
		return;
	virConnectUnregisterCloseCallback(l->conn, on_close);
	if (l->lifecycle_id >= 0)
		virConnectDomainEventDeregisterAny(l->conn, l->lifecycle_id);
	if (l->metadata_id >= 0)
		virConnectDomainEventDeregisterAny(l->conn, l->metadata_id);
	l->lifecycle_id = l->metadata_id = -1;
	virConnectClose(l->conn);
	l->conn = NULL;
	l->closed = false;
	todo_clear(l);
}

static int subscribe(struct libvirt *l)
{
	if (virConnectRegisterCloseCallback(l->conn, on_close, l, NULL) < 0)
		return -EIO;
	if (virConnectSetKeepAlive(l->conn, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT) < 0)
		return -EIO;
	l->lifecycle_id = virConnectDomainEventRegisterAny(l->conn, NULL,
			VIR_DOMAIN_EVENT_ID_LIFECYCLE,
			VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), l, NULL);
	if (l->lifecycle_id < 0)
		return -EIO;
	l->metadata_id = virConnectDomainEventRegisterAny(l->conn, NULL,
			VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
			VIR_DOMAIN_EVENT_CALLBACK(on_metadata), l, NULL);
	return l->metadata_id < 0 ? -EIO : 0;
}

static int report_all(struct libvirt *l)
{
	virDomainPtr *domains;
	int n;

	n = virConnectListAllDomains(l->conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (n < 0)
		return -EIO;
	for (int i = 0; i < n; i++) {
		(void)post_domain(l, domains[i]);
		virDomainFree(domains[i]);
	}
	free(domains);
	return 0;
}

static void try_later(struct libvirt *l)
{
	const char *message = last_error_message();

	/* Once for each reason, not once for each try. */
	if (!l->last_error || !streq(l->last_error, message)) {
		log_notice("Not connected to libvirt at %s, will go on trying: %s",
			l->uri, message);
		free(l->last_error);
		l->last_error = strdup(message);
	}

	if (waiting_for_socket(l))
		return;
	virEventUpdateTimeout(l->retry_timer, l->retry_ms);
	l->retry_ms = l->retry_ms * 2 < RETRY_MAX_MS ? l->retry_ms * 2 : RETRY_MAX_MS;
}

/* Events first, then the list: what happens in between is told twice, not missed. */
static void try_connect(struct libvirt *l)
{
	l->retry = false;
	virEventUpdateTimeout(l->retry_timer, -1);

	/*
	 * Before the socket is tried, so that one that appears after the try is
	 * not missed.
	 */
	watch_socket_dir(l);
	l->conn = virConnectOpenReadOnly(l->uri);
	if (!l->conn || subscribe(l) < 0) {
		try_later(l);
		drop_connection(l);
		return;
	}
	post_state(l, true);
	if (report_all(l) < 0) {
		try_later(l);
		drop_connection(l);
		post_state(l, false);
		return;
	}

	unwatch_socket_dir(l);
	l->retry_ms = RETRY_MIN_MS;
	free(l->last_error);
	l->last_error = NULL;
}

static void on_lost(struct libvirt *l)
{
	drop_connection(l);
	post_state(l, false);
	virEventUpdateTimeout(l->retry_timer, l->retry_ms);
}

/* ---- the thread ---------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_result;

static void init_once(void)
{
	virSetErrorFunc(NULL, on_error);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
		log_error("Cannot use libvirt: %s", last_error_message());
		once_result = -EIO;
	}
}

int libvirt_thread_init(void)
{
	pthread_once(&once, init_once);
	return once_result;
}

static bool stopping(struct libvirt *l)
{
	bool stop;

	pthread_mutex_lock(&l->mutex);
	stop = l->stop;
	pthread_mutex_unlock(&l->mutex);
	return stop;
}

/* What was removed from libvirt's loop is freed by the loop's next turns. */
static void on_flushed(int timer, void *userdata)
{
	bool *flushed = userdata;

	*flushed = true;
}

static void flush_loop(void)
{
	bool flushed = false;
	int timer;

	timer = virEventAddTimeout(20, on_flushed, &flushed, NULL);
	if (timer < 0)
		return;
	while (!flushed && virEventRunDefaultImpl() >= 0)
		;
	virEventRemoveTimeout(timer);
}

static void thread_stop(struct libvirt *l)
{
	drop_connection(l);
	unwatch_socket_dir(l);
	if (l->wake_watch >= 0)
		virEventRemoveHandle(l->wake_watch);
	if (l->retry_timer >= 0)
		virEventRemoveTimeout(l->retry_timer);
	flush_loop();
	todo_clear(l);
	free(l->last_error);
	l->last_error = NULL;
}

/* A call may be what finds the connection closed: the caller looks at that again. */
static void work(struct libvirt *l)
{
	struct request *q;

	if (l->closed)
		on_lost(l);
	if (l->retry && !l->conn)
		try_connect(l);
	todo_fetch_lookups(l);
	while (l->conn && !l->closed && !stopping(l) && (q = todo_take(l))) {
		do_request(l, q);
		libvirt_request_free(q);
	}
	if (!l->conn)
		todo_clear(l);
}

void *libvirt_thread_main(void *userdata)
{
	struct libvirt *l = userdata;

	pthread_setname_np(pthread_self(), "libvirt");
	l->lifecycle_id = l->metadata_id = -1;
	l->inotify_fd = l->inotify_watch = -1;
	l->retry_ms = RETRY_MIN_MS;
	l->retry_timer = virEventAddTimeout(0, on_retry, l, NULL);
	l->wake_watch = virEventAddHandle(l->thread_fd, VIR_EVENT_HANDLE_READABLE, on_wake, l, NULL);
	if (l->retry_timer < 0 || l->wake_watch < 0) {
		log_error("Cannot use libvirt: %s", last_error_message());
		thread_stop(l);
		return NULL;
	}

	while (!stopping(l)) {
		if (virEventRunDefaultImpl() < 0) {
			log_error("libvirt's event loop failed: %s",
				last_error_message());
			break;
		}
		do
			work(l);
		while (l->closed && !stopping(l));
	}

	thread_stop(l);
	return NULL;
}
