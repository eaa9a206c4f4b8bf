/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A look at where the time of all vCPUs goes, by BPF on KVM as it is.  While there is one, each
 * exit and entry of each vCPU costs a little more; it goes with its owner, however that ends.
 */
#ifndef NVMX_ACCOUNT_LOOK_H
#define NVMX_ACCOUNT_LOOK_H

#include "policy/account.h"

struct look;

/*
 * Needs CAP_BPF, CAP_PERFMON and, to find KVM's types, CAP_SYS_ADMIN; reading needs none of
 * them.  Negative errno and a sentence that says what is missing and the way out: -EOPNOTSUPP
 * of this kernel, -EPERM, -ENODEV without KVM, -ENOMEM.
 */
int look_new(struct look **ret, char **ret_error);
struct look *look_free(struct look *l);		/* NULL */
DEFINE_CLEANUP(struct look *, look_free)

/* All since look_new(); VMs have no names yet (NULL).  -ENOMEM, or what reading failed with. */
int look_read(struct look *l, struct account *ret);

#endif /* NVMX_ACCOUNT_LOOK_H */
