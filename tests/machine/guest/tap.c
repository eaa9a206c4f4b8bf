// SPDX-License-Identifier: LGPL-2.1-or-later
/* TAP output of the test programs: see tap.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define MAX_NOTES 12

static unsigned int tests, failures, checks;

static void line(const char *prefix, const char *format, va_list ap)
{
	char text[400];

	vsnprintf(text, sizeof(text), format, ap);
	printf("%s%s\n", prefix, text);
	fflush(stdout);
}

static void verdict(bool good, const char *format, va_list ap)
{
	char prefix[40];

	snprintf(prefix, sizeof(prefix), "%sok %u - ", good ? "" : "not ", ++tests);
	line(prefix, format, ap);
}

int done_testing(void)
{
	printf("1..%u\n", tests);
	return 0;
}

bool ok(bool cond, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	verdict(cond, format, ap);
	va_end(ap);
	return cond;
}

bool is(unsigned long long got, unsigned long long want, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	verdict(got == want, format, ap);
	va_end(ap);
	if (got != want)
		note("  got %lld (%#llx), want %lld (%#llx)", got, got, want, want);
	return got == want;
}

void note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	line("# ", format, ap);
	va_end(ap);
}

void bail(const char *format, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, format);
	line("# cannot go on: ", format, ap);
	va_end(ap);
	if (e)
		note("  errno: %s", strerror(e));
	exit(2);
}

void test_begin(void)
{
	failures = checks = 0;
}

bool expect(bool cond, const char *format, ...)
{
	va_list ap;

	checks++;
	if (cond)
		return true;
	if (failures++ < MAX_NOTES) {
		va_start(ap, format);
		line("#   fails: ", format, ap);
		va_end(ap);
	}
	return false;
}

bool expect_is(unsigned long long got, unsigned long long want, const char *format, ...)
{
	va_list ap;

	checks++;
	if (got == want)
		return true;
	if (failures++ < MAX_NOTES) {
		va_start(ap, format);
		line("#   fails: ", format, ap);
		va_end(ap);
		note("    got %lld (%#llx), want %lld (%#llx)", got, got, want, want);
	}
	return false;
}

bool test_end(const char *format, ...)
{
	bool good = !failures && checks;
	va_list ap;

	va_start(ap, format);
	verdict(good, format, ap);
	va_end(ap);
	if (!good)
		note("  %u of %u checks failed", failures, checks);
	return good;
}
