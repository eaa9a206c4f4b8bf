/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * diagnose.c: from counters to a verdict.
 */
#ifndef NVMX_CLIENT_DIAGNOSE_H
#define NVMX_CLIENT_DIAGNOSE_H

#include <stdint.h>

#include <json-c/json.h>

/* KVM's own counters of a VM, for what nvmx does not count: how much they grew. */
struct diagnose_kvm {
	uint64_t exits, io_exits, mmio_exits, halt_exits, pf_taken;
};

/*
 * vm as vm_get() has it, fields as vm_list_fields(), support as KernelSupport, the
 * counters of two moments, and kvm or NULL.  nvmxctl(1) has the keys of what comes
 * back.
 */
struct json_object *diagnose(struct json_object *vm, struct json_object *fields,
			     const char *support, struct json_object *then,
			     struct json_object *now, const struct diagnose_kvm *kvm, double seconds);

#endif /* NVMX_CLIENT_DIAGNOSE_H */
