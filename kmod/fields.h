/* SPDX-License-Identifier: GPL-2.0-only */
/* The fields of this kernel's vmcs12: fields.c, and probe.c, which asks the processor. */
#ifndef _NVMX_FIELDS_H
#define _NVMX_FIELDS_H

#include <linux/nvmx.h>

#include "compat.h"

struct nvmx_field_desc {
	u16 encoding;
	u16 offset;
	u8 stock_class;
	u8 allowed_classes;
	/* NVMX_FIELD_* */
	u8 flags;
	const char *name;
};

extern struct nvmx_field_desc nvmx_fields[];
extern unsigned int nvmx_nr_fields;
/* Not only the kernel's own list. */
extern bool nvmx_knows_all_fields;

/* Module; @vmread, @vmwrite: stock's bitmaps; -errno.  In this order. */
void nvmx_fields_set_stock(const unsigned long *vmread, const unsigned long *vmwrite);
int nvmx_fields_init(bool nested);

/*
 * Sets NVMX_FIELD_ABSENT of the fields that some CPU lacks, and NVMX_FIELD_LOSSY of those
 * that one does not keep the bits of; of the kernel's own list nothing is asked, KVM shadows
 * it anyway.  -errno: a CPU could not be asked.
 */
int nvmx_probe_fields(void);

/*
 * Index into nvmx_fields[] of the field that @encoding names (its high half
 * names it too), or nvmx_nr_fields if vmcs12 has no such field.
 */
unsigned int nvmx_field_index(unsigned long encoding);

/* NVMX_KIND_* */
static inline u8 nvmx_field_kind(u32 encoding)
{
	return (encoding >> 10) & 3;
}

static inline bool nvmx_is_u64_field(u32 encoding)
{
	return vmcs_field_width(encoding) == VMCS_FIELD_WIDTH_U64;
}

/* kvm_intel.nested, less what the processor lacks. */
extern bool __read_mostly nvmx_nested;

static inline bool nvmx_can_shadow(void)
{
	return nvmx_nested && enable_shadow_vmcs;
}

#endif /* _NVMX_FIELDS_H */
