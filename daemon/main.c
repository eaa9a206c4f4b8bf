/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxd: options, signals, and the readiness that systemd waits for.  Owns the
 * manager.
 */
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/manager.h"
#include "policy/policy.h"

#define DIRS_MAX 16

/* Beside EXIT_FAILURE, after which the service is started again; nvmxd(8) has them. */
enum {
	EXIT_USAGE	= 2,
	EXIT_NAME	= 3,	/* not to be had on the bus */
};

static void help(void)
{
	printf("nvmxd [OPTION...]\n\n"
	       "Keeps the shadow-VMCS policies of this host's VMs.\n\n"
	       "  -h --help                  Show this help\n"
	       "     --version               Show the version\n"
	       "     --link=device           Reach the kernel by " LINK_DEVICE_PATH " (default)\n"
	       "     --link=loopback:SOCKET  Reach a stand-in for the kernel, for tests\n"
	       "     --no-sources            Wait for no source of settings, such as libvirt,\n"
	       "                             whatever the configuration says\n"
	       "     --config-dir=DIR        Read nvmxd.conf and nvmxd.conf.d in DIR instead of\n"
	       "                             the usual places; may be given several times\n"
	       "     --policy-dir=DIR        Read policy files from DIR, likewise\n\n"
	       "See nvmxd(8) and nvmxd.conf(5).\n");
}

static int parse_link(struct manager_options *o, const char *arg)
{
	if (streq(arg, "device")) {
		o->link = &link_device_ops;
		o->link_path = LINK_DEVICE_PATH;
		return 0;
	}
	if (strncmp(arg, "loopback:/", 10) == 0) {
		o->link = &link_loopback_ops;
		o->link_path = arg + 9;
		return 0;
	}

	fprintf(stderr, "nvmxd: --link= takes \"device\" or \"loopback:\" and an absolute path, not \"%s\".\n", arg);
	return -EINVAL;
}

/* Ends with NULL. */
struct dirs {
	const char *dirs[DIRS_MAX + 1];
	size_t n;
};

static int add_dir(struct dirs *d, const char *option, const char *dir, const char *const **ret)
{
	if (d->n == DIRS_MAX) {
		fprintf(stderr, "nvmxd: --%s= can be given %d times.\n", option, DIRS_MAX);
		return -EINVAL;
	}
	d->dirs[d->n++] = dir;
	*ret = d->dirs;
	return 0;
}

/* 1: go on; 0: done; negative: wrong, and said so.  The directories are in the two lists. */
static int parse_argv(int argc, char *argv[], struct manager_options *o,
		      struct dirs *config_dirs, struct dirs *policy_dirs)
{
	enum { ARG_VERSION = 256, ARG_LINK, ARG_NO_SOURCES, ARG_CONFIG_DIR, ARG_POLICY_DIR };
	static const struct option options[] = {
		{ "help",	no_argument,		NULL, 'h' },
		{ "version",	no_argument,		NULL, ARG_VERSION },
		{ "link",	required_argument,	NULL, ARG_LINK },
		{ "no-sources",	no_argument,		NULL, ARG_NO_SOURCES },
		{ "config-dir",	required_argument,	NULL, ARG_CONFIG_DIR },
		{ "policy-dir",	required_argument,	NULL, ARG_POLICY_DIR },
		{ }
	};
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (c) {
		case 'h':
			help();
			return 0;
		case ARG_VERSION:
			puts("nvmxd " NVMX_VERSION);
			return 0;
		case ARG_LINK:
			r = parse_link(o, optarg);
			if (r < 0)
				return r;
			break;
		case ARG_NO_SOURCES:
			o->no_sources = true;
			break;
		case ARG_CONFIG_DIR:
			r = add_dir(config_dirs, "config-dir", optarg, &o->config_dirs);
			if (r < 0)
				return r;
			break;
		case ARG_POLICY_DIR:
			r = add_dir(policy_dirs, "policy-dir", optarg, &o->policy_dirs);
			if (r < 0)
				return r;
			break;
		default:
			return -EINVAL;		/* getopt has said it */
		}

	if (optind < argc) {
		fprintf(stderr, "nvmxd: takes no argument such as \"%s\".\n", argv[optind]);
		return -EINVAL;
	}
	return 1;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	sd_notify(0, "RELOADING=1");
	/* A broken file has been logged, and the status says so: a signal has no answer. */
	(void)manager_reload(userdata, NULL);
	sd_notify(0, "READY=1");
	return 0;
}

/* SIGTERM and SIGINT end the loop; sd-event wants them blocked. */
static int add_signals(struct manager *m)
{
	sd_event *event = manager_event(m);
	static const int stop[] = { SIGTERM, SIGINT };
	sigset_t mask;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;

	for (size_t i = 0; i < ARRAY_SIZE(stop); i++) {
		r = sd_event_add_signal(event, NULL, stop[i], NULL, NULL);
		if (r < 0)
			return r;
	}
	return sd_event_add_signal(event, NULL, SIGHUP, on_reload, m);
}

static int run(const struct manager_options *options)
{
	_cleanup_manager_ struct manager *m = NULL;
	int r;

	r = manager_new(options, &m);
	if (r >= 0)
		r = add_signals(m);
	if (r < 0) {
		log_error("nvmxd could not be set up: %s.", strerror(-r));
		return r;
	}

	r = manager_start(m);
	if (r < 0)
		return r;	/* said where it happened */

	sd_notify(0, "READY=1");
	manager_update_status(m);

	r = sd_event_loop(manager_event(m));
	if (r < 0)
		log_error("nvmxd stops: %s.", strerror(-r));
	if (r > 0) {
		/* sd-bus ends the loop so; the kernel keeps everything for the next nvmxd. */
		log_error("The connection to the bus is lost; nvmxd ends, to be started again.");
		r = -ECONNRESET;
	}
	sd_notify(0, "STOPPING=1");
	return r;
}

int main(int argc, char *argv[])
{
	struct dirs config_dirs = {}, policy_dirs = {};
	struct manager_options options = {
		.link = &link_device_ops,
		.link_path = LINK_DEVICE_PATH,
		.config_dirs = config_default_dirs,
		.policy_dirs = policy_set_default_dirs,
	};
	int r;

	r = parse_argv(argc, argv, &options, &config_dirs, &policy_dirs);
	if (r < 0)
		return EXIT_USAGE;
	if (r == 0 && fflush(stdout) == EOF) {
		fprintf(stderr, "nvmxd: The output could not be written.\n");
		return EXIT_FAILURE;
	}
	if (r == 0)
		return EXIT_SUCCESS;

	r = run(&options);
	return r == -EADDRINUSE ? EXIT_NAME : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
