/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the policy library share with each other, and with nobody
 * else.
 */
#ifndef NVMX_POLICY_INTERNAL_H
#define NVMX_POLICY_INTERNAL_H

#include "policy/policy.h"

/* utf8.c: bytes of the first character, 0 if it is not valid; a NUL is one */
size_t utf8_length(const char *s);
/* Valid, and without control characters. */
bool utf8_is_text(const char *s);

/*
 * place: what a sentence starts with so that people find the spot, such as
 * "/etc/nvmx/policy.d/x.json:7: .fields.HOST_RSP: "; "" if there is no such thing.
 */
int class_parse(const char *place, const char *s, unsigned int *ret, char **ret_error);
int vmwrite_any_parse(const char *place, const char *s, int *ret, char **ret_error);
int field_lookup(const struct field_table *table, const char *place, const char *name,
		 char **ret_error);
int field_check_class(const struct nvmx_field *field, const char *place,
		      unsigned int shadow_class, char **ret_error);

/* A change of the group to that class is one of the field: exit-information is what allows it. */
bool field_is_in_group(const struct nvmx_field *field, const char *group, unsigned int shadow_class);

/* A read-write exit-information field does not go with hide. */
int field_check_hide(const struct nvmx_field *field, const char *place,
		     unsigned int shadow_class, char **ret_error);
int assignment_check_hide(const struct assignment *a, const char *place, char **ret_error);

/* "FILE:LINE: .fields.NAME: ", or NULL without memory. */
char *policy_field_place(const struct policy *p, const struct policy_field *f);

/* policy_set_load() with more files than those of the directories, see conf_files_add(). */
int policy_set_load_with(const char *const *dirs, const char *const *more, size_t n_more,
			 const struct field_table *table, policy_set_error_t on_error, void *userdata,
			 struct policy_set **ret);

/* Takes the string over; frees it on failure. */
int policy_fields_add(struct policy_field **fields, size_t *n, char *name,
		      unsigned int shadow_class, unsigned int line);
void policy_fields_free(struct policy_field *fields, size_t n);

#endif /* NVMX_POLICY_INTERNAL_H */
