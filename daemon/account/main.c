/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmx-account: D-Bus starts it when somebody wants to see where the time of vCPUs goes, and it
 * ends when nobody looks any more.  Nothing of it stays in the kernel.
 */
#include <getopt.h>
#include <signal.h>

#include <systemd/sd-daemon.h>

#include "daemon/account/watch.h"
#include "daemon/log.h"
#include "daemon/polkit.h"

/* So long it, and what it has in the kernel, waits for the next who wants to look. */
#define IDLE_USEC	UINT64_C(1000000)

/* Beside EXIT_FAILURE; nvmx-account(8) has them. */
enum {
	EXIT_USAGE	= 2,
};

static void help(void)
{
	printf("nvmx-account [OPTION...]\n\n"
	       "Tells where the time of vCPUs goes, to who asks on the bus.\n\n"
	       "  -h --help            Show this help\n"
	       "     --version         Show the version\n\n"
	       "See nvmx-account(8).\n");
}

/* 1: go on; 0: done; negative: wrong, and said so. */
static int parse_argv(int argc, char *argv[])
{
	enum { ARG_VERSION = 256 };
	static const struct option options[] = {
		{ "help",	no_argument,		NULL, 'h' },
		{ "version",	no_argument,		NULL, ARG_VERSION },
		{ }
	};
	int c = getopt_long(argc, argv, "h", options, NULL);

	switch (c) {
	case 'h':
		help();
		return 0;
	case ARG_VERSION:
		puts("nvmx-account " NVMX_VERSION);
		return 0;
	case -1:
		break;
	default:
		return -EINVAL;		/* getopt has said it */
	}
	if (optind < argc) {
		fprintf(stderr, "nvmx-account: takes no argument such as \"%s\".\n", argv[optind]);
		return -EINVAL;
	}
	return 1;
}

static int take_name(sd_bus *bus)
{
	int r = sd_bus_request_name(bus, ACCOUNT_BUS_NAME, 0);

	if (r < 0)
		log_error("The name %s could not be acquired on the bus: %s.", ACCOUNT_BUS_NAME, strerror(-r));
	return r;
}

/*
 * What was sent to the name before it was given up is answered; should it be somebody who wants
 * to look, the name is taken again.  1: nobody does.
 */
static int give_up_name(sd_bus *bus, const struct watch *w)
{
	int r;

	r = sd_bus_release_name(bus, ACCOUNT_BUS_NAME);
	do
		r = r < 0 ? r : sd_bus_process(bus, NULL);
	while (r > 0);
	if (r < 0 || !watch_is_busy(w))
		return r < 0 ? r : 1;
	return take_name(bus);
}

static int loop(sd_event *event, sd_bus *bus, const struct watch *w)
{
	int r;

	for (;;) {
		if (sd_event_get_state(event) == SD_EVENT_FINISHED)
			return sd_event_get_exit_code(event, &r) < 0 ? 0 : r;
		r = sd_event_run(event, watch_is_busy(w) ? UINT64_MAX : IDLE_USEC);
		if (r < 0)
			return r;
		if (r > 0 || watch_is_busy(w))
			continue;
		r = give_up_name(bus, w);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

static int run(void)
{
	sd_event *event = NULL;
	struct watch *w = NULL;
	sd_bus *bus = NULL;
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	r = sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ? -errno : sd_event_default(&event);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_bus_open_system_with_description(&bus, "nvmx-account");
	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(bus, true);
	if (r >= 0)
		r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = watch_new(event, bus, &w);
	if (r >= 0)
		r = take_name(bus);
	if (r >= 0)
		r = loop(event, bus, w);
	if (r != 0)
		log_error("nvmx-account stops: %s.", r < 0 ? strerror(-r) : "the bus is lost");
	polkit_stop();
	watch_free(w);
	sd_bus_flush_close_unref(bus);
	sd_event_unref(event);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
	int r;

	r = parse_argv(argc, argv);
	if (r < 0)
		return EXIT_USAGE;
	if (r == 0 && fflush(stdout) == EOF) {
		fprintf(stderr, "nvmx-account: The output could not be written.\n");
		return EXIT_FAILURE;
	}
	return r == 0 ? EXIT_SUCCESS : run();
}
