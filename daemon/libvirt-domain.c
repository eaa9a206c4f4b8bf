/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt says of one domain, as a message to the main thread.  Runs in the
 * thread that calls libvirt; a message is libvirt.c's once it is posted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/libvirt-internal.h"
#include "daemon/log.h"
#include "policy/policy.h"
#include "policy/util.h"

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
		r = libvirt_read_pid(LIBVIRT_PID_DIR, m->info.name);
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
