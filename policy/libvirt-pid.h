/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which process a domain is: libvirt has no call for that, but writes it down before the
 * domain's QEMU begins, where only it may write, unlike the command line from which a uuid is.
 */
#ifndef NVMX_POLICY_LIBVIRT_PID_H
#define NVMX_POLICY_LIBVIRT_PID_H

#include <sys/types.h>

/*
 * The directory of NAME.pid of the libvirt with that canonical URI (virConnectGetURI()), the
 * caller's to free; NULL: it is none of this machine's QEMU, or there is no memory.
 */
char *libvirt_pid_dir(const char *uri);

/*
 * Is domain @name the process @pid?  1: yes, and *@ret_path, unless NULL, is the file that says
 * so, the caller's to free; 0: libvirt says that it is another; negative: it cannot be told:
 *
 * -ENOENT: there is no such file; -EAGAIN: it is just being written; or why it cannot be read.
 */
int libvirt_pid_check(const char *dir, const char *name, pid_t pid, char **ret_path);

#endif /* NVMX_POLICY_LIBVIRT_PID_H */
