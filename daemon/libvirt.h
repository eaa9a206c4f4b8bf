/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What nvmxd knows from libvirt: which domain a uuid is, and the policy in its
 * metadata.
 *
 * libvirt's calls block, so a thread of its own makes them; libvirtd may be
 * absent, restart or hang without the daemon noticing anything but silence.
 * Everything here is called in the main thread, never blocks on libvirt, and the
 * callbacks run in the main thread too, out of its sd-event loop.
 */
#ifndef NVMX_DAEMON_LIBVIRT_H
#define NVMX_DAEMON_LIBVIRT_H

#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

/* Owns the thread, the connection and the queues both ways. */
struct libvirt;

/*
 * One message from the thread.  It belongs to libvirt.c and is valid during the
 * callback only.
 */
struct domain_info {
	char uuid[37];		/* lower case, with dashes */
	const char *name;	/* NULL with DOMAIN_UNKNOWN */
	int id;			/* libvirt's id; -1: not running */
	/*
	 * The process that libvirt started for it, from a file that only root can
	 * write; 0: it does not run, or the file cannot be read.
	 */
	pid_t pid;
	bool has_statistics;	/* runs, and has the statistics element */
	/*
	 * The text of our element, NULL if there is none (or with @error).  It is
	 * that of the running domain, or of the persistent definition if the
	 * domain does not run.  libvirt takes the namespace off the element and
	 * its children, so this reads <policy name="..."><field .../></policy>.
	 */
	const char *metadata;
	enum {
		DOMAIN_INFO,	/* what libvirt says now */
		DOMAIN_GONE,	/* stopped, or undefined while not running */
		DOMAIN_UNKNOWN,	/* libvirt has no such uuid */
	} kind;
	int error;		/* negative errno: the metadata could not be read; else 0 */
	const char *error_text;	/* libvirt's sentence, with @error */
};

/* What became of libvirt_write_statistics(). */
struct statistics_result {
	char uuid[37];
	int id;
	int error;		/* 0; -EACCES: libvirt does not let us write; else it failed */
	const char *error_text;	/* libvirt's sentence, with @error */
};

typedef void (*libvirt_domain_t)(const struct domain_info *info, void *userdata);
typedef void (*libvirt_state_t)(bool connected, void *userdata);
typedef void (*libvirt_written_t)(const struct statistics_result *result, void *userdata);

/*
 * Starts the thread, which connects to @uri read-only as soon as it can, and
 * again whenever the connection is lost.  @on_state says each time that this
 * changed (it starts out as not connected, unsaid).  After connecting it reports
 * every running domain by itself, then each domain that is defined, started,
 * stopped or whose metadata change.  Messages come in the order in which libvirt
 * told them; the same thing may be told twice.
 *
 * SIGPIPE must be ignored by the process.  One struct libvirt a process.
 *
 * -ELIBACC: libvirt's library is not there, which has been logged.
 */
int libvirt_new(struct libvirt **ret, sd_event *event, const char *uri,
		libvirt_domain_t on_domain, libvirt_state_t on_state,
		libvirt_written_t on_written, void *userdata);

/*
 * Asks for one domain; the answer comes by on_domain.  While there is no
 * connection there is none: ask again after on_state(true) for what is still not
 * known then.
 *
 * -EINVAL: @uuid is not one.
 */
int libvirt_lookup(struct libvirt *l, const char *uuid);

/*
 * The element with a domain's statistics, live only; a name of its own, so that it is
 * never taken for a setting.
 */
#define STATISTICS_NAMESPACE	"urn:nvmx:domain-statistics:1"
#define STATISTICS_PREFIX	"nvmxstat"

/*
 * Makes @text the element of domain @uuid, if it still runs as @id; NULL takes it away.
 * A second thread does it, on a read-write connection that is there only meanwhile: libvirt
 * may keep a write waiting for half a minute, as while a domain migrates.  @on_written
 * tells how it ended.  What is still waiting for the same domain is replaced.
 */
int libvirt_write_statistics(struct libvirt *l, const char *uuid, int id, const char *text);

/*
 * Does what is waiting to be written, stops the threads and waits for them, but not
 * for long: libvirt may not answer.  No callback is called any more.  Always NULL.
 */
struct libvirt *libvirt_free(struct libvirt *l);

/* Did libvirt_free() leave a thread that sits in libvirt?  Then the process has to _exit(). */
bool libvirt_left_thread(void);

#endif /* NVMX_DAEMON_LIBVIRT_H */
