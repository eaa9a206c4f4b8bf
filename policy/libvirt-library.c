/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loads libvirt's library, and finds what nvmxctl uses of it.
 */
#include <dlfcn.h>
#include <errno.h>

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
