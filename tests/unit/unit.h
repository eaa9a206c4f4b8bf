/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmocka and what it wants included first.
 */
#ifndef NVMX_TESTS_UNIT_UNIT_H
#define NVMX_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/policy.h"

/*
 * The sentence is there, is one line that ends with a full stop, and has each
 * of the words in it.  Frees it.
 */
#define assert_sentence(sentence, ...)						\
	do {									\
		const char *const words_[] = { __VA_ARGS__ };			\
		char *sentence_ = (sentence);					\
		size_t length_;							\
										\
		assert_non_null(sentence_);					\
		length_ = strlen(sentence_);					\
		for (size_t i_ = 0; i_ < ARRAY_SIZE(words_); i_++)		\
			if (!strstr(sentence_, words_[i_]))			\
				fail_msg("\"%s\" is not in \"%s\"", words_[i_], sentence_); \
		assert_null(strchr(sentence_, '\n'));				\
		assert_true(length_ > 0 && strchr(".?", sentence_[length_ - 1])); \
		free(sentence_);						\
		(sentence) = NULL;						\
	} while (0)

#endif /* NVMX_TESTS_UNIT_UNIT_H */
