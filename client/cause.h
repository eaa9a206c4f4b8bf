/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cause.c: from an account to what makes a VM slow.
 */
#ifndef NVMX_CLIENT_CAUSE_H
#define NVMX_CLIENT_CAUSE_H

#include "client/account.h"

/* Of a host, as far as it can be known without our module. */
struct cause_host {
	bool shadowing_off;		/* kvm_intel's enable_shadow_vmcs is N */
};

/*
 * v is the time of a VM, all its vCPUs in one.  What comes back has "verdict", one word, and "text";
 * and in "causes", that which takes most first, "cause", "share" of the time that is not halted,
 * "count", "ns", "text" and "way".  nvmxctl(1) has the words.  NULL without memory.
 */
struct json_object *cause_find(const struct account_vcpu *v, const struct cause_host *host);

/* "nvmxctl diagnose" where there is no kernel module to ask. */
int cause_diagnose(struct client *c);

#endif /* NVMX_CLIENT_CAUSE_H */
