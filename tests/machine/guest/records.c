// SPDX-License-Identifier: LGPL-2.1-or-later
/* Lifecycle records for the tests: see records.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "records.h"
#include "tap.h"

uint64_t records_start_time(pid_t pid)
{
	char path[40], line[1000], *s;
	FILE *f;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		bail("%s", path);
	fclose(f);
	/* the name may hold spaces; what follows it does not */
	s = strrchr(line, ')');
	for (i = 2; i < 22 && s; i++)
		s = strchr(s + 1, ' ');
	if (!s)
		bail("%s has no field 22", path);
	return strtoull(s, NULL, 10);
}

int records_open(int flags)
{
	int fd = open("/dev/nvmx", O_RDWR | O_CLOEXEC | flags);

	if (fd < 0)
		bail("/dev/nvmx");
	return fd;
}

struct nvmx_event records_next(int fd)
{
	struct nvmx_event e = {};
	ssize_t n = read(fd, &e, sizeof(e));

	if (n != sizeof(e))
		memset(&e, 0, sizeof(e));
	return e;
}

bool records_wait(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

bool records_drained(int fd)
{
	struct nvmx_event e;

	return read(fd, &e, sizeof(e)) < 0 && errno == EAGAIN && !records_wait(fd, 0);
}

void records_expect(int fd, uint32_t type, uint64_t id, pid_t pid, uint64_t start_time)
{
	struct nvmx_event e = records_next(fd);

	expect_is(e.type, type, "type of the record");
	expect_is(e.size, sizeof(e), "its size");
	expect_is(e.id, id, "its id");
	expect_is(e.pid, pid, "its pid");
	expect_is(e.start_time, start_time, "its start time");
	expect_is(e.lost, 0, "its lost");
}
