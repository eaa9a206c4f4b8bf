/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection to libvirt, and what libvirt tells by it.  Owns it, and the wait for it.
 *
 * Connected, nothing of ours wakes the process but an event (libvirtd itself pings its clients
 * every five seconds, see keepalive_interval in libvirtd.conf).  Not connected, it waits for the
 * socket to appear; one that does not answer is tried again with a growing pause.
 */
#include "daemon/libvirt/connection.h"

#include <libvirt/virterror.h>

#include "daemon/libvirt/pause.h"
#include "daemon/libvirt/socket.h"
#include "daemon/log.h"
#include "policy/libvirt-pid.h"
#include "policy/policy.h"

/*
 * A libvirtd that hangs is given up after (count + 1) intervals.  Longer than the interval of
 * libvirtd's own pings, each of which restarts ours: so this costs no wake-up.
 */
#define KEEPALIVE_INTERVAL	10
#define KEEPALIVE_COUNT		2

struct connection {
	char *uri;
	connection_state_t on_state;
	connection_domain_t on_domain;
	void *userdata;

	virConnectPtr conn;
	char *pid_dir;
	int lifecycle_id, metadata_id;	/* callbacks of conn; -1: none */
	bool closed;			/* conn is dead, to be cleaned up */
	sd_event_source *work;		/* a turn of the loop for what is to be done */
	struct socket_watch *socket;
	struct pause *pause;
	char *last_error;		/* why the last try failed, as it was logged */
};

const char *connection_error(void)
{
	const char *message = virGetLastErrorMessage();

	return isempty(message) ? "unknown error" : message;
}

virConnectPtr connection_get(const struct connection *c)
{
	return c->closed ? NULL : c->conn;
}

const char *connection_pid_dir(const struct connection *c)
{
	return c->pid_dir;
}

static void work_soon(struct connection *c)
{
	/* Of a source that is there already it cannot fail. */
	(void)sd_event_source_set_enabled(c->work, SD_EVENT_ONESHOT);
}

static void set_closed(struct connection *c)
{
	c->closed = true;
	work_soon(c);
}

bool connection_is_lost(struct connection *c)
{
	if (!c->closed && virConnectIsAlive(c->conn) == 1)
		return false;
	set_closed(c);
	return true;
}

/* ---- what libvirt calls ---- */

/* Errors are said where they are handled, not on libvirt's own account. */
static void on_error(void *userdata, virErrorPtr error)
{
}

static void tell_domain(struct connection *c, virDomainPtr dom)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	if (virDomainGetUUIDString(dom, uuid) == 0)
		c->on_domain(uuid, c->userdata);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *userdata)
{
	switch (event) {
	case VIR_DOMAIN_EVENT_DEFINED:
	case VIR_DOMAIN_EVENT_UNDEFINED:
	case VIR_DOMAIN_EVENT_STARTED:
		tell_domain(userdata, dom);
	}
	return 0;
}

static void on_metadata(virConnectPtr conn, virDomainPtr dom, int type, const char *uri, void *userdata)
{
	if (type == VIR_DOMAIN_METADATA_ELEMENT && uri &&
	    strncmp(uri, METADATA_NAMESPACES, strlen(METADATA_NAMESPACES)) == 0)
		tell_domain(userdata, dom);
}

static void on_close(virConnectPtr conn, int reason, void *userdata)
{
	set_closed(userdata);
}

/* ---- connecting ---- */

static void drop(struct connection *c)
{
	if (!c->conn)
		return;
	/* What was not registered yet, or is dead, need not be let go of. */
	(void)virConnectUnregisterCloseCallback(c->conn, on_close);
	if (c->lifecycle_id >= 0)
		(void)virConnectDomainEventDeregisterAny(c->conn, c->lifecycle_id);
	if (c->metadata_id >= 0)
		(void)virConnectDomainEventDeregisterAny(c->conn, c->metadata_id);
	c->lifecycle_id = c->metadata_id = -1;
	virConnectClose(c->conn);
	c->conn = NULL;
	c->closed = false;
	free(steal_ptr(c->pid_dir));
}

/* A uuid of another driver's domain says nothing about a VM of KVM's. */
static int check_driver(struct connection *c, char **ret_error)
{
	const char *type = virConnectGetType(c->conn);
	char *uri;

	if (!type)
		return -EIO;
	if (!streq(type, "QEMU"))
		return error_set(ret_error, -ENOTSUP, "its driver is %s, and only QEMU runs VMs of KVM; "
				 "set libvirt-uri in nvmxd.conf to qemu:///system.", type);
	uri = virConnectGetURI(c->conn);
	if (!uri)
		return -EIO;
	c->pid_dir = libvirt_pid_dir(uri);
	free(uri);
	if (!c->pid_dir)
		return error_set(ret_error, -ENOTSUP, "it is neither a system's nor a session's QEMU, so "
				 "that where it notes the processes of its domains is not known.");
	return 0;
}

static int subscribe(struct connection *c)
{
	if (virConnectRegisterCloseCallback(c->conn, on_close, c, NULL) < 0 ||
	    virConnectSetKeepAlive(c->conn, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT) < 0)
		return -EIO;
	c->lifecycle_id = virConnectDomainEventRegisterAny(c->conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
			VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), c, NULL);
	if (c->lifecycle_id < 0)
		return -EIO;
	c->metadata_id = virConnectDomainEventRegisterAny(c->conn, NULL, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
			VIR_DOMAIN_EVENT_CALLBACK(on_metadata), c, NULL);
	return c->metadata_id < 0 ? -EIO : 0;
}

static void try_later(struct connection *c, const char *message)
{
	/* Once for each reason, not once for each try. */
	if (!c->last_error || !streq(c->last_error, message)) {
		log_notice("Could not connect to libvirt at %s, will try again: %s", c->uri, message);
		free(c->last_error);
		c->last_error = strdup(message);
	}
	if (!socket_watch_suffices(c->socket))
		pause_start(c->pause);
}

static void try_connect(struct connection *c)
{
	_cleanup_free_ char *sentence = NULL;

	socket_watch_start(c->socket);
	c->conn = virConnectOpenReadOnly(c->uri);
	if (!c->conn || check_driver(c, &sentence) < 0 || subscribe(c) < 0) {
		try_later(c, sentence ?: connection_error());
		drop(c);
		c->on_state(false, c->userdata);
		return;
	}

	socket_watch_stop(c->socket);
	pause_reset(c->pause);
	free(steal_ptr(c->last_error));
	c->on_state(true, c->userdata);
}

static int on_work(sd_event_source *source, void *userdata)
{
	struct connection *c = userdata;

	if (c->closed) {
		drop(c);
		c->on_state(false, c->userdata);
		pause_start(c->pause);
	} else if (!c->conn) {
		try_connect(c);
	}
	return 0;
}

static void on_pause(void *userdata)
{
	work_soon(userdata);
}

/* The first socket may be bound before it listens, and before others. */
static void on_socket(void *userdata)
{
	struct connection *c = userdata;

	pause_start_anew(c->pause);
}

int connection_new(sd_event *event, const char *uri, connection_state_t on_state,
		   connection_domain_t on_domain, void *userdata, struct connection **ret)
{
	struct connection *c;
	int r;

	virSetErrorFunc(NULL, on_error);
	if (virInitialize() < 0) {
		log_error("libvirt's library cannot be used: %s", connection_error());
		return -EIO;
	}

	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	*c = (struct connection) {
		.on_state = on_state, .on_domain = on_domain, .userdata = userdata,
		.lifecycle_id = -1, .metadata_id = -1,
	};
	c->uri = strdup(uri);
	r = c->uri ? socket_watch_new(event, uri, on_socket, c, &c->socket) : -ENOMEM;
	if (r >= 0)
		r = pause_new(event, on_pause, c, &c->pause);
	if (r >= 0)
		r = sd_event_add_defer(event, &c->work, on_work, c);
	if (r < 0) {
		connection_free(c);
		return r;
	}

	*ret = c;
	return 0;
}

struct connection *connection_free(struct connection *c)
{
	if (!c)
		return NULL;
	drop(c);
	sd_event_source_disable_unref(c->work);
	pause_free(c->pause);
	socket_watch_free(c->socket);
	free(c->last_error);
	free(c->uri);
	free(c);
	return NULL;
}
