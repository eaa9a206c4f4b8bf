/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a kernel is told that is entered by its PVH entry point: as in Linux's
 * include/xen/interface/hvm/start_info.h.
 */
#ifndef PVH_H
#define PVH_H

#include <stdint.h>

#define PVH_START_MAGIC		0x336ec578

/* All addresses are physical. */
struct pvh_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct pvh_module {
	uint64_t address, size, cmdline, reserved;
};

#define PVH_MEMORY_RAM		1
#define PVH_MEMORY_RESERVED	2

/* The BIOS's entry (E820) has the same shape. */
struct pvh_memory {
	uint64_t address, size;
	uint32_t type, reserved;
};

#endif
