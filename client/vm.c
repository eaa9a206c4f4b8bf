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
	{ "NameOrigin",		"name_origin" },
	{ "UUID",		"uuid" },
	{ "Source",		"source" },
	{ "Pending",		"pending" },
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

static size_t find_key(const char *property)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(keys) && !streq(keys[i].property, property))
		i++;
	return i;
}

/* Into the place of its key; what nvmxctl does not show is passed over, and what is known already. */
static int read_property(sd_bus_message *m, struct json_object **values)
{
	const char *property;
	size_t i;
	int r;

	r = sd_bus_message_read_basic(m, 's', &property);
	if (r < 0)
		return r;
	i = find_key(property);
	r = i < ARRAY_SIZE(keys) && !values[i] ? bus_json_read(m, &values[i]) : sd_bus_message_skip(m, "v");
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int vm_read(sd_bus_message *m, struct json_object **ret)
{
	struct json_object *values[ARRAY_SIZE(keys)] = { NULL };
	struct json_object *vm = NULL;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0)
		r = read_property(m, values);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r >= 0) {
		vm = json_object_new_object();
		r = vm ? 0 : -ENOMEM;
	}
	/* In the order of the keys, whatever that of the bus is. */
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (r < 0)
			json_object_put(values[i]);
		else if (values[i])
			json_object_object_add_ex(vm, keys[i].key, values[i],
						  JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT);
	}
	if (r >= 0)
		*ret = vm;
	return r;
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
	int r;

	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, path, "org.freedesktop.DBus.Properties",
			       "GetAll", &error, &reply, "s", NVMX_BUS_VM);
	if (sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
		fprintf(stderr, "nvmxctl: The VM is gone.\n");
		return STATUS_NO_VM;
	}
	if (r < 0)
		return client_fail(&error, r);

	r = vm_read(reply, ret);
	return r < 0 ? fail(r) : STATUS_DONE;
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

/* a{sa{sv}}; NULL: it is no VM. */
static int read_interfaces(sd_bus_message *m, struct json_object **ret)
{
	_cleanup_json_ struct json_object *vm = NULL;
	const char *interface;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &interface);
		if (r >= 0)
			r = streq(interface, NVMX_BUS_VM) && !vm ? vm_read(m, &vm) : sd_bus_message_skip(m, "a{sv}");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		return r;
	*ret = steal_ptr(vm);
	return sd_bus_message_exit_container(m);
}

/* a{oa{sa{sv}}}, of which the VMs are added. */
static int read_objects(sd_bus_message *m, struct json_object *vms)
{
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
		struct json_object *vm = NULL;

		r = sd_bus_message_skip(m, "o");
		if (r >= 0)
			r = read_interfaces(m, &vm);
		if (vm && json_object_array_add(vms, vm) < 0) {
			json_object_put(vm);
			r = -ENOMEM;
		}
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int vm_list(struct client *c, struct json_object **ret)
{
	_cleanup_json_ struct json_object *vms = json_object_new_array();
	_cleanup_message_ sd_bus_message *reply = NULL;
	int r;

	r = client_call(c, NVMX_BUS_PATH, "org.freedesktop.DBus.ObjectManager",
			"GetManagedObjects", NULL, &reply);
	if (r != STATUS_DONE)
		return r;
	r = vms ? read_objects(reply, vms) : -ENOMEM;
	if (r < 0)
		return fail(r);
	json_object_array_sort(vms, compare_ids);
	*ret = steal_ptr(vms);
	return STATUS_DONE;
}

/* What a VM does not have fits nothing. */
static bool glob_fits(const char *pattern, const char *text, int flags)
{
	return *text && fnmatch(pattern, text, FNM_NOESCAPE | flags) == 0;
}

bool vm_fits(const char *id, const char *name, const char *uuid, const char *pid, char **patterns, int n)
{
	for (int i = 0; i < n; i++)
		if (glob_fits(patterns[i], name, 0) || glob_fits(patterns[i], uuid, FNM_CASEFOLD) ||
		    streq(patterns[i], id) || streq(patterns[i], pid))
			return true;
	return n == 0;
}

int vm_list_rows(struct client *c, sd_bus_message **ret)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	int r;

	r = client_call(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "ListVMs", NULL, &reply);
	if (r != STATUS_DONE)
		return r;
	r = sd_bus_message_enter_container(reply, 'a', NULL);
	if (r < 0)
		return fail(r);
	*ret = steal_ptr(reply);
	return STATUS_DONE;
}

/* An older nvmxd's rows end sooner, a newer one's later. */
int vm_next_row(sd_bus_message *m, struct vm_row *ret)
{
	struct vm_row row = {};
	char known[] = "tosssusbbs";
	int r, changed = 0, vmxon = 0;
	const char *there;
	size_t n = 0;
	char type;

	r = sd_bus_message_peek_type(m, &type, &there);
	if (r <= 0)
		return r;
	if (type != 'r')
		return -EBADMSG;
	r = sd_bus_message_enter_container(m, 'r', there);
	if (r < 0)
		return r;
	while (known[n] && known[n] == there[n])
		n++;
	known[n] = '\0';
	r = sd_bus_message_read(m, known, &row.id, &row.path, &row.name, &row.uuid, &row.policy, &row.pid,
				&row.policy_source, &changed, &vmxon, &row.shadowing);
	if (r >= 0 && there[n])
		r = sd_bus_message_skip(m, there + n);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;

	row.changed = changed;
	row.vmxon = vmxon;
	*ret = row;
	return 1;
}

int vm_list_fields(struct client *c, struct json_object **ret)
{
	static const char *const members[] = {
		"encoding", "name", "width", "kind", "allowed", "stock", "flags",
	};
	_cleanup_json_ struct json_object *rows = NULL, *fields = NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	int r;

	r = client_call(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "ListFields", NULL, &reply);
	if (r != STATUS_DONE)
		return r;
	r = bus_json_read(reply, &rows);
	fields = json_object_new_array();
	if (r < 0 || !fields)
		return fail(r < 0 ? r : -ENOMEM);

	for (size_t i = 0; i < json_length(rows); i++) {
		struct json_object *row = json_at(rows, i);
		struct json_object *field = json_object_new_object();

		/* An older nvmxd has fewer. */
		for (size_t k = 0; k < ARRAY_SIZE(members) && k < json_length(row); k++)
			json_object_object_add(field, members[k], json_object_get(json_at(row, k)));
		/* The bus has an array with one class for stock. */
		json_object_object_add(field, "stock", json_object_get(json_at(json_get(field, "stock"), 0)));
		json_object_array_add(fields, field);
	}
	*ret = steal_ptr(fields);
	return STATUS_DONE;
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
