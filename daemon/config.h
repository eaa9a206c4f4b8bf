/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxd.conf: what an administrator sets for the daemon itself; nvmxd.conf(5) is its manual.
 *
 * The files are JSON, read as policy files are (policy/json-file.h): that library is linked
 * already, and tells file, line and path of whatever is wrong.  First comes nvmxd.conf of
 * the last directory that has one, then all files of nvmxd.conf.d that end with .conf, by
 * name; a later file's setting replaces an earlier one's.
 */
#ifndef NVMX_DAEMON_CONFIG_H
#define NVMX_DAEMON_CONFIG_H

#include "policy/policy.h"

#define CONFIG_STATISTICS_INTERVAL	30	/* seconds, unless set */
#define CONFIG_STATISTICS_INTERVAL_MAX	86400
#define CONFIG_LIBVIRT_URI		"qemu:///system"
#define CONFIG_NO_LIBVIRT		"none"

struct config {
	char *default_policy;		/* a valid policy name, not looked up; "": not known */
	char *default_policy_place;	/* "FILE:LINE: .default-policy: "; "": not set */
	int statistics_interval;	/* seconds; 0: no statistics in the metadata */
	char *libvirt_uri;		/* CONFIG_NO_LIBVIRT: without libvirt */
	bool libvirt_read_only;		/* if and only if statistics_interval is 0 */
};

/* Where nvmxd looks; ends with NULL. */
extern const char *const config_default_dirs[];

/* What one file says: NULL or -1 is what it does not say. */
struct config_file {
	char *default_policy;
	char *default_policy_place;
	int statistics_interval;
	char *libvirt_uri;
	int libvirt_read_only;
};

/* path is what sentences begin with.  Errors as in policy/policy.h. */
int config_parse(const char *path, const char *text, size_t size,
		 struct config_file *ret, char **ret_error);
void config_file_clear(struct config_file *f);

/*
 * All files.  A file that cannot be used is told to on_error in one sentence and left
 * out, as a whole.  Returns how many there were, or -ENOMEM.
 */
int config_load(const char *const *dirs, policy_set_error_t on_error, void *userdata,
		struct config *ret);
/*
 * To the least rights, for when a file that cannot be used may have asked for less than what
 * is in *c: no default policy, and nothing is written to libvirt.
 */
void config_restrict(struct config *c);
bool config_is_restricted(const struct config *c);
void config_clear(struct config *c);

#endif /* NVMX_DAEMON_CONFIG_H */
