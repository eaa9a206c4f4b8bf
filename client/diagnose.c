/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is the matter with a VM: whether nesting costs anything, because of what, and
 * what to type next.  The first verdict that fits, most fundamental first.
 */
#include <stdarg.h>

#include "client/diagnose.h"
#include "client/nvmxctl.h"
#include "client/profile.h"

/* Exits by VMREAD and VMWRITE per exit of L2 from which on they are worth a thought. */
#define COSTLY			1.0
/* A field is to blame from this part of them on. */
#define BLAME			0.1
#define BLAMED_MAX		6
/* An absent field that is accessed so often per exit of L2 is part of a feature in use. */
#define FEATURE_IN_USE		0.5
/* Below this part of all exits of the VM, VMCS fields are not what makes it slow. */
#define MINOR			0.1

/* Fields of features that KVM offers L1 though the processor may lack them. */
static const struct {
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

struct figures {
	struct json_object *verdict;
	struct json_object *fields;	/* what exited, most first */
	struct json_object *table;	/* the kernel's */
	double l2_exits;
	double accesses;		/* exits by VMREAD and VMWRITE */
	bool idle;			/* now: the figures are since the creation of the vCPUs */
};

static void _printf_(4, 5) say(struct json_object *verdict, const char *word, const char *command,
			       const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	json_add_text(verdict, "verdict", word);
	json_add_text(verdict, "text", text ?: "Out of memory.");
	if (command)
		json_object_array_add(json_get(verdict, "commands"), json_object_new_string(command));
}

/* What can be said without a look at the counters. */
static bool judge_state(struct json_object *v, struct json_object *vm, const char *support)
{
	const char *shadowing = json_get_text(vm, "shadowing");

	if (streq(support, "no-nested"))
		say(v, "no-nested", "modprobe -r kvm_intel && modprobe kvm_intel nested=1",
		    "Nested virtualization is off on this host (kvm_intel nested=0): it cannot be "
		    "nested, and nesting costs it nothing.");
	else if (!json_object_get_boolean(json_get(vm, "vmxon")))
		say(v, "not-nested", NULL, "It is not nested: it has not used VMX since it was started. "
		    "If it is slow, the reason is elsewhere.");
	else if (streq(shadowing, "inert-evmcs"))
		say(v, "inert-evmcs", NULL, "L1 uses an enlightened VMCS, as Hyper-V does: its accesses "
		    "to it are plain memory accesses, which do not exit. The policy is inert, and there "
		    "is nothing to gain from another.");
	else if (streq(shadowing, "profiling"))
		say(v, "profiling", NULL, "A profiling window is open, in which every access exits. Ask "
		    "again when it has ended, in a minute at most.");
	else
		return false;
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

/* The class that saves most of a field's exits; NULL: none does. */
static const char *freer_class(const struct figures *f, struct json_object *counts)
{
	struct json_object *field = find_by(f->table, json_get_text(counts, "name"));

	if (json_get_count(counts, "vmwrite") > 0 && allows(field, "read-write"))
		return "read-write";
	return json_get_count(counts, "vmread") > 0 && allows(field, "read-only") ? "read-only" : NULL;
}

/* "HOST_RSP (1.0), GUEST_CR3 (0.5)", and the command that frees them. */
static double blame(const struct figures *f, struct json_object *vm, char **ret_names,
		    char **ret_command)
{
	_cleanup_free_ char *names = NULL, *command = NULL;
	size_t n_names = 0, n_command = 0, n = 0;
	double freed = 0;
	FILE *a = open_memstream(&names, &n_names), *b = open_memstream(&command, &n_command);

	if (!a || !b)
		abort();
	fprintf(b, "nvmxctl set %s", json_get_text(vm, "id"));
	for (size_t i = 0; i < json_length(f->fields) && n < BLAMED_MAX; i++) {
		struct json_object *counts = json_at(f->fields, i);
		const char *class = freer_class(f, counts);
		double exits = json_get_count(counts, "exits");

		if (!class || exits < BLAME * f->accesses)
			continue;
		fprintf(a, "%s%s (%.1f per exit of L2)", n++ ? ", " : "", json_get_text(counts, "name"),
			exits / f->l2_exits);
		fprintf(b, " %s=%s", json_get_text(counts, "name"), class);
		freed += streq(class, "read-write") ? exits : json_get_count(counts, "vmread");
	}
	fclose(a);
	fclose(b);
	*ret_names = steal_ptr(names);
	*ret_command = steal_ptr(command);
	return freed;
}

/* Many fields with little each: none is to blame, and a profile finds the best for all. */
static double can_be_freed(const struct figures *f)
{
	double freed = 0;

	for (size_t i = 0; i < json_length(f->fields); i++) {
		struct json_object *counts = json_at(f->fields, i);
		const char *class = freer_class(f, counts);

		if (class)
			freed += json_get_count(counts, "vmread") +
				 (streq(class, "read-write") ? json_get_count(counts, "vmwrite") : 0);
	}
	return freed;
}

static bool judge_features(const struct figures *f, struct json_object *vm)
{
	double freed = can_be_freed(f);

	/* Too little for a verdict of its own. */
	if (freed < COSTLY * f->l2_exits)
		freed = 0;
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		struct json_object *counts = find_by(f->fields, features[i].field);
		double exits = json_get_count(counts, "exits"), rate = exits / f->l2_exits;
		_cleanup_free_ char *command = NULL;

		/* Where a policy spares more than that, it comes first. */
		if (rate < FEATURE_IN_USE || exits < freed || freer_class(f, counts))
			continue;
		if (asprintf(&command, "-cpu host,%s=off", features[i].property) < 0)
			command = NULL;
		say(f->verdict, "feature", command,
		    "L1 was offered %s, which this processor lacks, and uses it: %s exits %.1f times per "
		    "exit of L2 (%.0f %% of its VMREAD and VMWRITE exits), and no policy can shadow it. "
		    "Hide the feature from L1: start QEMU with the option below (in libvirt by "
		    "<qemu:commandline>; libvirt 9.0 knows no vmx-* features)%s%s.", features[i].feature,
		    features[i].field, rate, exits * 100 / f->accesses,
		    features[i].linux_l1 ? ", or a Linux L1 with " : "", features[i].linux_l1 ?: "");
		return true;
	}
	return false;
}

static bool judge_fields(const struct figures *f, struct json_object *vm, const char *support)
{
	_cleanup_free_ char *names = NULL, *command = NULL, *profile = NULL;
	double freed, rate = f->accesses / f->l2_exits;

	if (rate < COSTLY)
		return false;
	if (streq(support, "no-shadow-vmcs")) {
		say(f->verdict, "no-shadowing", NULL, "It is nested, and VMCS shadowing is off on this "
		    "host (the processor lacks it, or kvm_intel enable_shadow_vmcs=0): every VMREAD and "
		    "VMWRITE of L1 exits, %.1f per exit of L2, some %.0f instructions. No policy can "
		    "change that.", rate, rate * PROFILE_INTERCEPTED);
		return true;
	}
	if (can_be_freed(f) < COSTLY * f->l2_exits) {
		say(f->verdict, "unavoidable", NULL, "It is nested and costly: %.1f VMREAD and VMWRITE "
		    "exits per exit of L2; but they are of fields that this processor or kernel cannot "
		    "shadow any better. No policy can help.", rate);
		return true;
	}
	freed = blame(f, vm, &names, &command);
	if (asprintf(&profile, "nvmxctl profile %s", json_get_text(vm, "id")) < 0)
		profile = NULL;
	if (freed > 0)
		say(f->verdict, "costly", command, "It is nested and costly, because of %s. Of %.1f VMREAD "
		    "and VMWRITE exits per exit of L2, the first command below spares %.1f, some %.0f "
		    "instructions; the second looks at all fields.", names, rate, freed / f->l2_exits,
		    freed / f->l2_exits * PROFILE_INTERCEPTED);
	else
		say(f->verdict, "costly", NULL, "It is nested and costly: %.1f VMREAD and VMWRITE exits "
		    "per exit of L2, of many fields with little each. The command below says which "
		    "policy would help.", rate);
	if (profile)
		json_object_array_add(json_get(f->verdict, "commands"), json_object_new_string(profile));
	return true;
}

static void judge_the_rest(const struct figures *f, const struct diagnose_kvm *kvm, double seconds)
{
	double rate = f->accesses / f->l2_exits;

	if (kvm && !f->idle && kvm->exits > 0 && f->accesses < MINOR * kvm->exits)
		say(f->verdict, "elsewhere", NULL, "It is nested, and its VMCS fields are cheap: %.1f VMREAD "
		    "and VMWRITE exits per exit of L2. What it does exit for, %.0f times a second, is "
		    "mostly something that nvmx cannot help: %.0f %% VMCS fields, %.0f %% exits of L2 that "
		    "L1 handles and its entries after them, %.0f %% port I/O, %.0f %% MMIO, %.0f %% page "
		    "faults and EPT violations, %.0f %% HLT.", rate, kvm->exits / seconds, f->accesses * 100 / kvm->exits,
		    2 * f->l2_exits * 100 / kvm->exits, kvm->io_exits * 100. / kvm->exits,
		    kvm->mmio_exits * 100. / kvm->exits, kvm->pf_taken * 100. / kvm->exits,
		    kvm->halt_exits * 100. / kvm->exits);
	else
		say(f->verdict, "cheap", NULL, "It is nested, and cheap: %.1f VMREAD and VMWRITE exits per "
		    "exit of L2%s. There is little to gain from another policy.%s", rate,
		    f->idle ? " since it was started; L2 does not run now" : "",
		    kvm || f->idle ? "" : " Whether it exits for other reasons only root can see, "
		    "where debugfs is mounted.");
}

/* What L1 did meanwhile; if nothing, what it did before. */
static bool take_figures(struct figures *f, struct json_object *then, struct json_object *now)
{
	const char *const kinds[] = { "vmread_exits", "vmwrite_exits" };

	f->l2_exits = statistics_since(then, now, "nested_exits_reflected");
	f->idle = f->l2_exits == 0;
	if (f->idle)
		f->l2_exits = statistics_total(now, "nested_exits_reflected");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		f->accesses += f->idle ? statistics_total(now, kinds[i]) :
			       statistics_since(then, now, kinds[i]);
	f->fields = f->idle ? json_object_get(json_get(now, "fields")) :
		    statistics_fields_since(then, now);
	return f->l2_exits > 0;
}

struct json_object *diagnose(struct json_object *vm, struct json_object *fields,
			     const char *support, struct json_object *then,
			     struct json_object *now, const struct diagnose_kvm *kvm, double seconds)
{
	struct figures f = { .verdict = json_object_new_object(), .table = fields };
	struct json_object *v = f.verdict;

	json_object_object_add(v, "id", json_object_get(json_get(vm, "id")));
	json_add_text(v, "name", json_get_text(vm, "name"));
	json_object_object_add(v, "commands", json_object_new_array());

	if (!judge_state(v, vm, support)) {
		if (!take_figures(&f, then, now)) {
			say(v, "idle", NULL, "It uses VMX, but has not run an L2 yet: there is nothing to "
			    "see so far.");
		} else {
			json_add_number(v, "l2_exits_per_second", f.idle ? 0 : f.l2_exits / seconds, 1);
			json_add_number(v, "vmcs_exits", f.accesses / f.l2_exits, 2);
			if (!judge_features(&f, vm) && !judge_fields(&f, vm, support))
				judge_the_rest(&f, kvm, seconds);
		}
	}
	json_object_put(f.fields);
	return v;
}
