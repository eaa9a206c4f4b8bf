/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/stat and /proc/PID/cmdline, of a process that wants to be taken for another:
 * the same bytes are both.
 */
#include <ctype.h>

#include "daemon/proc.h"
#include "policy/internal.h"
#include "tests/fuzz/fuzz.h"

static void check_stat(const char *stat)
{
	_cleanup_free_ char *comm = NULL;
	uint64_t start_time;

	if (proc_parse_stat(stat, &comm, &start_time) < 0) {
		demand(!comm);
		return;
	}
	/* The name is all that is between the first and the last bracket. */
	demand(strncmp(strchr(stat, '(') + 1, comm, strlen(comm)) == 0);
	demand(strrchr(stat, ')') == strchr(stat, '(') + 1 + strlen(comm));
	utf8_clean(comm);
	demand(utf8_is_text(comm));
}

static void check_cmdline(const char *cmdline, size_t size)
{
	_cleanup_free_ char *name = NULL;
	char uuid[PROC_UUID_LEN];

	memset(uuid, 'x', sizeof(uuid));
	demand(proc_parse_cmdline(cmdline, size, &name, uuid) == 0);
	demand(strlen(name) <= size);
	demand(!*uuid || strnlen(uuid, sizeof(uuid)) == PROC_UUID_LEN - 1);
	for (const char *p = uuid; *p; p++)
		demand(*p == '-' || isdigit((unsigned char)*p) || (*p >= 'a' && *p <= 'f'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);

	check_stat(text);
	check_cmdline(text, size);
	return 0;
}
