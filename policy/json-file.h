/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file of nvmx: one JSON object, read strictly.  Whatever is wrong with it is said in a
 * sentence that names the file, the line and the JSON path.  For policy files and for
 * nvmxd's configuration.
 *
 * Errors are as in policy/policy.h.
 */
#ifndef NVMX_POLICY_JSON_FILE_H
#define NVMX_POLICY_JSON_FILE_H

#include <json-c/json.h>

#include "policy/json-place.h"
#include "policy/policy.h"

struct json_file {
	const char *path;		/* of the file, borrowed; what sentences begin with */
	struct json_object *object;
	struct json_places places;
	char **ret_error;		/* for every sentence on this file; may be NULL */
};

/*
 * text need not end in NUL.  The file is an object, nested POLICY_DEPTH_MAX deep at most,
 * without a key that is given twice.
 */
int json_file_parse(struct json_file *f, const char *path, const char *text, size_t size,
		    char **ret_error);
void json_file_clear(struct json_file *f);

/* "FILE:LINE: PATH: ", or NULL without memory. */
char *json_file_place(const struct json_file *f, const char *json_path);

/* Sets *f->ret_error to the place and a sentence, and returns -EBADMSG. */
int json_file_error(const struct json_file *f, const char *json_path,
		    const char *format, ...) _printf_(3, 4);

/* -EBADMSG if the value is of another type. */
int json_file_expect(const struct json_file *f, const char *json_path,
		     struct json_object *value, enum json_type type);
/* UTF-8 without control characters; borrowed from the object. */
int json_file_expect_string(const struct json_file *f, const char *json_path,
			    struct json_object *value, const char **ret);

#endif /* NVMX_POLICY_JSON_FILE_H */
