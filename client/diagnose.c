/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is the matter with a VM: whether nesting costs anything, because of what, and
 * what to type next.  The first verdict that fits, most fundamental first.
 */
#include <stdarg.h>

#include "client/diagnose.h"
#include "client/profile.h"

/* From this part of one processor on, in percent, VMREAD and VMWRITE exits are worth a thought. */
#define COSTLY_PERCENT		2.0
/* The same in exits per exit of L2, where nobody knows how fast the TSC is. */
#define COSTLY_RATE		1.0
/* A field is to blame from this part of them on. */
#define BLAME			0.1
#define BLAMED_MAX		6
/* An absent field that is accessed so often per exit of L2 is part of a feature in use. */
#define FEATURE_IN_USE		0.5
/* Below this part of all exits of the VM, VMCS fields are not what makes it slow. */
#define MINOR			0.1
/* For how long to look at a VM whose L2 did not run. */
#define LONG_LOOK_SECONDS	60

/* Fields of features that KVM offers L1 though the processor may lack them. */
static const struct feature {
	const char *field;
	const char *feature;
	const char *property;		/* QEMU's, of the CPU */
	const char *linux_l1;		/* what a Linux L1 can do; NULL: nothing */
} features[] = {
	{ "GUEST_PML_INDEX",	"page-modification logging (PML)", "vmx-pml", "kvm_intel.pml=0" },
	{ "PML_ADDRESS",	"page-modification logging (PML)", "vmx-pml", "kvm_intel.pml=0" },
	{ "TSC_MULTIPLIER",	"TSC scaling", "vmx-tsc-scaling", NULL },
	{ "POSTED_INTR_NV",	"posted interrupts", "vmx-posted-intr", "kvm_intel.enable_apicv=0" },
	{ "POSTED_INTR_DESC_ADDR", "posted interrupts", "vmx-posted-intr", "kvm_intel.enable_apicv=0" },
	{ "GUEST_INTR_STATUS",	"virtual-interrupt delivery", "vmx-apicv-vid", "kvm_intel.enable_apicv=0" },
	{ "XSS_EXIT_BITMAP",	"XSAVES", "vmx-xsaves", NULL },
	{ "ENCLS_EXITING_BITMAP", "SGX", "vmx-encls-exit", NULL },
	{ "GUEST_BNDCFGS",	"MPX", "vmx-entry-load-bndcfgs", NULL },
};

static const struct diagnose_kind kinds[] = {
	{ "costly",	true,	"VMREAD and VMWRITE exits cost much, and a policy helps" },
	{ "feature",	true,	"L1 uses a feature that the processor lacks" },
	{ "unavoidable", true,	"VMREAD and VMWRITE exits cost much, and no policy helps" },
	{ "no-shadowing", true,	"VMREAD and VMWRITE exits cost much: VMCS shadowing is off" },
	{ "elsewhere",	false,	"nested, and VMCS accesses are cheap: it exits for other reasons" },
	{ "cheap",	false,	"nested and cheap: VMREAD and VMWRITE exits cost little" },
	{ "idle",	false,	"nested, but L2 did not run" },
	{ "inert-evmcs", false,	"nested, with an enlightened VMCS, which no policy changes" },
	{ "profiling",	false,	"being profiled" },
	{ "not-nested",	false,	"not nested: VMX not used since the VM was started" },
	{ "no-nested",	false,	"not nested: nested virtualization is off on this host" },
};

const struct diagnose_kind *diagnose_kind(size_t i)
{
	return i < ARRAY_SIZE(kinds) ? &kinds[i] : NULL;
}

struct figures {
	const struct diagnose_host *host;
	const struct hint *hint;
	struct json_object *verdict;
	struct json_object *fields;	/* what exited, most first */
	double seconds;
	double l2_exits;
	double accesses;		/* exits by VMREAD and VMWRITE */
	bool idle;			/* now: the figures are since the creation of the vCPUs */
};

static void _printf_(3, 4) say(struct json_object *verdict, const char *word, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	json_add_text(verdict, "verdict", word);
	json_add_text(verdict, "text", text ?: "Out of memory.");
}

static struct json_object *commands_of(struct json_object *verdict)
{
	return json_get(verdict, "commands");
}

/* What can be said without a look at the counters. */
static bool judge_state(struct json_object *v, struct json_object *vm, const char *support)
{
	const char *shadowing = json_get_text(vm, "shadowing");

	if (streq(support, "no-nested")) {
		say(v, "no-nested", "Not nested: nested virtualization is off on this host (kvm_intel "
		    "nested=0). To turn it on, shut all VMs down and load the module anew.");
		hint_add(commands_of(v), "modprobe -r kvm_intel && modprobe kvm_intel nested=1");
	} else if (!json_object_get_boolean(json_get(vm, "vmxon"))) {
		say(v, "not-nested", "Not nested: it has not used VMX since it was started. If it is slow, "
		    "nesting is not the reason.");
	} else if (streq(shadowing, "inert-evmcs")) {
		say(v, "inert-evmcs", "Nested, with an enlightened VMCS, as Hyper-V uses: L1's accesses to "
		    "it are plain memory accesses, which do not exit. No policy has an effect.");
	} else if (streq(shadowing, "profiling")) {
		say(v, "profiling", "It is being profiled: every VMREAD and VMWRITE exits until that ends, "
		    "in %u seconds at most. Diagnose it again then.", NVMX_WINDOW_MAX_MS / 1000);
	} else {
		return false;
	}
	return true;
}

static struct json_object *find_by(struct json_object *array, const char *name)
{
	for (size_t i = 0; i < json_length(array); i++)
		if (streq(json_get_text(json_at(array, i), "name"), name))
			return json_at(array, i);
	return NULL;
}

static bool allows(struct json_object *field, const char *class)
{
	struct json_object *allowed = json_get(field, "allowed");

	for (size_t i = 0; i < json_length(allowed); i++)
		if (streq(json_object_get_string(json_at(allowed, i)) ?: "", class))
			return true;
	return false;
}

/* ---- what it costs ---- */

/* Of one processor, by so many exits; an estimate, since nobody times each. */
static double percent_of(const struct figures *f, double exits)
{
	double ticks = f->host->tsc_khz * 1000. * f->seconds;

	return ticks > 0 ? exits * profile_default_costs.intercepted * 100 / ticks : 0;
}

static bool is_costly(const struct figures *f, double exits)
{
	return f->host->tsc_khz > 0 ? percent_of(f, exits) >= COSTLY_PERCENT :
	       exits >= COSTLY_RATE * f->l2_exits;
}

/* " 12 % of a processor", with enough digits. */
static const char *percent_text(double percent, char *buffer, size_t size)
{
	if (percent < 0.1)
		snprintf(buffer, size, "less than 0.1 %% of a processor");
	else
		snprintf(buffer, size, "about %.*f %% of a processor", percent < 10 ? 1 : 0, percent);
	return buffer;
}

/* "5.0 VMREAD and VMWRITE exits per exit of L2, ..." */
static char *cost_text(const struct figures *f)
{
	char percent[64], *text;

	if (asprintf(&text, "%.1f VMREAD and VMWRITE exits per exit of L2, at %.0f exits of L2 per second%s%s%s",
		     f->accesses / f->l2_exits, f->l2_exits / f->seconds,
		     f->host->tsc_khz > 0 ? ", take " : "", f->host->tsc_khz > 0 ?
		     percent_text(percent_of(f, f->accesses), percent, sizeof(percent)) : "",
		     f->host->tsc_khz > 0 ? " (estimated)" : "") < 0)
		return NULL;
	return text;
}

/* ---- what would help ---- */

/* The class that saves most of a field's exits; NULL: none does. */
static const char *freer_class(const struct figures *f, struct json_object *counts)
{
	struct json_object *field = find_by(f->host->fields, json_get_text(counts, "name"));

	if (json_get_count(counts, "vmwrite") > 0 && allows(field, "read-write"))
		return "read-write";
	return json_get_count(counts, "vmread") > 0 && allows(field, "read-only") ? "read-only" : NULL;
}

/* Of a field's exits, those that the class saves. */
static double saved_by(const char *class, struct json_object *counts)
{
	if (!class)
		return 0;
	return json_get_count(counts, "vmread") +
	       (streq(class, "read-write") ? json_get_count(counts, "vmwrite") : 0);
}

/* "HOST_RSP (1.0 per exit of L2), GUEST_CR3 (0.5)", and the changes that save them: how many. */
static double blame(const struct figures *f, char **ret_names, char **ret_changes)
{
	_cleanup_free_ char *names = NULL, *changes = NULL;
	size_t n_names = 0, n_changes = 0, n = 0;
	double saved = 0;
	FILE *a = open_memstream(&names, &n_names), *b = open_memstream(&changes, &n_changes);

	if (!a || !b)
		abort();
	for (size_t i = 0; i < json_length(f->fields) && n < BLAMED_MAX; i++) {
		struct json_object *counts = json_at(f->fields, i);
		const char *class = freer_class(f, counts), *name = json_get_text(counts, "name");
		double exits = json_get_count(counts, "exits");

		if (!class || exits < BLAME * f->accesses)
			continue;
		fprintf(a, "%s%s (%.1f%s)", n ? ", " : "", name, exits / f->l2_exits,
			n ? "" : " per exit of L2");
		fprintf(b, "%s%s=%s", n ? " " : "", name, class);
		saved += saved_by(class, counts);
		n++;
	}
	fclose(a);
	fclose(b);
	*ret_names = steal_ptr(names);
	*ret_changes = steal_ptr(changes);
	return saved;
}

/* Many fields with little each: none is to blame, and a profile finds the best for all. */
static double can_be_saved(const struct figures *f)
{
	double saved = 0;

	for (size_t i = 0; i < json_length(f->fields); i++)
		saved += saved_by(freer_class(f, json_at(f->fields, i)), json_at(f->fields, i));
	return saved;
}

/* A feature in use that the processor lacks, with the exits of its field; NULL: none. */
static const struct feature *find_feature(const struct figures *f, double *ret_exits)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		struct json_object *counts = find_by(f->fields, features[i].field);
		double exits = json_get_count(counts, "exits");

		if (exits / f->l2_exits < FEATURE_IN_USE || freer_class(f, counts))
			continue;
		*ret_exits = exits;
		return &features[i];
	}
	return NULL;
}

/* libvirt can name the VMX features of a CPU from this version on (its NEWS, 9.10.0). */
#define LIBVIRT_NAMES_VMX	9010000

/* How to hide a feature from L1; adds what to write. */
static char *hiding_text(const struct figures *f, const struct feature *feature)
{
	const struct hint *h = f->hint;
	unsigned long v = h->libvirt_version;
	char *text = NULL;
	int r;

	if (h->is_domain && v >= LIBVIRT_NAMES_VMX) {
		hint_add(commands_of(f->verdict), "<feature policy='disable' name='%s'/>", feature->property);
		return strdup("put the line below into <cpu> of the domain (virsh edit) and start it anew");
	}
	hint_add(commands_of(f->verdict), "-cpu host,%s=off", feature->property);
	if (!h->is_domain)
		return strdup("start QEMU with the option below");
	if (v > 0)
		r = asprintf(&text, "start QEMU with the option below, by <qemu:commandline> in the domain (libvirt "
			     "%lu.%lu knows no vmx-* features)", v / 1000000, v / 1000 % 1000);
	else
		r = asprintf(&text, "start QEMU with the option below, by <qemu:commandline> in the domain, or with "
			     "libvirt 9.10 and later by <feature policy='disable' name='%s'/> in <cpu>",
			     feature->property);
	return r < 0 ? NULL : text;
}

/* What it is, and how to do without; with the command. */
static char *feature_text(const struct figures *f, const struct feature *feature, double exits)
{
	_cleanup_free_ char *hiding = hiding_text(f, feature);
	char *text;

	if (asprintf(&text, "%.0f %% of them are accesses to %s (%.1f per exit of L2): L1 was offered %s, which "
		     "this processor lacks, and no policy can shadow that field. To hide the feature from L1, "
		     "%s%s%s.", exits * 100 / f->accesses, feature->field, exits / f->l2_exits,
		     feature->feature, hiding ?: "", feature->linux_l1 ? ", or start a Linux L1 with " : "",
		     feature->linux_l1 ?: "") < 0)
		return NULL;
	return text;
}

/* ---- verdicts on what is costly ---- */

static void judge_fields(const struct figures *f, const char *cost)
{
	_cleanup_free_ char *names = NULL, *changes = NULL;
	struct json_object *commands = commands_of(f->verdict);
	const struct hint *h = f->hint;
	double saved = blame(f, &names, &changes);
	char percent[64];

	if (saved > 0) {
		json_add_number(f->verdict, "saved_exits", saved / f->l2_exits, 2);
		if (f->host->tsc_khz > 0)
			json_add_number(f->verdict, "saved_cpu_percent", percent_of(f, saved), 2);
		say(f->verdict, "costly", "Nested and costly: %s. Most are of %s. The first command below saves "
		    "%.1f of them%s%s%s; \"profile\" measures all fields.", cost, names, saved / f->l2_exits,
		    f->host->tsc_khz > 0 ? ", " : "", f->host->tsc_khz > 0 ?
		    percent_text(percent_of(f, saved), percent, sizeof(percent)) : "",
		    h->is_domain ? ", the second does so from the next start of the domain on" : "");
		hint_add(commands, "%s set %s %s", h->nvmxctl, h->vm, changes);
		if (h->is_domain)
			hint_add(commands, "%s set %s %s --config", h->nvmxctl, h->vm, changes);
	} else {
		say(f->verdict, "costly", "Nested and costly: %s. They are of many fields, with few exits each. "
		    "The command below measures which policy is best.", cost);
	}
	hint_add(commands, "%s profile %s", h->nvmxctl, h->vm);
}

static void judge_costs(const struct figures *f, const char *cost)
{
	double saved = can_be_saved(f), exits = 0;
	const struct feature *feature = find_feature(f, &exits);
	_cleanup_free_ char *text = NULL;

	/* Where a policy saves more than a feature costs, it comes first. */
	if (streq(f->host->support, "no-shadow-vmcs")) {
		say(f->verdict, "no-shadowing", "Nested and costly: %s. VMCS shadowing is off on this host (the "
		    "processor lacks it, or kvm_intel enable_shadow_vmcs=0), so every VMREAD and VMWRITE of L1 "
		    "exits, and no policy can change that.", cost);
	} else if (feature && (!is_costly(f, saved) || exits >= saved)) {
		text = feature_text(f, feature, exits);
		say(f->verdict, "feature", "Nested and costly: %s. %s", cost, text ?: "");
	} else if (!is_costly(f, saved)) {
		say(f->verdict, "unavoidable", "Nested and costly: %s. They are of fields that cannot be "
		    "shadowed, or no better, on this processor and kernel: no policy helps.", cost);
	} else {
		judge_fields(f, cost);
	}
}

/* ---- verdicts on what is not ---- */

/* Exits that KVM counts, by its name in debugfs; without one, by nvmx's counters. */
static const struct reason {
	const char *counter;
	const char *key;
	const char *text;
} reasons[] = {
	{ NULL,			"vmcs",		"VMREAD and VMWRITE" },
	{ NULL,			"nested",	"exits of L2 that L1 handles, and the VM entries after them" },
	{ "io_exits",		"port-io",	"port I/O" },
	{ "mmio_exits",		"mmio",		"MMIO" },
	{ "pf_taken",		"page-faults",	"page faults and EPT violations" },
	{ "halt_exits",		"hlt",		"HLT" },
	{ "irq_exits",		"interrupts",	"external interrupts" },
	{ "irq_window_exits",	"interrupt-windows", "interrupt windows" },
	{ "hypercalls",		"hypercalls",	"hypercalls" },
	{ NULL,			"other",	"others, such as CPUID, MSRs and control registers" },
};
enum { REASON_VMCS, REASON_NESTED, REASON_OTHER = ARRAY_SIZE(reasons) - 1 };

const char *diagnose_kvm_counter(size_t i)
{
	size_t n = 0;

	if (i == 0)
		return "exits";
	for (size_t k = 0; k < ARRAY_SIZE(reasons); k++)
		if (reasons[k].counter && ++n == i)
			return reasons[k].counter;
	return NULL;
}

static double kvm_since(struct json_object *then, struct json_object *now, const char *counter)
{
	uint64_t a = json_get_count(json_get(then, "kvm"), counter);
	uint64_t b = json_get_count(json_get(now, "kvm"), counter);

	return b > a ? b - a : 0;
}

/* In percent, without digits, and 100 in all: what is lost in rounding goes to where most was. */
static void round_percents(const double *counts, double total, unsigned int *ret)
{
	unsigned int left = 100;

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		ret[i] = counts[i] * 100 / total;
		left -= ret[i];
	}
	for (; left > 0; left--) {
		size_t most = 0;

		for (size_t i = 1; i < ARRAY_SIZE(reasons); i++)
			if (counts[i] * 100 / total - ret[i] > counts[most] * 100 / total - ret[most])
				most = i;
		ret[most]++;
	}
}

/* "50 % port I/O, 25 % ...", most first; what it is in JSON goes to the verdict. */
static char *reasons_text(const struct figures *f, struct json_object *then, struct json_object *now,
			  double all)
{
	struct json_object *list = json_object_new_array();
	double counts[ARRAY_SIZE(reasons)] = {
		[REASON_VMCS] = f->accesses,
		/* Each is followed by an entry of L1, which is an exit as well. */
		[REASON_NESTED] = 2 * f->l2_exits,
	};
	unsigned int percents[ARRAY_SIZE(reasons)];
	double named = 0;
	char *text = NULL;
	size_t size;
	FILE *t;

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].counter)
			counts[i] = kvm_since(then, now, reasons[i].counter);
		named += counts[i];
	}
	/* The counters are of slightly different moments: the named may be more than all. */
	counts[REASON_OTHER] = all > named ? all - named : 0;
	round_percents(counts, all > named ? all : named, percents);

	t = open_memstream(&text, &size);
	if (!t)
		abort();
	for (unsigned int percent = 100; percent > 0; percent--)
		for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
			struct json_object *reason;

			if (percents[i] != percent)
				continue;
			fprintf(t, "%s%u %% %s", json_length(list) ? ", " : "", percent, reasons[i].text);
			reason = json_object_new_object();
			json_add_text(reason, "reason", reasons[i].key);
			json_add_count(reason, "percent", percent);
			json_object_array_add(list, reason);
		}
	fclose(t);
	json_add_number(f->verdict, "kvm_exits_per_second", all / f->seconds, 1);
	json_object_object_add(f->verdict, "exit_reasons", list);
	return text;
}

static void judge_the_rest(const struct figures *f, struct json_object *then, struct json_object *now,
			   const char *cost)
{
	bool known = json_get(then, "kvm") && json_get(now, "kvm");
	double all = known ? kvm_since(then, now, "exits") : 0, exits = 0;
	const struct feature *feature = find_feature(f, &exits);
	_cleanup_free_ char *text = NULL;

	if (all > 0 && f->accesses < MINOR * all) {
		text = reasons_text(f, then, now, all);
		say(f->verdict, "elsewhere", "Nested, and VMCS accesses are cheap: %s. It exits %.0f times per "
		    "second, and no policy changes most of that: %s.", cost, all / f->seconds, text);
	} else if (feature) {
		text = feature_text(f, feature, exits);
		say(f->verdict, "cheap", "Nested and cheap: %s. %s", cost, text ?: "");
	} else {
		say(f->verdict, "cheap", "Nested and cheap: %s. There is little that a policy could save.%s", cost,
		    known ? "" : " What else it exits for only root can see, where debugfs is mounted.");
	}
}

/* ---- the figures ---- */

/* What L1 did meanwhile; if nothing, what it did before.  false: it never ran an L2. */
static bool take_figures(struct figures *f, struct json_object *then, struct json_object *now)
{
	const char *const counters[] = { "vmread_exits", "vmwrite_exits" };

	f->l2_exits = statistics_since(then, now, "nested_exits_reflected");
	f->idle = f->l2_exits == 0;
	if (f->idle)
		f->l2_exits = statistics_total(now, "nested_exits_reflected");
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		f->accesses += f->idle ? statistics_total(now, counters[i]) :
			       statistics_since(then, now, counters[i]);
	f->fields = f->idle ? json_object_get(json_get(now, "fields")) :
		    statistics_fields_since(then, now);
	return f->l2_exits > 0;
}

static void judge_figures(const struct figures *f, struct json_object *then, struct json_object *now)
{
	_cleanup_free_ char *cost = cost_text(f);

	json_add_number(f->verdict, "l2_exits_per_second", f->idle ? 0 : f->l2_exits / f->seconds, 1);
	json_add_number(f->verdict, "vmcs_exits", f->accesses / f->l2_exits, 2);
	if (f->host->tsc_khz > 0)
		json_add_number(f->verdict, "vmcs_cpu_percent", f->idle ? 0 : percent_of(f, f->accesses), 2);
	if (f->idle) {
		say(f->verdict, "idle", "Nested, but L2 did not run in these %.1f seconds. Since the VM was "
		    "started it had %.1f VMREAD and VMWRITE exits per exit of L2. Diagnose it while L2 has work "
		    "to do.", f->seconds, f->accesses / f->l2_exits);
		hint_add(commands_of(f->verdict), "%s diagnose %s --duration=%u", f->hint->nvmxctl, f->hint->vm,
			 LONG_LOOK_SECONDS);
	} else if (is_costly(f, f->accesses)) {
		judge_costs(f, cost ?: "");
	} else {
		judge_the_rest(f, then, now, cost ?: "");
	}
}

struct json_object *diagnose(const struct diagnose_host *host, struct json_object *then,
			     struct json_object *now, double seconds, const struct hint *hint)
{
	struct figures f = {
		.host = host,
		.hint = hint,
		.verdict = json_object_new_object(),
		.seconds = seconds,
	};
	struct json_object *v = f.verdict;

	json_object_object_add(v, "id", json_object_get(json_get(now, "id")));
	json_add_text(v, "name", json_get_text(now, "name"));
	json_object_object_add(v, "commands", json_object_new_array());

	if (!judge_state(v, now, host->support)) {
		if (take_figures(&f, then, now))
			judge_figures(&f, then, now);
		else
			say(v, "idle", "Nested, but it has not run an L2 yet.");
	}
	json_object_put(f.fields);
	return v;
}

/* ---- many of them ---- */

static size_t rank(struct json_object *v)
{
	const char *verdict = json_get_text(v, "verdict");
	size_t i = 0;

	while (i < ARRAY_SIZE(kinds) && !streq(kinds[i].verdict, verdict))
		i++;
	return i;
}

static int compare(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object *const *)a, *y = *(struct json_object *const *)b;
	size_t i = rank(x), j = rank(y);
	double p = json_get_number(x, "vmcs_cpu_percent"), q = json_get_number(y, "vmcs_cpu_percent");
	bool both = i < ARRAY_SIZE(kinds) && j < ARRAY_SIZE(kinds) && kinds[i].costs && kinds[j].costs;

	/* Of what costs something the kind is no matter. */
	if (!both && i != j)
		return i < j ? -1 : 1;
	if (p != q)
		return p > q ? -1 : 1;
	return json_get_count(x, "id") < json_get_count(y, "id") ? -1 : 1;
}

void diagnose_sort(struct json_object *verdicts)
{
	json_object_array_sort(verdicts, compare);
}
