/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See fuzz.h.
 */
#include "policy/internal.h"
#include "daemon/log.h"
#include "tests/fuzz/fuzz.h"

void fuzz_check_sentence(int r, char **sentence)
{
	if (r >= 0) {
		demand(!*sentence);
		return;
	}

	demand(r != -ENOMEM);
	demand(*sentence);
	demand(utf8_is_text(*sentence));
	demand(strlen(*sentence) > 1);
	demand(strchr(".?", (*sentence)[strlen(*sentence) - 1]));
	free(steal_ptr(*sentence));
}

char *fuzz_text(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	demand(s);
	if (size > 0)
		memcpy(s, data, size);
	s[size] = 0;
	return s;
}

/* A fuzzer would say the same thing a million times. */
void log_message(int level, const char *message_id, uint64_t vm_id, const char *uuid,
		 const char *format, ...)
{
}
