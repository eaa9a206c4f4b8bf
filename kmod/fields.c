// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of fields: every field of this kernel's vmcs12, generated from
 * vmcs12.c, with the class it has in the kernel's own list on this processor
 * and the classes that a policy may give it.
 */
#include <linux/nospec.h>
#include <linux/sort.h>

#include "nvmx.h"

#define FIELD(number, member)	{ .encoding = number, .name = #number },
#define FIELD64(number, member)	FIELD(number, member)
struct nvmx_field_desc nvmx_fields[] = {
#include "vmcs12-fields.h"
};
#undef FIELD
#undef FIELD64

const unsigned int nvmx_nr_fields = ARRAY_SIZE(nvmx_fields);

/*
 * From vmcs12's own index of a field to ours, NVMX_NO_INDEX for holes.  VMREAD
 * and VMWRITE exits look up here, so it is an array and not a search.
 */
#define NVMX_NO_INDEX		0xff
#define NVMX_NR_VMCS12_INDICES	4096

static u8 nvmx_indices[NVMX_NR_VMCS12_INDICES] __ro_after_init;

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

/*
 * What a field may be.  The kernel's own list is synced by prepare_vmcs02() at
 * every entry, and HOST_RSP, like all host state, is not in vmcs02 at all; any
 * other field needs the slow path or is fetched lazily, so it is intercepted.
 */
static u8 nvmx_classes_allowed(const struct nvmx_field_desc *field)
{
	u8 allowed = BIT(NVMX_CLASS_INTERCEPT);

	if (!nvmx_can_shadow())
		return allowed;

	if (field->stock_class == NVMX_CLASS_INTERCEPT && field->encoding != HOST_RSP)
		return allowed;

	allowed |= BIT(NVMX_CLASS_READ_ONLY);

	/*
	 * Read-write would keep the reserved bits of AR_BYTES that an emulated
	 * VMWRITE drops, and a change by L1 would not mark vmcs12 dirty.
	 */
	if (field->encoding < GUEST_ES_AR_BYTES || field->encoding > GUEST_TR_AR_BYTES)
		allowed |= BIT(NVMX_CLASS_READ_WRITE);

	return allowed;
}

void __init nvmx_set_stock(const unsigned long *vmread, const unsigned long *vmwrite)
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

static int __init nvmx_fields_setup(void)
{
	unsigned int i;

	sort(nvmx_fields, nvmx_nr_fields, sizeof(nvmx_fields[0]), nvmx_field_cmp, NULL);
	memset(nvmx_indices, NVMX_NO_INDEX, sizeof(nvmx_indices));

	for (i = 0; i < nvmx_nr_fields; i++) {
		struct nvmx_field_desc *field = &nvmx_fields[i];
		short offset = get_vmcs12_field_offset(field->encoding);

		if (WARN_ON_ONCE(offset < 0 ||
				 ROL16(field->encoding | 1, 6) >= ARRAY_SIZE(nvmx_indices)))
			return -EINVAL;

		field->offset = offset;
		field->allowed_classes = nvmx_classes_allowed(field);
		nvmx_indices[ROL16(field->encoding, 6)] = i;
		if (nvmx_is_u64_field(field->encoding))
			nvmx_indices[ROL16(field->encoding | 1, 6)] = i;
	}

	return 0;
}

int __init nvmx_hardware_setup(bool nested)
{
	struct nvmx_policy_obj *stock;
	struct nvmx_classes *classes;
	unsigned int i;
	int r;

	nvmx_nested = nested;

	r = nvmx_fields_setup();
	if (r)
		return r;

	classes = nvmx_classes_alloc();
	if (!classes)
		return -ENOMEM;

	for (i = 0; i < nvmx_nr_fields; i++)
		classes->class[i] = nvmx_fields[i].stock_class;

	stock = nvmx_policy_create(classes);
	kfree(classes);
	if (!stock)
		return -ENOMEM;

	nvmx_default_policy.policy = stock;
	return 0;
}

void nvmx_hardware_unsetup(void)
{
	nvmx_policy_put(nvmx_default_policy.policy);
	nvmx_default_policy.policy = NULL;
}
