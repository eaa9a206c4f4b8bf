/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs and fields as nvmxd has them, as JSON with nvmxctl's own keys: those stay
 * when the bus grows.
 */
#include <fnmatch.h>

#include "client/nvmxctl.h"

static const struct {
	const char *property;
	const char *key;
} keys[] = {
	{ "Id",			"id" },
	{ "Name",		"name" },
	{ "UUID",		"uuid" },
	{ "PID",		"pid" },
	{ "StartTime",		"start_time" },
	{ "Executable",		"executable" },
	{ "Unit",		"unit" },
	{ "VCPUs",		"vcpus" },
	{ "VMXOn",		"vmxon" },
	{ "Shadowing",		"shadowing" },
	{ "Policy",		"policy" },
	{ "PolicySource",	"policy_source" },
	{ "PolicyReason",	"policy_reason" },
	{ "PolicyError",	"policy_error" },
	{ "VMWriteAnyField",	"vmwrite_any_field" },
	{ "Overrides",		"overrides" },
	{ "Fields",		"fields" },
};

struct json_object *vm_from_properties(struct json_object *properties)
{
	struct json_object *vm = json_object_new_object();

	for (size_t i = 0; vm && i < ARRAY_SIZE(keys); i++) {
		struct json_object *value;

		if (json_object_object_get_ex(properties, keys[i].property, &value))
			json_object_object_add(vm, keys[i].key, json_object_get(value));
	}
	json_object_put(properties);
	return vm;
}

static int fail(int r)
{
	sd_bus_error none = SD_BUS_ERROR_NULL;

	return client_fail(&none, r);
}

int vm_get(struct client *c, const char *path, struct json_object **ret)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	struct json_object *properties;
	int r;

	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, path, "org.freedesktop.DBus.Properties",
			       "GetAll", &error, &reply, "s", NVMX_BUS_VM);
	if (sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
		fprintf(stderr, "nvmxctl: The VM is gone.\n");
		return STATUS_NO_VM;
	}
	if (r < 0)
		return client_fail(&error, r);

	r = client_read_json(reply, &properties);
	if (r < 0)
		return fail(r);
	*ret = vm_from_properties(properties);
	return *ret ? STATUS_DONE : fail(-ENOMEM);
}

static int compare_ids(const void *a, const void *b)
{
	struct json_object *x, *y;
	uint64_t i, j;

	json_object_object_get_ex(*(struct json_object *const *)a, "id", &x);
	json_object_object_get_ex(*(struct json_object *const *)b, "id", &y);
	i = json_object_get_uint64(x);
	j = json_object_get_uint64(y);
	return (i > j) - (i < j);
}

int vm_list(struct client *c, struct json_object **ret)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	_cleanup_json_ struct json_object *objects = NULL, *vms = NULL;
	int r;

	r = client_call(c, NVMX_BUS_PATH, "org.freedesktop.DBus.ObjectManager",
			"GetManagedObjects", NULL, &reply);
	if (r != STATUS_DONE)
		return r;
	r = client_read_json(reply, &objects);
	vms = json_object_new_array();
	if (r < 0 || !vms)
		return fail(r < 0 ? r : -ENOMEM);

	json_object_object_foreach(objects, path, interfaces) {
		struct json_object *properties, *vm;

		(void)path;
		if (!json_object_object_get_ex(interfaces, NVMX_BUS_VM, &properties))
			continue;
		vm = vm_from_properties(json_object_get(properties));
		if (!vm || json_object_array_add(vms, vm) < 0) {
			json_object_put(vm);
			return fail(-ENOMEM);
		}
	}
	json_object_array_sort(vms, compare_ids);
	*ret = steal_ptr(vms);
	return STATUS_DONE;
}

/* What a VM does not have fits nothing. */
static bool glob_fits(const char *pattern, const char *text, int flags)
{
	return *text && fnmatch(pattern, text, FNM_NOESCAPE | flags) == 0;
}

bool vm_fits(struct json_object *vm, char **patterns, int n)
{
	for (int i = 0; i < n; i++)
		if (glob_fits(patterns[i], json_get_text(vm, "name"), 0) ||
		    glob_fits(patterns[i], json_get_text(vm, "uuid"), FNM_CASEFOLD) ||
		    streq(patterns[i], json_get_text(vm, "id")) || streq(patterns[i], json_get_text(vm, "pid")))
			return true;
	return n == 0;
}

/* What a method of the manager lists in structs, as objects with these keys. */
static int list_structs(struct client *c, const char *method, const char *const *members,
			size_t n_members, struct json_object **ret)
{
	_cleanup_json_ struct json_object *rows = NULL, *objects = NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	int r;

	r = client_call(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, method, NULL, &reply);
	if (r != STATUS_DONE)
		return r;
	r = client_read_json(reply, &rows);
	objects = json_object_new_array();
	if (r < 0 || !objects)
		return fail(r < 0 ? r : -ENOMEM);

	for (size_t i = 0; i < json_length(rows); i++) {
		struct json_object *row = json_at(rows, i);
		struct json_object *o = json_object_new_object();

		/* An older nvmxd has fewer. */
		for (size_t k = 0; k < n_members && k < json_length(row); k++)
			json_object_object_add(o, members[k], json_object_get(json_at(row, k)));
		json_object_array_add(objects, o);
	}
	*ret = steal_ptr(objects);
	return STATUS_DONE;
}

int vm_list_briefly(struct client *c, struct json_object **ret)
{
	static const char *const members[] = {
		"id", "path", "name", "uuid", "policy", "pid", "policy_source", "changed", "vmxon", "shadowing",
	};

	return list_structs(c, "ListVMs", members, ARRAY_SIZE(members), ret);
}

int vm_list_fields(struct client *c, struct json_object **ret)
{
	static const char *const members[] = {
		"encoding", "name", "width", "kind", "allowed", "stock", "flags",
	};
	int r;

	r = list_structs(c, "ListFields", members, ARRAY_SIZE(members), ret);
	/* The bus has an array with one class for stock. */
	for (size_t i = 0; r == STATUS_DONE && i < json_length(*ret); i++) {
		struct json_object *field = json_at(*ret, i);

		json_object_object_add(field, "stock", json_object_get(json_at(json_get(field, "stock"), 0)));
	}
	return r;
}

static uint32_t bits_of(struct json_object *words, int (*bit_of)(const char *word))
{
	uint32_t bits = 0;

	for (size_t i = 0; i < json_length(words); i++) {
		int bit = bit_of(json_object_get_string(json_at(words, i)) ?: "");

		if (bit >= 0)
			bits |= 1U << bit;
	}
	return bits;
}

static uint32_t class_or_intercept(const char *word)
{
	int class = class_from_string(word);

	return class < 0 ? NVMX_CLASS_INTERCEPT : class;
}

int vm_field_table(struct json_object *fields, struct nvmx_field **ret, size_t *ret_n)
{
	size_t n = json_length(fields);
	struct nvmx_field *table;

	table = calloc(n + 1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct json_object *field = json_at(fields, i);
		struct json_object *encoding, *name, *allowed, *flags;

		json_object_object_get_ex(field, "encoding", &encoding);
		json_object_object_get_ex(field, "name", &name);
		json_object_object_get_ex(field, "allowed", &allowed);
		json_object_object_get_ex(field, "flags", &flags);
		table[i].encoding = json_object_get_int64(encoding);
		table[i].kind = table[i].encoding >> 10 & 3;
		table[i].allowed_classes = bits_of(allowed, class_from_string);
		table[i].stock_class = class_or_intercept(json_get_text(field, "stock"));
		table[i].flags = bits_of(flags, field_flag_from_string);
		snprintf(table[i].name, sizeof(table[i].name), "%s", json_object_get_string(name) ?: "");
	}
	*ret = table;
	*ret_n = n;
	return 0;
}

int vm_ask_field_table(struct client *c, struct nvmx_field **ret, size_t *ret_n)
{
	_cleanup_json_ struct json_object *list = NULL;
	int r;

	*ret_n = 0;
	if (!client_can_shadow(c))
		return STATUS_DONE;
	r = vm_list_fields(c, &list);
	if (r == STATUS_DONE && vm_field_table(list, ret, ret_n) < 0) {
		fprintf(stderr, "nvmxctl: Out of memory.\n");
		r = STATUS_FAILED;
	}
	return r;
}
