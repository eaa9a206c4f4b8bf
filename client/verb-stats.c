/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl stats DOMAIN [--vcpu=N]: totals, and exits by field.
 */
#include "client/nvmxctl.h"

static int read_fields(sd_bus_message *m, struct json_object *fields)
{
	static const char *const members[] = { "name", "encoding", "vmread", "vmwrite" };
	_cleanup_json_ struct json_object *rows = NULL;
	int r;

	r = client_read_json(m, &rows);
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		struct json_object *field = json_object_new_object();

		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			json_object_object_add(field, members[k],
				json_object_get(json_object_array_get_idx(row, k)));
		json_object_array_add(fields, field);
	}
	render_sort_by_exits(fields);
	return 0;
}

/* 0, as without a kernel: an nvmxd that does not know. */
static uint32_t get_tsc_khz(struct client *c)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	uint32_t khz;
	int r;

	r = sd_bus_get_property_trivial(c->bus, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER,
					"TSCKHz", &error, 'u', &khz);
	return r < 0 ? 0 : khz;
}

static int get_statistics(struct client *c, const char *path, struct json_object **ret)
{
	_cleanup_json_ struct json_object *statistics = json_object_new_object();
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	struct json_object *totals = NULL, *fields;
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, path, NVMX_BUS_VM, "GetStatistics",
			       &error, &m, "i", (int32_t)c->args->vcpu);
	if (r < 0)
		return client_fail(&error, r);

	fields = json_object_new_array();
	r = client_read_json(m, &totals);
	json_object_object_add(statistics, "vcpu", c->args->vcpu == NVMX_ALL_VCPUS ? NULL :
			       json_object_new_int(c->args->vcpu));
	json_object_object_add(statistics, "totals", totals);
	render_add_averages(statistics, get_tsc_khz(c));
	json_object_object_add(statistics, "fields", fields);
	if (r >= 0)
		r = read_fields(m, fields);
	if (r < 0)
		return client_fail(&error, r);
	*ret = steal_ptr(statistics);
	return STATUS_DONE;
}

int verb_stats(struct client *c)
{
	_cleanup_json_ struct json_object *statistics = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = client_connect(c, NEED_NESTED);
	if (r == STATUS_DONE)
		r = client_find_vm(c, c->args->parameters[0], &path);
	if (r == STATUS_DONE)
		r = get_statistics(c, path, &statistics);
	if (r != STATUS_DONE)
		return r;

	if (c->args->json != JSON_OFF)
		render_json(pager_out(c), statistics, c->args->json);
	else
		render_statistics(pager_out(c), statistics, !c->args->no_legend);
	return STATUS_DONE;
}
