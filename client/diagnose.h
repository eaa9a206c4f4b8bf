/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * diagnose.c: from counters to a verdict.
 */
#ifndef NVMX_CLIENT_DIAGNOSE_H
#define NVMX_CLIENT_DIAGNOSE_H

#include <stdint.h>

#include "client/hint.h"

/* What is the same for all VMs of a host. */
struct diagnose_host {
	struct json_object *fields;	/* vm_list_fields() */
	const char *support;		/* KernelSupport */
	uint32_t tsc_khz;		/* 0: not known */
};

/*
 * then and now are the VM at two moments, so many seconds apart: its properties, and its
 * counters as statistics_list() has them; and where they can be read KVM's own, as an
 * object "kvm" of those that diagnose_kvm_counter() names.  nvmxctl(1) has the keys of
 * what comes back.
 */
struct json_object *diagnose(const struct diagnose_host *host, struct json_object *then,
			     struct json_object *now, double seconds, const struct hint *hint);

/* As debugfs calls it; NULL after the last one. */
const char *diagnose_kvm_counter(size_t i);

/* The verdicts, those that cost something first. */
struct diagnose_kind {
	const char *verdict;
	bool costs;
	const char *text;		/* of several VMs */
};

/* NULL after the last one. */
const struct diagnose_kind *diagnose_kind(size_t i);
/* By kind, those that take most of a processor first, then by id. */
void diagnose_sort(struct json_object *verdicts);

#endif /* NVMX_CLIENT_DIAGNOSE_H */
