/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What files tell nvmxd: the configuration and the policies, at the start and again at a
 * reload, and what is wrong with them.
 */
#ifndef NVMX_DAEMON_FILES_H
#define NVMX_DAEMON_FILES_H

#include "daemon/config.h"
#include "policy/policy.h"

struct files {
	const char *const *config_dirs, *const *policy_dirs;	/* end with NULL; borrowed */
	struct config config;		/* as the files said it at the start, or at a reload */
	struct policy_set *policies;
	/* Sentences on the first file that is not used; NULL: all are. */
	char *config_error, *policy_error;
	bool again;			/* could not be read, whoever asked for it */

	char *said;			/* of the log: see error_said_before() */
};

/* Nothing is read yet. */
void files_init(struct files *f, const char *const *config_dirs, const char *const *policy_dirs);
void files_clear(struct files *f);

/*
 * -EBADMSG: read, but a file is broken, and *ret_error (may be NULL) is about the first; with
 * a broken configuration file the configuration stays as it was.  Another error: nothing has
 * changed, and again is set.  table: the kernel's, NULL without.
 */
int files_load(struct files *f, const struct field_table *table);
int files_load_policies(struct files *f, const struct field_table *table);
int files_reload(struct files *f, const struct field_table *table, char **ret_error);

#define FILES_RESTRICTED \
	"The configuration is not used because a file of it is broken: no VM gets a default policy until it is mended and \"systemctl reload nvmxd\" is run."

#endif /* NVMX_DAEMON_FILES_H */
