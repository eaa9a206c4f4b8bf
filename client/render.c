/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON objects as people want to see them: as tables, a VM, a VM's statistics, or as
 * JSON.
 */
#include <inttypes.h>

#include "client/nvmxctl.h"

#define TITLE_WIDTH	18	/* of what a VM has */
#define TOTALS_WIDTH	40	/* before what a total means */

/* Totals in the order in which they say something; then what else there is. */
static const struct {
	const char *key;
	const char *title;
} totals_order[] = {
	{ "nested_entries",		"VM entries of L1 into L2" },
	{ "nested_exits_reflected",	"exits of L2 reflected to L1" },
	{ "vmread_exits",		"VMREAD exits" },
	{ "vmwrite_exits",		"VMWRITE exits" },
	{ "vmwrite_propagated",		"VMWRITEs propagated to the shadow VMCS" },
	{ "shadow_to_vmcs12",		"copies of the shadow VMCS to vmcs12" },
	{ "vmcs12_to_shadow",		"copies of vmcs12 to the shadow VMCS" },
	{ "fields_to_vmcs12",		"fields copied to vmcs12" },
	{ "fields_to_shadow",		"fields copied to the shadow VMCS" },
	{ "rare_syncs",			"fetches of lazily fetched guest state" },
	{ "slow_path_entries",		"VM entries into L2 that took the slow path" },
	{ "policy_switches",		"policy switches of vCPUs" },
};

/* Of each the totals have KEY_timed and KEY_cycles; people want the average. */
static const struct {
	const char *key;
	const char *title;
} costs[] = {
	{ "to_vmcs12",	"a copy to vmcs12" },
	{ "to_shadow",	"a copy to the shadow VMCS" },
	{ "slow_path",	"the slow path of an entry" },
};

static const struct column field_columns[] = {
	{ .key = "name", .title = "FIELD" },
	{ .key = "vmread", .title = "VMREAD", .right = true },
	{ .key = "vmwrite", .title = "VMWRITE", .right = true },
	{ .key = "exits", .title = "EXITS", .right = true },
};

void render_json(FILE *f, struct json_object *o, enum json_mode mode)
{
	_cleanup_free_ char *text = json_to_text(o, mode == JSON_PRETTY);

	fprintf(f, "%s\n", text ?: "");
}

int render_table(FILE *f, struct json_object *array, const struct column *columns, size_t n,
		 bool headings)
{
	_cleanup_table_ struct table *table = table_new(columns, n);
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; i < json_length(array) * n && r >= 0; i++) {
		const struct column *column = &columns[i % n];
		struct json_object *value = json_get(json_at(array, i / n), column->key);

		r = table_add(table, column->text ? column->text(value) : json_object_get_string(value));
	}
	return r < 0 ? r : table_print(table, f, headings);
}

static void put_in_colour(FILE *f, const char *title, const char *value, enum colour colour)
{
	fprintf(f, "%*s%s %s", TITLE_WIDTH, title, *title ? ":" : " ", colour_begin(colour));
	text_wrap(f, TITLE_WIDTH + 2, TITLE_WIDTH + 2, isempty(value) ? "-" : value);
	fprintf(f, "%s\n", colour_end(colour));
}

static void put(FILE *f, const char *title, const char *value)
{
	put_in_colour(f, title, value, COLOUR_NONE);
}

static void put_overrides(FILE *f, struct json_object *overrides)
{
	const char *title = "Overrides";

	if (!json_object_is_type(overrides, json_type_object) || json_length(overrides) == 0)
		return;
	json_object_object_foreach(overrides, name, value) {
		_cleanup_free_ char *text = NULL;

		if (asprintf(&text, "%s=%s", name, json_object_get_string(value)) < 0)
			text = NULL;
		put(f, title, text ?: name);
		title = "";
	}
}

static void put_fields(FILE *f, struct json_object *fields)
{
	size_t n[NVMX_NR_CLASSES] = {};
	char text[64];

	if (!json_object_is_type(fields, json_type_object))
		return;
	json_object_object_foreach(fields, name, value) {
		int class = class_from_string(json_object_get_string(value) ?: "");

		(void)name;
		if (class >= 0)
			n[class]++;
	}
	snprintf(text, sizeof(text), "%zu read-write, %zu read-only",
		 n[NVMX_CLASS_READ_WRITE], n[NVMX_CLASS_READ_ONLY]);
	put(f, "Shadowed fields", text);
}

static const char *shadowing_text(const char *shadowing)
{
	if (streq(shadowing, "inert-evmcs"))
		return "inert-evmcs (L1 uses an enlightened VMCS: the policy has no effect)";
	if (streq(shadowing, "inert-kernel"))
		return "inert-kernel (VMCS shadowing is off: the policy has no effect)";
	if (streq(shadowing, "profiling"))
		return "profiling (a profiling window is open: every field is intercepted until it ends)";
	return shadowing;
}

void render_vm(FILE *f, struct json_object *vm)
{
	struct json_object *overrides = NULL, *fields = NULL;
	const char *error = json_get_text(vm, "policy_error"), *pending = json_get_text(vm, "pending");
	const char *vmxon = json_get_text(vm, "vmxon"), *shadowing = json_get_text(vm, "shadowing");

	json_object_object_get_ex(vm, "overrides", &overrides);
	json_object_object_get_ex(vm, "fields", &fields);

	put_in_colour(f, "Name", json_get_text(vm, "name"), COLOUR_BOLD);
	put(f, "Name from", json_get_text(vm, "name_origin"));
	put(f, "UUID", json_get_text(vm, "uuid"));
	put(f, "Id", json_get_text(vm, "id"));
	put(f, "PID", json_get_text(vm, "pid"));
	put(f, "Executable", json_get_text(vm, "executable"));
	put(f, "Unit", json_get_text(vm, "unit"));
	put(f, "vCPUs", json_get_text(vm, "vcpus"));
	put(f, "VMX used", streq(vmxon, "true") ? "yes" : "no");
	put(f, "Policy", json_get_text(vm, "policy"));
	put(f, "Source", json_get_text(vm, "policy_source"));
	put(f, "Reason", json_get_text(vm, "policy_reason"));
	put_overrides(f, overrides);
	put(f, "VMWRITE any field", json_get_text(vm, "vmwrite_any_field"));
	put_fields(f, fields);
	put_in_colour(f, "Shadowing", shadowing_text(shadowing),
		      streq(shadowing, "active") ? COLOUR_NONE : COLOUR_NOTE);
	if (*pending)
		put_in_colour(f, "Pending", pending, COLOUR_NOTE);
	if (*error)
		put_in_colour(f, "Error", error, COLOUR_BAD);
}

static int compare_exits(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object *const *)a;
	struct json_object *y = *(struct json_object *const *)b;
	uint64_t i = json_get_count(x, "exits"), j = json_get_count(y, "exits");

	if (i != j)
		return i < j ? 1 : -1;
	return strcmp(json_get_text(x, "name"), json_get_text(y, "name"));
}

void render_sort_by_exits(struct json_object *fields)
{
	for (size_t i = 0; i < json_length(fields); i++) {
		struct json_object *field = json_at(fields, i);
		uint64_t exits = json_get_count(field, "vmread") + json_get_count(field, "vmwrite");

		json_object_object_add(field, "exits", json_object_new_uint64(exits));
	}
	json_object_array_sort(fields, compare_exits);
}

static uint64_t get_cost(struct json_object *totals, const char *cost, const char *what)
{
	char key[32];

	snprintf(key, sizeof(key), "%s_%s", cost, what);
	return json_get_count(totals, key);
}

void render_add_averages(struct json_object *statistics, uint32_t tsc_khz)
{
	struct json_object *averages = json_object_new_object(), *totals = NULL;

	json_object_object_get_ex(statistics, "totals", &totals);
	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		uint64_t timed = get_cost(totals, costs[i].key, "timed");
		double cycles = get_cost(totals, costs[i].key, "cycles");
		struct json_object *average;

		if (timed == 0)
			continue;
		cycles /= timed;
		average = json_object_new_object();
		json_object_object_add(average, "cycles", json_object_new_uint64(cycles + 0.5));
		if (tsc_khz > 0)
			json_add_number(average, "microseconds", cycles * 1000 / tsc_khz, 3);
		json_object_object_add(averages, costs[i].key, average);
	}
	json_object_object_add(statistics, "averages", averages);
}

static void put_total(FILE *f, uint64_t value, const char *key, const char *title)
{
	fprintf(f, "%14" PRIu64 "  %-24s", value, key);
	text_wrap(f, TOTALS_WIDTH, TOTALS_WIDTH, title);
	fputc('\n', f);
}

static void put_averages(FILE *f, struct json_object *averages)
{
	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		struct json_object *average;
		char key[32], title[128], microseconds[48] = "";

		if (!json_object_object_get_ex(averages, costs[i].key, &average))
			continue;
		snprintf(key, sizeof(key), "%s_average", costs[i].key);
		if (json_object_object_get_ex(average, "microseconds", NULL))
			snprintf(microseconds, sizeof(microseconds), " (%s microseconds)",
				 json_get_text(average, "microseconds"));
		snprintf(title, sizeof(title), "TSC cycles of %s%s", costs[i].title, microseconds);
		put_total(f, json_get_count(average, "cycles"), key, title);
	}
}

/* Shown as a line of its own, or as part of an average. */
static bool is_known(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		size_t n = strlen(costs[i].key);

		if (strncmp(key, costs[i].key, n) == 0 &&
		    (streq(key + n, "_timed") || streq(key + n, "_cycles")))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(totals_order); i++)
		if (streq(totals_order[i].key, key))
			return true;
	return false;
}

/* A newer nvmxd's. */
static void put_others(FILE *f, struct json_object *totals)
{
	if (!json_object_is_type(totals, json_type_object))
		return;
	json_object_object_foreach(totals, key, value) {
		_cleanup_free_ char *safe = text_safe(key);

		if (!is_known(key))
			fprintf(f, "%14" PRIu64 "  %s\n", json_object_get_uint64(value),
				safe ?: "");
	}
}

void render_statistics(FILE *f, struct json_object *statistics, bool headings)
{
	struct json_object *totals = NULL, *averages = NULL, *fields = NULL;

	json_object_object_get_ex(statistics, "totals", &totals);
	json_object_object_get_ex(statistics, "averages", &averages);
	json_object_object_get_ex(statistics, "fields", &fields);

	for (size_t i = 0; i < ARRAY_SIZE(totals_order); i++)
		put_total(f, json_get_count(totals, totals_order[i].key), totals_order[i].key,
			  totals_order[i].title);
	put_averages(f, averages);
	put_others(f, totals);

	if (json_length(fields) > 0) {
		fputc('\n', f);
		render_table(f, fields, field_columns, ARRAY_SIZE(field_columns), headings);
	}
}
