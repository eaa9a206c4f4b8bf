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
};

static const struct option options[] = {
	{ "help",	no_argument,		NULL, 'h' },
	{ "version",	no_argument,		NULL, OPTION_VERSION },
	{ "json",	required_argument,	NULL, OPTION_JSON },
	{ "no-pager",	no_argument,		NULL, OPTION_NO_PAGER },
	{ "no-legend",	no_argument,		NULL, OPTION_NO_LEGEND },
	{ "quiet",	no_argument,		NULL, 'q' },
	{ "host",	required_argument,	NULL, 'H' },
	{ "machine",	required_argument,	NULL, 'M' },
	{ "vcpu",	required_argument,	NULL, OPTION_VCPU },
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
		return error_set(ret_error, -EINVAL, "--json=%s is not known; it is pretty, short "
				 "or off.", s);
	return 0;
}

static int parse_vcpu(const char *s, int *ret, char **ret_error)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || end == s || *end || *s < '0' || *s > '9' || n > INT_MAX)
		return error_set(ret_error, -EINVAL, "--vcpu=%s is not the number of a vCPU; they "
				 "count from 0.", s);
	*ret = n;
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
	case 'H':
		a->host = optarg;
		return 0;
	case 'M':
		a->machine = optarg;
		return 0;
	case OPTION_VCPU:
		return parse_vcpu(optarg, &a->vcpu, ret_error);
	case ':':
		return error_set(ret_error, -EINVAL, "%s needs an argument.", argv[optind - 1]);
	default:
		if (optopt && optopt < 0x100 && strncmp(argv[optind - 1], "--", 2) != 0)
			return error_set(ret_error, -EINVAL, "There is no option -%c; "
					 "\"nvmxctl --help\" lists them.", optopt);
		return error_set(ret_error, -EINVAL, "Option %s is not known, or not so; "
				 "\"nvmxctl --help\" lists them.", argv[optind - 1]);
	}
}

static int parse_verb(const struct verb *verbs, struct args *a, char **ret_error)
{
	const struct verb *v = verbs;

	if (a->n_parameters > 0) {
		while (v->name && !streq(v->name, a->parameters[0]))
			v++;
		if (!v->name)
			return error_set(ret_error, -EINVAL, "There is no verb \"%s\"; "
					 "\"nvmxctl --help\" lists them.", a->parameters[0]);
		a->parameters++;
		a->n_parameters--;
	}
	if (a->n_parameters < v->min || (v->max >= 0 && a->n_parameters > v->max))
		return error_set(ret_error, -EINVAL, "Too %s parameters; it is \"nvmxctl %s%s%s\".",
				 a->n_parameters < v->min ? "few" : "many",
				 v->name, *v->parameters ? " " : "", v->parameters);
	a->verb = v;
	return 0;
}

int args_parse(int argc, char **argv, const struct verb *verbs, struct args *ret,
	       char **ret_error)
{
	struct args a = { .vcpu = NVMX_ALL_VCPUS };
	int c, r;

	/* Start anew, also in a test that parses many times. */
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hqH:M:", options, NULL)) >= 0) {
		r = parse_option(c, argv, &a, ret_error);
		if (r < 0)
			return r;
	}
	a.parameters = argv + optind;
	a.n_parameters = argc - optind;

	if (a.host && a.machine)
		return error_set(ret_error, -EINVAL, "--host and --machine do not go together.");
	if (!a.help && !a.version) {
		r = parse_verb(verbs, &a, ret_error);
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
					 parameters[i], i == 0 ? ", and no policy's name" : "");
		*equals = '\0';
		changes[k].name = parameters[i];
		changes[k].value = equals + 1;
		k++;
	}

	*ret_policy = policy;
	*ret_changes = steal_ptr(changes);
	*ret_n = k;
	return 0;
}
