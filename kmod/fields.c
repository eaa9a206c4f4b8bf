// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of fields: every field that this kernel's vmcs12 has on this processor,
 * generated from vmcs12.c, with the class it has in the kernel's own list there, the
 * classes that a policy may give it, and how it gets to vmcs02 and back.
 */
#include <linux/nospec.h>
#include <linux/sort.h>

#include "fields.h"
#include "vmcs12-fields.h"

#define NVMX_FIELD_DESC(field)	{ .encoding = field, .name = #field },
struct nvmx_field_desc nvmx_fields[] = {
	NVMX_VMCS12_FIELDS(NVMX_FIELD_DESC)
};

unsigned int nvmx_nr_fields __ro_after_init = ARRAY_SIZE(nvmx_fields);

/*
 * From vmcs12's own index of a field to ours, NVMX_NO_INDEX for holes.  VMREAD
 * and VMWRITE exits look up here, so it is an array and not a search.
 */
#define NVMX_NO_INDEX		0xff
#define NVMX_NR_VMCS12_INDICES	4096

static u8 nvmx_indices[NVMX_NR_VMCS12_INDICES] __ro_after_init;

bool __read_mostly nvmx_nested;
bool nvmx_knows_all_fields __ro_after_init;

unsigned int nvmx_field_index(unsigned long encoding)
{
	unsigned int i;
	u8 index;

	BUILD_BUG_ON(ARRAY_SIZE(nvmx_fields) >= NVMX_NO_INDEX);

	if (encoding >> 15)
		return nvmx_nr_fields;

	i = ROL16(encoding, 6);
	if (i >= ARRAY_SIZE(nvmx_indices))
		return nvmx_nr_fields;

	index = nvmx_indices[array_index_nospec(i, ARRAY_SIZE(nvmx_indices))];
	return index == NVMX_NO_INDEX ? nvmx_nr_fields : index;
}

static u8 nvmx_class_in_bitmaps(u32 encoding, const unsigned long *vmread,
				const unsigned long *vmwrite)
{
	if (test_bit(encoding, vmread))
		return NVMX_CLASS_INTERCEPT;

	return test_bit(encoding, vmwrite) ? NVMX_CLASS_READ_ONLY : NVMX_CLASS_READ_WRITE;
}

/* Only what is in vmcs02 costs anything there. */
static u32 __init nvmx_field_flags(u32 encoding)
{
	u32 kind = nvmx_field_kind(encoding);

	if (kind == NVMX_KIND_HOST_STATE || kind == NVMX_KIND_READ_ONLY_DATA)
		return 0;
	if (is_shadow_field_rw(encoding))
		return NVMX_FIELD_EAGER;

	return NVMX_FIELD_SLOW | (is_vmcs12_ext_field(encoding) ? NVMX_FIELD_LAZY : 0);
}

static u8 __init nvmx_classes_allowed(const struct nvmx_field_desc *field)
{
	u8 allowed = BIT(NVMX_CLASS_INTERCEPT);

	/* L0 writes the error while L1 runs, and no copy to the shadow VMCS follows. */
	if (!nvmx_can_shadow() || field->flags & (NVMX_FIELD_ABSENT | NVMX_FIELD_LOSSY) ||
	    field->encoding == VM_INSTRUCTION_ERROR)
		return allowed;

	allowed |= BIT(NVMX_CLASS_READ_ONLY);

	/* Some processors keep the reserved bits that an emulated VMWRITE drops. */
	if (field->encoding < GUEST_ES_AR_BYTES || field->encoding > GUEST_TR_AR_BYTES)
		allowed |= BIT(NVMX_CLASS_READ_WRITE);

	return allowed;
}

void __init nvmx_fields_set_stock(const unsigned long *vmread, const unsigned long *vmwrite)
{
	unsigned int i;

	for (i = 0; i < nvmx_nr_fields; i++)
		nvmx_fields[i].stock_class =
			nvmx_class_in_bitmaps(nvmx_fields[i].encoding, vmread, vmwrite);
}

static int __init nvmx_field_cmp(const void *a, const void *b)
{
	const struct nvmx_field_desc *x = a, *y = b;

	return (int)x->encoding - (int)y->encoding;
}

/*
 * Newer kernels' vmcs12 has only what the processor has controls for, and nothing
 * at all without nesting: then the table is that of any processor.
 */
static void __init nvmx_fields_drop(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < nvmx_nr_fields; i++)
		if (!nvmx_nested || get_vmcs12_field_offset(nvmx_fields[i].encoding) >= 0)
			nvmx_fields[nr++] = nvmx_fields[i];
	nvmx_nr_fields = nr;
}

static int __init nvmx_fields_sort(void)
{
	unsigned int i;

	sort(nvmx_fields, nvmx_nr_fields, sizeof(nvmx_fields[0]), nvmx_field_cmp, NULL);
	memset(nvmx_indices, NVMX_NO_INDEX, sizeof(nvmx_indices));

	for (i = 0; i < nvmx_nr_fields; i++) {
		struct nvmx_field_desc *field = &nvmx_fields[i];
		short offset = get_vmcs12_field_offset(field->encoding);

		if (WARN_ON_ONCE(ROL16(field->encoding | 1, 6) >= ARRAY_SIZE(nvmx_indices)))
			return -EINVAL;

		/* Without nesting nobody asks where. */
		field->offset = max_t(short, offset, 0);
		nvmx_indices[ROL16(field->encoding, 6)] = i;
		if (nvmx_is_u64_field(field->encoding))
			nvmx_indices[ROL16(field->encoding | 1, 6)] = i;
	}

	return 0;
}

/* What cannot be asked of the processor is known of the kernel's own list only. */
static void __init nvmx_fields_describe(void)
{
	unsigned int i;
	int r;

	for (i = 0; i < nvmx_nr_fields; i++)
		nvmx_fields[i].flags = nvmx_field_flags(nvmx_fields[i].encoding);

	r = nvmx_can_shadow() ? nvmx_probe_fields() : -EOPNOTSUPP;
	nvmx_knows_all_fields = !r;
	if (r && r != -EOPNOTSUPP)
		pr_warn("nvmx: cannot ask the processor which VMCS fields it has (%d): only the kernel's own list can be shadowed\n",
			r);

	for (i = 0; i < nvmx_nr_fields; i++) {
		struct nvmx_field_desc *field = &nvmx_fields[i];

		if (nvmx_can_shadow() && r && field->stock_class == NVMX_CLASS_INTERCEPT)
			field->flags |= NVMX_FIELD_ABSENT;
		field->allowed_classes = nvmx_classes_allowed(field);
	}
}

int __init nvmx_fields_init(bool nested)
{
	int r;

	nvmx_nested = nested;

	nvmx_fields_drop();
	r = nvmx_fields_sort();
	if (r)
		return r;

	nvmx_fields_describe();
	return 0;
}
