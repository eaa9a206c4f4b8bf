/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxd as it is seen from here: whether it is on the bus, and calls to it.  It is not started
 * by any of them.
 */
#ifndef NVMX_DAEMON_LIBVIRT_NVMXD_H
#define NVMX_DAEMON_LIBVIRT_NVMXD_H

#include <stdbool.h>

#include <systemd/sd-bus.h>

#define NVMXD_NAME		"org.nvmx1"
#define NVMXD_PATH		"/org/nvmx1"
#define NVMXD_MANAGER		"org.nvmx1.Manager"
#define NVMXD_SOURCES		"org.nvmx1.Sources"
#define NVMXD_VM		"org.nvmx1.VM"
#define NVMXD_ERROR(name)	"org.nvmx1.Error." name

struct nvmxd;

/* It has come, or has gone; another one in its place is both. */
typedef void (*nvmxd_there_t)(bool there, void *userdata);

/* Logs itself what is wrong.  The loop exits when the bus is lost. */
int nvmxd_new(sd_event *event, nvmxd_there_t on_there, void *userdata, struct nvmxd **ret);
struct nvmxd *nvmxd_free(struct nvmxd *n);	/* NULL */

bool nvmxd_is_there(const struct nvmxd *n);

/* @fn is called with each signal of nvmxd's, and of nobody else's, that has that member. */
int nvmxd_listen(struct nvmxd *n, const char *interface, const char *member,
		 sd_bus_message_handler_t fn, void *userdata);

/*
 * A call of /org/nvmx1 to append arguments to, and the sending of it; @fn is called with the
 * reply.  *ret_slot, unless NULL, is the caller's; else @destroy is called with @userdata at the
 * end.
 */
int nvmxd_prepare(struct nvmxd *n, const char *interface, const char *member, sd_bus_message **ret);
int nvmxd_send(struct nvmxd *n, sd_bus_message *call, sd_bus_message_handler_t fn, void *userdata,
	       sd_bus_destroy_t destroy, sd_bus_slot **ret_slot);

#endif /* NVMX_DAEMON_LIBVIRT_NVMXD_H */
