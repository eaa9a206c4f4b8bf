// SPDX-License-Identifier: LGPL-2.1-or-later
/* The shipped policies for the tests: see shipped.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "shipped.h"
#include "tap.h"

static const char *const dirs[] = { "/policy.d", NULL };

static void on_error(const char *sentence, void *userdata)
{
	bail("%s", sentence);
}

static struct policy_set *load(const struct field_table *table)
{
	struct policy_set *set;

	if (policy_set_load(dirs, table, on_error, NULL, &set) < 0)
		bail("policy_set_load");
	return set;
}

void shipped_list(void)
{
	struct policy_set *set = load(NULL);
	const struct policy *policy;
	size_t i;

	for (i = 0; (policy = policy_set_get(set, i)); i++)
		puts(policy->name);
	policy_set_free(set);
}

unsigned int shipped_entries(const char *name, const struct nvmx_field *fields,
			     unsigned int nr_fields, struct nvmx_policy_entry *entries,
			     uint32_t *ret_vmwrite_any_field)
{
	struct field_table table = { .fields = fields, .n = nr_fields };
	struct policy_set *set = load(&table);
	struct nvmx_policy_entry *resolved;
	struct assignment *assignment;
	char *error = NULL;
	size_t n;

	if (policy_set_resolve(set, &table, name, &assignment, &error) < 0)
		bail("%s", error ?: "policy_set_resolve");
	if (assignment_to_entries(assignment, &resolved, &n) < 0)
		bail("assignment_to_entries");
	memcpy(entries, resolved, n * sizeof(*entries));
	*ret_vmwrite_any_field = assignment->vmwrite_any_field;

	free(resolved);
	assignment_free(assignment);
	policy_set_free(set);
	return n;
}
