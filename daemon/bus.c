/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connection to the system's bus.  Owns it, and what it shows it borrows.
 */
#include "daemon/bus.h"
#include "daemon/bus-error.h"
#include "daemon/log.h"
#include "daemon/polkit.h"

static void on_polkit(bool missing, void *userdata)
{
	struct bus *bus = userdata;

	if (bus->polkit_missing == missing)
		return;
	bus->polkit_missing = missing;
	if (missing)
		log_event(LOG_NOTICE, MESSAGE_POLKIT_MISSING, "polkit is not available: only root may change anything.");
	else
		log_info("polkit is available.");
	bus->missing_changed(bus->userdata);
}

int bus_open(struct bus *bus)
{
	int r;

	r = sd_bus_open_system_with_description(&bus->bus, "nvmxd");
	if (r < 0) {
		log_error("The system bus could not be reached: %s.", strerror(-r));
		return r;
	}

	r = manager_bus_add(bus);
	if (r >= 0)
		r = vm_bus_add(bus);
	if (r >= 0)
		r = sources_bus_add(bus);
	if (r >= 0)
		r = sd_bus_add_object_manager(bus->bus, NULL, BUS_PATH);
	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(bus->bus, true);
	if (r >= 0)
		r = sd_bus_attach_event(bus->bus, bus->event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		log_error("The objects could not be put on the bus: %s.", strerror(-r));
	return r;
}

/* The process that has the name, 0 if that cannot be said. */
static pid_t name_owner(sd_bus *bus)
{
	_cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
	pid_t pid = 0;

	if (sd_bus_get_name_creds(bus, BUS_NAME, SD_BUS_CREDS_PID, &creds) < 0 ||
	    sd_bus_creds_get_pid(creds, &pid) < 0)
		return 0;
	return pid;
}

int bus_take_name(struct bus *bus)
{
	int r;

	r = sd_bus_request_name(bus->bus, BUS_NAME, 0);
	switch (r) {
	case -EEXIST:
		log_error("Another nvmxd runs already: %s is taken on the bus by process %d. End that one, then \"systemctl start nvmxd\".",
			  BUS_NAME, (int)name_owner(bus->bus));
		return -EADDRINUSE;
	case -EACCES:
	case -EPERM:
		log_error("The bus does not let this user have the name %s: is org.nvmx1.conf installed, and was the bus told (\"systemctl reload dbus\")? Then \"systemctl start nvmxd\".",
			  BUS_NAME);
		return -EADDRINUSE;
	}
	if (r < 0) {
		log_error("The name %s could not be acquired on the bus: %s.", BUS_NAME, strerror(-r));
		return r;
	}

	r = polkit_watch(bus->bus, on_polkit, bus);
	if (r < 0)
		log_error("polkit cannot be asked for: %s.", strerror(-r));
	return r;
}

/* Nothing more to say on the bus: the name is given up by closing it. */
void bus_close(struct bus *bus)
{
	polkit_stop();
	sources_bus_close(bus);
	bus->bus = sd_bus_flush_close_unref(bus->bus);
}

void bus_check_sent(const struct bus *bus, int r)
{
	/* A bus that is lost ends the loop by itself. */
	if (r >= 0 || r == -ENOTCONN || r == -ECONNRESET || r == -ESTALE)
		return;
	log_error("A change could not be told on the bus (%s); nvmxd ends, to be started again, so that all look anew.",
		  strerror(-r));
	sd_event_exit(bus->event, r);
}

size_t bus_missing(const struct bus *bus, const char *ret[BUS_MISSING_MAX])
{
	const char *why = kernel_why_unsupported(bus->kernel);
	const struct files *files = bus->files;
	size_t n = 0;

	if (why)
		ret[n++] = why;
	for (size_t i = 0; i < bus->sources->n; i++)
		if (bus->sources->list[i].missing)
			ret[n++] = bus->sources->list[i].missing;
	if (bus->polkit_missing)
		ret[n++] = "polkit is not available: only root may change anything.";
	if (config_is_restricted(&files->config))
		ret[n++] = FILES_RESTRICTED;
	if (files->config_error)
		ret[n++] = files->config_error;
	if (files->policy_error)
		ret[n++] = files->policy_error;
	return n;
}

int bus_need_module(const struct bus *bus, sd_bus_error *error)
{
	if (bus->kernel->support != KERNEL_NO_MODULE)
		return 0;
	return bus_error_set(error, -ENOTCONN, kernel_why_unsupported(bus->kernel));
}
