/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl profile DOMAIN: for a while every access of L1 exits and is counted; then
 * each field that L1 touched, what it costs, and what it would.  The window is the
 * connection's: however this program ends, it ends.
 */
#include <libgen.h>
#include <time.h>

#include "client/hint.h"
#include "client/profile.h"

#define DURATION_USEC		(10 * UINT64_C(1000000))
/* The window ends by itself if we do not end it; a bit later than we do. */
#define DURATION_SLACK_USEC	(5 * UINT64_C(1000000))
#define DURATION_MAX_USEC	(NVMX_WINDOW_MAX_MS * UINT64_C(1000))

/* One profile, from the arguments to what is written. */
struct job {
	struct client *c;
	char *path;			/* of the VM */
	struct json_object *vm, *fields, *profile;
	struct hint hint;
	struct file policy, page;	/* --policy-out, --html; unless they are standard output */
};

static int out_of_memory(void)
{
	fprintf(stderr, "nvmxctl: Out of memory.\n");
	return STATUS_FAILED;
}

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
static int observe(struct job *j, uint64_t usec, struct json_object *statistics[3], uint64_t *ret_usec)
{
	_cleanup_free_ char *what = NULL, *name = text_safe(json_get_text(j->vm, "name"));
	struct client *c = j->c;
	uint64_t began;
	int r;

	r = statistics_get(c, j->path, NVMX_ALL_VCPUS, &statistics[0]);
	if (r == STATUS_DONE)
		r = start(c, j->path, usec);
	if (r == STATUS_DONE)
		r = statistics_get(c, j->path, NVMX_ALL_VCPUS, &statistics[1]);
	if (r != STATUS_DONE)
		return r;

	if (asprintf(&what, "Profiling %s", name ?: "") < 0)
		what = NULL;
	began = progress_now_usec();
	r = progress_wait(c, what ?: "Profiling", usec, check, j->path);
	*ret_usec = progress_now_usec() - began;
	if (r == STATUS_DONE)
		r = statistics_get(c, j->path, NVMX_ALL_VCPUS, &statistics[2]);
	return r == STATUS_DONE ? end(c, j->path) : r;
}

static void add_circumstances(struct job *j, time_t began)
{
	char host[CLIENT_HOST_MAX];

	json_add_count(j->profile, "time_usec", began * UINT64_C(1000000));
	json_add_text(j->profile, "version", NVMX_VERSION);
	json_add_text(j->profile, "host", client_host_name(j->c, host));
	json_object_object_add(j->profile, "commands", json_object_new_array());
}

static int measure(struct job *j)
{
	uint64_t usec = j->c->args->duration_usec ?: DURATION_USEC;
	struct json_object *statistics[3] = {};
	struct profile_costs costs;
	time_t began = time(NULL);
	int r;

	r = observe(j, usec, statistics, &usec);
	if (r == STATUS_DONE) {
		profile_costs_from(statistics[0], &costs);
		r = profile_compute(j->vm, j->fields, statistics[1], statistics[2], usec / 1e6, &costs,
				    &j->profile);
		if (r == -ENODATA)
			fprintf(stderr, "nvmxctl: L1 of %s did not run an L2 in these %.1f seconds: "
				"there is nothing to profile.\n", json_get_text(j->vm, "name"), usec / 1e6);
		else if (r < 0)
			out_of_memory();
		r = r < 0 ? STATUS_FAILED : STATUS_DONE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(statistics); i++)
		json_object_put(statistics[i]);
	if (r != STATUS_DONE)
		return r;
	add_circumstances(j, began);
	if (progress_was_interrupted() && !j->c->args->quiet)
		fprintf(stderr, "nvmxctl: Interrupted after %s seconds.\n", json_get_text(j->profile, "seconds"));
	return STATUS_DONE;
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

/* What is advised comes last but for what each class would cost, for those who want to see why. */
static const struct column columns[] = {
	{ .key = "name", .title = "FIELD", .turn = 2 },
	{ .key = "vmreads", .title = "VMREAD", .right = true, .text = rate_text },
	{ .key = "vmwrites", .title = "VMWRITE", .right = true, .text = rate_text },
	{ .key = "class", .title = "CLASS", .text = class_text },
	{ .key = "cost", .title = "COST", .right = true, .text = ticks_text },
	{ .key = "best", .title = "BEST", .text = class_text },
	{ .key = "saves", .title = "SAVES", .right = true, .text = ticks_text },
	{ .key = "intercept", .title = "INTERCEPT", .right = true, .text = ticks_text, .turn = 1, .leaves = true },
	{ .key = "read-only", .title = "READ-ONLY", .right = true, .text = ticks_text, .turn = 1, .leaves = true },
	{ .key = "read-write", .title = "READ-WRITE", .right = true, .text = ticks_text, .turn = 1, .leaves = true },
};
#define COLUMNS_WITHOUT_ADVICE	5

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

/* The text of a figure, to the right of it. */
static void put_wrapped(FILE *f, int used, const char *what, const char *more)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s%s", what, more) < 0)
		text = NULL;
	text_wrap(f, used, used, text ?: what);
	fputc('\n', f);
}

static void put_cost(FILE *f, struct json_object *costs, const char *key, const char *what)
{
	struct json_object *cost = json_get(costs, key);

	put_wrapped(f, fprintf(f, "%10.0f  ", json_get_number(cost, "ticks")), what,
		    json_object_get_boolean(json_get(cost, "sampled")) ? " (sampled in this VM)" : "");
}

/* Of now and, if there is advice, of the best classes. */
static void put_total(FILE *f, struct json_object *profile, const char *key, int digits, const char *what)
{
	struct json_object *best = json_get(profile, "best");
	int used;

	used = fprintf(f, "%10.*f  ", digits, json_get_number(json_get(profile, "now"), key));
	if (best)
		used += fprintf(f, "%10.*f  ", digits, json_get_number(best, key));
	put_wrapped(f, used, what, "");
}

static void put_summary(FILE *f, struct json_object *profile)
{
	struct json_object *costs = json_get(profile, "costs");
	bool advice = profile_is_advice(profile);

	fprintf(f, "\nPer exit of L2 (%s in %s s):\n%10s%s\n", json_get_text(profile, "l2_exits"),
		json_get_text(profile, "seconds"), "NOW", advice ? "        BEST" : "");
	put_total(f, profile, "exits", 2, "exits from L1");
	put_total(f, profile, "cost", 0, "TSC ticks for VMCS accesses and copies, estimated");
	if (json_get_count(json_get(profile, "now"), "copied_unused") > 0)
		put_total(f, profile, "copied_unused", 0, "fields copied though L1 did not access them");
	fputs("\nEstimated with these costs, in TSC ticks:\n", f);
	put_cost(f, costs, "intercepted", "VMREAD or VMWRITE that exits");
	put_cost(f, costs, "propagated", "more for a VMWRITE to a read-only field");
	put_cost(f, costs, "free", "VMREAD or VMWRITE that does not exit");
	put_cost(f, costs, "copy_to_vmcs12", "copy of a field to vmcs12");
	put_cost(f, costs, "copy_to_shadow", "copy of a field to the shadow VMCS");
	put_cost(f, costs, "slow_path", "slow path of a VM entry, the same for each class");
}

static int print(struct job *j)
{
	const struct args *args = j->c->args;
	_cleanup_json_ struct json_object *rows = NULL;
	FILE *f = pager_out(j->c);

	if (args->json != JSON_OFF) {
		render_json(f, j->profile, args->json);
		return STATUS_DONE;
	}
	rows = flat_rows(json_get(j->profile, "fields"));
	if (render_table(f, rows, columns, profile_is_advice(j->profile) ? ARRAY_SIZE(columns) :
			 COLUMNS_WITHOUT_ADVICE, !args->no_legend) < 0)
		return STATUS_FAILED;
	if (!args->no_legend && !args->quiet)
		put_summary(f, j->profile);
	return STATUS_DONE;
}

/* ---- the policy ---- */

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

/* Would nvmxd read it there? */
static bool is_policy_file(const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL), *file = real ? strdup(real) : NULL;
	size_t n = file ? strlen(file) : 0;
	const char *directory;

	if (n <= 5 || !streq(file + n - 5, ".json"))
		return false;
	directory = dirname(real);
	for (size_t i = 0; policy_set_default_dirs[i]; i++) {
		_cleanup_free_ char *there = realpath(policy_set_default_dirs[i], NULL);

		if (there && streq(there, directory))
			return true;
	}
	return false;
}

/* What is left to do until the VM has the policy that is in the file. */
static void add_steps(struct job *j, const char *name)
{
	const char *host = j->c->args->host, *machine = j->c->args->machine, *path = j->c->args->policy_out;
	struct json_object *commands = json_get(j->profile, "commands");
	_cleanup_free_ char *real = realpath(path, NULL), *file = hint_quote(real ?: path);
	_cleanup_free_ char *where = hint_quote(host ?: machine ?: "");

	if (!file || !where)
		return;
	if (host)
		hint_add(commands, "scp %s %s:" POLICY_DIR "/%s.json", file, where, name);
	else if (machine)
		hint_add(commands, "machinectl copy-to %s %s " POLICY_DIR "/%s.json", where, file, name);
	else if (!is_policy_file(path))
		hint_add(commands, "install -D -m 644 %s " POLICY_DIR "/%s.json", file, name);
	hint_add(commands, "%s reload", j->hint.nvmxctl);
	hint_add(commands, "%s set %s policy=%s", j->hint.nvmxctl, j->hint.vm, name);
	if (j->hint.is_domain)
		hint_add(commands, "%s set %s policy=%s --config", j->hint.nvmxctl, j->hint.vm, name);
}

/* What stock is on that host: an administrator's may be another than the kernel's list. */
static int get_stock(struct client *c, struct json_object **ret_any, struct json_object **ret_fields)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = client_call(c, NVMX_BUS_PATH, NVMX_BUS_MANAGER, "GetPolicy", POLICY_DEFAULT, &m);
	if (r != STATUS_DONE)
		return r;
	return bus_json_read(m, ret_any) < 0 || bus_json_read(m, ret_fields) < 0 ? out_of_memory() : r;
}

static int describe(struct job *j, char **ret)
{
	char day[16] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	if (asprintf(ret, "What L1 of %s accessed on %s: %.1f exits from L1 per exit of L2 become %.1f",
		     json_get_text(j->profile, "name"), day,
		     json_get_number(json_get(j->profile, "now"), "exits"),
		     json_get_number(json_get(j->profile, "best"), "exits")) < 0) {
		*ret = NULL;
		return out_of_memory();
	}
	return STATUS_DONE;
}

static int make_policy(struct job *j, const char *name, char **ret)
{
	_cleanup_json_ struct json_object *any = NULL, *stock = NULL, *policy = NULL;
	_cleanup_free_ char *description = NULL, *text = NULL;
	int r;

	r = get_stock(j->c, &any, &stock);
	if (r == STATUS_DONE)
		r = describe(j, &description);
	if (r != STATUS_DONE)
		return r;
	policy = profile_policy(j->profile, j->fields, stock, json_object_get_string(any) ?: "", name,
				description);
	text = json_to_text(policy, true);
	if (!text || asprintf(ret, "%s\n", text) < 0) {
		*ret = NULL;
		return out_of_memory();
	}
	return STATUS_DONE;
}

/* ---- where it goes ---- */

static bool is_stdout(const char *path)
{
	return path && streq(path, "-");
}

static int put(struct job *j, const struct file *f, const char *text)
{
	if (f->path)
		return file_put(f, text);
	fputs(text, pager_out(j->c));
	return STATUS_DONE;
}

static int write_policy(struct job *j)
{
	_cleanup_free_ char *name = NULL, *text = NULL;
	struct json_object *commands = json_get(j->profile, "commands");
	int r;

	if (policy_name(j->c->args->policy_out, &name) < 0)
		return out_of_memory();
	r = make_policy(j, name, &text);
	if (r == STATUS_DONE)
		r = put(j, &j->policy, text);
	/* Nothing is known of what a pipe leads to. */
	if (r != STATUS_DONE || !j->policy.path || j->policy.fd >= 0)
		return r;
	add_steps(j, name);
	if (!j->c->args->quiet) {
		fprintf(stderr, "nvmxctl: Policy %s is in %s. To use it%s:\n", name,
			j->c->args->policy_out, j->hint.is_domain ? ", now and from the next start on" : "");
		hint_print(stderr, commands);
	}
	return STATUS_DONE;
}

static int write_page(struct job *j)
{
	_cleanup_free_ char *text = profile_html(j->profile);

	return text ? put(j, &j->page, text) : out_of_memory();
}

/* Says that it is too little to advise, and what to do. */
static int refuse_advice(struct job *j)
{
	double seconds = json_get_number(j->profile, "advice_seconds");
	unsigned int duration = seconds + 1;
	bool can = duration <= NVMX_WINDOW_MAX_MS / 1000;

	if (can)
		hint_add(json_get(j->profile, "commands"), "%s profile %s --duration=%u", j->hint.nvmxctl,
			 j->hint.vm, duration);
	if (j->c->args->policy_out || !j->c->args->quiet) {
		fprintf(stderr, "nvmxctl: L2 exited %s times in %s seconds, too few to advise%s; at least %u exits "
			"are needed. ", json_get_text(j->profile, "l2_exits"), json_get_text(j->profile, "seconds"),
			j->c->args->policy_out ? ", and no policy was written" : "", PROFILE_ADVICE_EXITS);
		if (can)
			fprintf(stderr, "Profile it for %u seconds.\n", duration);
		else
			fprintf(stderr, "At this rate that takes %.0f minutes, and a VM can be profiled for up to "
				"%u seconds: profile it while L2 has work to do.\n", seconds / 60 + 1,
				NVMX_WINDOW_MAX_MS / 1000);
	}
	return j->c->args->policy_out ? STATUS_FAILED : STATUS_DONE;
}

/* Whatever cannot be written, the rest is. */
static int write_all(struct job *j)
{
	const struct args *args = j->c->args;
	int r = STATUS_DONE, k;

	if (!profile_is_advice(j->profile))
		r = refuse_advice(j);
	else if (args->policy_out)
		r = write_policy(j);
	if (args->html) {
		k = write_page(j);
		r = r == STATUS_DONE ? k : r;
	}
	if (!is_stdout(args->policy_out) && !is_stdout(args->html)) {
		k = print(j);
		r = r == STATUS_DONE ? k : r;
	}
	return r;
}

static int check_arguments(const struct args *args)
{
	if (args->duration_usec > DURATION_MAX_USEC) {
		fprintf(stderr, "nvmxctl: A VM can be profiled for up to %u seconds.\n",
			NVMX_WINDOW_MAX_MS / 1000);
		return STATUS_USAGE;
	}
	if (is_stdout(args->policy_out) + is_stdout(args->html) + (args->json != JSON_OFF) > 1) {
		fprintf(stderr, "nvmxctl: Only one of --policy-out=-, --html=- and --json can have standard "
			"output; name a file for the others.\n");
		return STATUS_USAGE;
	}
	return STATUS_DONE;
}

/* All that can fail without the measurement fails before it. */
static int prepare(struct job *j)
{
	const struct args *args = j->c->args;
	int r;

	r = check_arguments(args);
	if (r == STATUS_DONE)
		r = client_connect(j->c, NEED_SHADOWING);
	if (r == STATUS_DONE)
		r = find_vm(j->c, args->parameters[0], &j->path);
	if (r == STATUS_DONE)
		r = vm_list_fields(j->c, &j->fields);
	if (r == STATUS_DONE)
		r = vm_get(j->c, j->path, &j->vm);
	if (r != STATUS_DONE)
		return r;
	if (streq(json_get_text(j->vm, "shadowing"), "inert-evmcs")) {
		fprintf(stderr, "nvmxctl: L1 of %s uses an enlightened VMCS: its accesses do not exit, "
			"and there is nothing to profile.\n", json_get_text(j->vm, "name"));
		return STATUS_FAILED;
	}
	if (args->policy_out && !is_stdout(args->policy_out))
		r = file_open(args->policy_out, &j->policy);
	if (r == STATUS_DONE && args->html && !is_stdout(args->html))
		r = file_open(args->html, &j->page);
	if (r == STATUS_DONE && hint_of(j->c, j->vm, hint_has_libvirt(j->c), &j->hint) < 0)
		r = out_of_memory();
	return r;
}

int verb_profile(struct client *c)
{
	struct job j = { .c = c };
	int r;

	r = prepare(&j);
	if (r == STATUS_DONE)
		r = measure(&j);
	if (r == STATUS_DONE)
		r = write_all(&j);
	file_close(&j.policy);
	file_close(&j.page);
	hint_done(&j.hint);
	json_object_put(j.vm);
	json_object_put(j.fields);
	json_object_put(j.profile);
	free(j.path);
	return r;
}
