/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the parts of the libvirt side.  Nobody else includes this.
 *
 *	libvirt.c		the main thread's part
 *	libvirt-thread.c	the thread that listens to libvirt, read-only; with it
 *	libvirt-domain.c	what libvirt says of a domain, and
 *	libvirt-socket.c	waiting for libvirt's socket
 *	libvirt-writer.c	the thread that writes statistics into domains
 *
 * Who owns what: the queues are under the mutex; an eventfd (or, for the writer, a
 * condition) tells the other side that something was put in.  A request, message or
 * write belongs to whoever took it out.  Everything under "thread only" is the
 * listening thread's alone.
 */
#ifndef NVMX_DAEMON_LIBVIRT_INTERNAL_H
#define NVMX_DAEMON_LIBVIRT_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include <systemd/sd-event.h>

#include "daemon/libvirt.h"
#include "policy/libvirt-library.h"

/* Thread -> main. */
struct message {
	struct message *next;
	enum { MESSAGE_DOMAIN, MESSAGE_WRITTEN } type;
	struct domain_info info;	/* MESSAGE_DOMAIN; its strings are the message's */
	struct statistics_result result;	/* MESSAGE_WRITTEN; likewise */
};

/* Main -> writer: what a domain's statistics element is to be. */
struct statistics_write {
	struct statistics_write *next;
	char uuid[VIR_UUID_STRING_BUFLEN];
	int id;
	char *text;			/* NULL: not there */
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
	libvirt_written_t on_written;
	void *userdata;
	pthread_t thread;
	pthread_t writer;		/* once writing */
	bool writing;

	/* set before the thread starts, constant then */
	char *uri;
	int main_fd;			/* eventfd: messages are waiting */
	int thread_fd;			/* eventfd: requests, or stop */

	pthread_mutex_t mutex;		/* messages, state, lookups, writes, stops */
	pthread_cond_t wake_writer;
	struct statistics_write *writes, **writes_end;
	struct message *messages, **messages_end;
	struct request *lookups, **lookups_end;
	bool connected, state_is_new;
	bool stop_writer, stop;

	/* thread only */
	virConnectPtr conn;
	int wake_watch;			/* libvirt's watch on thread_fd */
	int retry_fd;			/* timerfd: libvirt's own timers go by the wall clock */
	int retry_watch;		/* libvirt's watch on it */
	int retry_ms;			/* the pause before the next try */
	int inotify_fd, inotify_watch;	/* of the socket's directory, while not connected */
	int lifecycle_id, metadata_id;	/* callbacks of conn */
	bool closed;			/* conn is dead, to be cleaned up */
	bool retry;			/* connect now, or list the domains again */
	char *last_error;		/* why the last try failed, as it was logged */
	struct request *todo, **todo_end;
};

/* The first pause before connecting, or listing the domains, again. */
#define LIBVIRT_RETRY_MIN_MS	250

/*
 * A libvirtd that hangs is given up after (count + 1) intervals.  Longer than the
 * interval of libvirtd's own pings, each of which restarts ours: so this costs no
 * wake-up.
 */
#define LIBVIRT_KEEPALIVE_INTERVAL	10
#define LIBVIRT_KEEPALIVE_COUNT		2

/* libvirt.c, called by the threads.  The message is libvirt.c's then. */
void libvirt_post(struct libvirt *l, struct message *m);
void libvirt_post_state(struct libvirt *l, bool connected);	/* ahead of all messages */
struct message *libvirt_message_free(struct message *m);	/* NULL */
struct request *libvirt_request_free(struct request *r);	/* NULL */

/* libvirt-domain.c.  -ENOENT: it went away; -ENOTCONN: the connection did; -ENOMEM. */
int libvirt_post_domain(struct libvirt *l, virDomainPtr dom);
int libvirt_post_absent(struct libvirt *l, const struct request *q);
const char *libvirt_last_error(void);	/* a sentence, never NULL */

/* libvirt-socket.c */
void libvirt_socket_watch(struct libvirt *l);
void libvirt_socket_unwatch(struct libvirt *l);
/* Nothing to connect to, and a watch that says when that changes. */
bool libvirt_socket_awaited(struct libvirt *l);

/* libvirt-writer.c */
void *libvirt_writer_main(void *userdata);	/* struct libvirt */
struct statistics_write *statistics_write_free(struct statistics_write *w);	/* NULL */

/* libvirt-thread.c */
void libvirt_retry_soon(struct libvirt *l);	/* after retry_ms */
int libvirt_thread_init(void);			/* once a process; before the thread */
void *libvirt_thread_main(void *userdata);	/* struct libvirt */

#endif /* NVMX_DAEMON_LIBVIRT_INTERNAL_H */
