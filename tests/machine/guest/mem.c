// SPDX-License-Identifier: LGPL-2.1-or-later
/* How much memory the kernel holds: see mem.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "tap.h"

uint64_t mem_info(const char *name)
{
	unsigned long long value = 0;
	size_t n = strlen(name);
	char line[200];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, n) && line[n] == ':')
			value = strtoull(line + n + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* /proc/zoneinfo has "pagesets" and, below it, for each CPU "cpu:" and "count:", of pages. */
uint64_t mem_free(void)
{
	unsigned long long pages, sum = 0;
	bool in_pagesets = false;
	char line[200];
	FILE *f = fopen("/proc/zoneinfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Node ", 5))
			in_pagesets = false;
		else if (!strncmp(line, "  pagesets", 10))
			in_pagesets = true;
		else if (in_pagesets && sscanf(line, " count: %llu", &pages) == 1)
			sum += pages;
	}
	if (!f)
		bail("/proc/zoneinfo");
	fclose(f);
	return mem_info("MemFree") + sum * (sysconf(_SC_PAGESIZE) / 1024);
}

uint64_t mem_kmalloc_objects(void)
{
	unsigned long long objects, sum = 0;
	char line[400];
	FILE *f = fopen("/proc/slabinfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "kmalloc-cg-%*s %llu", &objects) == 1)
			sum += objects;
	if (f)
		fclose(f);
	return sum;
}

unsigned int mem_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* KASAN's quarantine keeps freed objects, and with them their slabs, until a cache shrinks. */
static void shrink_slabs(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *d;
	char path[300];
	int fd;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", d->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "1", 1) != 1)
			bail("%s", path);
		close(fd);
	}
	if (dir)
		closedir(dir);
}

void mem_settle(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	/* what KVM frees by SRCU and work queues, too */
	sync();
	if (fd < 0 || write(fd, "3", 1) != 1)
		bail("drop_caches");
	close(fd);
	usleep(500000);
	shrink_slabs();
}
