/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's library, loaded by who needs it at that moment.  It links to some sixty others:
 * on a host without libvirt nvmxd does without them and their memory, and a start of
 * nvmxctl, which completion and the metrics' timer make often, stays short.
 */
#ifndef NVMX_POLICY_LIBVIRT_LIBRARY_H
#define NVMX_POLICY_LIBVIRT_LIBRARY_H

#include <sys/types.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

/* What is used of it; all are there once libvirt_library_load() has returned 0. */
#define LIBVIRT_FUNCTIONS(F)			\
	F(virConnectClose)			\
	F(virConnectDomainEventDeregisterAny)	\
	F(virConnectDomainEventRegisterAny)	\
	F(virConnectGetType)			\
	F(virConnectGetURI)			\
	F(virConnectIsAlive)			\
	F(virConnectListAllDomains)		\
	F(virConnectOpen)			\
	F(virConnectOpenAuth)			\
	F(virConnectOpenReadOnly)		\
	F(virConnectRegisterCloseCallback)	\
	F(virConnectSetKeepAlive)		\
	F(virConnectUnregisterCloseCallback)	\
	F(virDomainFree)			\
	F(virDomainGetID)			\
	F(virDomainGetMetadata)			\
	F(virDomainGetName)			\
	F(virDomainGetUUIDString)		\
	F(virDomainIsPersistent)		\
	F(virDomainLookupByName)		\
	F(virDomainLookupByUUIDString)		\
	F(virDomainSetMetadata)			\
	F(virEventAddHandle)			\
	F(virEventAddTimeout)			\
	F(virEventRegisterDefaultImpl)		\
	F(virEventRemoveHandle)			\
	F(virEventRemoveTimeout)		\
	F(virEventRunDefaultImpl)		\
	F(virGetLastError)			\
	F(virGetLastErrorCode)			\
	F(virGetLastErrorMessage)		\
	F(virInitialize)			\
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

/*
 * Where the system's libvirt writes a domain's NAME.pid, before its QEMU begins.  Only root may
 * write there, unlike the command line from which the uuid is.
 */
#define LIBVIRT_PID_DIR	"/run/libvirt/qemu"

/*
 * The pid that libvirt wrote down there for a running domain; 0: there is none to be read;
 * -ENOMEM and the like: perhaps there is.
 */
pid_t libvirt_read_pid(const char *dir, const char *name);

#endif /* NVMX_POLICY_LIBVIRT_LIBRARY_H */
