/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl's arguments.  Says what is wrong, prints nothing.
 */
#include <getopt.h>
#include <limits.h>

#include "client/nvmxctl.h"

enum {
	OPTION_VERSION = 0x100,
	OPTION_JSON,
	OPTION_NO_PAGER,
	OPTION_NO_LEGEND,
	OPTION_VCPU,
	OPTION_DURATION,
	OPTION_POLICY_OUT,
	OPTION_HTML,
	OPTION_FORMAT,
	OPTION_OUTPUT,
	OPTION_BATCH,
	OPTION_INTERVAL,
	OPTION_COUNT,
	OPTION_LIVE,
	OPTION_CONFIG,
	OPTION_NO_ASK_PASSWORD,
	OPTION_NAME,
};

static const struct option options[] = {
	{ "help",	no_argument,		NULL, 'h' },
	{ "version",	no_argument,		NULL, OPTION_VERSION },
	{ "json",	required_argument,	NULL, OPTION_JSON },
	{ "no-pager",	no_argument,		NULL, OPTION_NO_PAGER },
	{ "no-legend",	no_argument,		NULL, OPTION_NO_LEGEND },
	{ "quiet",	no_argument,		NULL, 'q' },
	{ "no-ask-password", no_argument,	NULL, OPTION_NO_ASK_PASSWORD },
	{ "host",	required_argument,	NULL, 'H' },
	{ "machine",	required_argument,	NULL, 'M' },
	{ "all",	no_argument,		NULL, 'a' },
	{ "vcpu",	required_argument,	NULL, OPTION_VCPU },
	{ "duration",	required_argument,	NULL, OPTION_DURATION },
	{ "policy-out",	required_argument,	NULL, OPTION_POLICY_OUT },
	{ "html",	required_argument,	NULL, OPTION_HTML },
	{ "format",	required_argument,	NULL, OPTION_FORMAT },
	{ "output",	required_argument,	NULL, OPTION_OUTPUT },
	{ "batch",	no_argument,		NULL, OPTION_BATCH },
	{ "interval",	required_argument,	NULL, OPTION_INTERVAL },
	{ "count",	required_argument,	NULL, OPTION_COUNT },
	{ "live",	no_argument,		NULL, OPTION_LIVE },
	{ "config",	no_argument,		NULL, OPTION_CONFIG },
	{ "name",	no_argument,		NULL, OPTION_NAME },
	{}
};

static int parse_json_mode(const char *s, enum json_mode *ret, char **ret_error)
{
	if (streq(s, "off"))
		*ret = JSON_OFF;
	else if (streq(s, "pretty"))
		*ret = JSON_PRETTY;
	else if (streq(s, "short"))
		*ret = JSON_SHORT;
	else
		return error_set(ret_error, -EINVAL, "--json=%s is not known; it takes pretty, short "
				 "or off.", s);
	return 0;
}

static bool parse_number(const char *s, int *ret)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || end == s || *end || *s < '0' || *s > '9' || n > INT_MAX)
		return false;
	*ret = n;
	return true;
}

static int parse_vcpu(const char *s, int *ret, char **ret_error)
{
	if (!parse_number(s, ret))
		return error_set(ret_error, -EINVAL, "--vcpu=%s is not the number of a vCPU; vCPUs "
				 "are numbered from 0.", s);
	return 0;
}

static int parse_count(const char *s, uint64_t *ret, char **ret_error)
{
	int n;

	if (!parse_number(s, &n) || n == 0)
		return error_set(ret_error, -EINVAL, "--count=%s is not a number of updates; it takes 1 or more.",
				 s);
	*ret = n;
	return 0;
}

int args_parse_seconds(const char *option, const char *s, uint64_t *ret_usec, char **ret_error)
{
	static const struct { const char *unit; double usec; } units[] = {
		{ "", 1e6 }, { "s", 1e6 }, { "ms", 1e3 }, { "min", 60e6 },
	};
	double n;
	char *end;

	/* Digits first: strtod() would take signs, blanks, "inf" and hexadecimal numbers. */
	n = *s >= '0' && *s <= '9' && s[1] != 'x' && s[1] != 'X' ? strtod(s, &end) : -1;
	for (size_t i = 0; n > 0 && n <= ARGS_SECONDS_MAX && i < ARRAY_SIZE(units); i++) {
		double usec = n * units[i].usec;

		if (!streq(end, units[i].unit) || usec < 1e3 || usec > ARGS_SECONDS_MAX * 1e6)
			continue;
		*ret_usec = usec;
		return 0;
	}
	return error_set(ret_error, -EINVAL, "%s=%s is not a time; it takes a number of seconds such as 10, "
			 "or one with a unit, such as 500ms or 1min.", option, s);
}

static int parse_format(const char *s, enum metrics_format *ret, char **ret_error)
{
	if (streq(s, "openmetrics"))
		*ret = FORMAT_OPENMETRICS;
	else if (streq(s, "prometheus"))
		*ret = FORMAT_PROMETHEUS;
	else
		return error_set(ret_error, -EINVAL, "--format=%s is not known; it takes openmetrics "
				 "or prometheus.", s);
	return 0;
}

static int parse_option(int c, char **argv, struct args *a, char **ret_error)
{
	switch (c) {
	case 'h':
		a->help = true;
		return 0;
	case OPTION_VERSION:
		a->version = true;
		return 0;
	case OPTION_JSON:
		return parse_json_mode(optarg, &a->json, ret_error);
	case OPTION_NO_PAGER:
		a->no_pager = true;
		return 0;
	case OPTION_NO_LEGEND:
		a->no_legend = true;
		return 0;
	case 'q':
		a->quiet = true;
		return 0;
	case 'j':
		a->json = isatty(STDOUT_FILENO) ? JSON_PRETTY : JSON_SHORT;
		return 0;
	case OPTION_NO_ASK_PASSWORD:
		a->no_ask_password = true;
		return 0;
	case 'H':
		a->host = optarg;
		return 0;
	case 'M':
		a->machine = optarg;
		return 0;
	case 'a':
		a->options |= ARGS_ALL;
		return 0;
	case OPTION_VCPU:
		a->options |= ARGS_VCPU;
		return parse_vcpu(optarg, &a->vcpu, ret_error);
	case OPTION_DURATION:
		a->options |= ARGS_DURATION;
		return args_parse_seconds("--duration", optarg, &a->duration_usec, ret_error);
	case OPTION_POLICY_OUT:
		a->options |= ARGS_POLICY_OUT;
		a->policy_out = optarg;
		return 0;
	case OPTION_HTML:
		a->options |= ARGS_HTML;
		a->html = optarg;
		return 0;
	case OPTION_FORMAT:
		a->options |= ARGS_FORMAT;
		return parse_format(optarg, &a->format, ret_error);
	case OPTION_OUTPUT:
		a->options |= ARGS_OUTPUT;
		a->output = streq(optarg, "-") ? NULL : optarg;
		return 0;
	case OPTION_BATCH:
		a->options |= ARGS_BATCH;
		a->batch = true;
		return 0;
	case OPTION_LIVE:
		a->options |= ARGS_LIVE;
		return 0;
	case OPTION_CONFIG:
		a->options |= ARGS_CONFIG;
		return 0;
	case OPTION_NAME:
		a->options |= ARGS_NAME;
		return 0;
	case OPTION_INTERVAL:
		a->options |= ARGS_INTERVAL;
		return args_parse_seconds("--interval", optarg, &a->interval_usec, ret_error);
	case OPTION_COUNT:
		a->options |= ARGS_COUNT;
		return parse_count(optarg, &a->count, ret_error);
	case ':':
		return error_set(ret_error, -EINVAL, "%s needs an argument.", argv[optind - 1]);
	default:
		if (optopt && optopt < 0x100 && strncmp(argv[optind - 1], "--", 2) != 0)
			return error_set(ret_error, -EINVAL, "Unknown option -%c; "
					 "\"nvmxctl --help\" lists the options.", optopt);
		return error_set(ret_error, -EINVAL, "Unknown option %s, or it takes no argument; "
				 "\"nvmxctl --help\" lists the options.", argv[optind - 1]);
	}
}

/* Options that are for some verbs only, by ARGS_*. */
static const struct { unsigned int bit; const char *name; } verb_options[] = {
	{ ARGS_ALL,		"--all" },
	{ ARGS_VCPU,		"--vcpu" },
	{ ARGS_DURATION,	"--duration" },
	{ ARGS_POLICY_OUT,	"--policy-out" },
	{ ARGS_HTML,		"--html" },
	{ ARGS_BATCH,		"--batch" },
	{ ARGS_INTERVAL,	"--interval" },
	{ ARGS_COUNT,		"--count" },
	{ ARGS_FORMAT,		"--format" },
	{ ARGS_OUTPUT,		"--output" },
	{ ARGS_LIVE,		"--live" },
	{ ARGS_CONFIG,		"--config" },
	{ ARGS_NAME,		"--name" },
};

static int check_options(const struct args *a, char **ret_error)
{
	for (size_t i = 0; i < ARRAY_SIZE(verb_options); i++)
		if (a->options & ~a->verb->options & verb_options[i].bit)
			return error_set(ret_error, -EINVAL, "%s cannot be used with \"%s\"; \"nvmxctl %s "
					 "--help\" lists its options.", verb_options[i].name,
					 a->verb->name, a->verb->name);
	return 0;
}

/* What systemctl and virsh call it. */
static const struct { const char *theirs, *ours; } other_names[] = {
	{ "status",		"show" },
	{ "dominfo",		"show" },
	{ "domstats",		"stats" },
	{ "daemon-reload",	"reload" },
	{ "edit",		"policy edit" },
	{ "cat",		"policy show" },
};

static const char *nearest_verb(const struct verb *verbs, const char *name)
{
	struct nearest n = {};

	for (size_t i = 0; i < ARRAY_SIZE(other_names); i++)
		if (streq(other_names[i].theirs, name))
			return other_names[i].ours;
	for (const struct verb *v = verbs; v->name; v++)
		nearest_try(&n, name, v->name);
	return n.name;
}

static int find_verb(const struct verb *verbs, struct args *a, char **ret_error)
{
	const struct verb *v = verbs;
	const char *nearest;

	if (a->n_parameters > 0) {
		while (v->name && !streq(v->name, a->parameters[0]))
			v++;
		nearest = v->name ? NULL : nearest_verb(verbs, a->parameters[0]);
		if (nearest)
			return error_set(ret_error, -EINVAL, "Unknown verb \"%s\"; did you mean "
					 "\"%s\"?", a->parameters[0], nearest);
		if (!v->name)
			return error_set(ret_error, -EINVAL, "Unknown verb \"%s\"; "
					 "\"nvmxctl --help\" lists the verbs.", a->parameters[0]);
		a->parameters++;
		a->n_parameters--;
		a->named = true;
	}
	a->verb = v;
	return 0;
}

static int check_verb(const struct args *a, char **ret_error)
{
	const struct verb *v = a->verb;

	if (a->n_parameters < v->min || (v->max >= 0 && a->n_parameters > v->max))
		return error_set(ret_error, -EINVAL, "Too %s arguments; the usage is \"nvmxctl %s%s%s\".",
				 a->n_parameters < v->min ? "few" : "many",
				 v->name, *v->parameters ? " " : "", v->parameters);
	return check_options(a, ret_error);
}

/* "help VERB" is "VERB --help". */
static int take_help(const struct verb *verbs, struct args *a, char **ret_error)
{
	int r;

	r = check_verb(a, ret_error);
	if (r < 0)
		return r;
	a->help = true;
	a->named = false;
	return find_verb(verbs, a, ret_error);
}

int args_parse(int argc, char **argv, const struct verb *verbs, struct args *ret,
	       char **ret_error)
{
	struct args a = { .vcpu = NVMX_ALL_VCPUS };
	int c, r;

	/* Start anew, also in a test that parses many times. */
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":ahjqH:M:", options, NULL)) >= 0) {
		r = parse_option(c, argv, &a, ret_error);
		if (r < 0)
			return r;
	}
	a.parameters = argv + optind;
	a.n_parameters = argc - optind;

	if (a.host && a.machine)
		return error_set(ret_error, -EINVAL, "--host and --machine cannot be used together.");
	if (!a.version) {
		r = find_verb(verbs, &a, ret_error);
		if (r >= 0 && !a.help && streq(a.verb->name, "help"))
			r = take_help(verbs, &a, ret_error);
		if (r >= 0 && !a.help)
			r = check_verb(&a, ret_error);
		if (r < 0)
			return r;
	}
	*ret = a;
	return 0;
}

int args_parse_changes(char **parameters, int n, const char **ret_policy,
		       struct policy_change **ret_changes, size_t *ret_n, char **ret_error)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	const char *policy = "";
	size_t k = 0;

	changes = calloc(n + 1, sizeof(*changes));
	if (!changes)
		return error_set(ret_error, -ENOMEM, "Out of memory.");

	for (int i = 0; i < n; i++) {
		char *equals = strchr(parameters[i], '=');

		if (!equals && i == 0 && *parameters[i]) {
			policy = parameters[i];
			continue;
		}
		if (!equals || equals == parameters[i] || !equals[1])
			return error_set(ret_error, -EINVAL, "\"%s\" is not FIELD=CLASS%s.",
					 parameters[i], i == 0 ? " and not the name of a policy" : "");
		*equals = '\0';
		if (streq(parameters[i], "policy")) {
			if (*policy)
				return error_set(ret_error, -EINVAL, "Two policies are given, %s and %s; "
						 "give one.", policy, equals + 1);
			policy = equals + 1;
			continue;
		}
		changes[k].name = parameters[i];
		changes[k].value = equals + 1;
		k++;
	}

	*ret_policy = policy;
	*ret_changes = steal_ptr(changes);
	*ret_n = k;
	return 0;
}
