/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policies that nvmx ships, from their files in /policy.d, read by the library
 * that nvmxd reads them with.
 */
#ifndef SHIPPED_H
#define SHIPPED_H

#include <stdint.h>

#include <linux/nvmx.h>

/* Prints their names; ends the program if a file is not usable. */
void shipped_list(void);

/*
 * What a policy comes to on the kernel of this field table: the entries, in memory of
 * the caller's, room for @nr_fields; returns how many there are.  Ends the program if there is no such
 * policy.
 */
unsigned int shipped_entries(const char *name, const struct nvmx_field *fields,
			     unsigned int nr_fields, struct nvmx_policy_entry *entries,
			     uint32_t *ret_vmwrite_any_field);

#endif
