/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What /proc tells about the process that owns a VM.
 */
#ifndef NVMX_DAEMON_PROC_H
#define NVMX_DAEMON_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_UUID_LEN	37	/* with the NUL */

/* All are UTF-8 without control characters, '?' for what is not. */
struct proc_identity {
	char *comm;			/* the process's name */
	char *executable;		/* argv[0]: what it was started as, or says it was; "" */
	char *unit;			/* of the system's systemd, from /proc/PID/cgroup; "" */
	char uuid[PROC_UUID_LEN];	/* given with -uuid, in lower case; "" */
};

/*
 * -ESRCH if the process is gone, or if the pid is another process's by now: start_time is
 * field 22 of its /proc/PID/stat.
 */
int proc_identify(pid_t pid, uint64_t start_time, struct proc_identity *ret);
void proc_identity_clear(struct proc_identity *p);

/* The two parsers, apart for the sake of tests. */
int proc_parse_stat(const char *stat, char **ret_comm, uint64_t *ret_start_time);
int proc_parse_uuid(const char *cmdline, size_t size, char ret_uuid[PROC_UUID_LEN]);

#endif /* NVMX_DAEMON_PROC_H */
