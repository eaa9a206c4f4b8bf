/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs in L1, on L1's KVM: a tiny L2 that does, over and over, what makes a guest exit:
 * CPUID, OUT, IN and VMCALL.  L2 keeps a checksum over everything it saw; this program
 * keeps another one over what L2 ought to have seen, and compares the two each round.  A
 * wrong result ends it with a line that starts with "L2-BAD".
 *
 * L2 is in 64-bit mode, because there KVM looks at both GUEST_CS_AR_BYTES (is it 64-bit
 * code?) and GUEST_SS_AR_BYTES (the privilege level) for a VMCALL.  It looks at the former
 * for I/O too; so that VMCALLs outweigh it, there are VMCALLS of them in a round.
 *
 *	l2 LINES ROUNDS PAUSE	print a line per ROUNDS rounds, LINES times (0: for ever), and
 *				let PAUSE microseconds go by after it
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY		0x10000
#define CODE		0x1000
#define RESULT		0x2000		/* struct result, written by L2 */
#define TABLES		0x8000		/* three pages: identity map of 2 MiB */

#define PORT		0x5a0
#define LEAF		0x40000010
#define LEAF_EAX	0x6e766d78	/* what L2's CPUID gives for it */
#define VMCALLS		16
#define NO_HYPERCALL	0x4e		/* KVM has none of this number: it gives -KVM_ENOSYS */
#define KVM_ENOSYS	1000

#define PTE_PRESENT	(1U << 0)
#define PTE_WRITABLE	(1U << 1)
#define PTE_LARGE	(1U << 7)
#define CR0_PE		(1U << 0)
#define CR0_PG		(1U << 31)
#define CR4_PAE		(1U << 5)
#define EFER_LME	(1U << 8)
#define EFER_LMA	(1U << 10)

#define STR_(x)		#x
#define STR(x)		STR_(x)

struct result {
	uint32_t round;
	uint32_t checksum;
};

/*
 * R8 is the number of the round, EBP the checksum.  KVM in L1 handles CPUID and VMCALL
 * itself; OUT and IN come to this program.
 */
extern const char l2_start[], l2_end[];
__asm__(
	".pushsection .rodata\n"
	"l2_start:\n"
	"1:	incl	%r8d\n"
	"	movl	$" STR(LEAF) ", %eax\n"
	"	xorl	%ecx, %ecx\n"
	"	cpuid\n"
	"	roll	$5, %ebp\n"
	"	addl	%eax, %ebp\n"
	"	movl	$" STR(VMCALLS) ", %r9d\n"
	"2:	movl	$" STR(NO_HYPERCALL) ", %eax\n"
	"	movl	%r8d, %ebx\n"
	"	vmcall\n"
	"	roll	$5, %ebp\n"
	"	addl	%eax, %ebp\n"
	"	addl	%ebx, %ebp\n"
	"	decl	%r9d\n"
	"	jnz	2b\n"
	"	movl	%r8d, " STR(RESULT) "\n"
	"	movl	%ebp, " STR(RESULT) "+4\n"
	"	movw	$" STR(PORT) ", %dx\n"
	"	movl	%ebp, %eax\n"
	"	outl	%eax, %dx\n"
	"	inl	%dx, %eax\n"
	"	roll	$5, %ebp\n"
	"	addl	%eax, %ebp\n"
	"	jmp	1b\n"
	"l2_end:\n"
	".popsection\n");

static uint32_t mix(uint32_t checksum, uint32_t value)
{
	return (checksum << 5 | checksum >> 27) + value;
}

static __attribute__((noreturn, format(printf, 2, 3)))
void bad(uint32_t round, const char *format, ...)
{
	va_list args;

	printf("L2-BAD round=%u ", round);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(EXIT_FAILURE);
}

/* As if L2 had gone to 64-bit mode by itself, with one large page mapped. */
static void vcpu_long_mode(int vcpu, void *memory)
{
	static const struct kvm_segment
	code = { .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 },
	data = { .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };
	uint64_t *tables = (uint64_t *)((char *)memory + TABLES);
	struct kvm_regs regs = { .rflags = 2, .rip = CODE };
	struct kvm_sregs sregs;

	tables[0] = (TABLES + 0x1000) | PTE_PRESENT | PTE_WRITABLE;
	tables[512] = (TABLES + 0x2000) | PTE_PRESENT | PTE_WRITABLE;
	tables[1024] = PTE_PRESENT | PTE_WRITABLE | PTE_LARGE;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		err(EXIT_FAILURE, "KVM_GET_SREGS");
	sregs.cr0 |= CR0_PE | CR0_PG;
	sregs.cr3 = TABLES;
	sregs.cr4 |= CR4_PAE;
	sregs.efer |= EFER_LME | EFER_LMA;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = data;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		err(EXIT_FAILURE, "KVM_SET_SREGS");
	if (ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		err(EXIT_FAILURE, "KVM_SET_REGS");
}

static void vcpu_cpuid(int kvm, int vcpu)
{
	enum { MAX = 128 };
	struct kvm_cpuid2 *cpuid;
	struct kvm_cpuid_entry2 *e;

	cpuid = calloc(1, sizeof(*cpuid) + MAX * sizeof(*e));
	if (!cpuid)
		err(EXIT_FAILURE, NULL);
	cpuid->nent = MAX - 1;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		err(EXIT_FAILURE, "KVM_GET_SUPPORTED_CPUID");
	e = &cpuid->entries[cpuid->nent++];
	*e = (struct kvm_cpuid_entry2){ .function = LEAF, .eax = LEAF_EAX };
	if (ioctl(vcpu, KVM_SET_CPUID2, cpuid) < 0)
		err(EXIT_FAILURE, "KVM_SET_CPUID2");
	free(cpuid);
}

static int vcpu_new(struct kvm_run **ret_run, void **ret_memory)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	int kvm, vm, vcpu, size;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(EXIT_FAILURE, "/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		err(EXIT_FAILURE, "KVM_CREATE_VM");

	*ret_memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (*ret_memory == MAP_FAILED)
		err(EXIT_FAILURE, "mmap");
	memcpy((char *)*ret_memory + CODE, l2_start, l2_end - l2_start);
	region.userspace_addr = (uintptr_t)*ret_memory;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		err(EXIT_FAILURE, "KVM_SET_USER_MEMORY_REGION");

	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		err(EXIT_FAILURE, "KVM_CREATE_VCPU");
	vcpu_cpuid(kvm, vcpu);
	vcpu_long_mode(vcpu, *ret_memory);

	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	*ret_run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (size < 0 || *ret_run == MAP_FAILED)
		err(EXIT_FAILURE, "KVM_GET_VCPU_MMAP_SIZE");
	return vcpu;
}

/* Runs L2 until it does I/O on our port, of the given direction; gives the data. */
static uint32_t *run_to_io(int vcpu, struct kvm_run *run, uint8_t direction, uint32_t round)
{
	while (ioctl(vcpu, KVM_RUN, 0) < 0)
		if (errno != EINTR)
			bad(round, "KVM_RUN: %s", strerror(errno));

	if (run->exit_reason != KVM_EXIT_IO || run->io.direction != direction ||
	    run->io.port != PORT || run->io.size != 4 || run->io.count != 1)
		bad(round, "exit_reason=%u instead of I/O, direction %u", run->exit_reason, direction);
	return (uint32_t *)((char *)run + run->io.data_offset);
}

int main(int argc, char **argv)
{
	unsigned long lines = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000;
	unsigned long pause = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	uint32_t round = 0, checksum = 0, in;
	volatile struct result *result;
	struct kvm_run *run;
	void *memory;
	int vcpu;

	setvbuf(stdout, NULL, _IOLBF, 0);
	vcpu = vcpu_new(&run, &memory);
	result = (struct result *)((char *)memory + RESULT);

	for (unsigned long line = 1; !lines || line <= lines; line++) {
		for (unsigned long i = 0; i < rounds; i++) {
			uint32_t out;

			round++;
			checksum = mix(checksum, LEAF_EAX);
			for (int n = 0; n < VMCALLS; n++)
				checksum = mix(checksum, -KVM_ENOSYS) + round;

			out = *run_to_io(vcpu, run, KVM_EXIT_IO_OUT, round);
			if (out != checksum || result->checksum != checksum || result->round != round)
				bad(round, "L2 is at round %u with checksum %#x/%#x, wanted %#x",
				    result->round, result->checksum, out, checksum);

			in = round * 2654435761U;
			*run_to_io(vcpu, run, KVM_EXIT_IO_IN, round) = in;
			checksum = mix(checksum, in);
		}
		printf("L2-OK rounds=%u checksum=%08x\n", round, checksum);
		usleep(pause);
	}
	return 0;
}
