/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An account: where each nanosecond of vCPUs went, and how often.  As a struct, and as the JSON
 * document that who has looked hands to whom it is for; nvmx-account(8) has the document.
 *
 * Each nanosecond is in one line: in L1 or L2; outside, that is not on a processor; or in L0, for
 * (level that exited, exit reason, level that was entered next).
 */
#ifndef NVMX_POLICY_ACCOUNT_H
#define NVMX_POLICY_ACCOUNT_H

#include <json-c/json.h>

#include "policy/util.h"

/* Exit reasons are 16 bits (SDM vol. 3, appendix C). */
#define ACCOUNT_REASON_MAX	0xffff

enum account_level { ACCOUNT_L1, ACCOUNT_L2 };

enum account_kind {
	ACCOUNT_GUEST,		/* in level */
	ACCOUNT_OUTSIDE,	/* why: enum account_why */
	ACCOUNT_EXIT,		/* level, reason, to */
	ACCOUNT_DETAIL,		/* of an exit: level, reason, to, what; is in its exit as well */
};

enum account_why {
	ACCOUNT_USER,		/* in user space, or on the way */
	ACCOUNT_HALTED,
	ACCOUNT_PREEMPTED,
	ACCOUNT_WAITING,	/* for something in the kernel */
};

struct account_line {
	enum account_kind kind;
	enum account_level level, to;
	enum account_why why;
	uint16_t reason;
	uint32_t what;		/* the MSR or port */
	uint64_t count;
	uint64_t ns;
	uint64_t shortest;	/* stay in a guest, ns: KVM's own way in and out is in it; 0: unknown */
};

struct account_vcpu {
	uint32_t index;
	uint64_t ns;		/* that it was looked at: the sum of its lines, but for details */
	struct account_line *lines;
	size_t n_lines;
};

struct account_vm {
	uint32_t pid;
	uint64_t start_time;	/* of the process: field 22 of its stat, see proc(5) */
	uint32_t number;	/* among those of the process, from 0 */
	char *name;		/* QEMU's -name, else the process's; "": it is gone */
	struct account_vcpu *vcpus;
	size_t n_vcpus;
};

struct account {
	uint64_t ns;		/* since the look began */
	uint64_t beyond;	/* vCPUs for which there was no room */
	uint64_t lost;		/* events that did not fit those before */
	struct account_vm *vms;
	size_t n_vms;
};

void account_clear(struct account *a);

/* NULL without memory. */
struct json_object *account_to_json(const struct account *a);
/* Unknown keys are for a newer nvmxctl and ignored.  -EBADMSG and a sentence: it is none; -ENOMEM. */
int account_from_json(struct json_object *o, struct account *ret, char **ret_error);

/*
 * Takes then away from now: what happened between them, of vCPUs that are in both or came since.
 * Lines in which nothing happened go, and VMs in which nothing did.
 */
void account_subtract(struct account *now, const struct account *then);

/* All vCPUs of a VM in one, with index UINT32_MAX.  -ENOMEM */
int account_sum(const struct account_vm *vm, struct account_vcpu *ret);
void account_vcpu_clear(struct account_vcpu *v);
/* Lines by time, the longest first. */
void account_sort(struct account_vcpu *v);

/* KVM's name of an exit reason (asm/vmx.h), NULL: none.  And back; -EINVAL. */
const char *account_reason_name(uint16_t reason);
int account_reason_parse(const char *name, uint16_t *ret);

/* Adds a line, and finds room for it; -ENOMEM. */
int account_add(struct account_vcpu *v, const struct account_line *line);

#endif /* NVMX_POLICY_ACCOUNT_H */
