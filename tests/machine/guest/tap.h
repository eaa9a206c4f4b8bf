/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TAP. A program ends with `return done_testing();`, which prints the plan; one that
 * cannot go on says why with bail(), and ends without a plan and with status 2.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

/* One test; returns cond. */
bool ok(bool cond, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One test: got == want, both shown if not. */
bool is(unsigned long long got, unsigned long long want, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Prints the plan; the exit status of the program, 0 even if tests failed. */
int done_testing(void);

/* A comment. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program. errno is shown if not 0. */
void bail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Many checks that make up one test: test_begin(), then expect() of each,
 * which notes only the failures (the first few), then test_end().
 */
void test_begin(void);
bool expect(bool cond, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool expect_is(unsigned long long got, unsigned long long want, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool test_end(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
