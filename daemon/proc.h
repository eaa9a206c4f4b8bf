/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What /proc tells about the process that owns a VM.
 */
#ifndef NVMX_DAEMON_PROC_H
#define NVMX_DAEMON_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_UUID_LEN	37	/* with the NUL */

/* All are UTF-8 without control characters, '?' for what is not. */
struct proc_identity {
	char *comm;			/* the process's name */
	char *name;			/* QEMU's -name; "" */
	char *unit;			/* of the system's systemd, from /proc/PID/cgroup; "" */
	char uuid[PROC_UUID_LEN];	/* QEMU's -uuid, else of its -smbios type=1; lower case; "" */
};

/*
 * -ESRCH if the process is gone, or if the pid is another process's by now: start_time is
 * field 22 of its /proc/PID/stat.
 */
int proc_identify(pid_t pid, uint64_t start_time, struct proc_identity *ret);
/* Is the process still that one?  Likewise; 0: it is. */
int proc_check(pid_t pid, uint64_t start_time);
void proc_identity_clear(struct proc_identity *p);

/* The parsers, apart for the sake of tests. */
int proc_parse_stat(const char *stat, char **ret_comm, uint64_t *ret_start_time);
/* As QEMU takes its command line: the last of each option counts.  *ret_name: "" if there is none. */
int proc_parse_cmdline(const char *cmdline, size_t size, char **ret_name,
		       char ret_uuid[PROC_UUID_LEN]);
/* 8-4-4-4-12 hexadecimal digits; makes them lower case. */
bool proc_parse_uuid(const char *s, char ret_uuid[PROC_UUID_LEN]);

#endif /* NVMX_DAEMON_PROC_H */
