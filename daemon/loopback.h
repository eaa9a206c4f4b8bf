/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the loopback link and the stand-in for the kernel (a process of the
 * tests) say to each other over a SOCK_SEQPACKET socket: each call of
 * <linux/nvmx.h> as one message, each answer as one.  Every connection stands for
 * an fd: it begins as the registry's, and becomes that of a VM by NVMX_OPEN_VM, or
 * that of lifecycle records by LOOPBACK_EVENTS; those are then sent unasked, one
 * a message.  A connection that ends is EPOLLHUP.
 */
#ifndef NVMX_DAEMON_LOOPBACK_H
#define NVMX_DAEMON_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/nvmx.h>

/* Not an ioctl's number. */
#define LOOPBACK_EVENTS		1

#define LOOPBACK_MESSAGE_MAX	(96 * 1024)

/* Then the struct of the request, then its array if that is for the kernel. */
struct loopback_request {
	uint32_t request;
	uint32_t arg_size;
};

/* Then the struct, then the array if that is from the kernel. */
struct loopback_reply {
	int32_t error;		/* 0 or negative errno */
	uint32_t arg_size;
};

/* The array that a request's struct points to: nr elements behind a pointer. */
struct loopback_call {
	uint32_t request;
	uint32_t arg_size;
	size_t array;		/* offset of the pointer, 0: none */
	size_t nr;		/* offset of their number */
	size_t element;		/* bytes of one */
	bool to_kernel;
};

#define LOOPBACK_CALL(request_, type, array_, nr_, element_type, to_kernel_)	\
	{									\
		.request = request_,						\
		.arg_size = sizeof(struct type),				\
		.array = offsetof(struct type, array_),				\
		.nr = offsetof(struct type, nr_),				\
		.element = sizeof(struct element_type),				\
		.to_kernel = to_kernel_,					\
	}

static const struct loopback_call loopback_calls[] = {
	{ LOOPBACK_EVENTS, 0, 0, 0, 0, false },
	{ NVMX_GET_INFO, sizeof(struct nvmx_info), 0, 0, 0, false },
	{ NVMX_OPEN_VM, sizeof(struct nvmx_open_vm), 0, 0, 0, false },
	{ NVMX_VM_GET_INFO, sizeof(struct nvmx_vm_info), 0, 0, 0, false },
	{ NVMX_VM_START_WINDOW, sizeof(struct nvmx_window), 0, 0, 0, false },
	{ NVMX_VM_END_WINDOW, sizeof(struct nvmx_window), 0, 0, 0, false },
	LOOPBACK_CALL(NVMX_GET_FIELDS, nvmx_get_fields, fields, nr, nvmx_field, false),
	LOOPBACK_CALL(NVMX_LIST_VMS, nvmx_list_vms, vms, nr, nvmx_vm_info, false),
	{ NVMX_VM_GET_EXECUTABLE, sizeof(struct nvmx_executable), offsetof(struct nvmx_executable, path),
	  offsetof(struct nvmx_executable, nr), 1, false },
	LOOPBACK_CALL(NVMX_VM_GET_POLICY, nvmx_policy, entries, nr, nvmx_policy_entry, false),
	LOOPBACK_CALL(NVMX_VM_SET_POLICY, nvmx_policy, entries, nr, nvmx_policy_entry, true),
	LOOPBACK_CALL(NVMX_VM_GET_COUNTERS, nvmx_counters, fields, nr, nvmx_field_counters, false),
};

static inline const struct loopback_call *loopback_call_find(uint32_t request)
{
	for (size_t i = 0; i < sizeof(loopback_calls) / sizeof(loopback_calls[0]); i++)
		if (loopback_calls[i].request == request)
			return &loopback_calls[i];

	return NULL;
}

#endif /* NVMX_DAEMON_LOOPBACK_H */
