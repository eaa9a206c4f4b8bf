/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An assignment: a class for every field of the kernel's table, and
 * vmwrite-any-field.  It owns its classes and borrows the table.
 */
#include "policy/internal.h"

int assignment_new(const struct field_table *table, struct assignment **ret)
{
	struct assignment *a;

	a = calloc(1, sizeof(*a) + table->n);
	if (!a)
		return -ENOMEM;

	a->table = table;
	a->vmwrite_any_field = NVMX_VMWRITE_ANY_INHERIT;
	*ret = a;
	return 0;
}

int assignment_new_kernel(const struct field_table *table, struct assignment **ret)
{
	struct assignment *a;
	int r;

	r = assignment_new(table, &a);
	if (r < 0)
		return r;

	for (size_t i = 0; i < table->n; i++)
		a->classes[i] = table->fields[i].stock_class;
	*ret = a;
	return 0;
}

int assignment_copy(const struct assignment *a, struct assignment **ret)
{
	struct assignment *b;
	int r;

	r = assignment_new(a->table, &b);
	if (r < 0)
		return r;

	memcpy(b, a, sizeof(*a) + a->table->n);
	*ret = b;
	return 0;
}

struct assignment *assignment_free(struct assignment *a)
{
	free(a);
	return NULL;
}

bool assignment_equal(const struct assignment *a, const struct assignment *b)
{
	return a->table->n == b->table->n &&
	       a->vmwrite_any_field == b->vmwrite_any_field &&
	       memcmp(a->classes, b->classes, a->table->n) == 0;
}

int assignment_from_entries(const struct field_table *table,
			    const struct nvmx_policy_entry *entries, size_t n,
			    uint32_t vmwrite_any_field,
			    struct assignment **ret, char **ret_error)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	int r;

	r = assignment_new(table, &a);
	if (r < 0)
		return error_set(ret_error, r, "Out of memory.");

	if (!vmwrite_any_to_string(vmwrite_any_field))
		return error_set(ret_error, -EDOM, "The kernel's policy has a "
				 VMWRITE_ANY_FIELD " that is not known here: %u.",
				 vmwrite_any_field);
	a->vmwrite_any_field = vmwrite_any_field;

	for (size_t k = 0; k < n; k++) {
		int i = field_find_encoding(table, entries[k].encoding);

		if (i < 0)
			return error_set(ret_error, i, "The kernel's policy has a field that is "
					 "not in its table: 0x%x.", entries[k].encoding);
		if (!class_to_string(entries[k].shadow_class))
			return error_set(ret_error, -EDOM, "The kernel's policy gives %s a class "
					 "that is not known here: %u.",
					 table->fields[i].name, entries[k].shadow_class);
		a->classes[i] = entries[k].shadow_class;
	}

	*ret = steal_ptr(a);
	return 0;
}

int assignment_to_entries(const struct assignment *a,
			  struct nvmx_policy_entry **ret, size_t *ret_n)
{
	struct nvmx_policy_entry *entries;
	size_t n = 0;

	/* One more, so that an empty list is no NULL. */
	entries = calloc(a->table->n + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;

	for (size_t i = 0; i < a->table->n; i++) {
		if (a->classes[i] == NVMX_CLASS_INTERCEPT)
			continue;
		entries[n].encoding = a->table->fields[i].encoding;
		entries[n].shadow_class = a->classes[i];
		n++;
	}

	*ret = entries;
	*ret_n = n;
	return 0;
}

int assignment_check_hide(const struct assignment *a, const char *place, char **ret_error)
{
	if (a->vmwrite_any_field != NVMX_VMWRITE_ANY_HIDE)
		return 0;

	for (size_t i = 0; i < a->table->n; i++) {
		int r = field_check_hide(&a->table->fields[i], place, a->classes[i], ret_error);

		if (r < 0)
			return r;
	}
	return 0;
}

int assignment_check(const struct assignment *a, char **ret_error)
{
	int r;

	for (size_t i = 0; i < a->table->n; i++) {
		r = field_check_class(&a->table->fields[i], "", a->classes[i], ret_error);
		if (r < 0)
			return r;
	}
	return assignment_check_hide(a, "", ret_error);
}

static int change_field(struct assignment *a, const char *name, unsigned int shadow_class,
			char **ret_error)
{
	int i, r;

	i = field_lookup(a->table, "", name, ret_error);
	if (i < 0)
		return i;
	r = field_check_class(&a->table->fields[i], "", shadow_class, ret_error);
	if (r < 0)
		return r;
	a->classes[i] = shadow_class;
	return 0;
}

static int change_group(struct assignment *a, const char *group, unsigned int shadow_class,
			char **ret_error)
{
	size_t changed = 0;

	for (size_t i = 0; i < a->table->n; i++) {
		const struct nvmx_field *f = &a->table->fields[i];
		int r;

		if (!field_is_in_group(f, group, shadow_class))
			continue;
		r = field_check_class(f, "", shadow_class, ret_error);
		if (r < 0)
			return r;
		a->classes[i] = shadow_class;
		changed++;
	}
	if (changed == 0)
		return error_set(ret_error, -EOPNOTSUPP, "No field of %s can be %s on this kernel and "
				 "processor.", group, class_to_string(shadow_class));
	return 0;
}

static int change_one(struct assignment *a, const struct policy_change *c, char **ret_error)
{
	_cleanup_free_ char *place = NULL;
	unsigned int shadow_class;
	int r, any;

	if (asprintf(&place, "%.64s: ", c->name) < 0) {
		place = NULL;
		return -ENOMEM;
	}

	if (streq(c->name, VMWRITE_ANY_FIELD)) {
		r = vmwrite_any_parse("", c->value, &any, ret_error);
		if (r < 0)
			return r;
		a->vmwrite_any_field = any;
		return 0;
	}

	/* The name first: who mistypes it wants to hear of that. */
	if (!field_is_group(c->name)) {
		r = field_lookup(a->table, "", c->name, ret_error);
		if (r < 0)
			return r;
	}
	r = class_parse(place, c->value, &shadow_class, ret_error);
	if (r < 0)
		return r;

	return field_is_group(c->name) ? change_group(a, c->name, shadow_class, ret_error) :
					 change_field(a, c->name, shadow_class, ret_error);
}

int assignment_apply(const struct assignment *base,
		     const struct policy_change *changes, size_t n,
		     struct assignment **ret, char **ret_error)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	int r;

	if (n > NVMX_MAX_ENTRIES)
		return error_set(ret_error, -EINVAL, "%zu changes at once are too many; at most "
				 "%d are possible.", n, NVMX_MAX_ENTRIES);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (streq(changes[i].name, changes[j].name))
				return error_set(ret_error, -EINVAL, "%.64s is changed twice; "
						 "give it once.", changes[i].name);

	r = assignment_copy(base, &a);
	if (r < 0)
		return error_set(ret_error, r, "Out of memory.");

	/* A field may be an exception to its group, in whatever order they come. */
	for (int groups = 1; groups >= 0; groups--)
		for (size_t i = 0; i < n; i++) {
			if (field_is_group(changes[i].name) != groups)
				continue;
			r = change_one(a, &changes[i], ret_error);
			if (r < 0)
				return r;
		}

	r = assignment_check(a, ret_error);
	if (r < 0)
		return r;

	*ret = steal_ptr(a);
	return 0;
}

int assignment_diff(const struct assignment *a, const struct assignment *base,
		    struct policy_change **ret, size_t *ret_n)
{
	struct policy_change *changes;
	size_t n = 0;

	if (a->table->n != base->table->n)
		return -EINVAL;

	changes = calloc(a->table->n + 1, sizeof(*changes));
	if (!changes)
		return -ENOMEM;

	for (size_t i = 0; i < a->table->n; i++) {
		if (a->classes[i] == base->classes[i])
			continue;
		changes[n].name = a->table->fields[i].name;
		changes[n].value = class_to_string(a->classes[i]);
		n++;
	}
	if (a->vmwrite_any_field != base->vmwrite_any_field) {
		changes[n].name = VMWRITE_ANY_FIELD;
		changes[n].value = vmwrite_any_to_string(a->vmwrite_any_field);
		n++;
	}

	*ret = changes;
	*ret_n = n;
	return 0;
}
