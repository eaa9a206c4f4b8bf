/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loads libvirt's library, and finds what nvmxctl uses of it.
 */
#include <dlfcn.h>

#include "client/libvirt-library.h"
#include "client/nvmxctl.h"

struct libvirt_library libvirt;

static int fail(void)
{
	fprintf(stderr, "nvmxctl: --config needs libvirt's library: %s. Install the package libvirt0.\n",
		dlerror() ?: LIBVIRT_LIBRARY);
	return STATUS_FAILED;
}

static bool find(void *library, const char *name, void **ret)
{
	*ret = dlsym(library, name);
	return *ret;
}

int libvirt_load(void)
{
	void *library = dlopen(LIBVIRT_LIBRARY, RTLD_NOW | RTLD_LOCAL), *auth;

	if (!library)
		return fail();
#define FIND(f)						\
	if (!find(library, #f, (void **)&libvirt.f))	\
		return fail();
	LIBVIRT_FUNCTIONS(FIND)
#undef FIND
	if (!find(library, "virConnectAuthPtrDefault", &auth))
		return fail();
	libvirt.auth = *(virConnectAuthPtr *)auth;
	return STATUS_DONE;
}
