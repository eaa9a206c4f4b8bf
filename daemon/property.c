/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties by table.  JSON is made of what goes over the bus, so that both say the same.
 * Owns nothing.
 */
#include <json-c/json.h>

#include "daemon/property.h"
#include "policy/util.h"

static inline void json_putp(struct json_object **o)
{
	json_object_put(*o);
}

#define _cleanup_json_		_cleanup_(json_putp)
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

static int read_value(sd_bus_message *m, struct json_object **ret);

static int read_basic(sd_bus_message *m, char type, struct json_object **ret)
{
	union {
		const char *s;
		uint32_t u;
		uint64_t t;
		int b;
	} value;
	struct json_object *o;
	int r;

	r = sd_bus_message_read_basic(m, type, &value);
	if (r < 0)
		return r;
	switch (type) {
	case 's':
		o = json_object_new_string(value.s);
		break;
	case 'u':
		o = json_object_new_uint64(value.u);
		break;
	case 't':
		o = json_object_new_uint64(value.t);
		break;
	case 'b':
		o = json_object_new_boolean(value.b);
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (!o)
		return -ENOMEM;
	*ret = o;
	return 0;
}

/* {ss} and the like, into an object. */
static int read_entry(sd_bus_message *m, const char *contents, struct json_object *o)
{
	struct json_object *value;
	const char *key;
	int r;

	r = sd_bus_message_enter_container(m, 'e', contents);
	if (r < 0)
		return r;
	r = sd_bus_message_read_basic(m, 's', &key);
	if (r >= 0)
		r = read_value(m, &value);
	if (r < 0)
		return r;
	if (json_object_object_add(o, key, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return sd_bus_message_exit_container(m);
}

static int read_element(sd_bus_message *m, struct json_object *list)
{
	struct json_object *value;
	int r;

	r = read_value(m, &value);
	if (r < 0)
		return r;
	if (json_object_array_add(list, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static int read_array(sd_bus_message *m, const char *contents, struct json_object **ret)
{
	bool dict = *contents == '{';
	_cleanup_json_ struct json_object *o = dict ? json_object_new_object() : json_object_new_array();
	_cleanup_free_ char *inner = dict ? strndup(contents + 1, strlen(contents) - 2) : NULL;
	int r;

	if (!o || (dict && !inner))
		return -ENOMEM;
	r = sd_bus_message_enter_container(m, 'a', contents);
	while (r >= 0) {
		r = sd_bus_message_at_end(m, false);
		if (r != 0)
			break;
		r = dict ? read_entry(m, inner, o) : read_element(m, o);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;
	*ret = steal_ptr(o);
	return 0;
}

static int read_value(sd_bus_message *m, struct json_object **ret)
{
	const char *contents;
	char type;
	int r;

	r = sd_bus_message_peek_type(m, &type, &contents);
	if (r < 0)
		return r;
	return type == 'a' ? read_array(m, contents, ret) : read_basic(m, type, ret);
}

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
		r = read_value(m, &value);
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
