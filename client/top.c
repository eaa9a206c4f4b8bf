/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What nvmxctl top shows: how much the counters of all VMs grew between two looks.
 */
#include "client/top.h"

#define TOP_FIELDS	3	/* named in a row */

void top_done(struct top *top)
{
	json_object_put(top->then);
	json_object_put(top->now);
}

int top_look(struct top *top, sd_bus_error *error)
{
	struct json_object *now;
	int r;

	r = statistics_list(top->client, error, &now);
	if (r < 0)
		return r;
	json_object_put(top->then);
	top->then = top->now;
	top->then_usec = top->now_usec;
	top->now = now;
	top->now_usec = progress_now_usec();
	return 0;
}

static void add_fields(struct json_object *row, struct json_object *fields, double seconds,
		       double l2_exits, double accesses)
{
	char text[NVMX_FIELD_NAME_LEN * TOP_FIELDS + 16] = "";
	size_t n = 0;

	for (size_t i = 0; i < json_length(fields); i++) {
		struct json_object *field = json_at(fields, i);
		double exits = json_get_count(field, "exits");

		json_add_number(field, "vmread_per_second", json_get_count(field, "vmread") / seconds, 1);
		json_add_number(field, "vmwrite_per_second", json_get_count(field, "vmwrite") / seconds, 1);
		json_add_number(field, "per_l2_exit", l2_exits > 0 ? exits / l2_exits : 0, 2);
		json_add_number(field, "share", accesses > 0 ? exits * 100 / accesses : 0, 1);
		if (i < TOP_FIELDS)
			n += snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "",
				      json_get_text(field, "name"));
	}
	json_add_text(row, "top_fields", text);
	json_object_object_add(row, "fields", fields);
}

static struct json_object *make_row(struct json_object *vm, struct json_object *before, double seconds)
{
	static const char *const copied[] = { "id", "name", "policy", "shadowing", "vmxon" };
	struct json_object *row = json_object_new_object();
	double entries = 0, l2_exits = 0, accesses = 0;

	for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
		json_object_object_add(row, copied[i], json_object_get(json_get(vm, copied[i])));
	if (before) {
		entries = statistics_since(before, vm, "nested_entries");
		l2_exits = statistics_since(before, vm, "nested_exits_reflected");
		accesses = statistics_since(before, vm, "vmread_exits") +
			   statistics_since(before, vm, "vmwrite_exits");
	}
	json_add_number(row, "entries_per_second", entries / seconds, 1);
	json_add_number(row, "l2_exits_per_second", l2_exits / seconds, 1);
	json_add_number(row, "exits_per_l2_exit", l2_exits > 0 ? (accesses + entries) / l2_exits : 0, 2);
	json_add_number(row, "vmcs_exits_per_second", accesses / seconds, 1);
	add_fields(row, before ? statistics_fields_since(before, vm) : json_object_new_array(), seconds,
		   l2_exits, accesses);
	return row;
}

static int compare_ids(struct json_object *x, struct json_object *y)
{
	uint64_t i = json_get_count(x, "id"), j = json_get_count(y, "id");

	return (i > j) - (i < j);
}

/* Most first. */
static int compare_numbers(struct json_object *x, struct json_object *y, const char *key)
{
	double i = json_get_number(x, key), j = json_get_number(y, key);

	return i != j ? (i < j) - (i > j) : compare_ids(x, y);
}

#define COMPARE(name, expression)						\
	static int name(const void *a, const void *b)				\
	{									\
		struct json_object *x = *(struct json_object *const *)a;	\
		struct json_object *y = *(struct json_object *const *)b;	\
										\
		return expression;						\
	}

COMPARE(by_entries, compare_numbers(x, y, "entries_per_second"))
COMPARE(by_exits, compare_numbers(x, y, "exits_per_l2_exit"))
COMPARE(by_vmcs, compare_numbers(x, y, "vmcs_exits_per_second"))
COMPARE(by_name, strcmp(json_get_text(x, "name"), json_get_text(y, "name")) ?: compare_ids(x, y))
COMPARE(by_id, compare_ids(x, y))

struct json_object *top_total(struct json_object *rows)
{
	struct json_object *total = json_object_new_object();
	double entries = 0, l2_exits = 0, accesses = 0;

	for (size_t i = 0; i < json_length(rows); i++) {
		entries += json_get_number(json_at(rows, i), "entries_per_second");
		l2_exits += json_get_number(json_at(rows, i), "l2_exits_per_second");
		accesses += json_get_number(json_at(rows, i), "vmcs_exits_per_second");
	}
	json_add_text(total, "name", "total");
	json_add_number(total, "entries_per_second", entries, 1);
	json_add_number(total, "l2_exits_per_second", l2_exits, 1);
	json_add_number(total, "exits_per_l2_exit", l2_exits > 0 ? (accesses + entries) / l2_exits : 0, 2);
	json_add_number(total, "vmcs_exits_per_second", accesses, 1);
	return total;
}

struct json_object *top_rows(const struct top *top, enum top_sort sort, const char *filter)
{
	static int (*const compare[])(const void *a, const void *b) = {
		[TOP_SORT_ENTRIES]	= by_entries,
		[TOP_SORT_EXITS]	= by_exits,
		[TOP_SORT_VMCS]		= by_vmcs,
		[TOP_SORT_NAME]		= by_name,
		[TOP_SORT_ID]		= by_id,
	};
	struct json_object *rows = json_object_new_array();
	double seconds = (top->now_usec - top->then_usec) / 1e6;

	for (size_t i = 0; i < json_length(top->now); i++) {
		struct json_object *vm = json_at(top->now, i);

		if (isempty(filter) || strcasestr(json_get_text(vm, "name"), filter) ||
		    strcasestr(json_get_text(vm, "policy"), filter))
			json_object_array_add(rows, make_row(vm, statistics_find_vm(top->then,
				json_get_count(vm, "id")), seconds > 0 ? seconds : 1));
	}
	json_object_array_sort(rows, compare[sort]);
	return rows;
}
