/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main thread's half of the libvirt side: starts and stops the thread, hands
 * it lookups, and turns its messages into callbacks.  See libvirt.h for what it
 * does and libvirt-internal.h for who owns what.
 */
#include "daemon/libvirt-internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log.h"
#include "policy/util.h"

/* How long libvirt_free() waits for a libvirt that does not answer. */
#define STOP_SECONDS	5

static bool left_thread;

struct message *libvirt_message_free(struct message *m)
{
	if (!m)
		return NULL;
	free((char *)m->info.name);
	free((char *)m->info.metadata);
	free((char *)m->info.error_text);
	free((char *)m->result.error_text);
	free(m);
	return NULL;
}

struct request *libvirt_request_free(struct request *r)
{
	if (!r)
		return NULL;
	free(r->name);
	free(r);
	return NULL;
}

struct statistics_write *statistics_write_free(struct statistics_write *w)
{
	if (!w)
		return NULL;
	free(w->text);
	free(w);
	return NULL;
}

/* An eventfd's write fails only when its counter is full: then it is readable. */
static void kick(int fd)
{
	ssize_t n;

	n = write(fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	(void)n;
}

void libvirt_post(struct libvirt *l, struct message *m)
{
	pthread_mutex_lock(&l->mutex);
	m->next = NULL;
	*l->messages_end = m;
	l->messages_end = &m->next;
	pthread_mutex_unlock(&l->mutex);

	kick(l->main_fd);
}

void libvirt_post_state(struct libvirt *l, bool connected)
{
	pthread_mutex_lock(&l->mutex);
	l->connected = connected;
	l->state_is_new = true;
	pthread_mutex_unlock(&l->mutex);

	kick(l->main_fd);
}

static int on_messages(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct libvirt *l = userdata;
	bool connected, state_is_new;
	struct message *list, *m;
	uint64_t count;
	ssize_t n;

	n = read(fd, &count, sizeof(count));
	(void)n;

	pthread_mutex_lock(&l->mutex);
	list = l->messages;
	l->messages = NULL;
	l->messages_end = &l->messages;
	connected = l->connected;
	state_is_new = l->state_is_new;
	l->state_is_new = false;
	pthread_mutex_unlock(&l->mutex);

	if (state_is_new)
		l->on_state(connected, l->userdata);
	while ((m = list)) {
		list = m->next;
		if (m->type == MESSAGE_WRITTEN)
			l->on_written(&m->result, l->userdata);
		else
			l->on_domain(&m->info, l->userdata);
		libvirt_message_free(m);
	}

	return 0;
}

static void libvirt_destroy(struct libvirt *l)
{
	struct statistics_write *w;
	struct message *m;
	struct request *r;

	while ((m = l->messages)) {
		l->messages = m->next;
		libvirt_message_free(m);
	}
	while ((r = l->lookups)) {
		l->lookups = r->next;
		libvirt_request_free(r);
	}
	while ((w = l->writes)) {
		l->writes = w->next;
		statistics_write_free(w);
	}
	sd_event_source_disable_unref(l->source);
	if (l->main_fd >= 0)
		close(l->main_fd);
	if (l->thread_fd >= 0)
		close(l->thread_fd);
	pthread_cond_destroy(&l->wake_writer);
	pthread_mutex_destroy(&l->mutex);
	free(l->uri);
	free(l);
}

/* Signals are the main thread's: sd-event reads them from a signalfd. */
static int start_thread(struct libvirt *l, pthread_t *ret, void *(*fn)(void *))
{
	sigset_t all, saved;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &saved);
	if (r)
		return -r;
	r = pthread_create(ret, NULL, fn, l);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);

	return -r;
}

int libvirt_new(struct libvirt **ret, sd_event *event, const char *uri,
		libvirt_domain_t on_domain, libvirt_state_t on_state,
		libvirt_written_t on_written, void *userdata)
{
	const char *error;
	struct libvirt *l;
	int r;

	r = libvirt_library_load(&error);
	if (r < 0) {
		log_warning("libvirt's library cannot be loaded: %s.", error);
		return r;
	}
	r = libvirt_thread_init();
	if (r < 0)
		return r;

	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;

	l->on_domain = on_domain;
	l->on_state = on_state;
	l->on_written = on_written;
	l->userdata = userdata;
	pthread_mutex_init(&l->mutex, NULL);
	pthread_cond_init(&l->wake_writer, NULL);
	l->messages_end = &l->messages;
	l->writes_end = &l->writes;
	l->lookups_end = &l->lookups;
	l->todo_end = &l->todo;
	l->main_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->thread_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->main_fd < 0 || l->thread_fd < 0) {
		r = -errno;
		goto fail;
	}
	l->uri = strdup(uri);
	if (!l->uri) {
		r = -ENOMEM;
		goto fail;
	}
	r = sd_event_add_io(event, &l->source, l->main_fd, EPOLLIN, on_messages, l);
	if (r < 0)
		goto fail;
	(void)sd_event_source_set_description(l->source, "libvirt");
	r = start_thread(l, &l->thread, libvirt_thread_main);
	if (r < 0)
		goto fail;

	*ret = l;
	return 0;

fail:
	libvirt_destroy(l);
	return r;
}

int libvirt_lookup(struct libvirt *l, const char *uuid)
{
	struct request *q;
	sd_id128_t id;
	int r;

	r = sd_id128_from_string(uuid, &id);
	if (r < 0)
		return -EINVAL;

	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->type = REQUEST_LOOKUP;
	sd_id128_to_uuid_string(id, q->uuid);

	pthread_mutex_lock(&l->mutex);
	*l->lookups_end = q;
	l->lookups_end = &q->next;
	pthread_mutex_unlock(&l->mutex);

	kick(l->thread_fd);
	return 0;
}

/* Takes out what is waiting for the same domain: only the last word counts. */
static void forget_write(struct libvirt *l, const char *uuid)
{
	struct statistics_write **p = &l->writes, *w;

	while ((w = *p)) {
		if (!streq(w->uuid, uuid)) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		statistics_write_free(w);
	}
	l->writes_end = p;
}

int libvirt_write_statistics(struct libvirt *l, const char *uuid, int id, const char *text)
{
	struct statistics_write *w;
	int r;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	snprintf(w->uuid, sizeof(w->uuid), "%s", uuid);
	w->id = id;
	w->text = text ? strdup(text) : NULL;
	if (text && !w->text) {
		statistics_write_free(w);
		return -ENOMEM;
	}

	if (!l->writing) {
		r = start_thread(l, &l->writer, libvirt_writer_main);
		if (r < 0) {
			statistics_write_free(w);
			return r;
		}
		l->writing = true;
	}

	pthread_mutex_lock(&l->mutex);
	forget_write(l, uuid);
	*l->writes_end = w;
	l->writes_end = &w->next;
	pthread_cond_signal(&l->wake_writer);
	pthread_mutex_unlock(&l->mutex);
	return 0;
}

struct libvirt *libvirt_free(struct libvirt *l)
{
	struct timespec until;
	bool joined;

	if (!l)
		return NULL;

	/* The writer first: its connection needs the loop that the other one runs. */
	pthread_mutex_lock(&l->mutex);
	l->stop_writer = true;
	pthread_cond_signal(&l->wake_writer);
	pthread_mutex_unlock(&l->mutex);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_SECONDS;
	joined = !l->writing || !pthread_clockjoin_np(l->writer, NULL, CLOCK_MONOTONIC, &until);

	pthread_mutex_lock(&l->mutex);
	l->stop = true;
	pthread_mutex_unlock(&l->mutex);
	kick(l->thread_fd);
	joined = joined && !pthread_clockjoin_np(l->thread, NULL, CLOCK_MONOTONIC, &until);
	if (!joined) {
		/*
		 * One sits in a call that libvirtd does not answer.  What they use is
		 * left to them; the process is about to end.
		 */
		log_warning("libvirt does not reply; not waiting for it any longer.");
		sd_event_source_disable_unref(l->source);
		l->source = NULL;
		left_thread = true;
		return NULL;
	}

	libvirt_destroy(l);
	return NULL;
}

bool libvirt_left_thread(void)
{
	return left_thread;
}
