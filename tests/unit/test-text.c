/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prose and tables of nvmxctl on terminals of some widths: standard output is one of them
 * meanwhile.
 */
#include <fcntl.h>
#include <locale.h>
#include <sys/ioctl.h>

#include "client/nvmxctl.h"
#include "tests/unit/output.h"

static int master = -EBADF, saved = -EBADF;

static void begin_terminal(unsigned short columns)
{
	struct winsize size = { .ws_col = columns, .ws_row = 24 };
	_cleanup_close_ int slave = -EBADF;

	fflush(stdout);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(saved >= 0);
	assert_true(dup2(slave, STDOUT_FILENO) >= 0);
}

static void end_terminal(void)
{
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	close(master);
}

/* columns 0: no terminal */
static void assert_wrapped(unsigned short columns, size_t used, size_t indent, const char *text,
			   const char *expected)
{
	struct output o;

	start(&o);
	if (columns > 0)
		begin_terminal(columns);
	text_wrap(o.f, used, indent, text);
	if (columns > 0)
		end_terminal();
	assert_output(&o, expected);
}

static void test_wrap(void **state)
{
	assert_wrapped(8, 0, 0, "one two three", "one two\nthree");
	assert_wrapped(7, 0, 0, "one two three", "one two\nthree");
	assert_wrapped(6, 0, 0, "one two three", "one\ntwo\nthree");
	assert_wrapped(9, 4, 4, "one two three", "one\n    two\n    three");
	assert_wrapped(9, 7, 2, "one two", "\n  one two");
	assert_wrapped(4, 0, 0, "a longword b", "a\nlongword\nb");
	assert_wrapped(4, 9, 9, "a b", "a\n         b");
	assert_wrapped(80, 0, 0, "", "");
	assert_wrapped(0, 0, 0, "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
		       "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen");
}

static void test_wrap_columns_not_bytes(void **state)
{
	assert_wrapped(9, 0, 0, "größe größe", "größe\ngröße");
	assert_wrapped(11, 0, 0, "größe größe", "größe größe");
	/* Two columns each. */
	assert_wrapped(12, 0, 0, "虚拟机 虚拟机", "虚拟机\n虚拟机");
	assert_wrapped(13, 0, 0, "虚拟机 虚拟机", "虚拟机 虚拟机");
	/* None at all: a combining character. */
	assert_wrapped(5, 0, 0, "o\u0308o\u0308 o\u0308o\u0308", "o\u0308o\u0308 o\u0308o\u0308");
}

static void test_wrap_commands(void **state)
{
	assert_wrapped(20, 0, 0, "see \"nvmxctl show x\".", "see\n\"nvmxctl show x\".");
	assert_wrapped(20, 0, 0, "see it (\"a b\", \"c d\")", "see it (\"a b\",\n\"c d\")");
	/* One that fits no line, and a quote without an end, are as other words. */
	assert_wrapped(10, 0, 0, "\"one two three four\"", "\"one two\nthree\nfour\"");
	assert_wrapped(10, 0, 0, "one \"two three four", "one \"two\nthree four");
}

static void test_wrap_hostile(void **state)
{
	assert_wrapped(80, 0, 0, "a\033[2Jb\nc\302\233d", "a?[2Jb?c??d");
	assert_wrapped(0, 0, 0, "a\033[2Jb\nc\302\233d", "a?[2Jb?c??d");
	assert_wrapped(5, 0, 0, "ab\xff\xff cd", "ab\xff\xff\ncd");
}

static void test_columns_variable(void **state)
{
	setenv("COLUMNS", "7", 1);
	assert_wrapped(80, 0, 0, "one two three", "one two\nthree");
	assert_wrapped(0, 0, 0, "one two three", "one two three");
	setenv("COLUMNS", "-7", 1);
	assert_wrapped(80, 0, 0, "one two three", "one two three");
	setenv("COLUMNS", "70000", 1);
	assert_wrapped(7, 0, 0, "one two three", "one two\nthree");
	unsetenv("COLUMNS");
}

static const struct column columns[] = {
	{ .key = "id", .title = "ID", .right = true },
	{ .key = "name", .title = "NAME", .turn = 2 },
	{ .key = "a", .title = "AA", .right = true, .turn = 3, .leaves = true },
	{ .key = "b", .title = "BB", .right = true, .turn = 3, .leaves = true },
	{ .key = "uuid", .title = "UUID", .turn = 1 },
	{ .key = "best", .title = "BEST" },
};

static void assert_table(unsigned short width, const char *expected)
{
	static const char *const cells[] = {
		"1", "windows-eleven", "1", "2", "6d5f0c0e-61b2", "read-only",
		"10", "虚拟机虚拟机虚拟机", "", "3", "", "intercept",
	};
	_cleanup_table_ struct table *t = table_new(columns, ARRAY_SIZE(columns));
	struct output o;

	assert_non_null(t);
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		assert_int_equal(table_add(t, cells[i]), 0);
	start(&o);
	if (width > 0)
		begin_terminal(width);
	assert_int_equal(table_print(t, o.f, true), 0);
	if (width > 0)
		end_terminal();
	assert_output(&o, expected);
}

static void test_table(void **state)
{
	static const char whole[] =
		"ID NAME               AA BB UUID          BEST\n"
		" 1 windows-eleven      1  2 6d5f0c0e-61b2 read-only\n"
		"10 虚拟机虚拟机虚拟机  -  3 -             intercept\n";

	assert_table(0, whole);
	assert_table(200, whole);
	assert_table(51, whole);
	/* The first turn, as far as need be, ... */
	assert_table(50,
		"ID NAME               AA BB UUID         BEST\n"
		" 1 windows-eleven      1  2 6d5f0c0e-61… read-only\n"
		"10 虚拟机虚拟机虚拟机  -  3 -            intercept\n");
	/* ... and as far as it goes; then the second, where half a character is none, ... */
	assert_table(45,
		"ID NAME              AA BB UUID     BEST\n"
		" 1 windows-eleven     1  2 6d5f0c0… read-only\n"
		"10 虚拟机虚拟机虚拟…  -  3 -        intercept\n");
	assert_table(44,
		"ID NAME            AA BB UUID     BEST\n"
		" 1 windows-eleven   1  2 6d5f0c0… read-only\n"
		"10 虚拟机虚拟机虚…  -  3 -        intercept\n");
	/* ... and the third, of which all leave; what has no turn stays. */
	assert_table(30,
		"ID NAME     UUID     BEST\n"
		" 1 windows… 6d5f0c0… read-only\n"
		"10 虚拟机…  -        intercept\n");
	assert_table(10,
		"ID NAME     UUID     BEST\n"
		" 1 windows… 6d5f0c0… read-only\n"
		"10 虚拟机…  -        intercept\n");
}

static void test_table_without_rows(void **state)
{
	_cleanup_table_ struct table *t = table_new(columns, ARRAY_SIZE(columns));
	struct output o;

	start(&o);
	assert_int_equal(table_print(t, o.f, true), 0);
	assert_output(&o, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_wrap_columns_not_bytes),
		cmocka_unit_test(test_wrap_commands),
		cmocka_unit_test(test_wrap_hostile),
		cmocka_unit_test(test_columns_variable),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_without_rows),
	};

	setlocale(LC_ALL, "C.UTF-8");
	unsetenv("COLUMNS");
	/* Terminals are for widths here, not for colours. */
	setenv("TERM", "dumb", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
