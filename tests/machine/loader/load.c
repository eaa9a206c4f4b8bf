/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Boot ROM of the emulated machine, the part in C: reads the boot disk (primary
 * ATA master, boot.h says what is on it) to memory and enters the kernel by its
 * PVH entry point, so that nothing has to be decompressed in the machine.
 *
 * Freestanding, 32-bit, no paging, no interrupts, no initialised variables.
 */
#include "boot.h"
#include "pvh.h"

#define COM1		0x3f8
#define ATA		0x1f0
#define ATA_CONTROL	0x3f6
#define ATA_BSY		0x80
#define ATA_DRQ		0x08
#define ATA_ERR		0x01
#define ATA_MULTIPLE	16	/* sectors for each time the disk is ready */

static union {
	struct boot_header header;
	uint8_t sectors[BOOT_HEADER_SECTORS * BOOT_SECTOR];
} disk;
static struct pvh_start_info info;
static struct pvh_module initrd;

void load(struct pvh_memory *map, struct pvh_memory *map_end);
_Noreturn void enter(uint32_t entry, struct pvh_start_info *start);

static void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void insl(uint16_t port, void *to, uint32_t count)
{
	__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static void zero(void *to, uint32_t size)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(0) : "memory");
}

static _Noreturn void fail(const char *what)
{
	for (; *what; what++)
		outb(COM1, *what);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void ata_wait(uint8_t want)
{
	uint8_t status;

	do
		status = inb(ATA + 7);
	while (status & ATA_BSY);

	if ((status & (ATA_ERR | want)) != want)
		fail("boot ROM: the boot disk does not answer\r\n");
}

static void ata_command(uint32_t sector, uint8_t count, uint8_t command)
{
	ata_wait(0);
	outb(ATA + 6, 0xe0 | (sector >> 24 & 0xf));
	outb(ATA + 2, count);
	outb(ATA + 3, sector);
	outb(ATA + 4, sector >> 8);
	outb(ATA + 5, sector >> 16);
	outb(ATA + 7, command);
}

static void ata_read(uint32_t sector, void *to, uint32_t count)
{
	uint32_t n, chunk;
	uint8_t *p = to;

	for (; count; count -= n, sector += n) {
		n = count < 240 ? count : 240;
		ata_command(sector, n, 0xc4);	/* READ MULTIPLE */

		for (uint32_t done = 0; done < n; done += chunk) {
			chunk = n - done < ATA_MULTIPLE ? n - done : ATA_MULTIPLE;
			ata_wait(ATA_DRQ);
			insl(ATA, p, chunk * BOOT_SECTOR / 4);
			p += chunk * BOOT_SECTOR;
		}
	}
}

void load(struct pvh_memory *map, struct pvh_memory *map_end)
{
	static const char magic[] = BOOT_MAGIC;

	outb(ATA_CONTROL, 2);			/* no interrupts */
	ata_command(0, ATA_MULTIPLE, 0xc6);	/* SET MULTIPLE MODE */
	ata_wait(0);

	ata_read(0, disk.sectors, BOOT_HEADER_SECTORS);
	for (int i = 0; i < 8; i++)
		if (disk.header.magic[i] != magic[i])
			fail("boot ROM: the first disk is no boot disk\r\n");

	/* Ascending by address: what a padded last sector spills is overwritten by the next. */
	for (uint32_t i = 0; i < disk.header.nr_segments; i++) {
		struct boot_segment *s = &disk.header.segments[i];

		ata_read(s->sector, (void *)s->address, (s->file_size + BOOT_SECTOR - 1) / BOOT_SECTOR);
		zero((uint8_t *)s->address + s->file_size, s->memory_size - s->file_size);
	}

	outb(ATA_CONTROL, 0);

	initrd.address = disk.header.initrd_address;
	initrd.size = disk.header.initrd_size;
	info.magic = PVH_START_MAGIC;
	info.version = 1;
	info.nr_modules = initrd.size > 0;
	info.modlist = (uint32_t)&initrd;
	info.cmdline = (uint32_t)disk.header.cmdline;
	info.memmap = (uint32_t)map;
	info.memmap_entries = map_end - map;
	/* rsdp 0: the kernel looks for it itself */

	enter(disk.header.entry, &info);
}
