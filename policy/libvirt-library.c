/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loads libvirt's library, and finds what nvmxd and nvmxctl use of it; and which process
 * a domain is, which libvirt does not tell.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "policy/libvirt-library.h"
#include "policy/util.h"

#define LIBVIRT_LIBRARY	"libvirt.so.0"

struct libvirt_library libvirt;

static int find(void *library, const char *name, void **ret)
{
	*ret = dlsym(library, name);
	return *ret ? 0 : -ELIBACC;
}

static int load(void)
{
	void *library = dlopen(LIBVIRT_LIBRARY, RTLD_NOW | RTLD_LOCAL), *auth;
	int r = library ? 0 : -ELIBACC;

#define FIND(f)								\
	if (r == 0)							\
		r = find(library, #f, (void **)&libvirt.f);
	LIBVIRT_FUNCTIONS(FIND)
#undef FIND
	if (r == 0)
		r = find(library, "virConnectAuthPtrDefault", &auth);
	if (r == 0)
		libvirt.auth = *(virConnectAuthPtr *)auth;
	return r;
}

int libvirt_library_load(const char **ret_error)
{
	int r = load();

	*ret_error = r < 0 ? dlerror() ?: LIBVIRT_LIBRARY : NULL;
	return r;
}

pid_t libvirt_read_pid(const char *dir, const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -EBADF;
	char text[24], *end;
	ssize_t n;
	long pid;

	if (strchr(name, '/'))
		return 0;
	if (asprintf(&path, "%s/%s.pid", dir, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return is_shortage(-errno) ? -errno : 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0 || !isdigit((unsigned char)text[0]))
		return 0;
	text[n] = 0;
	pid = strtol(text, &end, 10);
	if ((*end && *end != '\n') || pid <= 0 || pid > INT_MAX)
		return 0;

	return pid;
}
