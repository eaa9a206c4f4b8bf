/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's library, loaded by nvmxctl when it is needed.  It links to some sixty others: a
 * host may be without them, and a start of nvmxctl, which completion and the metrics' timer make
 * often, stays short.
 */
#ifndef NVMX_POLICY_LIBVIRT_LIBRARY_H
#define NVMX_POLICY_LIBVIRT_LIBRARY_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

/* What is used of it; all are there once libvirt_library_load() has returned 0. */
#define LIBVIRT_FUNCTIONS(F)			\
	F(virConnectClose)			\
	F(virConnectGetURI)			\
	F(virConnectListAllDomains)		\
	F(virConnectOpenAuth)			\
	F(virDomainFree)			\
	F(virDomainGetID)			\
	F(virDomainGetMetadata)			\
	F(virDomainGetName)			\
	F(virDomainGetUUIDString)		\
	F(virDomainIsPersistent)		\
	F(virDomainLookupByName)		\
	F(virDomainLookupByUUIDString)		\
	F(virDomainSetMetadata)			\
	F(virGetLastErrorCode)			\
	F(virGetLastErrorMessage)		\
	F(virGetVersion)			\
	F(virSetErrorFunc)

struct libvirt_library {
#define DECLARE(f)	__typeof__(f) *f;
	LIBVIRT_FUNCTIONS(DECLARE)
#undef DECLARE
	virConnectAuthPtr auth;		/* asks on the terminal */
};

extern struct libvirt_library libvirt;

/*
 * To be called before there are threads that use it.  Never unloaded.
 *
 * 0, or -ELIBACC: it is not there, or lacks a function, which *@ret_error says until the
 * next call of dlopen()'s family.
 */
int libvirt_library_load(const char **ret_error);

#endif /* NVMX_POLICY_LIBVIRT_LIBRARY_H */
