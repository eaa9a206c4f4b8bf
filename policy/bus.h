/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What nvmxd, nvmx-account and nvmxctl hold each other to on the bus, besides org.nvmx1.xml.
 * Header-only.
 */
#ifndef NVMX_POLICY_BUS_H
#define NVMX_POLICY_BUS_H

/*
 * How long nvmxd lets polkit ask a person, who may have to find a password.  Whoever calls
 * it with ALLOW_INTERACTIVE_AUTHORIZATION has to wait longer, to hear what became of it.
 */
#define BUS_PASSWORD_USEC	(15 * 60 * UINT64_C(1000000))

/* The end of a sentence that refuses what polkit has to allow. */
#define BUS_WHO_MAY	"root may (sudo, pkexec), and whom a rule in /etc/polkit-1/rules.d allows it"

/* nvmx-account; daemon/account/org.nvmx1.Account.xml */
#define ACCOUNT_BUS_NAME	"org.nvmx1.Account"
#define ACCOUNT_BUS_PATH	"/org/nvmx1/account"
#define ACCOUNT_INTERFACE	"org.nvmx1.Account"

#endif /* NVMX_POLICY_BUS_H */
