/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the time of VMs goes, as nvmx-account tells it: fetched, and put into words.
 */
#ifndef NVMX_CLIENT_ACCOUNT_H
#define NVMX_CLIENT_ACCOUNT_H

#include "client/nvmxctl.h"
#include "policy/account.h"
#include "policy/bus.h"

/* Looks for usec; *ret is what happened meanwhile.  Connects, if that has not been done. */
int account_measure(struct client *c, uint64_t usec, struct account *ret);

/* What is not whole in it, on stderr. */
void account_note(struct client *c, const struct account *a);
/* The VM that the verb's parameter names, which *ret borrows; STATUS_NO_VM, and says why. */
int account_pick(struct client *c, const struct account *a, const struct account_vm **ret);

/* ---- account-text.c ---- */

/* The totals of a vCPU, or of a VM's sum, in ns. */
struct account_totals {
	uint64_t l1, l2, l0, halted, outside;
};

struct account_totals account_totals(const struct account_vcpu *v);

bool account_is_detail_of(const struct account_line *detail, const struct account_line *line);

/* "VMRESUME of L1, into L2"; of a detail "MSR 0x6e0 (IA32_TSC_DEADLINE)".  NULL without memory. */
char *account_line_text(const struct account_line *line);

/* ---- account-html.c ---- */

/* A page; host is its name, "" if that is not known.  NULL without memory. */
char *account_html(const struct account *a, const char *host);

#endif /* NVMX_CLIENT_ACCOUNT_H */
