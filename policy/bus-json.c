/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values of a message of D-Bus as JSON.  Owns nothing.
 */
#include "policy/bus-json.h"
#include "policy/util.h"

static struct json_object *new_basic(char type, const void *value)
{
	switch (type) {
	case SD_BUS_TYPE_STRING:
	case SD_BUS_TYPE_OBJECT_PATH:
		return json_object_new_string(*(const char *const *)value);
	case SD_BUS_TYPE_BOOLEAN:
		return json_object_new_boolean(*(const int *)value);
	case SD_BUS_TYPE_INT32:
		return json_object_new_int(*(const int32_t *)value);
	case SD_BUS_TYPE_UINT32:
		return json_object_new_int64(*(const uint32_t *)value);
	case SD_BUS_TYPE_UINT64:
		return json_object_new_uint64(*(const uint64_t *)value);
	}
	return NULL;
}

/* Any other type is not one that org.nvmx1(5) has. */
static bool is_basic(char type)
{
	return type && strchr("sobiut", type);
}

static int read_basic(sd_bus_message *m, char type, struct json_object **ret)
{
	union {
		const char *s;
		int b;
		uint64_t t;
	} value;
	int r;

	r = sd_bus_message_read_basic(m, type, &value);
	if (r < 0)
		return r;
	*ret = new_basic(type, &value);
	return *ret ? 0 : -ENOMEM;
}

/* All our dictionaries have text keys.  entry: the types of key and value; they are not looked up for each. */
static int read_entry(sd_bus_message *m, const char *entry, struct json_object *o)
{
	struct json_object *value = NULL;
	const char *key;
	int r;

	r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, entry);
	if (r <= 0)
		return r;
	r = sd_bus_message_read_basic(m, entry[0], &key);
	if (r < 0)
		return r;
	r = is_basic(entry[1]) ? read_basic(m, entry[1], &value) : bus_json_read(m, &value);
	if (r < 0)
		return r;
	/* A dictionary has no key twice. */
	if (json_object_object_add_ex(o, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	r = sd_bus_message_exit_container(m);
	return r < 0 ? r : 1;
}

static int read_dictionary(sd_bus_message *m, const char *contents, struct json_object *o)
{
	_cleanup_free_ char *entry = NULL;
	int r;

	if (contents[1] != SD_BUS_TYPE_STRING && contents[1] != SD_BUS_TYPE_OBJECT_PATH)
		return -EBADMSG;
	entry = strndup(contents + 1, strlen(contents) - 2);
	if (!entry)
		return -ENOMEM;
	while ((r = read_entry(m, entry, o)) > 0)
		;
	return r;
}

static int read_members(sd_bus_message *m, struct json_object *array)
{
	int r;

	while ((r = sd_bus_message_at_end(m, false)) == 0) {
		struct json_object *value = NULL;

		r = bus_json_read(m, &value);
		if (r < 0)
			return r;
		if (json_object_array_add(array, value) < 0) {
			json_object_put(value);
			return -ENOMEM;
		}
	}
	return r;
}

static int read_container(sd_bus_message *m, char type, const char *contents,
			  struct json_object **ret)
{
	bool dict = type == SD_BUS_TYPE_ARRAY && contents[0] == SD_BUS_TYPE_DICT_ENTRY_BEGIN;
	_cleanup_json_ struct json_object *o = dict ? json_object_new_object() : json_object_new_array();
	int r;

	if (!o)
		return -ENOMEM;
	r = sd_bus_message_enter_container(m, type, contents);
	if (r < 0)
		return r;
	r = dict ? read_dictionary(m, contents, o) : read_members(m, o);
	if (r < 0)
		return r;
	*ret = steal_ptr(o);
	return sd_bus_message_exit_container(m);
}

static int read_variant(sd_bus_message *m, const char *contents, struct json_object **ret)
{
	int r;

	r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, contents);
	if (r < 0)
		return r;
	r = is_basic(contents[0]) ? read_basic(m, contents[0], ret) : bus_json_read(m, ret);
	if (r < 0)
		return r;
	return sd_bus_message_exit_container(m);
}

int bus_json_read(sd_bus_message *m, struct json_object **ret)
{
	const char *contents;
	char type;
	int r;

	r = sd_bus_message_peek_type(m, &type, &contents);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENODATA;
	if (type == SD_BUS_TYPE_VARIANT)
		return read_variant(m, contents, ret);
	if (type == SD_BUS_TYPE_ARRAY || type == SD_BUS_TYPE_STRUCT)
		return read_container(m, type, contents, ret);
	return is_basic(type) ? read_basic(m, type, ret) : -EBADMSG;
}
