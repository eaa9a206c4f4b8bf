/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's library, loaded when --config wants it: with all that it links to it would
 * make each start of nvmxctl many times as long, those by completion and the metrics'
 * timer, too.
 */
#ifndef NVMX_CLIENT_LIBVIRT_LIBRARY_H
#define NVMX_CLIENT_LIBVIRT_LIBRARY_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#define LIBVIRT_LIBRARY	"libvirt.so.0"

/* What is used of it; all are there once libvirt_load() has returned 0. */
#define LIBVIRT_FUNCTIONS(F)		\
	F(virConnectClose)		\
	F(virConnectListAllDomains)	\
	F(virConnectOpenAuth)		\
	F(virDomainFree)		\
	F(virDomainGetMetadata)		\
	F(virDomainGetName)		\
	F(virDomainGetUUIDString)	\
	F(virDomainIsPersistent)	\
	F(virDomainLookupByName)	\
	F(virDomainLookupByUUIDString)	\
	F(virDomainSetMetadata)		\
	F(virGetLastErrorCode)		\
	F(virGetLastErrorMessage)	\
	F(virSetErrorFunc)

struct libvirt_library {
#define DECLARE(f)	__typeof__(f) *f;
	LIBVIRT_FUNCTIONS(DECLARE)
#undef DECLARE
	virConnectAuthPtr auth;		/* asks on the terminal */
};

extern struct libvirt_library libvirt;

/* STATUS_*; has printed the error. Never unloaded. */
int libvirt_load(void);

#endif /* NVMX_CLIENT_LIBVIRT_LIBRARY_H */
