/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories of files for a test, the later overriding the earlier, and the sentences
 * that were said about them.
 */
#ifndef NVMX_TESTS_UNIT_DIRS_H
#define NVMX_TESTS_UNIT_DIRS_H

#include <sys/stat.h>

#include "tests/unit/unit.h"

struct dirs {
	char base[32];
	char low[64], high[64];
	const char *list[4];
	char errors[4096];		/* all sentences, a line each */
};

static int setup(void **state)
{
	struct dirs *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	umask(022);
	strcpy(d->base, "/tmp/nvmx-unit-XXXXXX");
	if (!mkdtemp(d->base))
		return -1;
	sprintf(d->low, "%s/low", d->base);
	sprintf(d->high, "%s/high", d->base);
	d->list[0] = d->low;
	d->list[1] = "/nonexistent/nvmx";
	d->list[2] = d->high;
	*state = d;
	return mkdir(d->low, 0700) < 0 || mkdir(d->high, 0700) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct dirs *d = *state;
	char command[64];
	int r;

	sprintf(command, "rm -rf %s", d->base);
	r = system(command);
	free(d);
	return r;
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void __attribute__((unused)) on_error(const char *sentence, void *userdata)
{
	struct dirs *d = userdata;

	assert_true(strlen(d->errors) + strlen(sentence) + 2 < sizeof(d->errors));
	strcat(d->errors, sentence);
	strcat(d->errors, "\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif /* NVMX_TESTS_UNIT_DIRS_H */
