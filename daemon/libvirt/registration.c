/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Registers with nvmxd, and says whether libvirt is connected.  Owns the calls that do so.
 */
#include "daemon/libvirt/registration.h"

#include "daemon/libvirt/pause.h"
#include "daemon/log.h"
#include "policy/util.h"

struct registration {
	struct nvmxd *nvmxd;
	char *source;
	registration_anew_t on_anew;
	void *userdata;

	bool registered;
	sd_bus_slot *slot;	/* of the one call that is under way */
	bool state_known;	/* has been set */
	bool state_told;	/* and told, since registered */
	const char *missing;	/* NULL: ready; borrowed */
	const char *interrupted;	/* it was missing in between, which is to be told first */
	struct pause *pause;
	char *last_error;	/* as it was logged */
};

static void go_on(struct registration *r);

/* Once for each reason, not once for each try. */
static void try_later(struct registration *r, const char *message)
{
	if (!r->last_error || !streq(r->last_error, message)) {
		log_warning("nvmxd does not take this for its source \"%s\", will try again: %s", r->source,
			    message);
		free(r->last_error);
		r->last_error = strdup(message);
	}
	pause_start(r->pause);
}

static void begin_anew(struct registration *r)
{
	r->registered = r->state_told = false;
	r->interrupted = NULL;
	r->slot = sd_bus_slot_unref(r->slot);
	r->on_anew(r->userdata);
}

static int on_registered(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct registration *r = userdata;

	r->slot = sd_bus_slot_unref(r->slot);
	if (sd_bus_message_is_method_error(m, NULL)) {
		try_later(r, sd_bus_message_get_error(m)->message ?: sd_bus_message_get_error(m)->name);
		return 0;
	}
	log_info("nvmxd has taken this for its source \"%s\".", r->source);
	r->registered = true;
	pause_reset(r->pause);
	free(steal_ptr(r->last_error));
	go_on(r);
	return 0;
}

static int on_state_told(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct registration *r = userdata;

	r->slot = sd_bus_slot_unref(r->slot);
	if (sd_bus_message_is_method_error(m, NULL)) {
		begin_anew(r);
		try_later(r, sd_bus_message_get_error(m)->message ?: sd_bus_message_get_error(m)->name);
		return 0;
	}
	go_on(r);	/* it may have changed meanwhile */
	return 0;
}

static int send_state(struct registration *r)
{
	const char *missing = r->interrupted ?: r->missing;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int k;

	k = nvmxd_prepare(r->nvmxd, NVMXD_SOURCES, "SetState", &m);
	if (k >= 0)
		k = sd_bus_message_append(m, "bs", !missing, missing ?: "");
	return k < 0 ? k : nvmxd_send(r->nvmxd, m, on_state_told, r, NULL, &r->slot);
}

static int send_name(struct registration *r)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int k;

	k = nvmxd_prepare(r->nvmxd, NVMXD_SOURCES, "Register", &m);
	if (k >= 0)
		k = sd_bus_message_append(m, "s", r->source);
	return k < 0 ? k : nvmxd_send(r->nvmxd, m, on_registered, r, NULL, &r->slot);
}

/* Whatever is next; one call at a time. */
static void go_on(struct registration *r)
{
	int k;

	if (!nvmxd_is_there(r->nvmxd) || r->slot)
		return;
	if (!r->registered)
		k = send_name(r);
	else if (r->state_known && !r->state_told)
		k = send_state(r);
	else
		return;
	if (k < 0) {
		try_later(r, strerror(-k));
		return;
	}
	r->state_told = r->registered && (!r->interrupted || r->missing);
	r->interrupted = NULL;
}

static void on_pause(void *userdata)
{
	go_on(userdata);
}

int registration_new(sd_event *event, struct nvmxd *nvmxd, const char *source,
		     registration_anew_t on_anew, void *userdata, struct registration **ret)
{
	struct registration *r;
	int k;

	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->nvmxd = nvmxd;
	r->on_anew = on_anew;
	r->userdata = userdata;
	r->source = strdup(source);
	k = r->source ? pause_new(event, on_pause, r, &r->pause) : -ENOMEM;
	if (k < 0) {
		registration_free(r);
		return k;
	}

	*ret = r;
	return 0;
}

struct registration *registration_free(struct registration *r)
{
	if (!r)
		return NULL;
	sd_bus_slot_unref(r->slot);
	pause_free(r->pause);
	free(r->last_error);
	free(r->source);
	free(r);
	return NULL;
}

void registration_on_nvmxd(struct registration *r, bool there)
{
	pause_reset(r->pause);
	begin_anew(r);
	if (!there)
		log_notice("nvmxd is not on the bus; waiting for it.");
	go_on(r);
}

void registration_set_state(struct registration *r, const char *missing)
{
	if (r->state_known && missing == r->missing)
		return;
	r->missing = missing;
	r->interrupted = r->interrupted ?: missing;
	r->state_known = true;
	r->state_told = false;
	go_on(r);
}

bool registration_is_lost(struct registration *r, const sd_bus_error *error)
{
	if (!sd_bus_error_has_name(error, NVMXD_ERROR("NotASource")))
		return false;
	if (!r->registered)
		return true;
	begin_anew(r);
	go_on(r);
	return true;
}
