/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmx-account's end of nvmxctl.  What it counts never goes back, so what happened meanwhile is
 * the difference of two readings.
 */
#include <inttypes.h>

#include <asm/vmx.h>

#include "client/account.h"

/* Longer than the wait, so that it ends with us and not before. */
#define MARGIN_USEC	(60 * UINT64_C(1000000))

static int call_watch(struct client *c, uint64_t usec)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(c->bus, &m, ACCOUNT_BUS_NAME, ACCOUNT_BUS_PATH, ACCOUNT_INTERFACE, "Watch");
	if (r >= 0)
		r = sd_bus_message_set_allow_interactive_authorization(m, !c->args->no_ask_password);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", usec);
	if (r >= 0)
		r = client_try_change(c, m, &error);
	if (r >= 0)
		return STATUS_DONE;
	if (client_is_unavailable(&error)) {
		fprintf(stderr, "nvmxctl: nvmx-account cannot be reached: %s; see \"systemctl status nvmx-account\".\n",
			isempty(error.message) ? strerror(-r) : error.message);
		return STATUS_FAILED;
	}
	return client_fail(&error, r);
}

static int parse(const char *text, struct account *ret)
{
	_cleanup_free_ char *error = NULL;
	_cleanup_json_ struct json_object *o = json_tokener_parse(text);
	int r = account_from_json(o, ret, &error);

	if (r >= 0)
		return STATUS_DONE;
	fprintf(stderr, "nvmxctl: What nvmx-account says cannot be read: %s\n", error ?: strerror(-r));
	return STATUS_FAILED;
}

static int call_read(struct client *c, struct account *ret)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *text;
	int r;

	r = sd_bus_call_method(c->bus, ACCOUNT_BUS_NAME, ACCOUNT_BUS_PATH, ACCOUNT_INTERFACE, "Read", &error, &reply, "");
	if (r >= 0)
		r = sd_bus_message_read(reply, "s", &text);
	return r < 0 ? client_fail(&error, r) : parse(text, ret);
}

int account_measure(struct client *c, uint64_t usec, struct account *ret)
{
	struct account then = {}, now = {};
	int r;

	r = client_open(c);
	if (r == STATUS_DONE)
		r = call_watch(c, usec + MARGIN_USEC);
	if (r == STATUS_DONE)
		r = call_read(c, &then);
	if (r == STATUS_DONE)
		r = progress_wait(c, "Looking", usec, NULL, NULL);
	if (r == STATUS_DONE)
		r = call_read(c, &now);
	if (r == STATUS_DONE) {
		account_subtract(&now, &then);
		*ret = now;
	}
	account_clear(&then);
	return r;
}

void account_note(struct client *c, const struct account *a)
{
	if (c->args->quiet)
		return;
	if (a->beyond)
		fprintf(stderr, "nvmxctl: Note: %" PRIu64 " vCPUs more than can be told apart were not looked at.\n",
			a->beyond);
	if (a->lost)
		fprintf(stderr, "nvmxctl: Note: %" PRIu64 " events were missed; times near them may be told wrongly.\n",
			a->lost);
}

/* ---- which VM ---- */

/* The process that nvmxd knows by that name; 0: none, or there is no nvmxd. */
static uint32_t ask_pid(struct client *c, const char *name)
{
	_cleanup_json_ struct json_object *vm = NULL;
	_cleanup_free_ char *path = NULL;

	if (!client_reach(c) || !find_vm_quietly(c, name, &path) || vm_get(c, path, &vm) != STATUS_DONE)
		return 0;
	return json_get_count(vm, "pid");
}

/* By the process, of nvmxd's name or as given, or by QEMU's -name; NULL: none, or several. */
static const struct account_vm *find(struct client *c, const struct account *a, const char *name, size_t *ret_n)
{
	uint32_t pid = ask_pid(c, name);
	const struct account_vm *found = NULL;
	char number[16];

	*ret_n = 0;
	for (size_t i = 0; i < a->n_vms; i++) {
		const struct account_vm *vm = &a->vms[i];

		snprintf(number, sizeof(number), "%u", vm->pid);
		if (pid ? vm->pid != pid : !streq(name, vm->name) && !streq(name, number))
			continue;
		found = vm;
		++*ret_n;
	}
	return *ret_n == 1 ? found : NULL;
}

int account_pick(struct client *c, const struct account *a, const struct account_vm **ret)
{
	const char *name = c->args->parameters[0];
	size_t n;

	*ret = find(c, a, name, &n);
	if (*ret)
		return STATUS_DONE;
	if (n > 1)
		fprintf(stderr, "nvmxctl: %zu VMs that ran are called \"%s\"; give the process id.\n", n, name);
	else
		fprintf(stderr, "nvmxctl: No VM called \"%s\" ran in %.1f s; \"nvmxctl account\" lists those that did.\n", name,
			a->ns / 1e9);
	return STATUS_NO_VM;
}

/* ---- what it comes to ---- */

struct account_totals account_totals(const struct account_vcpu *v)
{
	struct account_totals t = {};

	for (size_t i = 0; i < v->n_lines; i++) {
		const struct account_line *line = &v->lines[i];

		switch (line->kind) {
		case ACCOUNT_GUEST:
			*(line->level == ACCOUNT_L2 ? &t.l2 : &t.l1) += line->ns;
			break;
		case ACCOUNT_OUTSIDE:
			*(line->why == ACCOUNT_HALTED ? &t.halted : &t.outside) += line->ns;
			break;
		case ACCOUNT_EXIT:
			t.l0 += line->ns;
			break;
		case ACCOUNT_DETAIL:
			break;		/* is in its exit */
		}
	}
	return t;
}

bool account_is_detail_of(const struct account_line *detail, const struct account_line *line)
{
	return detail->kind == ACCOUNT_DETAIL && line->kind == ACCOUNT_EXIT && detail->level == line->level &&
	       detail->to == line->to && detail->reason == line->reason;
}

/* ---- words ---- */

/* What people know by name of what L1s and L2s write and read all the time (SDM vol. 4; x2APIC: vol. 3, table 11-6). */
static const struct {
	uint32_t msr;
	const char *name;
} msrs[] = {
	{ 0x10,		"TSC" },
	{ 0x48,		"IA32_SPEC_CTRL" },
	{ 0x49,		"IA32_PRED_CMD" },
	{ 0x10b,	"IA32_FLUSH_CMD" },
	{ 0x1d9,	"IA32_DEBUGCTL" },
	{ 0x6e0,	"IA32_TSC_DEADLINE" },
	{ 0x808,	"x2APIC TPR" },
	{ 0x80b,	"x2APIC EOI" },
	{ 0x830,	"x2APIC ICR" },
	{ 0x832,	"x2APIC LVT timer" },
	{ 0x838,	"x2APIC initial count" },
	{ 0x839,	"x2APIC current count" },
	{ 0xc0000080,	"IA32_EFER" },
	{ 0xc0000100,	"IA32_FS_BASE" },
	{ 0xc0000101,	"IA32_GS_BASE" },
	{ 0xc0000102,	"IA32_KERNEL_GS_BASE" },
};

/* Of a PC, and of what QEMU puts there. */
static const struct {
	uint32_t first, last;
	const char *name;
} ports[] = {
	{ 0x20,		0x21,	"interrupt controller" },
	{ 0x40,		0x43,	"timer" },
	{ 0x60,		0x64,	"keyboard" },
	{ 0x70,		0x71,	"real-time clock" },
	{ 0x80,		0x80,	"delay" },
	{ 0xa0,		0xa1,	"interrupt controller" },
	{ 0x170,	0x177,	"IDE" },
	{ 0x1f0,	0x1f7,	"IDE" },
	{ 0x2f8,	0x2ff,	"serial line" },
	{ 0x3b0,	0x3df,	"VGA" },
	{ 0x3f0,	0x3f7,	"floppy disk" },
	{ 0x3f8,	0x3ff,	"serial line" },
	{ 0x402,	0x402,	"firmware's debug output" },
	{ 0x608,	0x60b,	"ACPI timer" },
	{ 0xb008,	0xb00b,	"ACPI timer" },
	{ 0xcf8,	0xcff,	"PCI configuration" },
};

static const char *name_of(const struct account_line *line)
{
	if (line->reason == EXIT_REASON_IO_INSTRUCTION) {
		for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
			if (line->what >= ports[i].first && line->what <= ports[i].last)
				return ports[i].name;
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
		if (line->what == msrs[i].msr)
			return msrs[i].name;
	return NULL;
}

static char *detail_text(const struct account_line *line)
{
	const char *name = name_of(line);
	char *text;

	if (asprintf(&text, "%s 0x%" PRIx32 "%s%s%s", line->reason == EXIT_REASON_IO_INSTRUCTION ? "port" : "MSR",
		     line->what, name ? " (" : "", name ?: "", name ? ")" : "") < 0)
		return NULL;
	return text;
}

char *account_line_text(const struct account_line *line)
{
	static const char *const whys[] = {
		[ACCOUNT_USER]		= "in user space",
		[ACCOUNT_HALTED]	= "halted",
		[ACCOUNT_PREEMPTED]	= "preempted: others have the processor",
		[ACCOUNT_WAITING]	= "waiting in the kernel",
	};
	static const char *const ways[2][2] = {
		[ACCOUNT_L1] = { [ACCOUNT_L1] = "",			[ACCOUNT_L2] = ", into L2" },
		[ACCOUNT_L2] = { [ACCOUNT_L1] = ", reflected to L1",	[ACCOUNT_L2] = ", by L0" },
	};
	const char *name = account_reason_name(line->reason);
	char number[24], *text;

	if (line->kind == ACCOUNT_DETAIL)
		return detail_text(line);
	if (line->kind == ACCOUNT_OUTSIDE)
		return strdup(whys[line->why]);
	if (line->kind == ACCOUNT_GUEST)
		return strdup(line->level == ACCOUNT_L2 ? "L2 runs" : "L1 runs");
	snprintf(number, sizeof(number), "exit %u", line->reason);
	if (asprintf(&text, "%s of %s%s", name ?: number, line->level == ACCOUNT_L2 ? "L2" : "L1",
		     ways[line->level][line->to]) < 0)
		return NULL;
	return text;
}
