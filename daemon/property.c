/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties by table.  JSON is made of what goes over the bus, so that both say the same.
 * Owns nothing.
 */
#include <json-c/json.h>

#include "daemon/property.h"
#include "policy/bus-json.h"
#include "policy/util.h"

#define _cleanup_message_	_cleanup_(sd_bus_message_unrefp)

int property_put(const struct property *table, const char *name, sd_bus_message *reply,
		 const void *object)
{
	for (; table->name; table++)
		if (streq(table->name, name))
			return table->put(reply, object);
	return -ENOENT;
}

static int put_entry(const struct property *p, sd_bus_message *reply, const void *object)
{
	int r;

	r = sd_bus_message_open_container(reply, 'e', "sv");
	if (r < 0)
		return r;
	r = sd_bus_message_append(reply, "s", p->name);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(reply, 'v', p->signature);
	if (r < 0)
		return r;
	r = p->put(reply, object);
	if (r < 0)
		return r;
	r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

int property_put_dict(const struct property *table, unsigned int listed, sd_bus_message *reply,
		      const void *object)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "{sv}");
	if (r < 0)
		return r;
	for (; table->name; table++) {
		if (!(table->listed & listed))
			continue;
		r = put_entry(table, reply, object);
		if (r < 0)
			return r;
	}
	return sd_bus_message_close_container(reply);
}

/* ---- JSON ---- */

/* The message goes nowhere. */
static int describe_one(const struct property *p, sd_bus *bus, const void *object, struct json_object *o)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	struct json_object *value;
	int r;

	r = sd_bus_message_new_signal(bus, &m, "/", "org.nvmx1.Describe", "Value");
	if (r >= 0)
		r = p->put(m, object);
	if (r >= 0)
		r = sd_bus_message_seal(m, 1, 0);
	if (r >= 0)
		r = bus_json_read(m, &value);
	if (r < 0)
		return r;
	if (json_object_object_add(o, p->name, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

int property_describe(const struct property *table, sd_bus *bus, const void *object, char **ret)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	const char *s;
	char *copy;
	int r;

	if (!o)
		return -ENOMEM;
	for (; table->name; table++) {
		r = describe_one(table, bus, object, o);
		if (r < 0)
			return r;
	}

	s = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	copy = s ? strdup(s) : NULL;
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}
