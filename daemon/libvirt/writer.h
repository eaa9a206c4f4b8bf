/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes elements with statistics into domains: threads, each with a read-write connection of
 * its own, which is there only while there is something to write.  libvirt may keep a write
 * waiting for half a minute, as while a domain migrates: meanwhile the others go on.
 *
 * Everything here is for the thread of the event loop.
 */
#ifndef NVMX_DAEMON_LIBVIRT_WRITER_H
#define NVMX_DAEMON_LIBVIRT_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <libvirt/libvirt.h>
#include <systemd/sd-event.h>

/*
 * A write that hangs holds one of them, and one of libvirtd's own workers, of which it has 20 by
 * default (max_workers in libvirtd.conf).
 */
#define WRITER_THREADS_MAX	4
/* So many of them at most are at writes that are likely to hang, as their last one did. */
#define WRITER_DOUBTFUL_MAX	2

/* What a domain's element is to be.  Its strings are its own. */
struct writer_job {
	struct writer_job *next;
	uint64_t vm;		/* nvmxd's id of it, for whom it concerns; 0: of none */
	char uuid[VIR_UUID_STRING_BUFLEN];
	/* Which run of the domain: that of a process, or, with pid 0, that with libvirt's id. */
	pid_t pid;
	uint64_t start_time;
	int id;
	char *text;		/* NULL: not there */
	bool doubtful;
	/* How it ended. */
	int error;		/* 0, also if that run is over; -EACCES: libvirt does not let us write; else it failed */
	char *error_text;	/* libvirt's sentence, with error; NULL: no memory */
};

struct writer;

/* A job is done; it is the writer's, and is freed afterwards. */
typedef void (*writer_done_t)(const struct writer_job *job, void *userdata);

/* To the libvirt with that URI. */
int writer_new(sd_event *event, const char *uri, writer_done_t on_done, void *userdata,
	       struct writer **ret);
/* The job is the writer's then.  There may be one a domain at a time. */
int writer_add(struct writer *w, struct writer_job *job);
struct writer_job *writer_job_free(struct writer_job *job);	/* NULL */

/*
 * Forgets what nobody has begun, and ends the threads.  True: one sits in a call of libvirt's;
 * what they use is left to them then, and the process has to _exit().
 */
bool writer_stop(struct writer *w);
struct writer *writer_free(struct writer *w);	/* NULL; after writer_stop() */

#endif /* NVMX_DAEMON_LIBVIRT_WRITER_H */
