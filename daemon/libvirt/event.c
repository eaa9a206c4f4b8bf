/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's event loop, on sd-event.  Owns the watches; what libvirt gave with one is freed in a
 * turn of the loop of its own, for libvirt holds locks while it removes one.
 */
#include "daemon/libvirt/event.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <time.h>

#include <libvirt/libvirt.h>

#include "daemon/log.h"
#include "policy/util.h"

#define USEC_PER_MSEC	1000ULL
/* libvirt's timers are for its keepalive, and for what is due at once. */
#define ACCURACY_USEC	(10 * USEC_PER_MSEC)

/* A handle or a timeout of libvirt's. */
struct watch {
	struct watch *next;
	int id;
	sd_event_source *source;
	int fd;				/* -EBADF: a timeout */
	int frequency;			/* of a timeout, in ms; negative: off */
	virEventHandleCallback on_handle;
	virEventTimeoutCallback on_timeout;
	void *opaque;
	virFreeCallback free_opaque;
};

static struct {
	sd_event *event;
	pthread_t thread;
	int last_id;
	struct watch *watches;
	struct watch *removed;
	sd_event_source *sweep;		/* on while there are removed ones */
} loop;

static bool is_our_thread(void)
{
	return pthread_equal(loop.thread, pthread_self());
}

/*
 * Without it libvirt would wait for ever: another process begins anew.  Of a loop that has ended
 * already (-ESTALE) nothing is wanted any more.
 */
static void check(int r)
{
	if (r >= 0 || r == -ESTALE)
		return;
	log_error("libvirt's event loop fails (%s); exiting, to be restarted.", strerror(-r));
	sd_event_exit(loop.event, r);
}

static struct watch **find(int id, bool handle)
{
	struct watch **p = &loop.watches;

	while (*p && ((*p)->id != id || ((*p)->fd >= 0) != handle))
		p = &(*p)->next;
	return *p ? p : NULL;
}

static struct watch *watch_new(void *opaque, virFreeCallback free_opaque)
{
	struct watch *w;

	if (!is_our_thread())
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->fd = -EBADF;
	w->id = ++loop.last_id;
	w->opaque = opaque;
	w->free_opaque = free_opaque;
	return w;
}

static int add(struct watch *w, int r)
{
	if (r < 0) {
		free(w);
		return -1;
	}
	w->next = loop.watches;
	loop.watches = w;
	return w->id;
}

static int on_sweep(sd_event_source *source, void *userdata)
{
	struct watch *w;

	/* What frees one may remove another. */
	while ((w = loop.removed)) {
		loop.removed = w->next;
		if (w->free_opaque)
			w->free_opaque(w->opaque);
		free(w);
	}
	return 0;
}

static int remove_watch(int id, bool handle)
{
	struct watch **p = find(id, handle), *w;

	if (!p)
		return -1;
	w = *p;
	*p = w->next;
	w->source = sd_event_source_disable_unref(w->source);
	w->next = loop.removed;
	loop.removed = w;
	if (loop.sweep)
		check(sd_event_source_set_enabled(loop.sweep, SD_EVENT_ONESHOT));
	return 0;
}

/* ---- handles ---- */

static uint32_t to_epoll(int events)
{
	return (events & VIR_EVENT_HANDLE_READABLE ? EPOLLIN : 0) |
	       (events & VIR_EVENT_HANDLE_WRITABLE ? EPOLLOUT : 0);
}

static int from_epoll(uint32_t revents)
{
	return (revents & EPOLLIN ? VIR_EVENT_HANDLE_READABLE : 0) |
	       (revents & EPOLLOUT ? VIR_EVENT_HANDLE_WRITABLE : 0) |
	       (revents & EPOLLERR ? VIR_EVENT_HANDLE_ERROR : 0) |
	       (revents & EPOLLHUP ? VIR_EVENT_HANDLE_HANGUP : 0);
}

/* The watch may be gone when libvirt returns. */
static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct watch *w = userdata;

	w->on_handle(w->id, fd, from_epoll(revents), w->opaque);
	return 0;
}

/* Without any event it is off: a hangup would be told again and again. */
static int set_events(struct watch *w, int events)
{
	int r;

	r = sd_event_source_set_io_events(w->source, to_epoll(events));
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(w->source, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int add_handle(int fd, int events, virEventHandleCallback fn, void *opaque,
		      virFreeCallback free_opaque)
{
	struct watch *w;
	int r;

	w = watch_new(opaque, free_opaque);
	if (!w)
		return -1;
	w->fd = fd;
	w->on_handle = fn;
	r = sd_event_add_io(loop.event, &w->source, fd, to_epoll(events), on_io, w);
	if (r >= 0 && !events)
		r = sd_event_source_set_enabled(w->source, SD_EVENT_OFF);
	if (r < 0)
		sd_event_source_disable_unref(w->source);
	return add(w, r);
}

static void update_handle(int id, int events)
{
	struct watch **p = find(id, true);

	if (p)
		check(set_events(*p, events));
}

static int remove_handle(int id)
{
	return remove_watch(id, true);
}

/* ---- timeouts ---- */

static int arm(struct watch *w)
{
	int r;

	if (w->frequency < 0)
		return sd_event_source_set_enabled(w->source, SD_EVENT_OFF);
	r = sd_event_source_set_time_relative(w->source, w->frequency * USEC_PER_MSEC);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(w->source, SD_EVENT_ONESHOT);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct watch *w = userdata;

	check(arm(w));
	w->on_timeout(w->id, w->opaque);
	return 0;
}

static int add_timeout(int frequency, virEventTimeoutCallback fn, void *opaque,
		       virFreeCallback free_opaque)
{
	struct watch *w;
	int r;

	w = watch_new(opaque, free_opaque);
	if (!w)
		return -1;
	w->frequency = frequency;
	w->on_timeout = fn;
	r = sd_event_add_time_relative(loop.event, &w->source, CLOCK_MONOTONIC, 0, ACCURACY_USEC,
				       on_time, w);
	if (r >= 0)
		r = arm(w);
	if (r < 0)
		sd_event_source_disable_unref(w->source);
	return add(w, r);
}

static void update_timeout(int id, int frequency)
{
	struct watch **p = find(id, false);

	if (!p)
		return;
	(*p)->frequency = frequency;
	check(arm(*p));
}

static int remove_timeout(int id)
{
	return remove_watch(id, false);
}

/* ---- the loop ---- */

int event_register(sd_event *event)
{
	int r;

	loop.event = event;
	loop.thread = pthread_self();
	r = sd_event_add_defer(event, &loop.sweep, on_sweep, NULL);
	if (r >= 0)
		r = sd_event_source_set_enabled(loop.sweep, SD_EVENT_OFF);
	if (r < 0)
		return r;
	virEventRegisterImpl(add_handle, update_handle, remove_handle,
			     add_timeout, update_timeout, remove_timeout);
	return 0;
}

void event_clear(void)
{
	loop.sweep = sd_event_source_disable_unref(loop.sweep);
	(void)on_sweep(NULL, NULL);
}
