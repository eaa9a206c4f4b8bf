/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl profile DOMAIN: for a while every access of L1 exits and is counted; then
 * each field that L1 touched, what it costs, and what it would.  The window is the
 * connection's: however this program ends, it ends.
 */
#include <libgen.h>
#include <time.h>

#include "client/nvmxctl.h"
#include "client/profile.h"

#define DURATION_USEC		(10 * UINT64_C(1000000))
/* The window ends by itself if we do not end it; a bit later than we do. */
#define DURATION_SLACK_USEC	(5 * UINT64_C(1000000))
#define DURATION_MAX_USEC	(NVMX_WINDOW_MAX_MS * UINT64_C(1000))

static int start(struct client *c, const char *path, uint64_t usec)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	if (usec + DURATION_SLACK_USEC < DURATION_MAX_USEC)
		usec += DURATION_SLACK_USEC;
	else
		usec = DURATION_MAX_USEC;
	r = client_new_change(c, path, NVMX_BUS_VM, "StartProfile", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", usec);
	return client_call_change(c, r, m);
}

/* That it has ended by itself already is no matter. */
static int end(struct client *c, const char *path)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = sd_bus_call_method(c->bus, NVMX_BUS_NAME, path, NVMX_BUS_VM, "EndProfile", &error,
			       NULL, "");
	if (r < 0 && !sd_bus_error_has_name(&error, "org.nvmx1.Error.NoProfile"))
		return client_fail(&error, r);
	return STATUS_DONE;
}

/* Does the VM live, and is its window open? */
static int check(struct client *c, void *userdata)
{
	_cleanup_json_ struct json_object *vm = NULL;
	int r;

	r = vm_get(c, userdata, &vm);
	if (r != STATUS_DONE || !streq(json_get_text(vm, "shadowing"), "active"))
		return r;
	fprintf(stderr, "nvmxctl: The profiling window was closed before its time.\n");
	return STATUS_FAILED;
}

/* The counters of before, of the begin and of the end of the window. */
static int observe(struct client *c, char *path, uint64_t usec, struct json_object *statistics[3],
		   uint64_t *ret_usec)
{
	_cleanup_free_ char *what = NULL;
	uint64_t began;
	int r;

	r = statistics_get(c, path, NVMX_ALL_VCPUS, &statistics[0]);
	if (r == STATUS_DONE)
		r = start(c, path, usec);
	if (r == STATUS_DONE)
		r = statistics_get(c, path, NVMX_ALL_VCPUS, &statistics[1]);
	if (r != STATUS_DONE)
		return r;

	if (asprintf(&what, "Profiling %s", c->args->parameters[0]) < 0)
		what = NULL;
	began = progress_now_usec();
	r = progress_wait(c, what ?: "Profiling", usec, check, path);
	*ret_usec = progress_now_usec() - began;
	if (r == STATUS_DONE)
		r = statistics_get(c, path, NVMX_ALL_VCPUS, &statistics[2]);
	return r == STATUS_DONE ? end(c, path) : r;
}

static int compute(struct client *c, char *path, struct json_object **ret)
{
	uint64_t usec = c->args->duration_usec ?: DURATION_USEC;
	_cleanup_json_ struct json_object *vm = NULL, *fields = NULL;
	struct json_object *statistics[3] = {};
	struct profile_costs costs;
	int r;

	r = vm_list_fields(c, &fields);
	if (r == STATUS_DONE)
		r = vm_get(c, path, &vm);
	if (r == STATUS_DONE && streq(json_get_text(vm, "shadowing"), "inert-evmcs")) {
		fprintf(stderr, "nvmxctl: L1 of %s uses an enlightened VMCS: its accesses do not exit, "
			"and there is nothing to profile.\n", json_get_text(vm, "name"));
		return STATUS_FAILED;
	}
	if (r == STATUS_DONE)
		r = observe(c, path, usec, statistics, &usec);
	if (r == STATUS_DONE) {
		profile_costs_from(statistics[0], &costs);
		r = profile_compute(vm, fields, statistics[1], statistics[2], &costs, ret);
		if (r == -ENODATA)
			fprintf(stderr, "nvmxctl: L1 of %s did not run an L2 in these %.1f seconds: "
				"there is nothing to profile.\n", json_get_text(vm, "name"), usec / 1e6);
		else if (r < 0)
			fprintf(stderr, "nvmxctl: Out of memory.\n");
		r = r < 0 ? STATUS_FAILED : STATUS_DONE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(statistics); i++)
		json_object_put(statistics[i]);
	if (r == STATUS_DONE)
		json_add_number(*ret, "seconds", usec / 1e6, 1);
	return r;
}

/* ---- what becomes of it ---- */

static const char *class_text(struct json_object *value)
{
	return json_object_get_string(value);
}

/* Enough digits to see something that is seldom. */
static const char *rate_text(struct json_object *value)
{
	static char text[32];
	double n = json_object_get_double(value);

	if (n == 0)
		return "0";
	snprintf(text, sizeof(text), n < 0.01 ? "<0.01" : n < 10 ? "%.2f" : "%.0f", n);
	return text;
}

static const char *ticks_text(struct json_object *value)
{
	static char text[32];

	/* A class that the field cannot have. */
	if (!value)
		return "";
	snprintf(text, sizeof(text), "%.0f", json_object_get_double(value));
	return text;
}

static const struct column columns[] = {
	{ .key = "name", .title = "FIELD", .turn = 2 },
	{ .key = "vmreads", .title = "READS", .right = true, .text = rate_text },
	{ .key = "vmwrites", .title = "WRITES", .right = true, .text = rate_text },
	{ .key = "class", .title = "CLASS", .text = class_text },
	{ .key = "cost", .title = "COST", .right = true, .text = ticks_text },
	{ .key = "intercept", .title = "INTERCEPT", .right = true, .text = ticks_text, .turn = 1, .leaves = true },
	{ .key = "read-only", .title = "READ-ONLY", .right = true, .text = ticks_text, .turn = 1, .leaves = true },
	{ .key = "read-write", .title = "READ-WRITE", .right = true, .text = ticks_text, .turn = 1, .leaves = true },
	{ .key = "best", .title = "BEST", .text = class_text },
};

static struct json_object *flat_rows(struct json_object *fields)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < json_length(fields); i++) {
		struct json_object *field = json_at(fields, i);
		struct json_object *row = json_object_new_object();

		json_object_object_foreach(field, key, value)
			json_object_object_add(row, key, json_object_get(value));
		json_object_object_foreach(json_get(field, "costs"), class, cost)
			json_object_object_add(row, class, json_object_get(cost));
		json_object_array_add(rows, row);
	}
	return rows;
}

static void put_cost(FILE *f, struct json_object *costs, const char *key, const char *what)
{
	struct json_object *cost = json_get(costs, key);

	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s%s", what,
		     json_object_get_boolean(json_get(cost, "sampled")) ? " (sampled here)" : "") < 0)
		text = NULL;
	fprintf(f, "%10.0f  ", json_get_number(cost, "ticks"));
	text_wrap(f, 12, 12, text ?: what);
	fputc('\n', f);
}

static void put_summary(FILE *f, struct json_object *profile)
{
	struct json_object *now = json_get(profile, "now"), *best = json_get(profile, "best");
	struct json_object *costs = json_get(profile, "costs");

	fprintf(f, "\nPer exit of L2, of which there were %s in %s s:\n"
		"%10s  %-10s\n%10.2f  %-10.2f exits from L1\n%10.0f  %-10.0f ticks for VMCS fields, "
		"and the copies of them\n", json_get_text(profile, "l2_exits"),
		json_get_text(profile, "seconds"), "now", "best",
		json_get_number(now, "exits"), json_get_number(best, "exits"),
		json_get_number(now, "cost"), json_get_number(best, "cost"));
	if (json_get_count(now, "copied_unused") > 0) {
		fprintf(f, "%10s  %-10s ", json_get_text(now, "copied_unused"), json_get_text(best, "copied_unused"));
		text_wrap(f, 23, 23, "shadowed fields that L1 did not access: copied for nothing");
		fputc('\n', f);
	}
	fputs("\nTicks of the TSC that this was reckoned with:\n", f);
	put_cost(f, costs, "intercepted", "an access that exits");
	put_cost(f, costs, "propagated", "more for a VMWRITE to a read-only field");
	put_cost(f, costs, "free", "an access that does not exit");
	put_cost(f, costs, "copy_to_vmcs12", "to copy a field to vmcs12");
	put_cost(f, costs, "copy_to_shadow", "to copy a field to the shadow VMCS");
	put_cost(f, costs, "slow_path", "for an entry that goes the slow path, whatever the classes");
}

static int print(struct client *c, struct json_object *profile)
{
	_cleanup_json_ struct json_object *rows = NULL;
	FILE *f = pager_out(c);

	if (c->args->json != JSON_OFF) {
		render_json(f, profile, c->args->json);
		return STATUS_DONE;
	}
	rows = flat_rows(json_get(profile, "fields"));
	if (render_table(f, rows, columns, ARRAY_SIZE(columns), !c->args->no_legend) < 0)
		return STATUS_FAILED;
	if (!c->args->no_legend && !c->args->quiet)
		put_summary(f, profile);
	return STATUS_DONE;
}

/* The file's name without ".json", if a policy can be called so. */
static int policy_name(const char *path, char **ret)
{
	_cleanup_free_ char *copy = strdup(path), *name = NULL;
	size_t n;

	name = copy ? strdup(basename(copy)) : NULL;
	if (!name)
		return -ENOMEM;
	n = strlen(name);
	if (n > 5 && streq(name + n - 5, ".json"))
		name[n - 5] = '\0';
	if (!policy_name_is_valid(name)) {
		free(name);
		name = strdup("profiled");
	}
	*ret = steal_ptr(name);
	return *ret ? 0 : -ENOMEM;
}

static int write_policy(struct client *c, struct json_object *profile)
{
	const char *path = c->args->policy_out;
	_cleanup_free_ char *name = NULL, *text = NULL, *description = NULL;
	_cleanup_json_ struct json_object *policy = NULL;
	char day[16] = "";
	time_t now = time(NULL);
	struct tm tm;
	int r;

	if (localtime_r(&now, &tm))
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	if (policy_name(path, &name) < 0 ||
	    asprintf(&description, "What L1 of %s accessed on %s: %.1f exits from L1 per exit of L2 "
		     "become %.1f", json_get_text(profile, "name"), day,
		     json_get_number(json_get(profile, "now"), "exits"),
		     json_get_number(json_get(profile, "best"), "exits")) < 0) {
		description = NULL;
		fprintf(stderr, "nvmxctl: Out of memory.\n");
		return STATUS_FAILED;
	}
	policy = profile_policy(profile, name, description);
	if (asprintf(&text, "%s\n", json_object_to_json_string_ext(policy, JSON_C_TO_STRING_PRETTY |
			JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)) < 0)
		text = NULL;
	r = text ? file_write(path, text) : STATUS_FAILED;
	if (r == STATUS_DONE && !c->args->quiet)
		fprintf(stderr, "nvmxctl: %s has policy %s. To use it, put it into /etc/nvmx/policy.d, "
			"\"systemctl reload nvmxd\", then \"nvmxctl set %s policy=%s\".\n", path, name,
			c->args->parameters[0], name);
	return r;
}

static int write_html(struct client *c, struct json_object *profile)
{
	_cleanup_free_ char *text = profile_html(profile);

	if (!text) {
		fprintf(stderr, "nvmxctl: Out of memory.\n");
		return STATUS_FAILED;
	}
	return file_write(c->args->html, text);
}

int verb_profile(struct client *c)
{
	_cleanup_json_ struct json_object *profile = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	if (c->args->duration_usec > DURATION_MAX_USEC) {
		fprintf(stderr, "nvmxctl: A VM can be profiled for up to %u seconds.\n",
			NVMX_WINDOW_MAX_MS / 1000);
		return STATUS_USAGE;
	}
	r = client_connect(c, NEED_SHADOWING);
	if (r == STATUS_DONE)
		r = client_find_vm(c, c->args->parameters[0], &path);
	if (r == STATUS_DONE)
		r = compute(c, path, &profile);
	if (r != STATUS_DONE)
		return r;
	if (progress_was_interrupted() && !c->args->quiet)
		fprintf(stderr, "nvmxctl: Interrupted: this is what was seen in %s seconds.\n",
			json_get_text(profile, "seconds"));

	if (c->args->policy_out)
		r = write_policy(c, profile);
	if (r == STATUS_DONE && c->args->html)
		r = write_html(c, profile);
	return r == STATUS_DONE ? print(c, profile) : r;
}
