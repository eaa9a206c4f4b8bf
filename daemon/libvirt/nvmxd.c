/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxd on the bus.  Owns the connection to the bus.
 */
#include "daemon/libvirt/nvmxd.h"

#include "daemon/log.h"
#include "policy/util.h"

#define OWNER_CHANGED								\
	"type='signal',sender='org.freedesktop.DBus',"				\
	"path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"	\
	"member='NameOwnerChanged',arg0='" NVMXD_NAME "'"

struct nvmxd {
	sd_bus *bus;
	char *owner;		/* the connection that has the name; NULL: none */
	nvmxd_there_t on_there;
	void *userdata;
};

/* Who listens to a member. */
struct listener {
	struct nvmxd *n;
	sd_bus_message_handler_t fn;
	void *userdata;
};

bool nvmxd_is_there(const struct nvmxd *n)
{
	return n->owner;
}

/* Without memory for it the next process begins anew. */
static int set_owner(struct nvmxd *n, const char *owner)
{
	if (n->owner && streq(n->owner, owner))
		return 0;
	if (n->owner) {
		free(steal_ptr(n->owner));
		n->on_there(false, n->userdata);
	}
	if (!*owner)
		return 0;
	n->owner = strdup(owner);
	if (!n->owner)
		return sd_event_exit(sd_bus_get_event(n->bus), -ENOMEM);
	n->on_there(true, n->userdata);
	return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *name, *old, *new;
	int r;

	r = sd_bus_message_read(m, "sss", &name, &old, &new);
	return r < 0 ? r : set_owner(userdata, new);
}

/* An error is that there is none. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *owner;

	if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "s", &owner) < 0)
		return 0;
	return set_owner(userdata, owner);
}

/* The daemon of the bus sends both, in order: nothing falls between. */
static int watch(struct nvmxd *n)
{
	int r;

	r = sd_bus_add_match_async(n->bus, NULL, OWNER_CHANGED, on_owner_changed, NULL, n);
	if (r < 0)
		return r;
	return sd_bus_call_method_async(n->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
					"org.freedesktop.DBus", "GetNameOwner", on_owner, n, "s", NVMXD_NAME);
}

int nvmxd_new(sd_event *event, nvmxd_there_t on_there, void *userdata, struct nvmxd **ret)
{
	struct nvmxd *n;
	int r;

	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->on_there = on_there;
	n->userdata = userdata;
	r = sd_bus_open_system_with_description(&n->bus, "nvmx-libvirt");
	if (r < 0) {
		log_error("The system bus could not be reached: %s.", strerror(-r));
		nvmxd_free(n);
		return r;
	}
	r = sd_bus_set_exit_on_disconnect(n->bus, true);
	if (r >= 0)
		r = sd_bus_attach_event(n->bus, event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = watch(n);
	if (r < 0) {
		log_error("nvmxd cannot be watched for on the bus: %s.", strerror(-r));
		nvmxd_free(n);
		return r;
	}

	*ret = n;
	return 0;
}

struct nvmxd *nvmxd_free(struct nvmxd *n)
{
	if (!n)
		return NULL;
	sd_bus_flush_close_unref(n->bus);
	free(n->owner);
	free(n);
	return NULL;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct listener *l = userdata;
	const char *sender = sd_bus_message_get_sender(m);

	if (!sender || !l->n->owner || !streq(sender, l->n->owner))
		return 0;
	return l->fn(m, l->userdata, error);
}

int nvmxd_listen(struct nvmxd *n, const char *interface, const char *member,
		 sd_bus_message_handler_t fn, void *userdata)
{
	_cleanup_free_ struct listener *l = NULL;
	_cleanup_free_ char *match = NULL;
	sd_bus_slot *slot;
	int r;

	l = malloc(sizeof(*l));
	if (!l || asprintf(&match, "type='signal',sender='" NVMXD_NAME "',interface='%s',member='%s'",
			   interface, member) < 0) {
		match = NULL;
		return -ENOMEM;
	}
	*l = (struct listener) { .n = n, .fn = fn, .userdata = userdata };
	r = sd_bus_add_match_async(n->bus, &slot, match, on_signal, NULL, l);
	if (r < 0)
		return r;
	/* The bus's from now on, and the listener is its. */
	(void)sd_bus_slot_set_destroy_callback(slot, free);
	steal_ptr(l);
	(void)sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
	return 0;
}

int nvmxd_prepare(struct nvmxd *n, const char *interface, const char *member, sd_bus_message **ret)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r;

	if (!n->owner)
		return -ENOTCONN;
	/* To the owner itself: what was said by one nvmxd is not answered to the next. */
	r = sd_bus_message_new_method_call(n->bus, &m, n->owner, NVMXD_PATH, interface, member);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, false);
	if (r < 0)
		return r;

	*ret = steal_ptr(m);
	return 0;
}

int nvmxd_send(struct nvmxd *n, sd_bus_message *call, sd_bus_message_handler_t fn, void *userdata,
	       sd_bus_destroy_t destroy, sd_bus_slot **ret_slot)
{
	sd_bus_slot *slot;
	int r;

	r = sd_bus_call_async(n->bus, &slot, call, fn, userdata, 0);
	if (r < 0)
		return r;
	if (ret_slot) {
		*ret_slot = slot;
		return 0;
	}
	(void)sd_bus_slot_set_destroy_callback(slot, destroy);
	(void)sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
	return 0;
}
