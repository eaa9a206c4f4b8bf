/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmx-libvirt: options, signals, and the wiring of its two forms: the source of settings, and
 * with --statistics what writes counters into domains' metadata.
 */
#include <getopt.h>
#include <signal.h>

#include <systemd/sd-daemon.h>

#include "daemon/config.h"
#include "daemon/libvirt/connection.h"
#include "daemon/libvirt/event.h"
#include "daemon/libvirt/nvmxd.h"
#include "daemon/libvirt/registration.h"
#include "daemon/libvirt/source.h"
#include "daemon/libvirt/statistics.h"
#include "daemon/log.h"
#include "policy/policy.h"

#define DIRS_MAX	16

/* Beside EXIT_FAILURE, after which the service is started again; nvmx-libvirt(8) has them. */
enum {
	EXIT_USAGE	= 2,
};

struct options {
	const char *source;
	const char *uri;		/* instead of the configuration's; NULL: not given */
	bool statistics;
	const char *dirs[DIRS_MAX + 1];	/* of the configuration; ends with NULL */
	size_t n_dirs;			/* 0: the usual ones */
};

struct program {
	const struct options *options;
	struct config config;
	char *missing;			/* what nvmxd is told while libvirt is not connected */
	sd_event *event;
	struct nvmxd *nvmxd;
	struct connection *connection;
	/* One of the two forms. */
	struct registration *registration;
	struct source *source;
	struct statistics *statistics;

	bool connected, connected_known;
};

/* ---- options ---- */

static void help(void)
{
	printf("nvmx-libvirt [OPTION...]\n\n"
	       "Tells nvmxd which domains of libvirt its VMs are, and their settings.\n\n"
	       "  -h --help            Show this help\n"
	       "     --version         Show the version\n"
	       "     --source=NAME     Which of the sources in nvmxd.conf this is\n"
	       "                       (default: " CONFIG_LIBVIRT ")\n"
	       "     --libvirt=URI     Where libvirt is, whatever the configuration says\n"
	       "     --statistics      Write counters into domains' metadata instead\n"
	       "     --config-dir=DIR  Read nvmxd.conf and nvmxd.conf.d in DIR instead of\n"
	       "                       the usual places; may be given several times\n\n"
	       "See nvmx-libvirt(8).\n");
}

/* 1: go on; 0: done; negative: wrong, and said so. */
static int parse_argv(int argc, char *argv[], struct options *o)
{
	enum { ARG_VERSION = 256, ARG_SOURCE, ARG_LIBVIRT, ARG_STATISTICS, ARG_CONFIG_DIR };
	static const struct option options[] = {
		{ "help",	no_argument,		NULL, 'h' },
		{ "version",	no_argument,		NULL, ARG_VERSION },
		{ "source",	required_argument,	NULL, ARG_SOURCE },
		{ "libvirt",	required_argument,	NULL, ARG_LIBVIRT },
		{ "statistics",	no_argument,		NULL, ARG_STATISTICS },
		{ "config-dir",	required_argument,	NULL, ARG_CONFIG_DIR },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
		switch (c) {
		case 'h':
			help();
			return 0;
		case ARG_VERSION:
			puts("nvmx-libvirt " NVMX_VERSION);
			return 0;
		case ARG_SOURCE:
			o->source = optarg;
			break;
		case ARG_LIBVIRT:
			o->uri = optarg;
			break;
		case ARG_STATISTICS:
			o->statistics = true;
			break;
		case ARG_CONFIG_DIR:
			if (o->n_dirs == DIRS_MAX) {
				fprintf(stderr, "nvmx-libvirt: --config-dir= can be given %d times.\n", DIRS_MAX);
				return -EINVAL;
			}
			o->dirs[o->n_dirs++] = optarg;
			break;
		default:
			return -EINVAL;		/* getopt has said it */
		}

	if (optind < argc) {
		fprintf(stderr, "nvmx-libvirt: takes no argument such as \"%s\".\n", argv[optind]);
		return -EINVAL;
	}
	return 1;
}

/* ---- configuration ---- */

static void on_file_error(const char *sentence, void *userdata)
{
	log_error("%s", sentence);
}

static int load_config(const struct options *o, struct config *ret)
{
	int r;

	r = config_load(o->n_dirs > 0 ? o->dirs : config_default_dirs, on_file_error, NULL, ret);
	if (r < 0)
		log_error("The configuration could not be read: %s.", strerror(-r));
	if (r <= 0)
		return r;
	config_restrict(ret);
	return -EBADMSG;
}

/* NULL: there is none, which has been said; what the process ends with is in *ret_status then. */
static const char *find_uri(const struct program *p, int *ret_status)
{
	const struct options *o = p->options;
	const struct config_source *source = config_source_find(&p->config, o->source);
	const char *uri = o->uri ?: (source ? source->libvirt_uri : NULL);

	*ret_status = EXIT_SUCCESS;
	if (uri && !streq(uri, CONFIG_NO_LIBVIRT))
		return uri;
	if (uri || streq(o->source, CONFIG_LIBVIRT)) {
		log_notice("libvirt is not used, as libvirt-uri in nvmxd.conf says; nothing is left to do.");
		return NULL;
	}
	*ret_status = EXIT_USAGE;
	if (!source)
		log_error("nvmxd.conf has no source \"%s\": see \"sources\" in nvmxd.conf(5).", o->source);
	else
		log_error("The source \"%s\" in nvmxd.conf has no libvirt-uri, so it is not one of nvmx-libvirt's: see nvmxd.conf(5).",
			  o->source);
	return NULL;
}

/* ---- news ---- */

static void update_status(const struct program *p)
{
	sd_notifyf(0, "STATUS=%s %s", !p->connected_known ? "libvirt has not answered yet." :
		   p->connected ? "libvirt is connected." : "libvirt is not connected.",
		   nvmxd_is_there(p->nvmxd) ? "nvmxd is there." : "nvmxd is not on the bus.");
}

static void on_nvmxd(bool there, void *userdata)
{
	struct program *p = userdata;

	if (p->registration)
		registration_on_nvmxd(p->registration, there);
	if (p->statistics)
		statistics_on_nvmxd(p->statistics, there);
	update_status(p);
}

static void on_anew(void *userdata)
{
	struct program *p = userdata;

	source_forget(p->source);
}

static void on_state(bool connected, void *userdata)
{
	struct program *p = userdata;

	if (!p->connected_known || p->connected != connected)
		log_info(connected ? "libvirt is connected." : "libvirt is not connected.");
	p->connected_known = true;
	p->connected = connected;
	if (p->source) {
		if (!connected)
			source_forget(p->source);
		registration_set_state(p->registration, connected ? NULL : p->missing);
	}
	if (p->statistics)
		statistics_on_libvirt(p->statistics, connected);
	update_status(p);
}

static void on_domain(const char *uuid, void *userdata)
{
	struct program *p = userdata;

	if (p->source)
		source_on_domain(p->source, uuid);
	if (p->statistics)
		statistics_on_domain(p->statistics, uuid);
}

/* ---- signals ---- */

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct program *p = userdata;

	sd_notify(0, "STOPPING=1");
	if (p->statistics)
		statistics_stop(p->statistics);	/* exits once they are taken away */
	else
		sd_event_exit(p->event, 0);
	return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct program *p = userdata;
	struct config config;
	int r;

	sd_notify(0, "RELOADING=1");
	r = load_config(p->options, &config);
	if (r == -EBADMSG)
		config_clear(&config);
	if (r < 0) {
		log_warning("The configuration stays as it was.");
	} else {
		statistics_set_interval(p->statistics, config.statistics_interval);
		config_clear(&config);
		log_info("The configuration has been read again.");
	}
	sd_notify(0, "READY=1");
	return 0;
}

/*
 * A source has nothing to finish, so SIGTERM ends it as it ends any process: also while a call
 * of libvirt's does not return.
 */
static int add_signals(struct program *p)
{
	sigset_t mask;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	if (p->options->statistics) {
		sigaddset(&mask, SIGTERM);
		sigaddset(&mask, SIGHUP);
	}
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;

	r = sd_event_add_signal(p->event, NULL, SIGINT, on_stop, p);
	if (r < 0 || !p->options->statistics)
		return r;
	r = sd_event_add_signal(p->event, NULL, SIGTERM, on_stop, p);
	if (r < 0)
		return r;
	return sd_event_add_signal(p->event, NULL, SIGHUP, on_reload, p);
}

/* ---- the whole ---- */

static int set_up_form(struct program *p, const char *uri)
{
	int r;

	if (p->options->statistics)
		return statistics_new(p->event, p->nvmxd, p->connection, p->options->source, uri,
				      p->config.statistics_interval, &p->statistics);

	if (asprintf(&p->missing, "%s%s%s is not connected: until it is, domains that start get no policy of their metadata or name.",
		     streq(p->options->source, CONFIG_LIBVIRT) ? "" : "The libvirt of source \"",
		     p->options->source,
		     streq(p->options->source, CONFIG_LIBVIRT) ? "" : "\"") < 0) {
		p->missing = NULL;
		return -ENOMEM;
	}
	r = registration_new(p->event, p->nvmxd, p->options->source, on_anew, p, &p->registration);
	if (r < 0)
		return r;
	return source_new(p->event, p->nvmxd, p->registration, p->connection, &p->source);
}

static int set_up(struct program *p, const char *uri)
{
	int r;

	r = sd_event_default(&p->event);
	if (r >= 0)
		r = sd_event_set_watchdog(p->event, true);
	if (r >= 0)
		r = add_signals(p);
	if (r >= 0)
		r = event_register(p->event);
	if (r >= 0)
		r = connection_new(p->event, uri, on_state, on_domain, p, &p->connection);
	if (r >= 0)
		r = nvmxd_new(p->event, on_nvmxd, p, &p->nvmxd);
	if (r >= 0)
		r = set_up_form(p, uri);
	if (r < 0)
		log_error("nvmx-libvirt could not be set up: %s.", strerror(-r));
	return r;
}

static void tear_down(struct program *p)
{
	p->nvmxd = nvmxd_free(p->nvmxd);
	statistics_free(p->statistics);
	source_free(p->source);
	registration_free(p->registration);
	connection_free(p->connection);
	event_clear();
	sd_event_unref(p->event);
	config_clear(&p->config);
	free(p->missing);
}

static int run(struct program *p)
{
	const char *uri;
	int status, r;

	r = load_config(p->options, &p->config);
	if (r < 0 && r != -EBADMSG)
		return EXIT_FAILURE;
	uri = find_uri(p, &status);
	if (!uri) {
		/* It has started, and is done. */
		sd_notify(0, "READY=1");
		return status;
	}
	r = set_up(p, uri);
	if (r < 0)
		return EXIT_FAILURE;

	/* Before libvirt is called for the first time: it may not answer. */
	sd_notify(0, "READY=1");
	update_status(p);
	r = sd_event_loop(p->event);
	if (r == 0)
		return EXIT_SUCCESS;
	if (r > 0)	/* sd-bus ends the loop so */
		log_error("The connection to the bus is lost; nvmx-libvirt ends, to be started again.");
	else
		log_error("nvmx-libvirt stops: %s.", strerror(-r));
	return EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	struct options options = { .source = CONFIG_LIBVIRT };
	struct program p = { .options = &options };
	int r;

	r = parse_argv(argc, argv, &options);
	if (r < 0)
		return EXIT_USAGE;
	if (r == 0 && fflush(stdout) == EOF) {
		fprintf(stderr, "nvmx-libvirt: The output could not be written.\n");
		return EXIT_FAILURE;
	}
	if (r == 0)
		return EXIT_SUCCESS;

	r = run(&p);
	/* What is being freed must not meet a thread that sits in a call of libvirt's. */
	if (p.statistics && statistics_is_stuck(p.statistics))
		_exit(r);
	tear_down(&p);
	return r;
}
