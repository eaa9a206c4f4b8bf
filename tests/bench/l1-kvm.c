// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Runs in the Linux that is L1, on its KVM: an L2 that does in each round one of the
 * things that a guest is left for.  bench-kvm, in L0, says by the mailbox which, and how
 * often.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../machine/guest/tap.h"
#include "../machine/guest/vm.h"
#include "l1-kvm.h"

#define PAGE		4096
#define PAGES_SIZE	((size_t)MAX_ROUNDS * PAGE)

extern const char l2_loads[], l2_loads_end[];
extern const char l2_cpuid[], l2_vmcall[], l2_out_user[], l2_out_kernel[], l2_ept[];

static const char *const programs[NR_LOADS] = {
	[LOAD_CPUID] = l2_cpuid,
	[LOAD_VMCALL] = l2_vmcall,
	[LOAD_OUT_USER] = l2_out_user,
	[LOAD_OUT_KERNEL] = l2_out_kernel,
	[LOAD_EPT] = l2_ept,
};

static struct vm l2;
static char *pages;
static int doorbell;

static struct kvm_mailbox *map_mailbox(void)
{
	void *p;
	int fd;

	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		bail("/dev/mem");
	p = mmap(NULL, KVM_MAILBOX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, KVM_MAILBOX);
	if (p == MAP_FAILED)
		bail("the mailbox");
	close(fd);
	return p;
}

/* 64-bit mode, its memory mapped one to one, as vm.c makes it for the bare-metal L1. */
static void make_l2(void)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1, .guest_phys_addr = L2_PAGES, .memory_size = PAGES_SIZE,
	};
	struct kvm_ioeventfd ioeventfd = {
		.addr = L2_PORT_KERNEL, .len = 4, .flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	vm_new(&l2, VM_NO_BOOT);
	memcpy(l2.mem + L2_CODE, l2_loads, l2_loads_end - l2_loads);

	/* a page of it has to be a page in L1's EPT */
	pages = mmap(NULL, PAGES_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || madvise(pages, PAGES_SIZE, MADV_NOHUGEPAGE) < 0)
		bail("pages for L2");
	region.userspace_addr = (uintptr_t)pages;
	if (ioctl(l2.fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		bail("KVM_SET_USER_MEMORY_REGION");

	doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ioeventfd.fd = doorbell;
	if (doorbell < 0 || ioctl(l2.fd, KVM_IOEVENTFD, &ioeventfd) < 0)
		bail("KVM_IOEVENTFD");
}

/* L1's user space has them, its EPT has not. */
static void renew_pages(void)
{
	unsigned int i;

	if (madvise(pages, PAGES_SIZE, MADV_DONTNEED) < 0)
		bail("MADV_DONTNEED");
	for (i = 0; i < MAX_ROUNDS; i++)
		*(uint64_t *)(pages + (size_t)i * PAGE) = i * 0x9e3779b97f4a7c15;
}

static void set_registers(unsigned int load, unsigned int rounds)
{
	struct kvm_regs regs = {
		.rip = L2_CODE + (programs[load] - l2_loads), .rsp = L1_STACK, .rflags = 2,
		.rdi = rounds, .rsi = L2_RESULTS, .r8 = L2_PAGES,
	};

	if (ioctl(l2.vcpu, KVM_SET_REGS, &regs) < 0)
		bail("KVM_SET_REGS");
}

/* Until L2 is done; how often it wrote to the port that is ours. */
static unsigned int run_l2(unsigned int rounds)
{
	unsigned int n = 0;
	uint32_t *value;

	while (vm_run_to_port(&l2) == L2_PORT_USER) {
		value = (void *)((char *)l2.run + l2.run->io.data_offset);
		if (*value != rounds - n)
			bail("L2 writes %u, not %u", *value, rounds - n);
		n++;
	}
	if (l2.run->io.port != L2_PORT_DONE)
		bail("L2 writes to port %#x", l2.run->io.port);
	return n;
}

static void run_load(struct kvm_mailbox *mailbox)
{
	unsigned int load = mailbox->load, rounds = mailbox->rounds;
	uint64_t user, kernel = 0;
	struct kvm_regs regs;

	if (load >= NR_LOADS || !rounds || rounds > MAX_ROUNDS)
		bail("load %u, %u rounds", load, rounds);
	if (load == LOAD_EPT)
		renew_pages();
	set_registers(load, rounds);

	user = run_l2(rounds);
	if (load == LOAD_OUT_KERNEL && read(doorbell, &kernel, sizeof(kernel)) < 0)
		bail("the eventfd");
	if (user != (load == LOAD_OUT_USER ? rounds : 0) ||
	    kernel != (load == LOAD_OUT_KERNEL ? rounds : 0))
		bail("L2 wrote %llu times to user space and %llu times to the kernel",
		     (unsigned long long)user, (unsigned long long)kernel);

	if (ioctl(l2.vcpu, KVM_GET_REGS, &regs) < 0)
		bail("KVM_GET_REGS");
	mailbox->saw = regs.r10;
	memcpy(mailbox->ticks, l2.mem + L2_RESULTS, rounds * sizeof(mailbox->ticks[0]));
}

int main(void)
{
	struct kvm_mailbox *mailbox = map_mailbox();

	if (iopl(3) < 0)
		bail("iopl");
	make_l2();
	for (;;) {
		outb(0, KVM_PORT);
		/* while bench-kvm had the vCPU, it wrote to the mailbox */
		asm volatile("" : : : "memory");
		run_load(mailbox);
	}
}
