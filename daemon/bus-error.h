/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The errors of org.nvmx1, and which of them a negative errno of the daemon's own
 * functions becomes on the bus.
 */
#ifndef NVMX_DAEMON_BUS_ERROR_H
#define NVMX_DAEMON_BUS_ERROR_H

#include <systemd/sd-bus.h>

#include "policy/util.h"

#define NVMX_ERROR(name) "org.nvmx1.Error." name

/*
 * The meanings of errno are those of policy/policy.h, and from the kernel EBUSY (too
 * late), ENODEV (gone), ENOTCONN (no kernel, or without what policies need); EAGAIN: a
 * source of settings has not answered.
 * sentence may be NULL.
 */
static inline int bus_error_set(sd_bus_error *error, int r, const char *sentence)
{
	static const struct { int r; const char *name; } map[] = {
		{ -ENOENT, NVMX_ERROR("NoSuchPolicy") },
		{ -ENXIO, NVMX_ERROR("NoSuchField") },
		{ -EDOM, NVMX_ERROR("NoSuchClass") },
		{ -EOPNOTSUPP, NVMX_ERROR("NotSupported") },
		{ -EBADMSG, NVMX_ERROR("InvalidPolicy") },
		{ -ELOOP, NVMX_ERROR("InvalidPolicy") },
		{ -EFBIG, NVMX_ERROR("InvalidPolicy") },
		{ -EINVAL, NVMX_ERROR("InvalidPolicy") },
		{ -EBUSY, NVMX_ERROR("TooLate") },
		{ -ENODEV, NVMX_ERROR("VMGone") },
		{ -EAGAIN, NVMX_ERROR("SourcePending") },
		{ -ENOTCONN, NVMX_ERROR("NoKernelSupport") },
	};

	for (size_t i = 0; sentence && i < ARRAY_SIZE(map); i++)
		if (map[i].r == r)
			return sd_bus_error_set(error, map[i].name, sentence);

	if (sentence)
		return sd_bus_error_set_errnof(error, r, "%s", sentence);
	return sd_bus_error_set_errno(error, r);
}

#endif /* NVMX_DAEMON_BUS_ERROR_H */
