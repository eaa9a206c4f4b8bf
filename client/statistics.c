/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's counters as JSON: what GetStatistics says, and how much of it is new.
 */
#include "client/nvmxctl.h"

static int read_fields(sd_bus_message *m, struct json_object *fields)
{
	static const char *const members[] = { "name", "encoding", "vmread", "vmwrite" };
	_cleanup_json_ struct json_object *rows = NULL;
	int r;

	r = bus_json_read(m, &rows);
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_length(rows); i++) {
		struct json_object *row = json_at(rows, i);
		struct json_object *field = json_object_new_object();

		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			json_object_object_add(field, members[k],
				json_object_get(json_at(row, k)));
		json_object_array_add(fields, field);
	}
	render_sort_by_exits(fields);
	return 0;
}

int statistics_read(sd_bus_message *m, struct json_object **ret_totals,
		    struct json_object **ret_fields)
{
	_cleanup_json_ struct json_object *totals = NULL, *fields = json_object_new_array();
	int r;

	r = bus_json_read(m, &totals);
	if (r >= 0)
		r = read_fields(m, fields);
	if (r < 0)
		return r;
	*ret_totals = steal_ptr(totals);
	*ret_fields = steal_ptr(fields);
	return 0;
}

uint32_t statistics_tsc_khz(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	uint32_t khz;
	int r;

	r = sd_bus_get_property_trivial(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER,
					"TSCKHz", &error, 'u', &khz);
	return r < 0 ? 0 : khz;
}

static bool is_gone(const sd_bus_error *error)
{
	return client_error_status(error) == STATUS_NO_VM ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT);
}

int statistics_get(struct client *c, const char *path, int vcpu, struct json_object **ret)
{
	_cleanup_json_ struct json_object *statistics = json_object_new_object();
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	struct json_object *totals, *fields;
	int r;

	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, path, NVMX_BUS_VM, "GetStatistics",
			       &error, &m, "i", (int32_t)vcpu);
	if (r >= 0)
		r = statistics_read(m, &totals, &fields);
	if (r < 0 && is_gone(&error)) {
		fprintf(stderr, "nvmxctl: The VM is gone.\n");
		return STATUS_NO_VM;
	}
	if (r < 0)
		return client_fail(&error, r);

	json_object_object_add(statistics, "vcpu", vcpu == NVMX_ALL_VCPUS ? NULL :
			       json_object_new_int(vcpu));
	json_object_object_add(statistics, "totals", totals);
	render_add_averages(statistics, statistics_tsc_khz(c));
	json_object_object_add(statistics, "fields", fields);
	*ret = steal_ptr(statistics);
	return STATUS_DONE;
}

/* (ta{sv}a{st}a(sutt)) */
static int read_vm(sd_bus_message *m, struct json_object **ret)
{
	struct json_object *totals = NULL, *fields = NULL, *vm;
	uint64_t id;
	int r;

	r = sd_bus_message_enter_container(m, SD_BUS_TYPE_STRUCT, "ta{sv}a{st}a(sutt)");
	if (r <= 0)
		return r;
	r = sd_bus_message_read(m, "t", &id);
	if (r >= 0)
		r = vm_read(m, &vm);
	if (r < 0)
		return r;
	r = statistics_read(m, &totals, &fields);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	json_add_count(vm, "id", id);
	json_object_object_add(vm, "totals", totals);
	json_object_object_add(vm, "fields", fields);
	if (r < 0) {
		json_object_put(vm);
		return r;
	}
	*ret = vm;
	return 1;
}

int statistics_list(struct client *c, sd_bus_error *error, struct json_object **ret)
{
	_cleanup_json_ struct json_object *vms = json_object_new_array();
	uint64_t after = 0;
	int r;

	do {
		_cleanup_message_ sd_bus_message *m = NULL;
		struct json_object *vm;

		r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER,
				       "ListStatistics", error, &m, "t", after);
		if (r >= 0)
			r = sd_bus_message_read(m, "t", &after);
		if (r >= 0)
			r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "(ta{sv}a{st}a(sutt))");
		while (r >= 0 && (r = read_vm(m, &vm)) > 0)
			json_object_array_add(vms, vm);
		if (r < 0)
			return r;
	} while (after > 0);
	*ret = steal_ptr(vms);
	return 0;
}

struct json_object *statistics_find_vm(struct json_object *vms, uint64_t id)
{
	size_t low = 0, high = json_length(vms);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct json_object *vm = json_at(vms, middle);
		uint64_t at = json_get_count(vm, "id");

		if (at == id)
			return vm;
		if (at < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

uint64_t statistics_total(struct json_object *statistics, const char *counter)
{
	return json_get_count(json_get(statistics, "totals"), counter);
}

uint64_t statistics_since(struct json_object *then, struct json_object *now, const char *counter)
{
	uint64_t a = statistics_total(then, counter), b = statistics_total(now, counter);

	return b > a ? b - a : 0;
}

static struct json_object *find_field(struct json_object *fields, const char *name)
{
	for (size_t i = 0; i < json_length(fields); i++) {
		struct json_object *field = json_at(fields, i);

		if (streq(json_get_text(field, "name"), name))
			return field;
	}
	return NULL;
}

struct json_object *statistics_fields_since(struct json_object *then, struct json_object *now)
{
	struct json_object *before = json_get(then, "fields"), *after = json_get(now, "fields");
	struct json_object *fields = json_object_new_array();

	for (size_t i = 0; i < json_length(after); i++) {
		struct json_object *b = json_at(after, i);
		struct json_object *a = find_field(before, json_get_text(b, "name"));
		uint64_t reads = json_get_count(b, "vmread") - json_get_count(a, "vmread");
		uint64_t writes = json_get_count(b, "vmwrite") - json_get_count(a, "vmwrite");
		struct json_object *field;

		if (reads == 0 && writes == 0)
			continue;
		field = json_object_new_object();
		json_add_text(field, "name", json_get_text(b, "name"));
		json_add_count(field, "encoding", json_get_count(b, "encoding"));
		json_add_count(field, "vmread", reads);
		json_add_count(field, "vmwrite", writes);
		json_object_array_add(fields, field);
	}
	render_sort_by_exits(fields);
	return fields;
}
