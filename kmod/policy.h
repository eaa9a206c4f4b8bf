/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies: objects that never change and are counted.  The default, each VM and
 * each vCPU hold a reference; a vCPU uses only its own, which is by definition what
 * its vmcs01 is programmed with, so nothing on the vCPU's path looks at the VM's.
 */
#ifndef _NVMX_POLICY_H
#define _NVMX_POLICY_H

#include <linux/kref.h>
#include <linux/nvmx.h>
#include <linux/spinlock.h>

/* NVMX_WIDTH_* */
#define NVMX_NR_WIDTHS	4

struct nvmx_policy_obj {
	struct kref refs;
	u32 vmwrite_any_field;
	/* Never NULL; vmwrite_strict may be vmwrite. */
	unsigned long *vmread;
	unsigned long *vmwrite;
	/*
	 * For a vCPU that is not offered "VMWRITE any field": the read-only
	 * data fields exit in it, so that VMWRITE can fail as it must.
	 */
	unsigned long *vmwrite_strict;
	char label[NVMX_LABEL_LEN];
	/* A shadowed field is NVMX_FIELD_LAZY: L2's exits fetch such fields at once. */
	bool lazy;
	/*
	 * The read-write fields; those of them of which a change has to mark
	 * vmcs12 dirty (NVMX_FIELD_SLOW) are in a list of their own; and all
	 * shadowed fields.  Each list by width, as the encoding sorts them, so
	 * that a copy need not look at it.
	 */
	u8 nr_read_write;
	struct nvmx_list {
		u8 nr[NVMX_NR_WIDTHS];
		u8 total;
	} rw, rw_slow, all;
	struct nvmx_shadowed {
		u16 encoding;
		u16 offset;
	} shadowed[];
};

/* The class of each field of nvmx_fields[]; the form in which policies are made. */
struct nvmx_classes {
	u32 vmwrite_any_field;
	char label[NVMX_LABEL_LEN];
	u8 class[];
};

struct nvmx_classes *nvmx_classes_alloc(void);
int nvmx_classes_check(const struct nvmx_classes *classes, u32 *bad_encoding);
struct nvmx_policy_obj *nvmx_policy_create(const struct nvmx_classes *classes);
u8 nvmx_policy_class(const struct nvmx_policy_obj *policy, unsigned int index);
void nvmx_policy_put(struct nvmx_policy_obj *policy);

static inline struct nvmx_policy_obj *nvmx_policy_get(struct nvmx_policy_obj *policy)
{
	kref_get(&policy->refs);
	return policy;
}

/* Where a policy is published: the default's, or a VM's. */
struct nvmx_policy_slot {
	spinlock_t lock;
	struct nvmx_policy_obj *policy;
	u64 generation;
};

struct nvmx_policy_obj *nvmx_slot_get(struct nvmx_policy_slot *slot, u64 *generation);
u64 nvmx_slot_publish(struct nvmx_policy_slot *slot, struct nvmx_policy_obj *policy);

extern struct nvmx_policy_slot nvmx_default_policy;
/* In force while a profiling window is open; by vmwrite_any_field. */
extern struct nvmx_policy_obj *nvmx_window_policies[NVMX_VMWRITE_ANY_HIDE + 1];

/* The module makes these, and lets go of them; -ENOMEM.  The fields are known by then. */
int nvmx_policy_init(void);
void nvmx_policy_exit(void);

#endif /* _NVMX_POLICY_H */
