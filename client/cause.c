/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What makes a VM slow, by where its time goes.  Each cause is a line of a table: the exits, or
 * the time outside, that are its doing, what they are, and the way out.  What takes less than a
 * named share of the time is no cause: a wrong verdict is worse than none.
 */
#include <stdarg.h>

#include <asm/vmx.h>

#include "client/cause.h"

/* Of the time that is not halted: from here on it is worth a sentence. */
#define CAUSE_SHARE		0.05
/* Entries into L2 and reflected exits are what nesting is; from here on they are a cause. */
#define TRANSITIONS_SHARE	0.25
/* All vCPUs are halted but for less than this: idle. */
#define IDLE_SHARE		0.02
/* User space has the vCPUs for more than this, and does not give them back: they are stopped. */
#define STOPPED_SHARE		0.98
#define STOPPED_PER_SECOND	2
/* L0 takes less than this, and nothing is a cause: cheap. */
#define CHEAP_SHARE		0.10

#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC_EOI		0x80b
#define MSR_X2APIC_ICR		0x830
#define MSR_X2APIC_INITIAL	0x838

/* ---- which lines ---- */

static bool exits_from(const struct account_line *l, enum account_level from, uint16_t a, uint16_t b)
{
	return l->kind == ACCOUNT_EXIT && l->level == from && (l->reason == a || l->reason == b);
}

static bool exits(const struct account_line *l, uint16_t a, uint16_t b)
{
	return l->kind == ACCOUNT_EXIT && (l->reason == a || l->reason == b);
}

static bool writes_msr(const struct account_line *l, uint32_t a, uint32_t b)
{
	return l->kind == ACCOUNT_DETAIL && l->reason == EXIT_REASON_MSR_WRITE && (l->what == a || l->what == b);
}

static bool is_fields(const struct account_line *l)
{
	return exits_from(l, ACCOUNT_L1, EXIT_REASON_VMREAD, EXIT_REASON_VMWRITE);
}

static bool is_transition(const struct account_line *l)
{
	return l->kind == ACCOUNT_EXIT && l->level != l->to;
}

static bool is_first_touch(const struct account_line *l)
{
	return l->to == l->level && exits(l, EXIT_REASON_EPT_VIOLATION, EXIT_REASON_EPT_VIOLATION);
}

static bool is_l1_maps(const struct account_line *l)
{
	return l->to == ACCOUNT_L1 && exits_from(l, ACCOUNT_L2, EXIT_REASON_EPT_VIOLATION, EXIT_REASON_EPT_VIOLATION);
}

static bool is_port_io(const struct account_line *l)
{
	return exits(l, EXIT_REASON_IO_INSTRUCTION, EXIT_REASON_IO_INSTRUCTION);
}

static bool is_mmio(const struct account_line *l)
{
	return exits(l, EXIT_REASON_EPT_MISCONFIG, EXIT_REASON_APIC_ACCESS) ||
	       exits(l, EXIT_REASON_APIC_WRITE, EXIT_REASON_TPR_BELOW_THRESHOLD);
}

static bool is_timer(const struct account_line *l)
{
	return exits(l, EXIT_REASON_PREEMPTION_TIMER, EXIT_REASON_PREEMPTION_TIMER) ||
	       writes_msr(l, MSR_TSC_DEADLINE, MSR_X2APIC_INITIAL);
}

static bool is_ipi(const struct account_line *l)
{
	return exits(l, EXIT_REASON_EOI_INDUCED, EXIT_REASON_EOI_INDUCED) || writes_msr(l, MSR_X2APIC_ICR, MSR_X2APIC_EOI);
}

static bool is_no_ept(const struct account_line *l)
{
	return l->to == ACCOUNT_L1 && (exits_from(l, ACCOUNT_L2, EXIT_REASON_CR_ACCESS, EXIT_REASON_INVLPG) ||
				       exits_from(l, ACCOUNT_L2, EXIT_REASON_EXCEPTION_NMI, EXIT_REASON_EXCEPTION_NMI));
}

static bool is_invept(const struct account_line *l)
{
	return exits_from(l, ACCOUNT_L1, EXIT_REASON_INVEPT, EXIT_REASON_INVVPID);
}

static bool is_vmptrld(const struct account_line *l)
{
	return exits_from(l, ACCOUNT_L1, EXIT_REASON_VMPTRLD, EXIT_REASON_VMCLEAR);
}

static bool is_pause(const struct account_line *l)
{
	return exits(l, EXIT_REASON_PAUSE_INSTRUCTION, EXIT_REASON_PAUSE_INSTRUCTION);
}

static bool is_preempted(const struct account_line *l)
{
	return l->kind == ACCOUNT_OUTSIDE && l->why == ACCOUNT_PREEMPTED;
}

static bool is_cpuid(const struct account_line *l)
{
	return exits(l, EXIT_REASON_CPUID, EXIT_REASON_CPUID);
}

static bool is_user(const struct account_line *l)
{
	return l->kind == ACCOUNT_OUTSIDE && l->why == ACCOUNT_USER;
}

static bool is_descriptor_table(const struct account_line *l)
{
	return exits_from(l, ACCOUNT_L1, EXIT_REASON_GDTR_IDTR, EXIT_REASON_LDTR_TR);
}

/* ---- what they mean ---- */

static const struct rule {
	const char *cause;
	bool (*is)(const struct account_line *l);
	double share;			/* from which on; 0: CAUSE_SHARE */
	const char *text;		/* that takes N % of the time */
	const char *way;
} rules[] = {
	{ "fields", is_fields, 0,
	  "L1 accesses fields of its VMCS that are not shadowed: each VMREAD and VMWRITE exits",
	  "nvmx's kernel module shadows the fields that this L1 uses, and can spare nearly all of them: install "
	  "nvmx-dkms, then \"nvmxctl diagnose\" says which." },
	{ "descriptor-tables", is_descriptor_table, 0,
	  "Instructions of L1 that load or store descriptor tables exit: KVM emulates UMIP so, since the processor lacks it",
	  "Clear UMIP in L1's CPUID: <feature policy='disable' name='umip'/> in the domain's <cpu>, or \"-umip\" in "
	  "QEMU's -cpu; it takes effect when the domain starts." },
	{ "first-touch", is_first_touch, 0,
	  "Memory is touched for the first time, or after it was taken back, and L0 maps it (EPT violations)",
	  "Give the VM huge pages, or have its memory allocated beforehand (<memoryBacking>); it ends by itself once "
	  "all of it was touched." },
	{ "l1-maps", is_l1_maps, 0,
	  "L2 touches memory that L1 has not mapped: each such EPT violation is reflected to L1",
	  "Have L1 give its VMs huge pages, or allocate their memory beforehand." },
	{ "port-io", is_port_io, 0,
	  "Port I/O exits, each access of it",
	  "The ports say which device it is (\"nvmxctl account DOMAIN\"): use virtio instead of IDE, an emulated network "
	  "card or a serial line; if L2 does it, in L1's definition of L2." },
	{ "mmio", is_mmio, 0,
	  "Accesses to an emulated device's memory, or to the APIC's, exit",
	  "Offer x2APIC (<feature policy='require' name='x2apic'/>), and virtio instead of emulated devices." },
	{ "timer", is_timer, 0,
	  "Timers are set and run out all the time, and each setting exits",
	  "Fewer timer interrupts in L1 and L2: a tickless kernel, no clock source that is emulated; in QEMU's and "
	  "libvirt's Windows guests the Hyper-V synthetic timer (hv-stimer)." },
	{ "interrupts", is_ipi, 0,
	  "Interrupts between vCPUs and their acknowledgements exit",
	  "Where the processor has APICv (kvm_intel's enable_apicv) they do not; fewer vCPUs in L1 send fewer." },
	{ "no-ept", is_no_ept, 0,
	  "L1 handles L2's page faults, CR3 loads and INVLPG, as an L1 that does not use EPT does",
	  "Offer L1 EPT and VPID (kvm_intel's ept and vpid; vmx-ept, vmx-vpid in QEMU's -cpu), and have L1 use them." },
	{ "invalidations", is_invept, 0,
	  "L1 invalidates translations all the time (INVEPT, INVVPID), and each exits",
	  "Look for memory in L1 that is mapped and unmapped all the time: ballooning, page sharing, transparent huge pages "
	  "that are split." },
	{ "vmcs-switches", is_vmptrld, 0,
	  "L1 changes between VMCSs all the time (VMPTRLD, VMCLEAR), and each exits",
	  "L1 runs more vCPUs than it has itself: give it more, or its VMs fewer." },
	{ "pause", is_pause, 0,
	  "vCPUs wait in loops for one another, and PAUSE exits",
	  "Their number is more than can run at once: give the VM fewer vCPUs, or the host less to do." },
	{ "preempted", is_preempted, 0,
	  "It waits for a processor, which others have",
	  "The host has too much to do: run less there, or pin the VM's vCPUs to processors of their own (<vcpupin>)." },
	{ "cpuid", is_cpuid, 0,
	  "CPUID exits, and something executes it all the time",
	  "Software in the VM uses CPUID as a barrier or measures time with it; newer versions of it often do not." },
	{ "user-space", is_user, 0,
	  "QEMU handles exits in user space, or does something else",
	  "Devices that KVM or vhost handle spare it: virtio with vhost, irqchip and PIT in the kernel." },
	{ "transitions", is_transition, TRANSITIONS_SHARE,
	  "It enters L2 and leaves it very often: each VMRESUME of L1, and each exit of L2 that is reflected to L1, takes L0 time",
	  "What counts is how often L2 exits to L1 (\"nvmxctl account DOMAIN\" has the reasons): virtio instead of emulated "
	  "devices in L2, and fewer timers there." },
};

/* ---- a finding ---- */

static char *_printf_(1, 2) format(const char *format, ...)
{
	va_list ap;
	char *text;
	int r;

	va_start(ap, format);
	r = vasprintf(&text, format, ap);
	va_end(ap);
	return r < 0 ? NULL : text;
}

static const char *way_of(const struct rule *rule, const struct cause_host *host)
{
	if (rule->is == is_fields && host->shadowing_off)
		return "VMCS shadowing is off on this host (kvm_intel's enable_shadow_vmcs is N, or the processor lacks it): "
		       "without it no access is free.";
	return rule->way;
}

/* What L2 exits to L1 for most, which is where to begin; "" if it does not.  NULL without memory. */
static char *most_reflected(const struct account_vcpu *v)
{
	const struct account_line *most = NULL;
	uint64_t all = 0;

	for (size_t i = 0; i < v->n_lines; i++) {
		const struct account_line *l = &v->lines[i];

		if (l->kind != ACCOUNT_EXIT || l->level != ACCOUNT_L2 || l->to != ACCOUNT_L1)
			continue;
		all += l->count;
		if (!most || l->count > most->count)
			most = l;
	}
	if (!all)
		return strdup("");
	return format(" Of L2's exits to L1 %.0f %% are %s.", 100.0 * most->count / all,
		      account_reason_name(most->reason) ?: "of a kind that has no name here");
}

/* NULL without memory. */
static struct json_object *finding(const struct rule *rule, const struct cause_host *host, const struct account_vcpu *v,
				   uint64_t ns, uint64_t count, uint64_t busy)
{
	_cleanup_free_ char *text = NULL, *more = rule->is == is_transition ? most_reflected(v) : strdup("");
	struct json_object *o = json_object_new_object();

	text = format("%s: %.0f %% of the time that it is not halted, %.0f times a second, %.1f us each.%s", rule->text,
		      100.0 * ns / busy, count / (v->ns / 1e9), ns / 1e3 / (count ?: 1), more ?: "");
	if (!o || !text || !more) {
		json_object_put(o);
		return NULL;
	}
	json_add_text(o, "cause", rule->cause);
	json_add_number(o, "share", (double)ns / busy, 4);
	json_add_count(o, "count", count);
	json_add_count(o, "ns", ns);
	json_add_text(o, "text", text);
	json_add_text(o, "way", way_of(rule, host));
	return o;
}

static int by_share(const void *a, const void *b)
{
	uint64_t x = json_get_count(*(struct json_object *const *)a, "ns"),
		 y = json_get_count(*(struct json_object *const *)b, "ns");

	return x < y ? 1 : -(x > y);
}

/* The first that fits: no time is two causes'. */
static const struct rule *rule_of(const struct account_line *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].is(line))
			return &rules[i];
	return NULL;
}

/* false without memory. */
static bool add_findings(struct json_object *causes, const struct account_vcpu *v, const struct cause_host *host,
			 uint64_t busy)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		uint64_t ns = 0, count = 0;
		struct json_object *o;

		for (size_t k = 0; k < v->n_lines; k++)
			if (rule_of(&v->lines[k]) == &rules[i]) {
				ns += v->lines[k].ns;
				count += v->lines[k].count;
			}
		if (ns < (rules[i].share ?: CAUSE_SHARE) * busy)
			continue;
		o = finding(&rules[i], host, v, ns, count, busy);
		if (!o || json_object_array_add(causes, o) < 0) {
			json_object_put(o);
			return false;
		}
	}
	json_object_array_sort(causes, by_share);
	return true;
}

static bool is_nested(const struct account_vcpu *v)
{
	for (size_t i = 0; i < v->n_lines; i++)
		if (v->lines[i].level == ACCOUNT_L2 || v->lines[i].to == ACCOUNT_L2 || is_fields(&v->lines[i]) ||
		    is_vmptrld(&v->lines[i]) || is_invept(&v->lines[i]))
			return true;
	return false;
}

/* What has the vCPUs does not run them; QEMU that is busy with exits gives them back all the time. */
static bool is_stopped(const struct account_vcpu *v, uint64_t busy)
{
	uint64_t ns = 0, count = 0;

	for (size_t i = 0; i < v->n_lines; i++)
		if (is_user(&v->lines[i])) {
			ns += v->lines[i].ns;
			count += v->lines[i].count;
		}
	return ns > STOPPED_SHARE * busy && count < STOPPED_PER_SECOND * (v->ns / 1e9);
}

static void say(struct json_object *o, const char *verdict, const char *text)
{
	json_add_text(o, "verdict", verdict);
	json_add_text(o, "text", text);
}

struct json_object *cause_find(const struct account_vcpu *v, const struct cause_host *host)
{
	struct json_object *o = json_object_new_object(), *causes = json_object_new_array();
	struct account_totals t = account_totals(v);
	uint64_t busy = v->ns > t.halted ? v->ns - t.halted : 0;

	if (!o || !causes) {
		json_object_put(o);
		json_object_put(causes);
		return NULL;
	}
	json_object_object_add(o, "causes", causes);
	if (busy < IDLE_SHARE * v->ns || !busy) {
		say(o, "idle", "Idle: it was halted nearly all the time. Look while it has work to do.");
		return o;
	}
	if (is_stopped(v, busy)) {
		say(o, "stopped", "Stopped: its vCPUs were not run, as of a VM that is paused, or whose QEMU waits for something.");
		return o;
	}
	if (!add_findings(causes, v, host, busy)) {
		json_object_put(o);
		return NULL;
	}
	if (json_length(causes) > 0)
		say(o, json_get_text(json_at(causes, 0), "cause"), json_get_text(json_at(causes, 0), "text"));
	else if (t.l0 < CHEAP_SHARE * busy)
		say(o, is_nested(v) ? "cheap" : "not-nested", is_nested(v) ?
		    "Nested, and nothing is wrong: what L0 does for it takes little of its time." :
		    "Not nested: it did not use VMX, and what L0 does for it takes little of its time. If it is slow, "
		    "virtualization is not the reason.");
	else
		say(o, "nothing-leads", "Nothing stands out: L0 takes some of its time, and no exit takes much of it; "
		    "\"nvmxctl account DOMAIN\" has the table.");
	json_object_object_add(o, "nested", json_object_new_boolean(is_nested(v)));
	return o;
}
