/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's metadata: parsed, resolved, and written out again to the same.
 */
#include "policy/internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/table.h"

static void resolve(const struct metadata *m)
{
	static const char *const no_dirs[] = { NULL };
	static struct policy_set *set;
	_cleanup_assignment_ struct assignment *a = NULL;
	char *sentence = NULL;
	int r;

	if (!set)
		demand(policy_set_load(no_dirs, &test_table, NULL, NULL, &set) >= 0);
	r = metadata_resolve(m, set, &test_table, "stock", &a, &sentence);
	fuzz_check_sentence(r, &sentence);
	demand((r >= 0) == !!a);
	demand(!a || assignment_check(a, NULL) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_metadata_ struct metadata *m = NULL, *again = NULL;
	_cleanup_free_ char *xml = fuzz_text(data, size), *written = NULL;
	char *sentence = NULL;
	int r;

	r = metadata_parse(xml, &m, &sentence);
	fuzz_check_sentence(r, &sentence);
	demand((r >= 0) == !!m);
	if (!m)
		return 0;
	resolve(m);

	/* libvirt gives the element with its namespace; written, it is without. */
	demand(metadata_format(m, &written) >= 0);
	free(xml);
	demand(strncmp(written, "<policy", 7) == 0);
	demand(asprintf(&xml, "<policy xmlns=\"" METADATA_NAMESPACE "\"%s", written + 7) > 0);
	r = metadata_parse(xml, &again, &sentence);
	fuzz_check_sentence(r, &sentence);
	demand(r >= 0 || r == -EFBIG);
	demand(!again || metadata_equal(m, again));
	return 0;
}
