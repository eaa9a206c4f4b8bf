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

typedef void (*libvirt_domain_t)(const struct domain_info *info, void *userdata);
typedef void (*libvirt_state_t)(bool connected, void *userdata);

/*
 * Starts the thread, which connects to @uri read-only as soon as it can, and
 * again whenever the connection is lost.  @on_state says each time that this
 * changed (it starts out as not connected, unsaid).  After connecting it reports
 * every running domain by itself, then each domain that is defined, started,
 * stopped or whose metadata change.  Messages come in the order in which libvirt
 * told them; the same thing may be told twice.
 *
 * SIGPIPE must be ignored by the process.  One struct libvirt a process.
 */
int libvirt_new(struct libvirt **ret, sd_event *event, const char *uri,
		libvirt_domain_t on_domain, libvirt_state_t on_state, void *userdata);

/*
 * Asks for one domain; the answer comes by on_domain.  While there is no
 * connection there is none: ask again after on_state(true) for what is still not
 * known then.
 *
 * -EINVAL: @uuid is not one.
 */
int libvirt_lookup(struct libvirt *l, const char *uuid);

/*
 * Stops the thread and waits for it, which takes as long as the libvirt call it
 * is in (keepalive bounds that).  No callback is called any more.  Always NULL.
 */
struct libvirt *libvirt_free(struct libvirt *l);

#endif /* NVMX_DAEMON_LIBVIRT_H */
