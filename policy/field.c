/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's field table, and the groups of fields that changes may name.
 * Owns nothing: the table is the caller's.
 */
#include "policy/internal.h"

static const char *const group_names[] = { "ar-bytes", "exit-information" };
static const char *const ar_bytes[] = { "GUEST_CS_AR_BYTES", "GUEST_SS_AR_BYTES" };

/*
 * What not every vmcs12 has: fields that came with some kernel, and those that the processor
 * has to have a control for, which newer kernels leave out without it.  That these are all,
 * tests/kmod/prepare sees to.
 */
static const char *const optional[] = {
	"APIC_ACCESS_ADDR",
	"ENCLS_EXITING_BITMAP",
	"EPTP_LIST_ADDRESS",
	"EPT_POINTER",
	"GUEST_IA32_PERF_GLOBAL_CTRL",
	"GUEST_INTR_SSP_TABLE",
	"GUEST_INTR_STATUS",
	"GUEST_SSP",
	"GUEST_S_CET",
	"HOST_IA32_PERF_GLOBAL_CTRL",
	"HOST_INTR_SSP_TABLE",
	"HOST_SSP",
	"HOST_S_CET",
	"POSTED_INTR_DESC_ADDR",
	"POSTED_INTR_NV",
	"SECONDARY_VM_EXEC_CONTROL",
	"TPR_THRESHOLD",
	"TSC_MULTIPLIER",
	"VIRTUAL_APIC_PAGE_ADDR",
	"VIRTUAL_PROCESSOR_ID",
	"VM_FUNCTION_CONTROL",
	"XSS_EXIT_BITMAP",
};

int field_find(const struct field_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (streq(table->fields[i].name, name))
			return i;
	return -ENXIO;
}

bool field_is_elsewhere(const struct field_table *table, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		if (streq(optional[i], name))
			return field_find(table, name) < 0;
	return false;
}

int field_find_encoding(const struct field_table *table, uint32_t encoding)
{
	size_t low = 0, high = table->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint32_t e = table->fields[middle].encoding;

		if (e == encoding)
			return middle;
		if (e < encoding)
			low = middle + 1;
		else
			high = middle;
	}
	return -ENXIO;
}

bool field_allows(const struct nvmx_field *field, unsigned int shadow_class)
{
	if (shadow_class >= NVMX_NR_CLASSES)
		return false;
	/* The stock class holds by definition: the kernel runs with it. */
	return shadow_class == NVMX_CLASS_INTERCEPT || shadow_class == field->stock_class ||
	       (field->allowed_classes & (1U << shadow_class));
}

const char *field_group_name(size_t i)
{
	return i < ARRAY_SIZE(group_names) ? group_names[i] : NULL;
}

bool field_is_group(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(group_names); i++)
		if (streq(group_names[i], name))
			return true;
	return false;
}

bool field_is_in_group(const struct nvmx_field *field, const char *group, unsigned int shadow_class)
{
	if (streq(group, "exit-information"))
		return field->kind == NVMX_KIND_READ_ONLY_DATA && field_allows(field, shadow_class);
	for (size_t i = 0; i < ARRAY_SIZE(ar_bytes); i++)
		if (streq(group, "ar-bytes") && streq(field->name, ar_bytes[i]))
			return true;
	return false;
}

int field_check_hide(const struct nvmx_field *field, const char *place,
		     unsigned int shadow_class, char **ret_error)
{
	if (field->kind != NVMX_KIND_READ_ONLY_DATA || shadow_class != NVMX_CLASS_READ_WRITE)
		return 0;
	return error_set(ret_error, -EOPNOTSUPP, "%s%s cannot be read-write together with "
			 VMWRITE_ANY_FIELD "=hide; make it read-only or intercept, or use "
			 VMWRITE_ANY_FIELD "=inherit.", place, field->name);
}

static bool is_ar_bytes(const char *name)
{
	static const char suffix[] = "_AR_BYTES";
	size_t n = strlen(name);

	return n >= sizeof(suffix) && streq(name + n - (sizeof(suffix) - 1), suffix);
}

int field_lookup(const struct field_table *table, const char *place, const char *name,
		 char **ret_error)
{
	struct nearest nearest = {};
	int i;

	i = field_find(table, name);
	if (i >= 0)
		return i;
	if (field_is_elsewhere(table, name))
		return error_set(ret_error, -ENXIO, "%sThis kernel's vmcs12 has no field %s on this processor, "
				 "so L1 cannot access it; only policy files and metadata may name it.",
				 place, name);

	for (size_t j = 0; j < table->n; j++)
		nearest_try(&nearest, name, table->fields[j].name);
	/* Files and metadata, which have a place, know no groups. */
	for (size_t j = 0; j < ARRAY_SIZE(group_names) && !*place; j++)
		nearest_try(&nearest, name, group_names[j]);
	if (!*place)
		nearest_try(&nearest, name, VMWRITE_ANY_FIELD);
	if (nearest.name)
		return error_set(ret_error, -ENXIO, "%sThere is no field \"%.64s\"; did you mean %s?",
				 place, name, nearest.name);

	return error_set(ret_error, -ENXIO, "%sThis kernel's vmcs12 has no field \"%.64s\"; "
			 "\"nvmxctl fields\" lists those it has.", place, name);
}

/* As <linux/nvmx.h> has it at allowed_classes; NULL: the kernel knows more than we. */
static const char *why_refused(const struct nvmx_field *field)
{
	if (field->flags & NVMX_FIELD_ABSENT)
		return "because kvm_intel does not find it in this processor";
	if (field->flags & NVMX_FIELD_LOSSY)
		return "because this processor does not keep all its bits";
	if (streq(field->name, "VM_INSTRUCTION_ERROR"))
		return "because L0 writes it while L1 runs";
	if (field_allows(field, NVMX_CLASS_READ_ONLY) && is_ar_bytes(field->name))
		return "because a VMWRITE has to drop its reserved bits";
	return NULL;
}

int field_check_class(const struct nvmx_field *field, const char *place,
		      unsigned int shadow_class, char **ret_error)
{
	const char *why;
	bool ro, rw;

	if (field_allows(field, shadow_class))
		return 0;

	ro = field_allows(field, NVMX_CLASS_READ_ONLY);
	rw = field_allows(field, NVMX_CLASS_READ_WRITE);
	why = why_refused(field);
	return error_set(ret_error, -EOPNOTSUPP, "%s%s cannot be %s%s %s; it can %s.",
			 place, field->name, class_to_string(shadow_class) ?: "of that class",
			 why ? "," : "", why ?: "on this kernel and processor",
			 ro ? "be intercept or read-only" :
			 rw ? "be intercept or read-write" : "only be intercept");
}
