/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt says of one domain, as a message to the main thread.  Runs in the
 * thread that calls libvirt; a message is libvirt.c's once it is posted.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/libvirt-internal.h"
#include "daemon/log.h"
#include "policy/policy.h"
#include "policy/util.h"

/*
 * Where libvirt writes a domain's NAME.pid, before its QEMU begins.  Only root may
 * write there, unlike the command line from which the uuid is.
 */
#define PID_DIR		"/run/libvirt/qemu"

const char *libvirt_last_error(void)
{
	const char *message = libvirt.virGetLastErrorMessage();

	return isempty(message) ? "unknown error" : message;
}

static struct message *message_new_domain(const char *uuid, const char *name)
{
	struct message *m;

	m = calloc(1, sizeof(*m));
	if (m && name)
		m->info.name = strdup(name);
	if (!m || (name && !m->info.name))
		return libvirt_message_free(m);
	m->type = MESSAGE_DOMAIN;
	snprintf(m->info.uuid, sizeof(m->info.uuid), "%s", uuid);
	m->info.id = -1;

	return m;
}

int libvirt_post_absent(struct libvirt *l, const struct request *q)
{
	struct message *m;

	m = message_new_domain(q->uuid, q->type == REQUEST_LOOKUP ? NULL : q->name);
	if (!m)
		return -ENOMEM;
	m->info.kind = q->type == REQUEST_LOOKUP ? DOMAIN_UNKNOWN : DOMAIN_GONE;
	libvirt_post(l, m);
	return 0;
}

/*
 * The metadata of the definition in force, or why it could not be had.  Returns
 * -ENOENT if the domain went away in between, -ENOTCONN if the connection did: both will be
 * told by other ways.
 */
static int get_metadata(struct libvirt *l, virDomainPtr dom, struct domain_info *info)
{
	info->metadata = libvirt.virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT,
						      METADATA_NAMESPACE, VIR_DOMAIN_AFFECT_CURRENT);
	if (info->metadata)
		return 0;

	switch (libvirt.virGetLastErrorCode()) {
	case VIR_ERR_NO_DOMAIN_METADATA:
		return 0;
	case VIR_ERR_NO_DOMAIN:
		return -ENOENT;
	}
	if (l->closed || libvirt.virConnectIsAlive(l->conn) != 1)
		return -ENOTCONN;

	info->error = -EIO;
	info->error_text = strdup(libvirt_last_error());
	return 0;
}

/*
 * The pid that libvirt wrote down for a running domain; 0: there is none to be read; -ENOMEM
 * and the like: perhaps there is.
 */
static pid_t read_pid(const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -EBADF;
	char text[24], *end;
	ssize_t n;
	long pid;

	if (strchr(name, '/'))
		return 0;
	if (asprintf(&path, PID_DIR "/%s.pid", name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return is_shortage(-errno) ? -errno : 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0 || !isdigit((unsigned char)text[0]))
		return 0;
	text[n] = 0;
	pid = strtol(text, &end, 10);
	if ((*end && *end != '\n') || pid <= 0 || pid > INT_MAX)
		return 0;

	return pid;
}

/* Whether there is an element that a daemon before us, or a host before this one, left. */
static bool has_statistics(virDomainPtr dom)
{
	_cleanup_free_ char *text = NULL;

	text = libvirt.virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, STATISTICS_NAMESPACE,
					    VIR_DOMAIN_AFFECT_LIVE);
	return text;
}

/* libvirt's memory is malloc's, so its strings may become the message's. */
int libvirt_post_domain(struct libvirt *l, virDomainPtr dom)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	struct message *m;
	int r;

	if (libvirt.virDomainGetUUIDString(dom, uuid) < 0)
		return -EIO;
	m = message_new_domain(uuid, libvirt.virDomainGetName(dom));
	if (!m)
		return -ENOMEM;
	m->info.kind = DOMAIN_INFO;
	m->info.id = (int)libvirt.virDomainGetID(dom);
	r = get_metadata(l, dom, &m->info);
	if (r < 0) {
		libvirt_message_free(m);
		return r;
	}
	if (m->info.id >= 0) {
		r = read_pid(m->info.name);
		if (r < 0) {
			libvirt_message_free(m);
			return r;
		}
		m->info.pid = r;
		m->info.has_statistics = has_statistics(dom);
	}
	libvirt_post(l, m);
	return 0;
}
