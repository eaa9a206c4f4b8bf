/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of directories that override each other by file name, as systemd's drop-ins do.
 *
 * Whoever can write such a file tells nvmxd what to do; so what everybody can write,
 * a directory or a file, is refused.
 */
#ifndef NVMX_POLICY_CONF_FILES_H
#define NVMX_POLICY_CONF_FILES_H

#include "policy/policy.h"

struct conf_file {
	char *name;	/* without the directory; sorts */
	char *path;
	bool aside;	/* by conf_files_add(): in none of the directories */
};

/*
 * The files of the directories that end with suffix, by name; one in a later directory
 * replaces that of the same name in an earlier one.  dirs ends with NULL; below, if
 * not NULL, is the folder in each of them to look into.  A directory that is not there
 * is no error; one that cannot be used is told to on_error (may be NULL) and passed over.
 */
int conf_files_list(const char *const *dirs, const char *below, const char *suffix,
		    policy_set_error_t on_error, void *userdata,
		    struct conf_file **ret, size_t *ret_n);
/*
 * One that is aside, as if it were in the last directory: it takes the place of that of its
 * name, which gets the suffix if it has none.  One that is in a directory anyhow only gets this path.
 * -EEXIST: another one of that name is aside.
 */
int conf_files_add(struct conf_file **files, size_t *n, const char *path, const char *suffix,
		   char **ret_error);
void conf_files_free(struct conf_file *files, size_t n);

/*
 * A file to be read, as an fd.  -ENODATA, without a sentence: it is masked, that is empty
 * or a link to /dev/null.  -EPERM: everybody can write it; -EINVAL: it is not a regular
 * file, or its name is no text; else what open(2) says.
 */
int conf_files_open(const char *path, char **ret_error);
/* All of it, with one byte more than POLICY_FILE_MAX if it is larger.  Any kind of file. */
int conf_files_read(int fd, const char *path, char **ret, size_t *ret_size, char **ret_error);

#endif /* NVMX_POLICY_CONF_FILES_H */
