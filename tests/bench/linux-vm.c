// SPDX-License-Identifier: LGPL-2.1-or-later
/* See linux-vm.h. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../machine/guest/tap.h"
#include "../machine/loader/boot.h"
#include "../machine/loader/pvh.h"
#include "linux-vm.h"

#define COM1			0x3f8
#define COM1_LSR		(COM1 + 5)
#define LSR_READY_TO_SEND	0x60

/* Where the kernel finds what it is told; anywhere below LOW_MEMORY would do. */
#define START_AT		0x1000
#define LOW_MEMORY		0x9f000
#define HIGH_MEMORY		0x100000

struct start {
	struct pvh_start_info info;
	struct pvh_module initrd;
	struct pvh_memory memory[3];
	char cmdline[BOOT_CMDLINE_MAX];
};

static void copy_segments(const void *disk, size_t disk_size, void *mem, size_t mem_size)
{
	const struct boot_header *h = disk;
	uint32_t i;

	for (i = 0; i < h->nr_segments; i++) {
		const struct boot_segment *s = &h->segments[i];
		size_t at = (size_t)s->sector * BOOT_SECTOR;

		if (at + s->file_size > disk_size || (size_t)s->address + s->memory_size > mem_size)
			bail("segment at %#x: beyond the end of disk or memory", s->address);
		memcpy(mem + s->address, disk + at, s->file_size);
	}
}

static void fill_start(struct start *start, const struct boot_header *h, size_t mem_size,
		       size_t reserved)
{
	*start = (struct start){
		.info = {
			.magic = PVH_START_MAGIC, .version = 1,
			.nr_modules = 1, .modlist = START_AT + offsetof(struct start, initrd),
			.cmdline = START_AT + offsetof(struct start, cmdline),
			.memmap = START_AT + offsetof(struct start, memory),
			.memmap_entries = 3,
		},
		.initrd = { .address = h->initrd_address, .size = h->initrd_size },
		.memory = {
			{ .address = 0, .size = LOW_MEMORY, .type = PVH_MEMORY_RAM },
			{ .address = HIGH_MEMORY, .size = mem_size - HIGH_MEMORY,
			  .type = PVH_MEMORY_RAM },
			{ .address = mem_size, .size = reserved, .type = PVH_MEMORY_RESERVED },
		},
	};
	memcpy(start->cmdline, h->cmdline, sizeof(start->cmdline));
}

/* What the PVH entry point wants: 32-bit protected mode, no paging, flat segments. */
static void set_registers(struct vm *vm, uint32_t entry)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = SEL_CODE, .type = 11, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
	struct kvm_segment data = code;
	struct kvm_regs regs = { .rip = entry, .rbx = START_AT, .rflags = 2 };
	struct kvm_sregs sregs;

	data.selector = SEL_DATA;
	data.type = 3;
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs) < 0)
		bail("KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = 0x11;		/* ET, PE */
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) < 0)
		bail("KVM_SET_SREGS");
	if (ioctl(vm->vcpu, KVM_SET_REGS, &regs) < 0)
		bail("KVM_SET_REGS");
}

/* That there is a hypervisor, whose clock it can use, is for user space to say. */
static void tell_of_hypervisor(struct vm *vm)
{
	enum { MAX = 256, TSC_DEADLINE = 1 << 24, HYPERVISOR = 1U << 31 };
	struct kvm_cpuid2 *cpuid;
	uint32_t i;

	cpuid = calloc(1, sizeof(*cpuid) + MAX * sizeof(cpuid->entries[0]));
	if (!cpuid)
		bail("no memory");
	cpuid->nent = MAX;
	if (ioctl(vm->vcpu, KVM_GET_CPUID2, cpuid) < 0)
		bail("KVM_GET_CPUID2");
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= TSC_DEADLINE | HYPERVISOR;
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, cpuid) < 0)
		bail("KVM_SET_CPUID2");
	free(cpuid);
}

void linux_vm_new(struct vm *ret, const char *disk, size_t mem_size, size_t reserved)
{
	const struct boot_header *h;
	struct kvm_pit_config pit = {};
	struct stat st;
	void *mem;
	int fd;

	fd = open(disk, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		bail("%s", disk);
	h = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (h == MAP_FAILED || (size_t)st.st_size < sizeof(*h) ||
	    memcmp(h->magic, BOOT_MAGIC, sizeof(h->magic)))
		bail("%s is no boot disk", disk);

	/*
	 * All of it is the guest's, also what it is not told of: where it looks for tables of
	 * a firmware there are zeroes.  Populated, so that no page is when it is measured.
	 */
	mem = mmap(NULL, mem_size + reserved, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (mem == MAP_FAILED)
		bail("memory of the guest");
	copy_segments(h, st.st_size, mem, mem_size);
	fill_start(mem + START_AT, h, mem_size, reserved);

	vm_create(ret, mem, mem_size + reserved);
	if (ioctl(ret->fd, KVM_CREATE_PIT2, &pit) < 0)
		bail("KVM_CREATE_PIT2");
	tell_of_hypervisor(ret);
	set_registers(ret, h->entry);
	munmap((void *)h, st.st_size);
}

void linux_vm_run(struct vm *vm, uint16_t wanted)
{
	struct kvm_run *run = vm->run;
	uint16_t port;
	void *data;

	while ((port = vm_run_to_port(vm)) != wanted) {
		data = (char *)run + run->io.data_offset;
		if (run->io.direction == KVM_EXIT_IO_OUT && port == COM1)
			fwrite(data, run->io.size, run->io.count, stderr);
		else if (run->io.direction == KVM_EXIT_IO_IN)
			memset(data, port == COM1_LSR ? LSR_READY_TO_SEND : 0xff,
			       run->io.size * run->io.count);
	}
}
