/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A policy file: parsed, and looked at with a kernel's fields.
 */
#include "policy/internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/table.h"

static void check_match(const struct policy_match *m)
{
	demand(m->domain || m->uuid || m->executable || m->unit);
	demand(!m->uuid || strlen(m->uuid) == 36);
	demand(m->line > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_policy_ struct policy *p = NULL;
	char *sentence = NULL;
	int r;

	r = policy_parse("/x.json", (const char *)data, size, &p, &sentence);
	fuzz_check_sentence(r, &sentence);
	/* There is enough, unless json-c and the scanner of places differ in what they see. */
	demand(r != -ENOMEM);
	demand((r >= 0) == !!p);
	if (!p)
		return 0;

	demand(policy_name_is_valid(p->name));
	demand(utf8_is_text(p->description) && utf8_is_text(p->extends));
	for (size_t i = 0; i < p->n_match; i++)
		check_match(&p->match[i]);
	for (size_t i = 0; i < p->n_fields; i++)
		demand(p->fields[i].shadow_class < NVMX_NR_CLASSES);

	r = policy_check(p, &test_table, &sentence);
	fuzz_check_sentence(r, &sentence);
	return 0;
}
