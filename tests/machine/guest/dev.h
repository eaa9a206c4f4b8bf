/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /dev/nvmx for the tests, and the policies that nvmx ships, made from the
 * kernel's field table in the way their files in policy/ say.
 *
 * dev_open() comes first; it owns the registry's fd and the table until the
 * program ends.
 */
#ifndef DEV_H
#define DEV_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/nvmx.h>

#define DEV_MAX_FIELDS	400

/* The field table. */
extern struct nvmx_field dev_fields[DEV_MAX_FIELDS];
extern unsigned int dev_nr_fields;
extern int dev_fd;

/* Opens /dev/nvmx and reads the field table; ends the program without it. */
void dev_open(void);
/* The same, but where there is no /dev/nvmx returns false. */
bool dev_try_open(void);
/* NVMX_FEATURE_* */
uint64_t dev_features(void);

/* A field of the table, NULL if it is not there. */
const struct nvmx_field *dev_field(uint32_t encoding);
/* What a field keeps of a value that L1 writes to it. */
uint64_t dev_kept(uint32_t encoding, uint64_t value);
/*
 * Is the value of the field after an exit of L2 unspecified, whatever the policy?  The guest
 * linear address is that of the last EPT violation, which may be one that L0 handled.
 */
bool dev_is_unspecified(uint32_t encoding);
/* The name of a field for a message: never NULL. */
const char *dev_name(uint32_t encoding);
bool dev_allows(const struct nvmx_field *f, unsigned int shadow_class);

/* Id of the VM that this process created last; 0 without /dev/nvmx. */
uint64_t dev_newest_vm(void);
/* A VM's fd, to be closed by the caller. */
int dev_open_vm(uint64_t id);
/* What created the VM, to @ret, of which there are @room bytes; gives how many there would be. */
uint32_t dev_executable(int vm_fd, char *ret, uint32_t room);

/* ---- policies ------------------------------------------------------------ */

/**
 * struct policy - what a test sets
 * @name: for messages, and the label
 * @any: vmwrite_any_field
 * @nr, @entries: as in struct nvmx_policy
 */
struct policy {
	const char *name;
	uint32_t any;
	uint32_t nr;
	struct nvmx_policy_entry entries[DEV_MAX_FIELDS];
};

enum dev_policy {
	/* shipped */
	POLICY_STOCK,
	POLICY_LEGACY,		/* exit-information fields read-write */
	POLICY_NO_AR_BYTES,
	POLICY_INTERCEPT_ALL,
	POLICY_NR_SHIPPED,
	/* odd ones */
	POLICY_MOST = POLICY_NR_SHIPPED,	/* each field as free as its table allows */
	POLICY_READ_ONLY,	/* every field that may be is read-only */
	POLICY_HALF,		/* every second field as free as may be */
	POLICY_OTHER_HALF,
	POLICY_HOST_RSP,	/* HOST_RSP read-write, nothing else */
	POLICY_NR,
};

void dev_make_policy(enum dev_policy which, struct policy *ret);
void dev_make_empty(const char *name, struct policy *ret);
void dev_set_class(struct policy *p, uint32_t encoding, unsigned int shadow_class);
/* The class of a field in p. */
unsigned int dev_class(const struct policy *p, uint32_t encoding);

/* Sets p; 0 or a negative errno. */
int dev_set(int vm_fd, const struct policy *p);
/* The same, and bail() if it fails. */
void dev_must_set(int vm_fd, const struct policy *p);
/* Gets the policy in force; its label goes to ret_label[NVMX_LABEL_LEN]. */
void dev_get(int vm_fd, struct policy *ret, char *ret_label, uint64_t *ret_generation);
bool dev_same(const struct policy *a, const struct policy *b);

/* ---- counters ------------------------------------------------------------ */

struct counters {
	struct nvmx_counters total;
	unsigned int nr;
	struct nvmx_field_counters fields[DEV_MAX_FIELDS];
};

void dev_counters(int vm_fd, struct counters *ret);
uint64_t dev_reads(const struct counters *c, uint32_t encoding);
uint64_t dev_writes(const struct counters *c, uint32_t encoding);

/* Tests that no VM is left and nobody holds the module; closes the device. */
void dev_test_unused(void);

#endif
