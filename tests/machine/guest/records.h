/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lifecycle records for the tests: read(2) on /dev/nvmx. */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/nvmx.h>

/* A reader of its own, from now on; @flags: O_NONBLOCK, or 0.  To be closed by the caller. */
int records_open(int flags);

/* The next record; one of type 0 if there is none, or there could not be read one. */
struct nvmx_event records_next(int fd);
/* Of a reader that does not block: is there none? */
bool records_drained(int fd);
/* Is there one within so many milliseconds? */
bool records_wait(int fd, int ms);

/* Checks with expect_is() that the next one is this, and its other members. */
void records_expect(int fd, uint32_t type, uint64_t id, pid_t pid, uint64_t start_time);

/* Field 22 of /proc/PID/stat. */
uint64_t records_start_time(pid_t pid);

#endif
