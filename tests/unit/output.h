/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a test has printed into o.f, between start() and assert_output(), which frees it.
 */
#ifndef NVMX_TESTS_UNIT_OUTPUT_H
#define NVMX_TESTS_UNIT_OUTPUT_H

#include "tests/unit/unit.h"

struct output {
	FILE *f;
	char *text;
	size_t size;
};

static inline void start(struct output *o)
{
	o->f = open_memstream(&o->text, &o->size);
	assert_non_null(o->f);
}

static inline void assert_output(struct output *o, const char *expected)
{
	fclose(o->f);
	assert_string_equal(o->text, expected);
	free(o->text);
}

#endif /* NVMX_TESTS_UNIT_OUTPUT_H */
