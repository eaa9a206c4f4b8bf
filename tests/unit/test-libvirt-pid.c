/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which process libvirt says a domain is: the files of libvirts that escape a name, and of those
 * that do not, and files that cannot be read.
 */
#include "policy/libvirt-pid.h"
#include "tests/unit/dirs.h"
#include "tests/unit/unit.h"

#define PID	4711
#define OTHER	4712

static const char *dir;

static int check(const char *name)
{
	return libvirt_pid_check(dir, name, PID, NULL);
}

static void begin(void **state)
{
	const struct dirs *d = *state;

	dir = d->low;
}

static void test_plain_name(void **state)
{
	_cleanup_free_ char *path = NULL;

	begin(state);
	assert_int_equal(check("web"), -ENOENT);
	put(dir, "web.pid", "4711\n");
	assert_int_equal(libvirt_pid_check(dir, "web", PID, &path), 1);
	assert_non_null(strstr(path, "/web.pid"));
	put(dir, "web.pid", "4711");
	assert_int_equal(check("web"), 1);
	put(dir, "web.pid", "4712\n");
	assert_int_equal(check("web"), 0);
}

/* What each name is in the path, by libvirt 9.0 (seen in its /run/libvirt/qemu). */
static void test_escaped_names(void **state)
{
	static const char *const names[][2] = {
		{ "a&b",	"a&amp;b.pid" },
		{ "a'b",	"a&apos;b.pid" },
		{ "q\"q",	"q&quot;q.pid" },
		{ "<x>",	"&lt;x&gt;.pid" },
		{ "a&amp;b",	"a&amp;amp;b.pid" },
		{ "a b",	"a b.pid" },
		{ "F\xc3\xaate",	"F\xc3\xaate.pid" },
	};

	begin(state);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = NULL;

		assert_int_equal(check(names[i][0]), -ENOENT);
		put(dir, names[i][1], "4711\n");
		assert_int_equal(check(names[i][0]), 1);
		put(dir, names[i][1], "4712\n");
		assert_int_equal(check(names[i][0]), 0);
		assert_true(asprintf(&path, "%s/%s", dir, names[i][1]) > 0);
		assert_return_code(unlink(path), errno);
	}
}

/* And by libvirts that write it as it is; also beside the file of another domain. */
static void test_names_as_they_are(void **state)
{
	begin(state);
	put(dir, "a&b.pid", "4711\n");
	assert_int_equal(check("a&b"), 1);
	put(dir, "a&amp;b.pid", "4712\n");
	assert_int_equal(check("a&b"), 1);
	put(dir, "a&b.pid", "4712\n");
	assert_int_equal(check("a&b"), 0);
}

static void test_what_cannot_be_read(void **state)
{
	_cleanup_free_ char *path = NULL;

	begin(state);
	put(dir, "web.pid", "");
	assert_int_equal(check("web"), -EAGAIN);
	put(dir, "web.pid", "x");
	assert_int_equal(check("web"), -EBADMSG);
	put(dir, "web.pid", "4711 x");
	assert_int_equal(check("web"), -EBADMSG);
	put(dir, "web.pid", "-1");
	assert_int_equal(check("web"), -EBADMSG);
	assert_int_equal(check("../web"), -ENOENT);

	/* A link, or a folder, is not libvirt's. */
	assert_true(asprintf(&path, "%s/link.pid", dir) > 0);
	assert_return_code(symlink("web.pid", path), errno);
	assert_int_equal(check("link"), -ELOOP);

	/* What could not be read might have been the domain's. */
	put(dir, "a&b.pid", "");
	put(dir, "a&amp;b.pid", "4712\n");
	assert_int_equal(check("a&b"), -EAGAIN);
	put(dir, "a&amp;b.pid", "4711\n");
	assert_int_equal(check("a&b"), 1);
}

static void test_dir(void **state)
{
	_cleanup_free_ char *system = NULL, *session = NULL, *by_socket = NULL;

	setenv("XDG_RUNTIME_DIR", "/run/user/1000", true);
	system = libvirt_pid_dir("qemu:///system");
	session = libvirt_pid_dir("qemu:///session");
	by_socket = libvirt_pid_dir("qemu+unix:///system?socket=/run/x");
	assert_string_equal(system, "/run/libvirt/qemu");
	assert_string_equal(by_socket, "/run/libvirt/qemu");
	assert_string_equal(session, "/run/user/1000/libvirt/qemu/run");
	assert_null(libvirt_pid_dir("qemu+ssh://far/system"));
	assert_null(libvirt_pid_dir("qemu:///embed?root=/x"));
	assert_null(libvirt_pid_dir("test:///default"));
	unsetenv("XDG_RUNTIME_DIR");
	assert_null(libvirt_pid_dir("qemu:///session"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_name),
		TEST(test_escaped_names),
		TEST(test_names_as_they_are),
		TEST(test_what_cannot_be_read),
		cmocka_unit_test(test_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
