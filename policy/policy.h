/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libnvmxpolicy: policy files, domain metadata, and what they come to on this
 * kernel.  Pure functions; the only I/O is reading the policy directories.
 *
 * The way of a policy:
 *
 *	files --policy_set_load()--> struct policy_set --policy_set_resolve()--+
 *	metadata XML --metadata_parse()--> struct metadata --metadata_resolve()-+
 *	kernel's entries --assignment_from_entries()----------------------------+
 *	                                                                        v
 *	                         struct assignment: a class for every field of the
 *	                         table, and vmwrite-any-field
 *	changes --assignment_apply()--> another assignment
 *	assignment --assignment_to_entries()--> the kernel
 *	assignment, its base --assignment_diff()--> "Overrides"
 *
 * Conventions: 0 or a count on success, negative errno on failure; outputs are
 * written only on success, except *ret_error (may be NULL as argument), which
 * on failure gets one sentence for people, to be freed by the caller, or NULL
 * if there was no memory for it.  It is left alone on success: start it as NULL.
 *
 * What the errors mean, wherever they come from in this library:
 *	-ENOENT		there is no policy of that name
 *	-ENXIO		this kernel has no such field
 *	-EDOM		there is no such class or vmwrite-any-field value
 *	-EOPNOTSUPP	the field is known, but cannot have that class, or not
 *			together with vmwrite-any-field=hide
 *	-EBADMSG	a file or the metadata is malformed
 *	-ELOOP		a policy extends itself, by way of others or not
 *	-EFBIG		a file or the metadata is too large
 *	-EINVAL		the same change twice
 *	-ENOMEM, or what open(2) and read(2) say
 */
#ifndef NVMX_POLICY_POLICY_H
#define NVMX_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/nvmx.h>

#include "policy/util.h"

/* ---- error.c ---- */

/* Returns r; *ret_error, if asked for, becomes the sentence. */
int error_set(char **ret_error, int r, const char *format, ...) _printf_(3, 4);
/* *said, NULL at first and the caller's, gets each sentence between two line ends; false without memory. */
bool error_said_before(char **said, const char *sentence);

/* ---- utf8.c ---- */

/* Puts '?' in place of what is not UTF-8, and of control characters. */
void utf8_clean(char *s);

/* ---- names.c: the kernel's numbers as text; NULL or -EDOM if there is none ---- */

const char *class_to_string(unsigned int shadow_class);	/* "intercept", ... */
int class_from_string(const char *s);			/* NVMX_CLASS_* */
const char *vmwrite_any_to_string(unsigned int value);	/* "inherit", "hide" */
int vmwrite_any_from_string(const char *s);		/* NVMX_VMWRITE_ANY_* */
const char *kind_to_string(unsigned int kind);		/* "control", "exit-information", ... */
const char *width_to_string(unsigned int width);	/* "16", "32", "64", "natural" */
const char *field_flag_to_string(unsigned int bit);	/* of NVMX_FIELD_*: "eager", ... */
int field_flag_from_string(const char *s);		/* the bit's number */

/* ---- nearest.c: what somebody may have meant ---- */

/* Starts as {}; name stays NULL if nothing is near. */
struct nearest {
	const char *name;		/* borrowed */
	unsigned int distance;
};

void nearest_try(struct nearest *n, const char *wanted, const char *candidate);

/* ---- field.c: the kernel's field table ---- */

/*
 * As NVMX_GET_FIELDS gave it, sorted by encoding.  Borrowed: table and fields
 * must outlive every assignment made with them.
 */
struct field_table {
	const struct nvmx_field *fields;
	size_t n;
};

/* Index in the table, or -ENXIO. */
int field_find(const struct field_table *table, const char *name);
int field_find_encoding(const struct field_table *table, uint32_t encoding);
bool field_allows(const struct nvmx_field *field, unsigned int shadow_class);
/*
 * A field that other kernels or processors have.  A file or metadata may name it, and it is
 * left out: they go from host to host, and what L1 cannot access is as good in any class.
 */
bool field_is_elsewhere(const struct field_table *table, const char *name);

/*
 * Groups, as in changes: "ar-bytes", "exit-information".  field_group_name()
 * gives the i-th name, NULL after the last one.
 */
bool field_is_group(const char *name);
const char *field_group_name(size_t i);

/* ---- assignment.c ---- */

struct assignment {
	const struct field_table *table;	/* borrowed */
	uint32_t vmwrite_any_field;		/* NVMX_VMWRITE_ANY_* */
	uint8_t classes[];			/* table->n, NVMX_CLASS_* */
};

/*
 * One "name=value".  Names are fields, groups, or "vmwrite-any-field"; values
 * are classes, or "inherit" and "hide".  Strings are borrowed; from
 * assignment_diff() they are those of the table and of static storage.
 */
struct policy_change {
	const char *name;
	const char *value;
};

#define VMWRITE_ANY_FIELD "vmwrite-any-field"

/* All intercept; all their stock_class. */
int assignment_new(const struct field_table *table, struct assignment **ret);
int assignment_new_kernel(const struct field_table *table, struct assignment **ret);
int assignment_copy(const struct assignment *a, struct assignment **ret);
struct assignment *assignment_free(struct assignment *a);			/* NULL */
bool assignment_equal(const struct assignment *a, const struct assignment *b);

/*
 * Entries that the table does not know are refused with -ENXIO, unknown numbers
 * with -EDOM: whoever gave them is not the kernel that gave the table.
 */
int assignment_from_entries(const struct field_table *table,
			    const struct nvmx_policy_entry *entries, size_t n,
			    uint32_t vmwrite_any_field,
			    struct assignment **ret, char **ret_error);
/* The fields that are not intercept, by encoding: what NVMX_VM_SET_POLICY wants. */
int assignment_to_entries(const struct assignment *a,
			  struct nvmx_policy_entry **ret, size_t *ret_n);

/* a = base with the changes on top, groups first; all or nothing. */
int assignment_apply(const struct assignment *base,
		     const struct policy_change *changes, size_t n,
		     struct assignment **ret, char **ret_error);

/* What has to be changed on top of base to get a; *ret is one block, free() it. */
int assignment_diff(const struct assignment *a, const struct assignment *base,
		    struct policy_change **ret, size_t *ret_n);

/*
 * Could the kernel refuse it?  (-EOPNOTSUPP: a class that is not among a field's
 * allowed_classes and is not its stock_class; a read-write exit-information field together
 * with hide.)  assignment_apply() and the *_resolve() functions have done it.
 */
int assignment_check(const struct assignment *a, char **ret_error);

/* ---- policy.c: one policy, as a file says it ---- */

#define POLICY_FILE_MAX		(64 * 1024)	/* bytes of a file, and of metadata */
#define POLICY_DEPTH_MAX	8		/* of JSON arrays and objects */
#define POLICY_NAME_MAX		64		/* bytes, no NUL: it goes into the kernel's label */
#define POLICY_EXTENDS_KERNEL	"kernel"	/* reserved: every field's stock_class */
#define POLICY_EXTENDS_NONE	"none"		/* reserved: every field intercept */
#define POLICY_DEFAULT		"stock"		/* always there, if need be without a file */

struct policy_field {
	char *name;
	unsigned int shadow_class;
	unsigned int line;		/* in the file */
};

/* What a VM must have for a policy to be its own; NULL is not asked for, at least one is not. */
struct policy_match {
	char *domain;			/* glob for the name that libvirt has */
	char *uuid;			/* in lower case */
	char *executable;		/* glob; without a '/' for the last part only */
	char *unit;			/* glob for the name of a systemd unit */
	unsigned int line;		/* in the file */
};

struct policy {
	char *name;
	char *description;		/* "" if the file has none */
	char *extends;
	char *path;			/* of the file; "" for the built-in stock */
	int vmwrite_any_field;		/* NVMX_VMWRITE_ANY_*, -1: as what it extends */
	unsigned int extends_line;
	struct policy_field *fields;
	size_t n_fields;
	struct policy_match *match;
	size_t n_match;
};

/* Letters, digits, '.', '_', '-'; starts with a letter or digit; not reserved. */
bool policy_name_is_valid(const char *name);

/* path is what errors and ->path say; text need not end in NUL. */
int policy_parse(const char *path, const char *text, size_t size,
		 struct policy **ret, char **ret_error);
int policy_read(const char *path, struct policy **ret, char **ret_error);
/* Can this kernel do what the policy itself says?  What it extends is not looked at. */
int policy_check(const struct policy *p, const struct field_table *table, char **ret_error);
struct policy *policy_free(struct policy *p);		/* NULL */

/* ---- policy-set.c: all policy files ---- */

struct policy_set;

/* Where nvmxd looks; a file in a later one replaces that of the same name in an earlier one. */
extern const char *const policy_set_default_dirs[];	/* ends with NULL */

/* Called with one sentence per file that is not usable; the rest still load. */
typedef void (*policy_set_error_t)(const char *sentence, void *userdata);

/*
 * dirs ends with NULL; a directory that is not there is no error.  Each policy is
 * also resolved once, so that on_error hears of a policy that is missing, and, with
 * a table (NULL: no kernel yet), of what this kernel cannot do; such a policy stays in
 * the set, and using it fails with that same sentence.
 * An empty file, or a link to /dev/null, masks the file of that name.
 */
int policy_set_load(const char *const *dirs, const struct field_table *table,
		    policy_set_error_t on_error, void *userdata, struct policy_set **ret);
struct policy_set *policy_set_free(struct policy_set *set);	/* NULL */

/*
 * As a policy was resolved when the set was loaded; NULL: it was not, or cannot be.  Owned by the
 * set; it borrows the table, so that before another takes its place all of them are to be forgotten.
 */
const struct assignment *policy_set_resolved(const struct policy_set *set, const char *name);
void policy_set_forget_resolved(struct policy_set *set);

/* By file name; NULL after the last one.  Owned by the set. */
const struct policy *policy_set_get(const struct policy_set *set, size_t i);
/* Owned by the set; -ENOENT says why, for a file that is there but broken. */
int policy_set_find(const struct policy_set *set, const char *name,
		    const struct policy **ret, char **ret_error);
/* What was said of the first file that is not usable; NULL: all are.  Owned by the set. */
const char *policy_set_why_broken(const struct policy_set *set);

/* A VM as matches see it; NULL, or "", is what it does not have, which no glob fits. */
struct policy_subject {
	const char *domain;		/* NULL: libvirt does not know it */
	const char *uuid;		/* in lower case */
	const char *executable;		/* what created it, by the kernel's word */
	const char *unit;		/* of the system's manager */
};

/*
 * The first policy, by file name, of which a match fits in all that it asks for; NULL if
 * none.  *ret_i, which may be NULL, is the match's place in it.
 */
const struct policy *policy_set_match(const struct policy_set *set,
				      const struct policy_subject *subject, size_t *ret_i);

/*
 * The policy on this kernel: the chain of what it extends, down to kernel or none.  Without
 * a table the chain alone: *ret is NULL then.
 */
int policy_set_resolve(const struct policy_set *set, const struct field_table *table,
		       const char *name, struct assignment **ret, char **ret_error);

/* ---- policy-set-check.c ---- */

/*
 * Would nvmxd, which loads dirs, use these files if they were in the last of them?  Any kind
 * of file.  on_error hears of what is wrong with them, and of what is wrong with others only
 * when they are there.  Returns how many sentences that were; *ret is what nvmxd would have.
 */
int policy_set_check(const char *const *dirs, const char *const *files, size_t n,
		     const struct field_table *table, policy_set_error_t on_error, void *userdata,
		     struct policy_set **ret);

/* ---- metadata.c: <nvmx:policy> of a domain ---- */

/* Of all versions; this one knows the first. */
#define METADATA_NAMESPACES	"urn:nvmx:domain-policy:"
#define METADATA_NAMESPACE	METADATA_NAMESPACES "1"
#define METADATA_PREFIX		"nvmx"

struct metadata {
	char *name;			/* NULL: on top of what match or the default give */
	int vmwrite_any_field;		/* NVMX_VMWRITE_ANY_*, -1: not said */
	struct policy_field *fields;	/* line: in the metadata */
	size_t n_fields;
};

/*
 * The element as virDomainGetMetadata() gives it (libvirt may drop the prefix).
 * No network, no entities, no DTD.  Knows no kernel: field names are checked by
 * metadata_resolve().
 */
int metadata_parse(const char *xml, struct metadata **ret, char **ret_error);
/* As virDomainSetMetadata() wants it: the prefix and namespace are its other arguments. */
int metadata_format(const struct metadata *m, char **ret);
struct metadata *metadata_free(struct metadata *m);	/* NULL */
bool metadata_equal(const struct metadata *a, const struct metadata *b); /* NULLs allowed */

/* fallback: the base if the metadata names none, as match or the default give it. */
int metadata_resolve(const struct metadata *m, const struct policy_set *set,
		     const struct field_table *table, const char *fallback,
		     struct assignment **ret, char **ret_error);

/* On top of what a has; -ENXIO, -EOPNOTSUPP as above, and then a is of no more use. */
int metadata_apply(const struct metadata *m, struct assignment *a, char **ret_error);

/* ---- metadata-change.c ---- */

/*
 * The metadata after a change: with a name, that policy and the changes; with "" the
 * changes on top of base (NULL: there are none).  Groups become their fields.  Field
 * names are checked against the table, classes are not; an empty table (n == 0) is one
 * that is not known, and has no groups.
 */
int metadata_change(const struct metadata *base, const char *name,
		    const struct policy_change *changes, size_t n,
		    const struct field_table *table, struct metadata **ret, char **ret_error);

DEFINE_CLEANUP(struct assignment *, assignment_free)
DEFINE_CLEANUP(struct policy *, policy_free)
DEFINE_CLEANUP(struct policy_set *, policy_set_free)
DEFINE_CLEANUP(struct metadata *, metadata_free)

#define _cleanup_assignment_	_cleanup_(assignment_freep)
#define _cleanup_policy_	_cleanup_(policy_freep)
#define _cleanup_policy_set_	_cleanup_(policy_set_freep)
#define _cleanup_metadata_	_cleanup_(metadata_freep)

#endif /* NVMX_POLICY_POLICY_H */
