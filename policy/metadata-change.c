/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes to a domain's metadata, as they are made before the metadata are
 * written back.  Makes new metadata; those given stay as they are.
 */
#include "policy/internal.h"

static int copy(const struct metadata *m, struct metadata **ret)
{
	_cleanup_metadata_ struct metadata *new = NULL;

	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->vmwrite_any_field = m ? m->vmwrite_any_field : -1;
	if (m && m->name) {
		new->name = strdup(m->name);
		if (!new->name)
			return -ENOMEM;
	}
	for (size_t i = 0; m && i < m->n_fields; i++) {
		const struct policy_field *f = &m->fields[i];
		char *name = strdup(f->name);
		int r;

		r = name ? policy_fields_add(&new->fields, &new->n_fields, name, f->shadow_class,
					     f->line) : -ENOMEM;
		if (r < 0)
			return r;
	}
	*ret = steal_ptr(new);
	return 0;
}

static int set_field(struct metadata *m, const char *name, unsigned int shadow_class)
{
	char *s;

	for (size_t i = 0; i < m->n_fields; i++)
		if (streq(m->fields[i].name, name)) {
			m->fields[i].shadow_class = shadow_class;
			return 0;
		}
	s = strdup(name);
	return s ? policy_fields_add(&m->fields, &m->n_fields, s, shadow_class, 0) : -ENOMEM;
}

/* Metadata have no groups: what is meant are the fields that are in it today. */
static int set_group(struct metadata *m, const char *group, unsigned int shadow_class,
		     const struct field_table *table, char **ret_error)
{
	size_t n = 0;

	if (table->n == 0)
		return error_set(ret_error, -ENXIO, "%s is a group of fields that only nvmxd knows, "
				 "and it cannot be reached; name the fields, or see \"systemctl status "
				 "nvmxd\".", group);
	for (size_t i = 0; i < table->n; i++) {
		int r;

		if (!field_is_in_group(&table->fields[i], group, shadow_class))
			continue;
		r = set_field(m, table->fields[i].name, shadow_class);
		if (r < 0)
			return r;
		n++;
	}
	return n ? 0 : error_set(ret_error, -EOPNOTSUPP, "No field of %s can be %s on this kernel and "
				 "processor.", group, class_to_string(shadow_class));
}

static int change(struct metadata *m, const struct policy_change *c, const struct field_table *table,
		  char **ret_error)
{
	_cleanup_free_ char *place = NULL;
	unsigned int shadow_class;
	int r;

	if (streq(c->name, VMWRITE_ANY_FIELD))
		return vmwrite_any_parse("", c->value, &m->vmwrite_any_field, ret_error);
	if (asprintf(&place, "%.64s: ", c->name) < 0) {
		place = NULL;
		return -ENOMEM;
	}
	if (table->n > 0 && !field_is_group(c->name)) {
		r = field_lookup(table, "", c->name, ret_error);
		if (r < 0)
			return r;
	}
	r = class_parse(place, c->value, &shadow_class, ret_error);
	if (r < 0)
		return r;
	if (field_is_group(c->name))
		return set_group(m, c->name, shadow_class, table, ret_error);
	return set_field(m, c->name, shadow_class);
}

static int check_twice(const struct policy_change *changes, size_t n, char **ret_error)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (streq(changes[i].name, changes[j].name))
				return error_set(ret_error, -EINVAL, "%.64s is changed twice; "
						 "give it once.", changes[i].name);
	return 0;
}

int metadata_change(const struct metadata *base, const char *name,
		    const struct policy_change *changes, size_t n,
		    const struct field_table *table, struct metadata **ret, char **ret_error)
{
	_cleanup_metadata_ struct metadata *m = NULL;
	int r;

	if (*name && !policy_name_is_valid(name))
		return error_set(ret_error, -EINVAL, "\"%.64s\" cannot be a policy's name.", name);
	r = check_twice(changes, n, ret_error);
	if (r < 0)
		return r;

	r = copy(*name ? NULL : base, &m);
	if (r >= 0 && *name) {
		m->name = strdup(name);
		r = m->name ? 0 : -ENOMEM;
	}
	/* A field may be an exception to its group, in whatever order they come. */
	for (int groups = 1; groups >= 0; groups--)
		for (size_t i = 0; i < n && r >= 0; i++)
			if (field_is_group(changes[i].name) == groups)
				r = change(m, &changes[i], table, ret_error);
	if (r == -ENOMEM)
		return error_set(ret_error, r, "Out of memory.");
	if (r < 0)
		return r;
	*ret = steal_ptr(m);
	return 0;
}
