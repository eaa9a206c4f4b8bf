/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxd.conf: what an administrator sets for nvmxd and nvmx-libvirt; nvmxd.conf(5) is its manual.
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

/* The source that is there without being named in "sources", unless libvirt-uri is "none". */
#define CONFIG_LIBVIRT			"libvirt"
#define CONFIG_LIBVIRT_USER		"nvmx-libvirt"

#define CONFIG_SOURCES_MAX		8
#define CONFIG_SOURCE_NAME_MAX		32	/* bytes */

/* A source of settings; org.nvmx1(5) says what that is. */
struct config_source {
	char *name;		/* letters, digits and "-", from a letter */
	char *user;		/* as whom it runs; a name or a number, not looked up */
	char *libvirt_uri;	/* of the nvmx-libvirt that it is; NULL: it is none */
};

/* In the order in which they have their say. */
struct config_sources {
	struct config_source list[CONFIG_SOURCES_MAX];
	size_t n;
};

struct config {
	char *default_policy;		/* a valid policy name, not looked up; "": not known */
	char *default_policy_place;	/* "FILE:LINE: .default-policy: "; "": not set */
	int statistics_interval;	/* seconds; 0: no statistics in the metadata */
	char *libvirt_uri;		/* CONFIG_NO_LIBVIRT: without libvirt */
	struct config_sources sources;	/* libvirt's as well */
};

/* Where nvmxd looks; ends with NULL. */
extern const char *const config_default_dirs[];

/* What one file says: NULL or -1 is what it does not say. */
struct config_file {
	char *default_policy;
	char *default_policy_place;
	int statistics_interval;
	char *libvirt_uri;
	struct config_sources sources;
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
const struct config_source *config_source_find(const struct config *c, const char *name);
bool config_sources_equal(const struct config_sources *a, const struct config_sources *b);
/*
 * To the least rights, for when a file that cannot be used may have asked for less than what
 * is in *c: no default policy, and nothing is written to libvirt.
 */
void config_restrict(struct config *c);
bool config_is_restricted(const struct config *c);
void config_clear(struct config *c);

#endif /* NVMX_DAEMON_CONFIG_H */
