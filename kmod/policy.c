// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy objects: made from a class for each field, then never changed.  They
 * live until the default, the VMs and the vCPUs that hold a reference have let
 * go; a vCPU lets go only after its vmcs01 no longer points to the bitmaps.
 */
#include <linux/gfp.h>
#include <linux/slab.h>

#include "fields.h"
#include "policy.h"

struct nvmx_policy_slot nvmx_default_policy = {
	.lock = __SPIN_LOCK_UNLOCKED(nvmx_default_policy.lock),
};

struct nvmx_policy_obj *nvmx_window_policies[NVMX_VMWRITE_ANY_HIDE + 1];

/* All fields INTERCEPT, INHERIT, no label. */
struct nvmx_classes *nvmx_classes_alloc(void)
{
	struct nvmx_classes *classes;

	return kzalloc(struct_size(classes, class, nvmx_nr_fields), GFP_KERNEL_ACCOUNT);
}

/*
 * May this be a policy, on this processor?  -EOPNOTSUPP with the field at fault
 * in @bad_encoding.
 */
int nvmx_classes_check(const struct nvmx_classes *classes, u32 *bad_encoding)
{
	unsigned int i;

	*bad_encoding = NVMX_NO_FIELD;
	if (!nvmx_can_shadow())
		return -EOPNOTSUPP;

	for (i = 0; i < nvmx_nr_fields; i++) {
		const struct nvmx_field_desc *field = &nvmx_fields[i];
		u8 class = classes->class[i];

		if (!(field->allowed_classes & BIT(class)) ||
		    (class == NVMX_CLASS_READ_WRITE && vmcs_field_readonly(field->encoding) &&
		     classes->vmwrite_any_field == NVMX_VMWRITE_ANY_HIDE)) {
			*bad_encoding = field->encoding;
			return -EOPNOTSUPP;
		}
	}

	return 0;
}

static void nvmx_clear_field(u32 encoding, unsigned long *bitmap)
{
	__clear_bit(encoding, bitmap);
	if (nvmx_is_u64_field(encoding))
		__clear_bit(encoding | 1, bitmap);
}

static void nvmx_fill_bitmaps(struct nvmx_policy_obj *policy, const struct nvmx_classes *classes)
{
	unsigned int i;

	memset(policy->vmread, 0xff, PAGE_SIZE);
	memset(policy->vmwrite, 0xff, PAGE_SIZE);
	memset(policy->vmwrite_strict, 0xff, PAGE_SIZE);

	for (i = 0; i < nvmx_nr_fields; i++) {
		u32 encoding = nvmx_fields[i].encoding;
		u8 class = classes->class[i];

		if (class == NVMX_CLASS_INTERCEPT)
			continue;

		nvmx_clear_field(encoding, policy->vmread);
		if (class != NVMX_CLASS_READ_WRITE)
			continue;

		nvmx_clear_field(encoding, policy->vmwrite);
		if (!vmcs_field_readonly(encoding))
			nvmx_clear_field(encoding, policy->vmwrite_strict);
	}
}

static void nvmx_list_add(struct nvmx_list *list, struct nvmx_shadowed **next,
			  const struct nvmx_field_desc *field)
{
	(*next)->encoding = field->encoding;
	(*next)->offset = field->offset;
	(*next)++;
	list->nr[vmcs_field_width(field->encoding)]++;
	list->total++;
}

/* nvmx_fields[] is sorted by encoding, and so are the lists. */
static void nvmx_fill_lists(struct nvmx_policy_obj *policy, const struct nvmx_classes *classes)
{
	struct nvmx_shadowed *next = policy->shadowed;
	unsigned int i, slow;

	for (slow = 0; slow < 2; slow++)
		for (i = 0; i < nvmx_nr_fields; i++)
			if (classes->class[i] == NVMX_CLASS_READ_WRITE &&
			    slow == !!(nvmx_fields[i].flags & NVMX_FIELD_SLOW))
				nvmx_list_add(slow ? &policy->rw_slow : &policy->rw, &next,
					      &nvmx_fields[i]);
	policy->nr_read_write = policy->rw.total + policy->rw_slow.total;

	for (i = 0; i < nvmx_nr_fields; i++) {
		if (classes->class[i] == NVMX_CLASS_INTERCEPT)
			continue;
		nvmx_list_add(&policy->all, &next, &nvmx_fields[i]);
		policy->lazy |= nvmx_fields[i].flags & NVMX_FIELD_LAZY;
	}
}

static bool nvmx_needs_strict(const struct nvmx_classes *classes)
{
	unsigned int i;

	for (i = 0; i < nvmx_nr_fields; i++)
		if (classes->class[i] == NVMX_CLASS_READ_WRITE &&
		    vmcs_field_readonly(nvmx_fields[i].encoding))
			return true;

	return false;
}

static void nvmx_policy_free(struct nvmx_policy_obj *policy)
{
	if (policy->vmwrite_strict != policy->vmwrite)
		free_page((unsigned long)policy->vmwrite_strict);
	free_page((unsigned long)policy->vmwrite);
	free_page((unsigned long)policy->vmread);
	kfree(policy);
}

/* A policy with one reference, of classes that nvmx_classes_check() let pass; NULL: no memory. */
struct nvmx_policy_obj *nvmx_policy_create(const struct nvmx_classes *classes)
{
	struct nvmx_policy_obj *policy;

	policy = kzalloc(struct_size(policy, shadowed, 2 * nvmx_nr_fields), GFP_KERNEL_ACCOUNT);
	if (!policy)
		return NULL;

	kref_init(&policy->refs);
	policy->vmwrite_any_field = classes->vmwrite_any_field;
	memcpy(policy->label, classes->label, sizeof(policy->label));

	policy->vmread = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	policy->vmwrite = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	policy->vmwrite_strict = policy->vmwrite;
	if (nvmx_needs_strict(classes))
		policy->vmwrite_strict = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);

	if (!policy->vmread || !policy->vmwrite || !policy->vmwrite_strict) {
		nvmx_policy_free(policy);
		return NULL;
	}

	nvmx_fill_bitmaps(policy, classes);
	nvmx_fill_lists(policy, classes);
	return policy;
}

/* The class of nvmx_fields[@index]; the bitmaps are the one place that knows it. */
u8 nvmx_policy_class(const struct nvmx_policy_obj *policy, unsigned int index)
{
	u32 encoding = nvmx_fields[index].encoding;

	if (test_bit(encoding, policy->vmread))
		return NVMX_CLASS_INTERCEPT;

	return test_bit(encoding, policy->vmwrite) ? NVMX_CLASS_READ_ONLY : NVMX_CLASS_READ_WRITE;
}

static void nvmx_policy_release(struct kref *refs)
{
	nvmx_policy_free(container_of(refs, struct nvmx_policy_obj, refs));
}

/* May be called with preemption disabled; NULL is fine. */
void nvmx_policy_put(struct nvmx_policy_obj *policy)
{
	if (policy)
		kref_put(&policy->refs, nvmx_policy_release);
}

struct nvmx_policy_obj *nvmx_slot_get(struct nvmx_policy_slot *slot, u64 *generation)
{
	struct nvmx_policy_obj *policy;

	spin_lock(&slot->lock);
	policy = nvmx_policy_get(slot->policy);
	if (generation)
		*generation = slot->generation;
	spin_unlock(&slot->lock);

	return policy;
}

/* Takes over the caller's reference; gives the new generation. */
u64 nvmx_slot_publish(struct nvmx_policy_slot *slot, struct nvmx_policy_obj *policy)
{
	struct nvmx_policy_obj *old;
	u64 generation;

	spin_lock(&slot->lock);
	old = slot->policy;
	slot->policy = policy;
	generation = ++slot->generation;
	spin_unlock(&slot->lock);

	nvmx_policy_put(old);
	return generation;
}

/* A policy of @class for all fields, or of the stock classes (NVMX_NR_CLASSES). */
static struct nvmx_policy_obj * __init nvmx_policy_of_class(u8 class, u32 vmwrite_any_field)
{
	struct nvmx_policy_obj *policy = NULL;
	struct nvmx_classes *classes;
	unsigned int i;

	classes = nvmx_classes_alloc();
	if (classes) {
		classes->vmwrite_any_field = vmwrite_any_field;
		for (i = 0; i < nvmx_nr_fields; i++)
			classes->class[i] = class == NVMX_NR_CLASSES ?
					    nvmx_fields[i].stock_class : class;
		policy = nvmx_policy_create(classes);
	}
	kfree(classes);

	return policy;
}

int __init nvmx_policy_init(void)
{
	unsigned int any;

	nvmx_default_policy.policy = nvmx_policy_of_class(NVMX_NR_CLASSES,
							  NVMX_VMWRITE_ANY_INHERIT);
	if (!nvmx_default_policy.policy)
		goto exit;

	for (any = 0; any < ARRAY_SIZE(nvmx_window_policies); any++) {
		nvmx_window_policies[any] = nvmx_policy_of_class(NVMX_CLASS_INTERCEPT, any);
		if (!nvmx_window_policies[any])
			goto exit;
	}

	return 0;

exit:
	nvmx_policy_exit();
	return -ENOMEM;
}

void nvmx_policy_exit(void)
{
	unsigned int any;

	for (any = 0; any < ARRAY_SIZE(nvmx_window_policies); any++) {
		nvmx_policy_put(nvmx_window_policies[any]);
		nvmx_window_policies[any] = NULL;
	}

	nvmx_policy_put(nvmx_default_policy.policy);
	nvmx_default_policy.policy = NULL;
}
