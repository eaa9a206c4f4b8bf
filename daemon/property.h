/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties of an object on the bus, as a table: from a line of it are made the property
 * itself, its part of Describe's JSON, and whatever else lists it.
 */
#ifndef NVMX_DAEMON_PROPERTY_H
#define NVMX_DAEMON_PROPERTY_H

#include <stddef.h>

#include <systemd/sd-bus.h>

struct property {
	const char *name, *signature;
	/* Appends the value, of that signature. */
	int (*put)(sd_bus_message *reply, const void *object);
	unsigned int changes;		/* bits of what changes it; the object's */
	unsigned int listed;		/* bits of where else it is; likewise */
};

/* Ends with one without a name. */
int property_put(const struct property *table, const char *name, sd_bus_message *reply,
		 const void *object);
/* As {sv}; a list of those that are listed there. */
int property_put_dict(const struct property *table, unsigned int listed, sd_bus_message *reply,
		      const void *object);
/* One JSON object, all properties with their names and types; the caller's to free. */
int property_describe(const struct property *table, sd_bus *bus, const void *object, char **ret);

#endif /* NVMX_DAEMON_PROPERTY_H */
