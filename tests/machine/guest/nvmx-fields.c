// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nvmx-fields [PROCESSOR]: the field table is sound in itself, has the kernel's own list as
 * it is in Linux 6.1, and is the same as tests/bus/fields.txt, by which the loopback kernel
 * answers, but for what fields-cpu.txt says of PROCESSOR, and of this kernel on it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include "dev.h"
#include "l1.h"
#include "tap.h"

extern const char fields_txt[], fields_txt_end[], fields_cpu_txt[], fields_cpu_txt_end[];

static const char *const widths[] = { "16", "64", "32", "natural" };
static const char *const kinds[] = { "control", "exit-information", "guest-state", "host-state" };
static const char *const classes[] = { "intercept", "read-only", "read-write" };
static const char *const flags[] = { "eager", "slow", "lazy", "absent", "lossy" };
#define NR_FLAGS (sizeof(flags) / sizeof(flags[0]))

/* What may not be shadowed is told; all else may be. */
static void test_classes_and_flags(const struct nvmx_field *f)
{
	bool vmcs02 = f->kind == NVMX_KIND_CONTROL || f->kind == NVMX_KIND_GUEST_STATE;
	unsigned int allowed = 7;

	if (f->encoding >= GUEST_ES_AR_BYTES && f->encoding <= GUEST_TR_AR_BYTES)
		allowed = 3;
	if (f->flags & (NVMX_FIELD_ABSENT | NVMX_FIELD_LOSSY) || f->encoding == VM_INSTRUCTION_ERROR)
		allowed = 1;
	expect_is(f->allowed_classes, allowed, "%s: allowed classes", f->name);

	expect(!(f->flags >> NR_FLAGS), "%s: known flags", f->name);
	expect(!(f->flags & NVMX_FIELD_EAGER) != !(f->flags & NVMX_FIELD_SLOW) || !vmcs02,
	       "%s: eager or slow, as a field of vmcs02", f->name);
	expect(vmcs02 || !(f->flags & (NVMX_FIELD_EAGER | NVMX_FIELD_SLOW)),
	       "%s: neither, as none of vmcs02", f->name);
	expect(!(f->flags & NVMX_FIELD_LAZY) || f->flags & NVMX_FIELD_SLOW, "%s: lazy and slow", f->name);
	if (f->stock_class == NVMX_CLASS_READ_WRITE)
		expect(!(f->flags & (NVMX_FIELD_SLOW | NVMX_FIELD_ABSENT | NVMX_FIELD_LOSSY)),
		       "%s: not slow, as stock has it read-write", f->name);
}

static void test_sound(void)
{
	unsigned int i, j;

	test_begin();
	for (i = 0; i < dev_nr_fields; i++) {
		const struct nvmx_field *f = &dev_fields[i];

		expect(!i || f->encoding > f[-1].encoding, "%#x: sorted, none twice", f->encoding);
		expect(memchr(f->name, '\0', sizeof(f->name)) && f->name[0], "%#x: a name", f->encoding);
		for (j = 0; j < i; j++)
			expect(strcmp(f->name, dev_fields[j].name), "%s: a name of its own", f->name);
		expect_is(f->width, f->encoding >> 13 & 3, "%s: width", f->name);
		expect_is(f->kind, f->encoding >> 10 & 3, "%s: kind", f->name);
		expect_is(f->reserved, 0, "%s: reserved", f->name);
		expect(!(f->encoding & 1), "%s: no high half", f->name);
		expect(!(f->encoding & ~0x6ffeU), "%s: no bit that no encoding has", f->name);
		expect(dev_allows(f, NVMX_CLASS_INTERCEPT), "%s: may be intercept", f->name);
		expect(!(f->allowed_classes >> NVMX_NR_CLASSES), "%s: known classes", f->name);
		expect(f->stock_class < NVMX_NR_CLASSES && dev_allows(f, f->stock_class),
		       "%s: may be what it is in stock", f->name);
		test_classes_and_flags(f);
	}
	expect(dev_nr_fields > 100, "there are fields");
	expect(dev_field(VM_INSTRUCTION_ERROR) &&
	       dev_field(VM_INSTRUCTION_ERROR)->allowed_classes == 1, "VM_INSTRUCTION_ERROR");
	test_end("the table of %u fields is sound", dev_nr_fields);
}

/* Linux 6.1's own list, less what depends on the processor. */
static const struct {
	uint32_t encoding;
	unsigned int shadow_class;
} own_list[] = {
	{ HOST_FS_SELECTOR, 2 }, { HOST_GS_SELECTOR, 2 }, { VM_EXIT_REASON, 1 },
	{ VM_EXIT_INTR_INFO, 1 }, { VM_EXIT_INSTRUCTION_LEN, 1 }, { IDT_VECTORING_INFO_FIELD, 1 },
	{ IDT_VECTORING_ERROR_CODE, 1 }, { VM_EXIT_INTR_ERROR_CODE, 1 }, { GUEST_CS_AR_BYTES, 1 },
	{ GUEST_SS_AR_BYTES, 1 }, { CPU_BASED_VM_EXEC_CONTROL, 2 },
	{ PIN_BASED_VM_EXEC_CONTROL, 2 }, { EXCEPTION_BITMAP, 2 },
	{ VM_ENTRY_EXCEPTION_ERROR_CODE, 2 }, { VM_ENTRY_INTR_INFO_FIELD, 2 },
	{ VM_ENTRY_INSTRUCTION_LEN, 2 }, { TPR_THRESHOLD, 2 }, { GUEST_INTERRUPTIBILITY_INFO, 2 },
	{ EXIT_QUALIFICATION, 1 }, { GUEST_LINEAR_ADDRESS, 1 }, { GUEST_RIP, 2 },
	{ GUEST_RSP, 2 }, { GUEST_CR0, 2 }, { GUEST_CR3, 2 }, { GUEST_CR4, 2 },
	{ GUEST_RFLAGS, 2 }, { CR0_GUEST_HOST_MASK, 2 }, { CR0_READ_SHADOW, 2 },
	{ CR4_READ_SHADOW, 2 }, { HOST_FS_BASE, 2 }, { HOST_GS_BASE, 2 },
	{ GUEST_PHYSICAL_ADDRESS, 1 },
};

static void test_own_list(void)
{
	unsigned int i, n = 0;

	test_begin();
	for (i = 0; i < sizeof(own_list) / sizeof(own_list[0]); i++) {
		const struct nvmx_field *f = dev_field(own_list[i].encoding);

		if (expect(f, "%#x is a field", own_list[i].encoding)) {
			expect_is(f->stock_class, own_list[i].shadow_class, "%s: stock class", f->name);
			expect(dev_allows(f, NVMX_CLASS_READ_ONLY), "%s: may be read-only", f->name);
		}
	}
	for (i = 0; i < dev_nr_fields; i++)
		n += dev_fields[i].stock_class != NVMX_CLASS_INTERCEPT;
	/* GUEST_INTR_STATUS, GUEST_PML_INDEX, VMX_PREEMPTION_TIMER_VALUE depend on the processor */
	expect(n >= sizeof(own_list) / sizeof(own_list[0]) &&
	       n <= sizeof(own_list) / sizeof(own_list[0]) + 3, "and no other fields: %u in all", n);
	expect(dev_field(HOST_RSP) && dev_field(HOST_RSP)->allowed_classes == 7, "HOST_RSP: any class");
	expect(dev_field(HOST_RSP) && !dev_field(HOST_RSP)->stock_class, "HOST_RSP: not in stock");
	test_end("stock is the kernel's own list");
}

static bool line_of(const struct nvmx_field *f, char *ret, size_t size)
{
	unsigned int c, n;

	n = snprintf(ret, size, "0x%08x %s %s %s %s ", f->encoding, f->name, widths[f->width],
		     kinds[f->kind], classes[f->stock_class]);
	for (c = 0; c < NVMX_NR_CLASSES && n < size; c++)
		if (dev_allows(f, c))
			n += snprintf(ret + n, size - n, "%s%s", c ? "," : "", classes[c]);
	if (n < size)
		n += snprintf(ret + n, size - n, " %s", f->flags ? "" : "-");
	for (c = 0; c < NR_FLAGS && n < size; c++)
		if (f->flags & 1U << c)
			n += snprintf(ret + n, size - n, "%s%s",
				      f->flags & ((1U << c) - 1) ? "," : "", flags[c]);
	return n < size;
}

/* Does vmcs12 depend on what the processor has controls for? */
static bool kernel_asks_processor(void)
{
	unsigned int major, minor;
	struct utsname u;

	return !uname(&u) && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 7 || (major == 7 && minor >= 2));
}

#define HASWELL "corei7_haswell_4770"

/* What fields-cpu.txt has, after "@kind @cpu ", for the field that @line begins with; or NULL. */
static const char *find_in(const char *text, const char *kind, const char *cpu, const char *line)
{
	char start[80], *p;

	snprintf(start, sizeof(start), "\n%s%s %.10s ", kind, cpu, line);
	p = strstr(text, start);
	return p ? p + strlen(start) - strlen("0x00000000 ") : NULL;
}

/* What the kernel should have for the field that @line begins with; or NULL: nothing. */
static const char *line_on(const char *cpu, const char *text, const char *line)
{
	const char *p;

	if (kernel_asks_processor()) {
		if (find_in(text, "lacking ", cpu, line))
			return NULL;
		p = find_in(text, "later ", cpu, line);
		if (p)
			return p;
	}
	return find_in(text, "", cpu, line) ?: line;
}

static void test_same_as_loopback(const char *cpu)
{
	char *text = strndup(fields_txt, fields_txt_end - fields_txt);
	char *cpu_text = strndup(fields_cpu_txt, fields_cpu_txt_end - fields_cpu_txt);
	unsigned int i = 0, others = 0, lacking = 0;
	char got[200], *line, *save = NULL;

	test_begin();
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *want;

		if (line[0] == '#')
			continue;
		want = line_on(cpu, cpu_text, line);
		if (!want) {
			lacking++;
			continue;
		}
		if (!expect(i < dev_nr_fields, "the kernel has no %s", line))
			break;
		others += want != line;
		line_of(&dev_fields[i++], got, sizeof(got));
		expect(!strncmp(want, got, strlen(got)) && strchrnul(want, '\n') == want + strlen(got),
		       "wanted \"%.*s\", the kernel has \"%s\"",
		       (int)(strchrnul(want, '\n') - want), want, got);
	}
	expect_is(i, dev_nr_fields, "number of fields");
	expect(!strcmp(cpu, HASWELL) || others, "%s has fields that Haswell lacks", cpu);
	expect(!kernel_asks_processor() || lacking, "vmcs12 lacks what the processor does");
	test_end("the table is tests/bus/fields.txt, but for %u fields of %s, without %u",
		 others, cpu, lacking);
	free(text);
	free(cpu_text);
}

int main(int argc, char *argv[])
{
	struct nvmx_info info = { .size = sizeof(info) };

	dev_open();
	is(ioctl(dev_fd, NVMX_GET_INFO, &info), 0, "NVMX_GET_INFO");
	is(info.abi_version, NVMX_ABI_VERSION, "version of the ABI");
	is(info.nr_fields, dev_nr_fields, "number of fields");
	is(info.features, NVMX_FEATURE_NESTED | NVMX_FEATURE_SHADOW_VMCS |
	   NVMX_FEATURE_ALL_FIELDS | NVMX_FEATURE_WINDOW, "features");
	is(info.tsc_khz > 0 && info.sample_every > 0, true, "the TSC and how often it is read");
	is(info.nr_vms, 0, "number of VMs");
	test_sound();
	test_own_list();
	test_same_as_loopback(argc > 1 ? argv[1] : HASWELL);
	return done_testing();
}
