/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxd.conf.
 */
#include "daemon/config.h"
#include "policy/internal.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_file f;
	char *sentence = NULL;
	int r;

	r = config_parse("/x.conf", (const char *)data, size, &f, &sentence);
	fuzz_check_sentence(r, &sentence);
	if (r < 0)
		return 0;

	demand(!f.default_policy || policy_name_is_valid(f.default_policy));
	demand(!f.default_policy == !f.default_policy_place);
	demand(f.statistics_interval >= -1 && f.statistics_interval <= CONFIG_STATISTICS_INTERVAL_MAX);
	demand(!f.libvirt_uri || (*f.libvirt_uri && utf8_is_text(f.libvirt_uri)));
	demand(f.sources.n <= CONFIG_SOURCES_MAX);
	for (size_t i = 0; i < f.sources.n; i++) {
		demand(strlen(f.sources.list[i].name) <= CONFIG_SOURCE_NAME_MAX);
		demand(!f.sources.list[i].user || *f.sources.list[i].user);
	}
	config_file_clear(&f);
	return 0;
}
