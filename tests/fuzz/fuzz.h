/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzzers share: each is a libFuzzer program around one parser, and asks more of
 * it than not to crash.  A failed demand aborts, which libFuzzer reports with the input.
 */
#ifndef NVMX_TESTS_FUZZ_FUZZ_H
#define NVMX_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

/* libFuzzer's entry; 0: keep the input if it reached something new. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define demand(condition)							\
	do {									\
		if (!(condition)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();						\
		}								\
	} while (0)

/*
 * A parser's result r and its sentence go together: none without an error; with one, one
 * line of text with a full stop.  Frees the sentence.
 */
void fuzz_check_sentence(int r, char **sentence);

/* A copy that ends in NUL, exactly as large, so that reading beyond it is found. */
char *fuzz_text(const uint8_t *data, size_t size);

#endif /* NVMX_TESTS_FUZZ_FUZZ_H */
