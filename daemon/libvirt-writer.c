/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread that writes statistics into the metadata of domains.  It sleeps until there
 * is something to write, opens libvirt read-write for it, and closes it again: nothing
 * else in the daemon needs more than the read-only socket.  Owns its connection.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/libvirt-internal.h"
#include "policy/util.h"

/* Sleeps until there is something; NULL: none is left and it is time to stop. */
static struct statistics_write *take(struct libvirt *l, bool wait)
{
	struct statistics_write *w;

	pthread_mutex_lock(&l->mutex);
	while (wait && !l->writes && !l->stop_writer)
		pthread_cond_wait(&l->wake_writer, &l->mutex);
	w = l->writes;
	if (w) {
		l->writes = w->next;
		if (!l->writes)
			l->writes_end = &l->writes;
	}
	pthread_mutex_unlock(&l->mutex);
	return w;
}

/* Does libvirt refuse us as such, so that the next write would fare no better? */
static bool refused(void)
{
	const virError *e = libvirt.virGetLastError();

	switch (e ? e->code : VIR_ERR_OK) {
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_CANCELLED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_OPERATION_DENIED:
	case VIR_ERR_ACCESS_DENIED:
		return true;
	case VIR_ERR_SYSTEM_ERROR:
		return e->int1 == EACCES || e->int1 == EPERM;
	}
	return false;
}

static int failed(char **ret_error)
{
	*ret_error = strdup(libvirt_last_error());
	return refused() ? -EACCES : -EIO;
}

/* A domain that is gone, or that runs anew, has nothing of ours in it. */
static int write_domain(virConnectPtr conn, const struct statistics_write *w, char **ret_error)
{
	virDomainPtr dom;
	int r = 0;

	dom = libvirt.virDomainLookupByUUIDString(conn, w->uuid);
	if (!dom)
		return libvirt.virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? 0 : failed(ret_error);

	if ((int)libvirt.virDomainGetID(dom) == w->id &&
	    libvirt.virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, w->text,
					 w->text ? STATISTICS_PREFIX : NULL, STATISTICS_NAMESPACE,
					 VIR_DOMAIN_AFFECT_LIVE) < 0)
		switch (libvirt.virGetLastErrorCode()) {
		case VIR_ERR_NO_DOMAIN:
		case VIR_ERR_OPERATION_INVALID:	/* it stopped in between */
		case VIR_ERR_NO_DOMAIN_METADATA:
			break;
		default:
			r = failed(ret_error);
		}
	libvirt.virDomainFree(dom);
	return r;
}

/* Without memory for it main does not hear of it, and writes only what changes next. */
static void tell(struct libvirt *l, const struct statistics_write *w, int error, char *text)
{
	struct message *m = calloc(1, sizeof(*m));

	if (!m) {
		free(text);
		return;
	}
	m->type = MESSAGE_WRITTEN;
	memcpy(m->result.uuid, w->uuid, sizeof(m->result.uuid));
	m->result.id = w->id;
	m->result.error = error;
	m->result.error_text = text;
	libvirt_post(l, m);
}

static virConnectPtr open_connection(struct libvirt *l)
{
	virConnectPtr conn = libvirt.virConnectOpen(l->uri);

	if (conn && libvirt.virConnectSetKeepAlive(conn, LIBVIRT_KEEPALIVE_INTERVAL,
						   LIBVIRT_KEEPALIVE_COUNT) < 0) {
		libvirt.virConnectClose(conn);
		conn = NULL;
	}
	return conn;
}

void *libvirt_writer_main(void *userdata)
{
	struct libvirt *l = userdata;
	struct statistics_write *w;

	pthread_setname_np(pthread_self(), "libvirt-write");
	while ((w = take(l, true))) {
		virConnectPtr conn = open_connection(l);

		for (; w; w = take(l, false)) {
			char *text = NULL;
			int r;

			r = conn ? write_domain(conn, w, &text) : failed(&text);
			tell(l, w, r, text);
			statistics_write_free(w);
		}
		if (conn)
			libvirt.virConnectClose(conn);
	}

	return NULL;
}
