/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl: the administrator's view of nvmxd.  This file has the table of verbs
 * and main().
 */
#include <locale.h>

#include "client/nvmxctl.h"

#define ABOUT_CLASSES							\
	"\nFIELD is a VMCS field as \"nvmxctl fields\" lists it, a group (ar-bytes,\n"	\
	"exit-information), or vmwrite-any-field.  CLASS is intercept (each access\n"	\
	"exits), read-only (VMREAD is free) or read-write (both are, and it is copied\n"	\
	"each way); of vmwrite-any-field it is inherit or hide.\n"

/* The first one is what nvmxctl does without a verb. */
static const struct verb verbs[] = {
	{ "list",   "[PATTERN...]", "List the VMs, or those that match a pattern", 0, -1, verb_list,
	  ARGS_NAME,
	  "\nPATTERN is the name or UUID of a VM, with *, ? and [] as in the shell, or an id\n"
	  "or process id.  CHANGED says whether something was changed on top of POLICY,\n"
	  "SOURCE where that comes from, and SHADOWING whether it has any effect now.\n" },
	{ "show",   "DOMAIN", "Show a VM, its policy, and where that comes from", 1, 1, verb_show, 0,
	  "" },
	{ "set",    "DOMAIN [policy=NAME] [FIELD=CLASS...]", "Set a VM's policy, or change it",
	  2, -1, verb_set, ARGS_LIVE | ARGS_CONFIG,
	  "\nNAME alone, as the first, means policy=NAME; without it the changes are made on\n"
	  "top of what is there.  All of it is done, or nothing.  It stays until the VM\n"
	  "ends, until \"nvmxctl reset\", or until the domain's metadata change; with\n"
	  "--config, it is there from each start on.\n" ABOUT_CLASSES },
	{ "reset",  "DOMAIN", "Reset a VM's policy", 1, 1, verb_reset,
	  ARGS_LIVE | ARGS_CONFIG,
	  "\nThe policy is then that of the metadata, of a match, or the default.  With\n"
	  "--config the policy is removed from the domain's metadata, for its next start.\n" },
	{ "reload", "", "Have nvmxd read its configuration and policy files", 0, 0, verb_reload, 0,
	  "\nThe policies are then applied to the VMs, but for those whose policy was set at\n"
	  "run time.  If a file is broken it fails, and says which; the others are in use.\n" },
	{ "fields", "[DOMAIN]", "List VMCS fields, and their classes for a VM", 0, 1, verb_fields, 0,
	  "\nFLAGS: eager (written at each entry into L2), slow (a change makes the next\n"
	  "entry take the slow path), lazy (fetched at each exit if shadowed), absent (this\n"
	  "processor does not have it), lossy (it does not keep all its bits).\n" },
	{ "stats",  "DOMAIN", "Show a VM's counters, and its exits by field", 1, 1, verb_stats,
	  ARGS_VCPU,
	  "\nThey count from the creation of the vCPUs and are never reset.\n" },
	{ "account", "[DOMAIN]", "Say where the time of VMs goes, on any kernel", 0, 1, verb_account,
	  ARGS_DURATION | ARGS_ALL | ARGS_VCPU | ARGS_HTML,
	  "\nFor a while (5 seconds) each nanosecond of each vCPU is attributed: L1 or L2\n"
	  "runs; L0 handles an exit, by its level and reason, and the level entered next;\n"
	  "halted; outside, which is preempted, in user space or waiting.  Without DOMAIN\n"
	  "each VM has a line.  It needs neither nvmxd nor the kernel module, and costs all\n"
	  "VMs some hundred instructions an exit meanwhile.\n" },
	{ "profile", "DOMAIN", "Measure L1's VMCS accesses, and find the best policy", 1, 1, verb_profile,
	  ARGS_DURATION | ARGS_POLICY_OUT | ARGS_HTML,
	  "\nFor a while (10 seconds) every access of L1 to its VMCS exits and is counted; L1\n"
	  "is slower meanwhile.  Ctrl-C ends it early.  Shown are, per exit of L2:\n"
	  "  VMREAD, VMWRITE  accesses to the field\n"
	  "  CLASS, COST      the class it has now, and what that costs in ticks of the TSC\n"
	  "  BEST, SAVES      the class that costs least, and how much less that is\n"
	  "and what each class would cost.  Costs are estimated.  FILE may be -, standard\n"
	  "output.\n" },
	{ "metrics", "", "Print the counters of all VMs for Prometheus", 0, 0, verb_metrics,
	  ARGS_FORMAT | ARGS_OUTPUT,
	  "\nOnly fields that L1 accessed have metrics.  nvmx-metrics.timer writes them for\n"
	  "node_exporter, every 30 seconds.\n" },
	{ "diagnose", "[DOMAIN]", "Say which VMs nesting is costly for, and what helps", 0, 1, verb_diagnose,
	  ARGS_DURATION | ARGS_ALL,
	  "\nOf each VM whose VMREAD and VMWRITE exits take 2 % of a processor or more, as\n"
	  "estimated: because of which fields, and what to type next.  The others are\n"
	  "counted, by what is the matter with them; DOMAIN or --all shows each.  The\n"
	  "counters are read twice, 2 seconds apart, which costs the VMs nothing.\n" },
	{ "top", "", "Watch all VMs, live", 0, 0, verb_top,
	  ARGS_BATCH | ARGS_INTERVAL | ARGS_COUNT,
	  "\nENTRIES/S: entries of L1 into L2 per second.  EXITS/L2: exits from L1 per exit\n"
	  "of L2, which are the entry, VMREADs and VMWRITEs.  VMCS/S: the latter two per\n"
	  "second.\n"
	  "Keys: q quit, Enter the fields of a VM, / filter, e x v n i sort, h help.\n" },
	{ "monitor", "", "Print events of VMs and policies as they happen", 0, 0, verb_monitor, 0,
	  "\nEvents are new, gone, changed (name, first use of VMX, policy), nvmxd-started\n"
	  "and nvmxd-stopped.  One line each, or one JSON object each, until Ctrl-C.\n" },
	{ "policy", "list | show NAME | check FILE... | edit NAME", "List, show, check or edit policies",
	  1, -1, verb_policy, 0,
	  "\ncheck says whether nvmxd would use the files, beside those that there are.\n"
	  "edit opens the policy's file, or a new one, in $SYSTEMD_EDITOR, $EDITOR or\n"
	  "$VISUAL, and installs it in /etc/nvmx/policy.d if nvmxd would use it.\n" },
	{ "version", "", "Show the versions of nvmxctl and nvmxd", 0, 0, verb_version, 0, "" },
	/* args_parse() makes --help of it. */
	{ "help", "[VERB]", "Show this help, or that of a verb", 0, 1, NULL, 0, "" },
	{}
};

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
	status = STATUS_DONE;
	if (args.help && args.named)
		help_put_verb(stdout, args.verb);
	else if (args.help)
		help_put(stdout, verbs);
	else if (args.version)
		puts("nvmxctl " NVMX_VERSION);
	else
		status = args.verb->run(&c);
	if (pager_close(&c) < 0 && status == STATUS_DONE) {
		fprintf(stderr, "nvmxctl: The output could not be written.\n");
		status = STATUS_FAILED;
	}
	sd_bus_flush_close_unref(c.bus);
	return status;
}
