/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --help: of nvmxctl, and of each verb, which fits a screen of 80 by 24.
 */
#include "client/nvmxctl.h"

#define HELP_COLUMN	28		/* where what a verb does begins */

/* bit: 0 for those that every verb has. */
static const struct {
	unsigned int bit;
	const char *option;
	const char *help;
} options[] = {
	{ ARGS_ALL,		"-a, --all",			"Everything, not only what is costly" },
	{ ARGS_DURATION,	"    --duration=TIME",		"Measure for that long (10, 500ms, 1min)" },
	{ ARGS_POLICY_OUT,	"    --policy-out=FILE",	"Write a policy with the best classes" },
	{ ARGS_HTML,		"    --html=FILE",		"Write a page in HTML, with bars" },
	{ ARGS_FORMAT,		"    --format=FORMAT",		"Text format: openmetrics, or prometheus" },
	{ ARGS_OUTPUT,		"    --output=FILE",		"Write to FILE, replacing it atomically" },
	{ ARGS_BATCH,		"    --batch",			"Print tables instead of showing a screen" },
	{ ARGS_INTERVAL,	"    --interval=TIME",		"Time between updates (2, 500ms, 1min)" },
	{ ARGS_COUNT,		"    --count=N",		"Number of updates, then exit" },
	{ ARGS_LIVE,		"    --live",			"Change the running VM (the default)" },
	{ ARGS_CONFIG,		"    --config",			"Change the domain's configuration, for its next start" },
	{ ARGS_NAME,		"    --name",			"Print only the names, one a line" },
	{ ARGS_VCPU,		"    --vcpu=N",		"Show this vCPU only" },
	{ 0,			"-h, --help",			"Show this help, or that of a verb" },
	{ 0,			"    --version",		"Show the version" },
	{ 0,			"    --json=MODE",		"Print JSON: pretty, short or off" },
	{ 0,			"-j",				"Print JSON: pretty on a terminal, short elsewhere" },
	{ 0,			"-q, --quiet",			"Suppress notes and summaries" },
	{ 0,			"    --no-legend",		"Do not print headings and summaries" },
	{ 0,			"    --no-pager",		"Do not pipe output into a pager" },
	{ 0,			"    --no-ask-password",	"Do not ask for a password" },
	{ 0,			"-H, --host=[USER@]HOST",	"Operate on a remote host, over ssh" },
	{ 0,			"-M, --machine=NAME",		"Operate on a local container" },
};

static void put_options(FILE *f, const char *title, unsigned int bits, bool of_all)
{
	const char *once = title;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (options[i].bit ? !(options[i].bit & bits) : !of_all)
			continue;
		fprintf(f, "%s  %-24s %s\n", once, options[i].option, options[i].help);
		once = "";
	}
}

static void put_verb(FILE *f, const struct verb *v)
{
	int used = fprintf(f, "  %-8s %s", v->name, v->parameters);

	/* What is too long for the column has the help below it. */
	if (used >= HELP_COLUMN) {
		fputc('\n', f);
		used = 0;
	}
	fprintf(f, "%*s%s\n", HELP_COLUMN - used, "", v->help);
}

void help_put_verb(FILE *f, const struct verb *v)
{
	fprintf(f, "nvmxctl [OPTION...] %s%s%s\n\n%s.\n%s", v->name, *v->parameters ? " " : "",
		v->parameters, v->help, v->about);
	put_options(f, "\nOptions, besides those that \"nvmxctl --help\" lists:\n", v->options, false);
}

void help_put(FILE *f, const struct verb *verbs)
{
	fputs("nvmxctl [OPTION...] [VERB]\n\n"
	      "See and tune what nested virtualization costs, per VM.\n\n"
	      "Verbs:\n", f);
	for (const struct verb *v = verbs; v->name; v++)
		put_verb(f, v);
	put_options(f, "\nOptions:\n", 0, true);
	put_options(f, "\nOptions of some verbs:\n", ~0U, false);
	fputs("\nDOMAIN is a libvirt domain's name, a UUID, a VM's id, or a process id.\n"
	      "FIELD is a VMCS field, a group (ar-bytes, exit-information), or\n"
	      "vmwrite-any-field; CLASS is intercept, read-only or read-write, or inherit or\n"
	      "hide.  See nvmxctl(1).\n", f);
}
