// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * NVMX_VM_GET_EXECUTABLE gives what the owner of a VM ran when it created it, and not
 * what it says that it is.
 *
 * nvmx-executable owner ROOT is such an owner: in ROOT it creates a VM, says which to
 * OWNER_FD, and ends when somebody says so there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

#define OWNER_FD	100
#define CLAIMED		"/usr/bin/claimed"
/* Below this one it cannot be told any more: see the header of the ABI. */
#define PATH_LIMIT	4096

struct owner {
	pid_t pid;
	int fd;		/* to it */
	int vm_fd;	/* of its VM */
};

/* This program, by its own path. */
static char self[PATH_MAX];

static int own(const char *root)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	uint64_t id;
	char end;

	dev_open();
	if (chroot(root) < 0 || chdir("/") < 0)
		bail("chroot to %s", root);
	if (ioctl(kvm, KVM_CREATE_VM, 0) < 0)
		bail("KVM_CREATE_VM");
	id = dev_newest_vm();
	if (write(OWNER_FD, &id, sizeof(id)) != sizeof(id) || read(OWNER_FD, &end, 1) < 0)
		bail("OWNER_FD");
	return 0;
}

/* @program says in argv[0] that it is another. */
static void start(struct owner *ret, const char *program, const char *root)
{
	int pair[2];
	uint64_t id;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		bail("socketpair");
	ret->pid = fork();
	if (!ret->pid) {
		dup2(pair[1], OWNER_FD);
		execl(program, CLAIMED, "owner", root, NULL);
		bail("%s", program);
	}
	close(pair[1]);
	ret->fd = pair[0];
	if (read(ret->fd, &id, sizeof(id)) != sizeof(id))
		bail("%s has created no VM", program);
	ret->vm_fd = dev_open_vm(id);
}

static void end(struct owner *o)
{
	int status;

	close(o->fd);
	if (waitpid(o->pid, &status, 0) != o->pid || status)
		bail("the owner of a VM ended with %#x", status);
	close(o->vm_fd);
}

static void expect_path(int vm_fd, const char *want, const char *what)
{
	char path[2 * PATH_LIMIT] = "";
	uint32_t n = dev_executable(vm_fd, path, sizeof(path));

	expect(!strcmp(path, want), "%s: \"%s\" (it is \"%s\")", what, want, path);
	expect_is(n, strlen(want) + 1, "%s: its bytes", what);
}

static void test_claimed(void)
{
	struct owner o;

	if (link(self, "/tests/renamed") < 0)
		bail("link");
	test_begin();
	start(&o, "/tests/renamed", "/");
	expect_path(o.vm_fd, "/tests/renamed", "of another name");
	rename("/tests/renamed", "/tests/again");
	expect_path(o.vm_fd, "/tests/renamed", "after a rename");
	unlink("/tests/again");
	expect_path(o.vm_fd, "/tests/renamed", "after its end");
	end(&o);
	if (symlink(self, "/tests/link") < 0)
		bail("symlink");
	start(&o, "/tests/link", "/");
	expect_path(o.vm_fd, self, "by a link");
	end(&o);
	unlink("/tests/link");
	test_end("it is what the owner ran when it created the VM, not its argv[0]");
}

static void test_root(void)
{
	struct owner o;
	char inside[PATH_MAX];

	test_begin();
	start(&o, self, "/tests");
	snprintf(inside, sizeof(inside), "%s", self + strlen("/tests"));
	expect_path(o.vm_fd, inside, "in another root");
	end(&o);
	test_end("it is as the owner sees it");
}

static void expect_room(int vm_fd, uint32_t room)
{
	char path[PATH_MAX], want[PATH_MAX];
	uint32_t n;

	memset(path, 0x5a, sizeof(path));
	memset(want, 0x5a, sizeof(want));
	if (room)
		snprintf(want, room, "%s", self);
	n = dev_executable(vm_fd, path, room);
	expect_is(n, strlen(self) + 1, "room %u: gives how many there are", room);
	expect(!memcmp(path, want, sizeof(path)), "room %u: as much as fits, and a NUL", room);
}

static void test_room(void)
{
	struct nvmx_executable get = { .size = sizeof(get), .nr = 1, .path = 8 };
	struct vm vm;
	uint32_t i;
	int fd;

	vm_new(&vm, VM_NO_BOOT);
	fd = dev_open_vm(vm.id);
	test_begin();
	for (i = 0; i <= strlen(self) + 2; i++)
		expect_room(fd, i);
	expect(ioctl(fd, NVMX_VM_GET_EXECUTABLE, &get) < 0 && errno == EFAULT, "bad pointer: EFAULT");
	get.nr = 4;
	expect(ioctl(fd, NVMX_VM_GET_EXECUTABLE, &get) < 0 && errno == EFAULT, "and with more room");
	get.nr = 0;
	expect_is(ioctl(fd, NVMX_VM_GET_EXECUTABLE, &get), 0, "but not with no room");
	get.nr = 0xffffffff;
	get.path = (uintptr_t)&(char [PATH_MAX]) {};
	expect_is(ioctl(fd, NVMX_VM_GET_EXECUTABLE, &get), 0, "all the room that can be said");
	test_end("whatever the room, it ends with a NUL");
	close(fd);
	vm_free(&vm);
}

/* One folder in another, as long as their path is below @length; the program is in the last. */
static void expect_long(size_t length)
{
	char name[200], path[2 * PATH_LIMIT] = "/tests";
	size_t at = strlen(path), n;
	struct owner o;

	if (chdir(path) < 0)
		bail("chdir");
	while (at + 3 < length) {
		n = length - at - 3 < sizeof(name) - 1 ? length - at - 3 : sizeof(name) - 1;
		memset(name, 'x', n);
		name[n] = '\0';
		if ((mkdir(name, 0755) < 0 && errno != EEXIST) || chdir(name) < 0)
			bail("a folder, %zu bytes deep", at);
		at += snprintf(path + at, sizeof(path) - at, "/%s", name);
	}
	at += snprintf(path + at, sizeof(path) - at, "/y");
	if (link(self, "y") < 0)
		bail("link");
	start(&o, "./y", "/");
	expect_path(o.vm_fd, at < PATH_LIMIT ? path : "", "long");
	note("a path of %zu bytes", at);
	end(&o);
}

static void test_long(void)
{
	test_begin();
	expect_long(PATH_LIMIT - 1);
	expect_long(PATH_LIMIT);
	expect_long(PATH_LIMIT + 100);
	test_end("a long path is told as a whole, or not at all");
	if (chdir("/") < 0)
		bail("chdir");
}

int main(int argc, char *argv[])
{
	if (argc == 3 && !strcmp(argv[1], "owner"))
		return own(argv[2]);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		bail("/proc/self/exe");
	dev_open();
	test_claimed();
	test_root();
	test_room();
	test_long();
	dev_test_unused();
	return done_testing();
}
