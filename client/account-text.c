/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An account in words and totals.
 */
#include <inttypes.h>

#include <asm/vmx.h>

#include "client/account.h"

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
