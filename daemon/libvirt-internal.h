/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the two halves of the libvirt side: libvirt.c (main thread) and
 * libvirt-thread.c (the thread that calls libvirt).  Nobody else includes this.
 *
 * Who owns what: the two queues are under the mutex; an eventfd tells the other
 * side that something was put in.  A request or message belongs to whoever took it
 * out.  Everything under "thread only" is the thread's alone.
 */
#ifndef NVMX_DAEMON_LIBVIRT_INTERNAL_H
#define NVMX_DAEMON_LIBVIRT_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include <libvirt/libvirt.h>
#include <systemd/sd-event.h>

#include "daemon/libvirt.h"

/* Thread -> main. */
struct message {
	struct message *next;
	enum { MESSAGE_STATE, MESSAGE_DOMAIN } type;
	bool connected;			/* MESSAGE_STATE */
	struct domain_info info;	/* MESSAGE_DOMAIN; its strings are the message's */
};

/* Something that the thread has to do about a domain. */
struct request {
	struct request *next;
	enum {
		REQUEST_LOOKUP,		/* main asked: unknown is DOMAIN_UNKNOWN */
		REQUEST_REFRESH,	/* libvirt said it changed: unknown is DOMAIN_GONE */
		REQUEST_GONE,		/* libvirt said it stopped */
	} type;
	char uuid[VIR_UUID_STRING_BUFLEN];
	char *name;			/* NULL with REQUEST_LOOKUP */
};

struct libvirt {
	/* main thread only */
	sd_event_source *source;
	libvirt_domain_t on_domain;
	libvirt_state_t on_state;
	void *userdata;
	pthread_t thread;

	/* set before the thread starts, constant then */
	char *uri;
	int main_fd;			/* eventfd: messages are waiting */
	int thread_fd;			/* eventfd: requests, or stop */

	pthread_mutex_t mutex;		/* messages, lookups, stop */
	struct message *messages, **messages_end;
	struct request *lookups, **lookups_end;
	bool stop;

	/* thread only */
	virConnectPtr conn;
	int wake_watch;			/* libvirt's watch on thread_fd */
	int retry_timer;
	int retry_ms;			/* the pause before the next try */
	int inotify_fd, inotify_watch;	/* of the socket's directory, while not connected */
	int lifecycle_id, metadata_id;	/* callbacks of conn */
	bool closed;			/* conn is dead, to be cleaned up */
	bool retry;			/* connect now */
	char *last_error;		/* why the last try failed, as it was logged */
	struct request *todo, **todo_end;
};

/* libvirt.c, called by the thread.  The message is libvirt.c's then. */
void libvirt_post(struct libvirt *l, struct message *m);
struct message *libvirt_message_free(struct message *m);	/* NULL */
struct request *libvirt_request_free(struct request *r);	/* NULL */

/* libvirt-thread.c */
int libvirt_thread_init(void);			/* once a process; before the thread */
void *libvirt_thread_main(void *userdata);	/* struct libvirt */

#endif /* NVMX_DAEMON_LIBVIRT_INTERNAL_H */
