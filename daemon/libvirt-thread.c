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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "policy/policy.h"
#include "policy/util.h"

#define LIBVIRT_RETRY_MAX_MS	30000

void libvirt_retry_soon(struct libvirt *l)
{
	const struct itimerspec when = {
		.it_value = { .tv_sec = l->retry_ms / 1000, .tv_nsec = l->retry_ms % 1000 * 1000000 },
	};

	/* Fails only for a bad fd or time. */
	(void)timerfd_settime(l->retry_fd, 0, &when, NULL);
}

/* Something was lost: a moment later every domain is looked at again. */
static void list_again(struct libvirt *l, const char *what)
{
	log_warning("%s; all domains will be listed again soon.", what);
	libvirt_retry_soon(l);
	l->retry_ms = l->retry_ms * 2 < LIBVIRT_RETRY_MAX_MS ? l->retry_ms * 2 : LIBVIRT_RETRY_MAX_MS;
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
		q->name = strdup(libvirt.virDomainGetName(dom));
	if (!q || !q->name || libvirt.virDomainGetUUIDString(dom, q->uuid) < 0) {
		libvirt_request_free(q);
		list_again(l, "An event of libvirt was lost, for lack of memory");
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

static void do_request(struct libvirt *l, const struct request *q)
{
	virDomainPtr dom;
	int r;

	dom = q->type == REQUEST_GONE ? NULL : libvirt.virDomainLookupByUUIDString(l->conn, q->uuid);
	if (dom) {
		r = libvirt_post_domain(l, dom);
		libvirt.virDomainFree(dom);
		if (r == -ENOENT)
			r = libvirt_post_absent(l, q);
	} else if (q->type == REQUEST_GONE || libvirt.virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
		r = libvirt_post_absent(l, q);
	} else if (l->closed || libvirt.virConnectIsAlive(l->conn) != 1) {
		return;		/* connecting again will tell */
	} else {
		log_error("Domain %s could not be looked up in libvirt: %s", q->uuid,
			  libvirt_last_error());
		r = -EIO;
	}

	if (r < 0 && r != -ENOTCONN)
		list_again(l, "A reply of libvirt was lost");
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

static void on_retry(int watch, int fd, int events, void *userdata)
{
	struct libvirt *l = userdata;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) == sizeof(count))
		l->retry = true;
}

/* ---- the connection ------------------------------------------------------ */

static void drop_connection(struct libvirt *l)
{
	if (!l->conn)
		return;
	libvirt.virConnectUnregisterCloseCallback(l->conn, on_close);
	if (l->lifecycle_id >= 0)
		libvirt.virConnectDomainEventDeregisterAny(l->conn, l->lifecycle_id);
	if (l->metadata_id >= 0)
		libvirt.virConnectDomainEventDeregisterAny(l->conn, l->metadata_id);
	l->lifecycle_id = l->metadata_id = -1;
	libvirt.virConnectClose(l->conn);
	l->conn = NULL;
	l->closed = false;
	todo_clear(l);
}

static int subscribe(struct libvirt *l)
{
	if (libvirt.virConnectRegisterCloseCallback(l->conn, on_close, l, NULL) < 0)
		return -EIO;
	if (libvirt.virConnectSetKeepAlive(l->conn, LIBVIRT_KEEPALIVE_INTERVAL, LIBVIRT_KEEPALIVE_COUNT) < 0)
		return -EIO;
	l->lifecycle_id = libvirt.virConnectDomainEventRegisterAny(l->conn, NULL,
			VIR_DOMAIN_EVENT_ID_LIFECYCLE,
			VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), l, NULL);
	if (l->lifecycle_id < 0)
		return -EIO;
	l->metadata_id = libvirt.virConnectDomainEventRegisterAny(l->conn, NULL,
			VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
			VIR_DOMAIN_EVENT_CALLBACK(on_metadata), l, NULL);
	return l->metadata_id < 0 ? -EIO : 0;
}

static int report_all(struct libvirt *l)
{
	virDomainPtr *domains;
	int n, r = 0;

	n = libvirt.virConnectListAllDomains(l->conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (n < 0)
		return -EIO;
	for (int i = 0; i < n; i++) {
		if (is_shortage(libvirt_post_domain(l, domains[i])))
			r = -ENOMEM;
		libvirt.virDomainFree(domains[i]);
	}
	free(domains);
	return r;
}

static void try_later(struct libvirt *l, const char *message)
{
	/* Once for each reason, not once for each try. */
	if (!l->last_error || !streq(l->last_error, message)) {
		log_notice("Could not connect to libvirt at %s, will try again: %s",
			l->uri, message);
		free(l->last_error);
		l->last_error = strdup(message);
	}

	if (libvirt_socket_awaited(l))
		return;
	libvirt_retry_soon(l);
	l->retry_ms = l->retry_ms * 2 < LIBVIRT_RETRY_MAX_MS ? l->retry_ms * 2 : LIBVIRT_RETRY_MAX_MS;
}

/* A uuid of another driver's domain says nothing about a VM of KVM's. */
static int check_driver(struct libvirt *l, char **ret_error)
{
	const char *type = libvirt.virConnectGetType(l->conn);

	if (!type)
		return -EIO;
	if (streq(type, "QEMU"))
		return 0;
	return error_set(ret_error, -ENOTSUP,
			 "its driver is %s, and only QEMU runs VMs of KVM; give nvmxd the URI qemu:///system.",
			 type);
}

/* The domains that run; also those that main waits to hear of. */
static void list_domains(struct libvirt *l)
{
	int r;

	libvirt_post_state(l, true);
	r = report_all(l);
	if (r == -ENOMEM)
		list_again(l, "A reply of libvirt was lost, for lack of memory");
	else if (r < 0 && !l->closed && libvirt.virConnectIsAlive(l->conn) == 1)
		list_again(l, "libvirt's domains could not be listed");
	else if (r >= 0)
		l->retry_ms = LIBVIRT_RETRY_MIN_MS;
}

/* Events first, then the list: what happens in between is told twice, not missed. */
static void try_connect(struct libvirt *l)
{
	_cleanup_free_ char *sentence = NULL;

	/*
	 * Before the socket is tried, so that one that appears after the try is
	 * not missed.
	 */
	libvirt_socket_watch(l);
	l->conn = libvirt.virConnectOpenReadOnly(l->uri);
	if (!l->conn || check_driver(l, &sentence) < 0 || subscribe(l) < 0) {
		try_later(l, sentence ?: libvirt_last_error());
		drop_connection(l);
		return;
	}

	libvirt_socket_unwatch(l);
	free(l->last_error);
	l->last_error = NULL;
	list_domains(l);
}

static void on_lost(struct libvirt *l)
{
	drop_connection(l);
	libvirt_post_state(l, false);
	libvirt_retry_soon(l);
}

/* ---- the thread ---------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_result;

static void init_once(void)
{
	libvirt.virSetErrorFunc(NULL, on_error);
	if (libvirt.virInitialize() < 0 || libvirt.virEventRegisterDefaultImpl() < 0) {
		log_error("Cannot use libvirt: %s", libvirt_last_error());
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

	timer = libvirt.virEventAddTimeout(20, on_flushed, &flushed, NULL);
	if (timer < 0)
		return;
	while (!flushed && libvirt.virEventRunDefaultImpl() >= 0)
		;
	libvirt.virEventRemoveTimeout(timer);
}

static void thread_stop(struct libvirt *l)
{
	drop_connection(l);
	libvirt_socket_unwatch(l);
	if (l->wake_watch >= 0)
		libvirt.virEventRemoveHandle(l->wake_watch);
	if (l->retry_watch >= 0)
		libvirt.virEventRemoveHandle(l->retry_watch);
	flush_loop();
	if (l->retry_fd >= 0)
		close(l->retry_fd);
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
	if (l->retry) {
		l->retry = false;
		if (l->conn)
			list_domains(l);
		else
			try_connect(l);
	}
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
	l->retry_ms = LIBVIRT_RETRY_MIN_MS;
	l->retry = true;
	l->retry_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->retry_watch = l->retry_fd < 0 ? -1 :
			 libvirt.virEventAddHandle(l->retry_fd, VIR_EVENT_HANDLE_READABLE, on_retry, l, NULL);
	l->wake_watch = libvirt.virEventAddHandle(l->thread_fd, VIR_EVENT_HANDLE_READABLE, on_wake, l, NULL);
	if (l->retry_watch < 0 || l->wake_watch < 0) {
		log_error("Cannot use libvirt: %s", libvirt_last_error());
		thread_stop(l);
		return NULL;
	}

	for (;;) {
		do
			work(l);
		while (l->closed && !stopping(l));
		if (stopping(l))
			break;
		if (libvirt.virEventRunDefaultImpl() < 0) {
			log_error("libvirt's event loop failed: %s", libvirt_last_error());
			libvirt_post_state(l, false);
			break;
		}
	}

	thread_stop(l);
	return NULL;
}
