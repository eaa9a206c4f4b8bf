/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl top [--batch]: all VMs, live.
 */
#include <signal.h>
#include <time.h>

#include "client/top.h"

#define INTERVAL_USEC	(2 * UINT64_C(1000000))

static const char *rate_text(struct json_object *value)
{
	static char text[32];

	snprintf(text, sizeof(text), "%.0f", json_object_get_double(value));
	return text;
}

static const struct column columns[] = {
	{ .key = "id", .title = "ID", .right = true },
	{ .key = "name", .title = "NAME", .turn = 2 },
	{ .key = "entries_per_second", .title = "ENTRIES/S", .right = true, .text = rate_text },
	{ .key = "exits_per_l2_exit", .title = "EXITS/L2", .right = true },
	{ .key = "vmcs_exits_per_second", .title = "VMCS/S", .right = true, .text = rate_text },
	{ .key = "policy", .title = "POLICY", .turn = 3 },
	{ .key = "shadowing", .title = "SHADOWING" },
	{ .key = "top_fields", .title = "TOP FIELDS", .turn = 1 },
};

static int print(struct client *c, const struct top *top)
{
	_cleanup_json_ struct json_object *rows = top_rows(top, TOP_SORT_ENTRIES, NULL);
	char when[64] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (c->args->json != JSON_OFF) {
		render_json(stdout, rows, c->args->json);
	} else {
		if (localtime_r(&now, &tm))
			strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		if (!c->args->no_legend) {
			printf("%s, %zu VMs\n", when, json_length(rows));
			if (json_length(rows) > 0)
				json_object_array_add(rows, top_total(rows));
		}
		if (render_table(stdout, rows, columns, ARRAY_SIZE(columns), !c->args->no_legend) < 0)
			return STATUS_FAILED;
		putchar('\n');
	}
	/* A log is read as it grows; one that cannot be written is no use. */
	if (pager_flush(stdout) < 0) {
		fprintf(stderr, "nvmxctl: The output could not be written.\n");
		return STATUS_FAILED;
	}
	return STATUS_DONE;
}

static int batch(struct client *c, struct top *top, uint64_t interval)
{
	for (uint64_t i = 0; c->args->count == 0 || i < c->args->count; i++) {
		_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
		int r;

		r = progress_wait(c, "Looking", interval, NULL, NULL);
		if (r != STATUS_DONE || progress_was_interrupted())
			return r;
		r = top_look(top, &error);
		if (r < 0)
			return client_fail(&error, r);
		r = print(c, top);
		if (r != STATUS_DONE)
			return r;
	}
	return STATUS_DONE;
}

int verb_top(struct client *c)
{
	uint64_t interval = c->args->interval_usec ?: INTERVAL_USEC;
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	struct top top = { .client = c };
	int r, end = 0;

	if (!c->args->batch && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
				c->args->json != JSON_OFF || c->args->count > 0)) {
		fprintf(stderr, "nvmxctl: top needs a terminal, and shows no JSON there; with --batch it "
			"prints to anything.\n");
		return STATUS_USAGE;
	}
	r = client_connect(c, NEED_NESTED);
	if (r != STATUS_DONE)
		return r;
	r = top_look(&top, &error);
	if (r < 0)
		return client_fail(&error, r);

	if (c->args->batch)
		r = batch(c, &top, interval);
	else
		end = top_screen(&top, interval);
	top_done(&top);
	if (end < 0) {
		fprintf(stderr, "nvmxctl: This terminal (TERM=%s) cannot show top; try --batch.\n",
			getenv("TERM") ?: "");
		return STATUS_FAILED;
	}
	if (end > 0) {
		/* The terminal is as it was: now die as we were told. */
		signal(end, SIG_DFL);
		raise(end);
	}
	return r;
}
