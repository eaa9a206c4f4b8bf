/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much memory the kernel holds, for tests that nothing leaks. */
#ifndef MEM_H
#define MEM_H

#include <stdint.h>

/* Has the kernel give back what it frees later, or keeps in caches; then look. */
void mem_settle(void);

/* A line of /proc/meminfo, in kB. */
uint64_t mem_info(const char *name);

/*
 * Free pages, in kB: MemFree, and those on the CPUs' own lists, which it does not count.
 * Newer kernels let these lists grow, and shrink, by tens of megabytes.
 */
uint64_t mem_free(void);

/* Objects in use in all kmalloc caches of the accounted kind, which nvmx uses. */
uint64_t mem_kmalloc_objects(void);

/* File descriptors that this process has open. */
unsigned int mem_open_fds(void);

#endif
