/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl: the administrator's view of nvmxd.  This file has the table of verbs,
 * the help, and main().
 */
#include <locale.h>

#include "client/nvmxctl.h"

/* The first one is what nvmxctl does without a verb. */
static const struct verb verbs[] = {
	{ "list",   "", "List the VMs", 0, 0, verb_list },
	{ "show",   "DOMAIN", "Show a VM, its policy, and where that comes from", 1, 1, verb_show },
	{ "set",    "DOMAIN [POLICY] [FIELD=CLASS...]", "Set a VM's policy, or change it",
	  2, -1, verb_set },
	{ "reset",  "DOMAIN", "Drop what was set", 1, 1, verb_reset },
	{ "fields", "[DOMAIN]", "List the fields, and their classes for a VM", 0, 1, verb_fields },
	{ "stats",  "DOMAIN", "Show a VM's counters, and its exits by field", 1, 1, verb_stats },
	{ "policy", "list | show NAME | check FILE...", "Look at policies, or check files",
	  1, -1, verb_policy },
	{}
};

static void help(FILE *f)
{
	fputs("nvmxctl [OPTION...] [VERB]\n\n"
	      "See and steer what nested virtualization costs, per VM.\n\n"
	      "Verbs:\n", f);
	for (const struct verb *v = verbs; v->name; v++)
		fprintf(f, "  %-6s %-33s %s\n", v->name, v->parameters, v->help);
	fputs("\nOptions:\n"
	      "  -h, --help             Show this help\n"
	      "      --version          Show the version\n"
	      "      --json=MODE        Print JSON: pretty, short or off\n"
	      "      --vcpu=N           Counters of this vCPU only (stats)\n"
	      "  -q, --quiet            No notes and no summaries\n"
	      "      --no-legend        No headings and no summaries\n"
	      "      --no-pager         Do not pipe output into a pager\n"
	      "  -H, --host=[USER@]HOST Talk to the host over ssh\n"
	      "  -M, --machine=NAME     Talk to the local container\n"
	      "\n"
	      "DOMAIN is a libvirt domain's name, a UUID, a VM's id, or a process id.\n"
	      "FIELD is a VMCS field, a group (ar-bytes, exit-information), or\n"
	      "vmwrite-any-field; CLASS is intercept, read-only or read-write, or inherit or\n"
	      "hide.  See nvmxctl(1).\n", f);
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *sentence = NULL;
	struct args args = {};
	struct client c = { .args = &args };
	int status;

	setlocale(LC_ALL, "");
	if (args_parse(argc, argv, verbs, &args, &sentence) < 0) {
		fprintf(stderr, "nvmxctl: %s\n", sentence ?: "Out of memory.");
		return STATUS_USAGE;
	}
	if (args.help) {
		help(stdout);
		return STATUS_DONE;
	}
	if (args.version) {
		puts("nvmxctl " NVMX_VERSION);
		return STATUS_DONE;
	}

	status = args.verb->run(&c);
	if (pager_close(&c) < 0 && status == STATUS_DONE) {
		fprintf(stderr, "nvmxctl: The output could not be written.\n");
		status = STATUS_FAILED;
	}
	sd_bus_flush_close_unref(c.bus);
	return status;
}
