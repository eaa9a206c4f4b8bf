/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The boot disk of an emulated machine: what bootimage.c (on the host) writes
 * and the boot ROM (in the machine) reads.  All work that can be done on the
 * host is done there: the ROM copies runs of sectors to memory and jumps.
 *
 * The header is at sector 0; everything is little-endian, as both ends are.
 */
#ifndef BOOT_H
#define BOOT_H

#include <stdint.h>

#define BOOT_MAGIC		"NVMXBOOT"
#define BOOT_SECTOR		512
#define BOOT_HEADER_SECTORS	4
#define BOOT_MAX_SEGMENTS	16
#define BOOT_CMDLINE_MAX	1024

struct boot_segment {
	uint32_t sector;	/* first sector on the disk */
	uint32_t address;	/* where it goes */
	uint32_t file_size;	/* bytes on the disk; the last sector is padded */
	uint32_t memory_size;	/* bytes in memory; the rest is zeroed */
};

struct boot_header {
	char magic[8];
	uint32_t entry;		/* 32-bit PVH entry point */
	uint32_t initrd_address;
	uint32_t initrd_size;
	uint32_t nr_segments;	/* the initrd is one of them */
	struct boot_segment segments[BOOT_MAX_SEGMENTS];
	char cmdline[BOOT_CMDLINE_MAX];
};

_Static_assert(sizeof(struct boot_header) <= BOOT_HEADER_SECTORS * BOOT_SECTOR,
	       "the boot header has outgrown its sectors");

#endif
