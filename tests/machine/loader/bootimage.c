/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host tool for the emulated machine's boot ROM and boot disk (boot.h).
 *
 *	bootimage rom FLAT OUT			finish an option ROM: size, checksum
 *	bootimage disk VMLINUX INITRD CMDLINE OUT	lay out a boot disk
 *	bootimage trim VMLINUX OUT		the kernel without what only fills the file
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"

#define XEN_ELFNOTE_PHYS32_ENTRY	18

/* Above the kernel and its bss, below what the smallest machine has. */
#define INITRD_ADDRESS			(128U << 20)

/* bochs's own guess of a geometry wants whole cylinders of 16 heads, 63 sectors. */
#define CYLINDER			(16 * 63 * BOOT_SECTOR)

struct file {
	const uint8_t *data;
	size_t size;
};

static struct file file_map(const char *path)
{
	struct file f = {};
	struct stat st;
	void *p;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		err(EXIT_FAILURE, "%s", path);
	f.size = st.st_size;
	if (f.size) {
		p = mmap(NULL, f.size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			err(EXIT_FAILURE, "%s", path);
		f.data = p;
	}
	close(fd);
	return f;
}

static FILE *output(const char *path)
{
	FILE *out = fopen(path, "we");

	if (!out)
		err(EXIT_FAILURE, "%s", path);
	return out;
}

static void put(FILE *out, const char *path, long at, const void *data, size_t size)
{
	if (fseek(out, at, SEEK_SET) < 0 || fwrite(data, 1, size, out) != size)
		err(EXIT_FAILURE, "%s", path);
}

/* Option ROM: byte 2 is the number of sectors, the sum of all bytes is zero. */
static void make_rom(const char *flat, const char *path)
{
	struct file in = file_map(flat);
	uint8_t rom[65536] = {}, sum = 0;
	size_t size = (in.size + BOOT_SECTOR - 1) / BOOT_SECTOR * BOOT_SECTOR;
	FILE *out;

	if (size > sizeof(rom))
		errx(EXIT_FAILURE, "%s: too large for an option ROM", flat);

	memcpy(rom, in.data, in.size);
	rom[2] = size / BOOT_SECTOR;
	for (size_t i = 0; i < size; i++)
		sum += rom[i];
	rom[5] -= sum;

	out = output(path);
	put(out, path, 0, rom, size);
	if (fclose(out))
		err(EXIT_FAILURE, "%s", path);
}

static void kernel_check(const char *path, struct file k)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)k.data;

	if (k.size < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) ||
	    e->e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->e_phoff + e->e_phnum * sizeof(Elf64_Phdr) > k.size)
		errx(EXIT_FAILURE, "%s: no 64-bit ELF file", path);
}

static uint32_t pvh_entry(const char *path, struct file k)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)k.data;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(k.data + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++) {
		size_t at = p[i].p_offset, end = at + p[i].p_filesz;

		if (p[i].p_type != PT_NOTE || end > k.size)
			continue;

		while (at + sizeof(Elf64_Nhdr) <= end) {
			const Elf64_Nhdr *n = (const Elf64_Nhdr *)(k.data + at);
			const uint8_t *name = (const uint8_t *)(n + 1);
			const uint8_t *desc = name + ((n->n_namesz + 3) & ~3U);

			if (n->n_type == XEN_ELFNOTE_PHYS32_ENTRY && n->n_namesz == 4 &&
			    !memcmp(name, "Xen", 4))
				return *(const uint32_t *)desc;
			at = desc + ((n->n_descsz + 3) & ~3U) - k.data;
		}
	}
	errx(EXIT_FAILURE, "%s: no PVH entry point; is the kernel built with CONFIG_PVH?", path);
}

static void add_segment(struct boot_header *h, uint32_t *sector, uint64_t address,
			uint64_t file_size, uint64_t memory_size)
{
	if (h->nr_segments == BOOT_MAX_SEGMENTS)
		errx(EXIT_FAILURE, "more segments than a boot disk has room for");
	if (address + memory_size > UINT32_MAX)
		errx(EXIT_FAILURE, "a segment is beyond 4 GiB");

	h->segments[h->nr_segments++] = (struct boot_segment) {
		.sector = *sector,
		.address = address,
		.file_size = file_size,
		.memory_size = memory_size,
	};
	*sector += (file_size + BOOT_SECTOR - 1) / BOOT_SECTOR;
}

/* A .bss may take room in the file; what of a segment has to be stored? */
static uint64_t stored_size(struct file k, const Elf64_Phdr *p)
{
	uint64_t size = p->p_filesz;

	if (p->p_offset > k.size || size > k.size - p->p_offset)
		errx(EXIT_FAILURE, "the kernel's ELF file is truncated");
	while (size && !k.data[p->p_offset + size - 1])
		size--;
	return size;
}

/* An ELF file that loads to the same memory: no sections, no stored zeroes at its end. */
static void make_trimmed(const char *kernel, const char *path)
{
	struct file k = file_map(kernel);
	Elf64_Ehdr e;
	Elf64_Phdr *p;
	uint64_t end = 0;
	FILE *out;

	kernel_check(kernel, k);
	memcpy(&e, k.data, sizeof(e));
	p = calloc(e.e_phnum, sizeof(*p));
	if (!p)
		err(EXIT_FAILURE, NULL);
	memcpy(p, k.data + e.e_phoff, e.e_phnum * sizeof(*p));
	for (int i = 0; i < e.e_phnum; i++) {
		p[i].p_filesz = stored_size(k, &p[i]);
		if (p[i].p_offset + p[i].p_filesz > end)
			end = p[i].p_offset + p[i].p_filesz;
	}
	e.e_shoff = e.e_shnum = e.e_shstrndx = 0;

	out = output(path);
	put(out, path, 0, k.data, end);
	put(out, path, e.e_phoff, p, e.e_phnum * sizeof(*p));
	put(out, path, 0, &e, sizeof(e));
	if (fclose(out))
		err(EXIT_FAILURE, "%s", path);
	free(p);
}

static void make_disk(const char *kernel, const char *initrd, const char *cmdline, const char *path)
{
	struct file k = file_map(kernel), ird = file_map(initrd);
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)k.data;
	const Elf64_Phdr *p;
	struct boot_header h = { .magic = BOOT_MAGIC };
	uint32_t sector = BOOT_HEADER_SECTORS;
	uint64_t top = 0, stored;
	FILE *out;

	kernel_check(kernel, k);
	if (strlen(cmdline) >= sizeof(h.cmdline))
		errx(EXIT_FAILURE, "the kernel command line is too long");

	out = output(path);
	p = (const Elf64_Phdr *)(k.data + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type != PT_LOAD || !p[i].p_memsz)
			continue;
		stored = stored_size(k, &p[i]);
		if (p[i].p_paddr < top)
			errx(EXIT_FAILURE, "%s: segments are not in ascending order", kernel);
		top = p[i].p_paddr + p[i].p_memsz;
		put(out, path, (long)sector * BOOT_SECTOR, k.data + p[i].p_offset, stored);
		add_segment(&h, &sector, p[i].p_paddr, stored, p[i].p_memsz);
	}
	if (top > INITRD_ADDRESS)
		errx(EXIT_FAILURE, "%s: the kernel reaches to where the initrd goes", kernel);

	h.entry = pvh_entry(kernel, k);
	h.initrd_address = INITRD_ADDRESS;
	h.initrd_size = ird.size;
	put(out, path, (long)sector * BOOT_SECTOR, ird.data, ird.size);
	add_segment(&h, &sector, INITRD_ADDRESS, ird.size, ird.size);
	strcpy(h.cmdline, cmdline);
	put(out, path, 0, &h, sizeof(h));

	if (fflush(out) ||
	    ftruncate(fileno(out), ((long)sector * BOOT_SECTOR + CYLINDER - 1) / CYLINDER * CYLINDER) < 0 ||
	    fclose(out))
		err(EXIT_FAILURE, "%s", path);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "rom"))
		make_rom(argv[2], argv[3]);
	else if (argc == 6 && !strcmp(argv[1], "disk"))
		make_disk(argv[2], argv[3], argv[4], argv[5]);
	else if (argc == 4 && !strcmp(argv[1], "trim"))
		make_trimmed(argv[2], argv[3]);
	else
		errx(2, "usage: bootimage rom FLAT OUT | disk VMLINUX INITRD CMDLINE OUT | trim VMLINUX OUT");
	return 0;
}
