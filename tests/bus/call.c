/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call [--no-password] [--stay] PATH INTERFACE METHOD [ARG...]
 * call --times N PATH INTERFACE METHOD [ARG...]
 *
 * Calls a method of org.nvmx1 and prints the name of the error, a blank and its
 * sentence, which busctl does not; nothing if there is none, then the status is 0.
 * Arguments are TYPE:VALUE, TYPE one of s, u, i, t, and "d:NAME=VALUE,..." for a{ss}.
 *
 * With --stay it says "status N", and goes on with each line of standard input as
 * a method without arguments, on the same connection, until that ends.
 *
 * With --times it calls N times on one connection without waiting for replies, and prints
 * how many were done and how many failed, with the last error.
 */
#include <systemd/sd-bus.h>

#include "policy/util.h"

#define STAY_MAX_S	300

static int append_changes(sd_bus_message *m, char *text)
{
	char *state;
	int r;

	r = sd_bus_message_open_container(m, 'a', "{ss}");
	for (char *w = strtok_r(text, ",", &state); w && r >= 0; w = strtok_r(NULL, ",", &state)) {
		char *value = strchr(w, '=');

		if (!value)
			return -EINVAL;
		*value++ = 0;
		r = sd_bus_message_append(m, "{ss}", w, value);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append(sd_bus_message *m, char *arg)
{
	switch (arg[0]) {
	case 's':
		return sd_bus_message_append(m, "s", arg + 2);
	case 'u':
		return sd_bus_message_append(m, "u", (uint32_t)strtoul(arg + 2, NULL, 10));
	case 'i':
		return sd_bus_message_append(m, "i", (int32_t)strtol(arg + 2, NULL, 10));
	case 't':
		return sd_bus_message_append(m, "t", (uint64_t)strtoull(arg + 2, NULL, 10));
	case 'd':
		return append_changes(m, arg + 2);
	}
	return -EINVAL;
}

/* args is used up. */
static int new_call(sd_bus *bus, bool password, const char *path, const char *interface,
		    const char *method, char **args, sd_bus_message **ret)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(bus, &m, "org.nvmx1", path, interface, method);
	if (r >= 0)
		r = sd_bus_message_set_allow_interactive_authorization(m, password);
	for (; *args && r >= 0; args++)
		r = append(m, *args);
	if (r >= 0)
		*ret = steal_ptr(m);
	return r;
}

/* The system's bus lets nobody have more calls without a reply than 128. */
#define WINDOW	100

struct replies {
	unsigned long done, failed;
	char *error;
};

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const sd_bus_error *e = sd_bus_message_get_error(reply);
	struct replies *replies = userdata;

	if (!e) {
		replies->done++;
		return 0;
	}
	replies->failed++;
	free(replies->error);
	if (asprintf(&replies->error, "%s %s", e->name, e->message) < 0)
		replies->error = NULL;
	return 0;
}

static int call_times(sd_bus *bus, unsigned long times, char **args)
{
	struct replies replies = { 0 };
	unsigned long sent = 0;
	int r = 0;

	while (r >= 0 && replies.done + replies.failed < times) {
		if (sent < times && sent - replies.done - replies.failed < WINDOW) {
			_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

			r = new_call(bus, true, args[0], args[1], args[2], args + 3, &m);
			if (r >= 0)
				r = sd_bus_call_async(bus, NULL, m, on_reply, &replies, 0);
			sent++;
			continue;
		}
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	if (r < 0)
		fprintf(stderr, "call: %s\n", strerror(-r));
	printf("%lu done, %lu failed%s%s\n", replies.done, replies.failed,
	       replies.error ? ": " : "", replies.error ? replies.error : "");
	free(replies.error);
	return r < 0 ? 2 : EXIT_SUCCESS;
}

/* Prints the error, if there is one. */
static int call(sd_bus *bus, bool password, const char *path, const char *interface,
		const char *method, char **args)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = new_call(bus, password, path, interface, method, args, &m);
	if (r < 0) {
		fprintf(stderr, "call: %s\n", strerror(-r));
		return 2;
	}

	r = sd_bus_call(bus, m, 0, &error, NULL);
	if (r >= 0)
		return EXIT_SUCCESS;
	printf("%s %s\n", error.name ? error.name : "-", error.message ? error.message : strerror(-r));
	return EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	bool password = true, stay = false;
	unsigned long times = 0;
	char line[64], *none = NULL;
	int r;

	for (; argc > 1 && strncmp(argv[1], "--", 2) == 0; argv++, argc--) {
		if (streq(argv[1], "--no-password"))
			password = false;
		else if (streq(argv[1], "--stay"))
			stay = true;
		else if (streq(argv[1], "--times") && argc > 2) {
			times = strtoul(argv[2], NULL, 10);
			argv++, argc--;
		} else
			return 2;
	}
	if (argc < 4)
		return 2;

	r = sd_bus_open_system(&bus);
	if (r < 0) {
		fprintf(stderr, "call: %s\n", strerror(-r));
		return 2;
	}
	if (times > 0)
		return call_times(bus, times, argv + 1);
	r = call(bus, password, argv[1], argv[2], argv[3], argv + 4);
	/* Whoever waits for its end gets one. */
	if (stay)
		alarm(STAY_MAX_S);
	while (stay) {
		printf("status %d\n", r);
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			break;
		line[strcspn(line, "\n")] = 0;
		r = call(bus, password, argv[1], argv[2], line, &none);
	}
	return r;
}
