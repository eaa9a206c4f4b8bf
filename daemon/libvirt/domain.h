/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvirt says of one domain.
 */
#ifndef NVMX_DAEMON_LIBVIRT_DOMAIN_H
#define NVMX_DAEMON_LIBVIRT_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <libvirt/libvirt.h>

/*
 * The element with a domain's statistics, live only; a name of its own, so that it is never
 * taken for a setting.
 */
#define STATISTICS_NAMESPACE	"urn:nvmx:domain-statistics:1"
#define STATISTICS_PREFIX	"nvmxstat"

struct domain {
	char *name;
	int id;			/* libvirt's; -1: it does not run */
	/*
	 * The text of our element in the definition in force; NULL: there is none, or @error is
	 * why it cannot be had, a sentence.  libvirt takes the namespace off the element and its
	 * children, so this reads <policy name="..."><field .../></policy>.
	 */
	char *settings;
	char *error;
};

/*
 * -ENOENT: libvirt has none with that uuid; -ENOMEM; -EIO: libvirt did not answer, for a reason
 * that connection_error() or a lost connection tells.
 */
int domain_get(virConnectPtr conn, const char *uuid, struct domain *ret);
void domain_clear(struct domain *d);

/*
 * Is the domain that process, begun at that time (field 22 of /proc/PID/stat)?  1: yes; 0: no;
 * negative: it cannot be told, as of libvirt_pid_check(), which see for *ret_path.
 */
int domain_is_process(const char *pid_dir, const char *name, pid_t pid, uint64_t start_time,
		      char **ret_path);

/* @fn with the uuid of each domain that runs.  -EIO as above. */
int domain_for_each_running(virConnectPtr conn, void (*fn)(const char *uuid, void *userdata), void *userdata);

/*
 * The domain's id if it runs and has the element with statistics; -ENOENT: it does not, or has
 * not; -EIO as above.
 */
int domain_find_statistics(virConnectPtr conn, const char *uuid);

#endif /* NVMX_DAEMON_LIBVIRT_DOMAIN_H */
