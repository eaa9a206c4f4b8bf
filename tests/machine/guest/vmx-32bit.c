// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * VMREAD and VMWRITE by an L1 in 32-bit mode, from the registers' 64 bits as user space
 * sees them: the high half of an operand in a register is not looked at, a result clears
 * it, and an operand in memory has four bytes.  So it is under every policy, whether the
 * access exits or not (SDM vol. 3, chapter 31: "operand size").
 */
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

/* In memory that nothing else uses. */
#define PAGE_DIRECTORY	0x30000
#define CODE		0x31000
#define OPERAND		0x32000

/* Each instruction is followed by a write to this port. */
#define PORT		0xea

#define HIGH		0x5a5a5a5a00000000ULL

enum insn { READ_REG, READ_MEM, WRITE_REG, WRITE_MEM, NR_INSNS };

static const char *const names[] = {
	"VMREAD", "VMREAD to memory", "VMWRITE", "VMWRITE from memory",
};

/* The encoding is in eax, the value in ebx, the address in ecx. */
static const uint8_t code[NR_INSNS][5] = {
	{ 0x0f, 0x78, 0xc3, 0xe6, PORT },
	{ 0x0f, 0x78, 0x01, 0xe6, PORT },
	{ 0x0f, 0x79, 0xc3, 0xe6, PORT },
	{ 0x0f, 0x79, 0x01, 0xe6, PORT },
};

/* One of each width, which no exit of L2 changes meanwhile: there is none. */
static const uint32_t fields[] = {
	GUEST_ES_SELECTOR, VMCS_LINK_POINTER, GUEST_IA32_DEBUGCTL, GUEST_ES_LIMIT, GUEST_CS_AR_BYTES,
	TPR_THRESHOLD, GUEST_RIP, HOST_RSP, GUEST_SYSENTER_ESP,
};

static void get(struct vm *vm, struct kvm_regs *regs)
{
	if (ioctl(vm->vcpu, KVM_GET_REGS, regs) < 0)
		bail("KVM_GET_REGS");
}

static void set(struct vm *vm, const struct kvm_regs *regs)
{
	if (ioctl(vm->vcpu, KVM_SET_REGS, regs) < 0)
		bail("KVM_SET_REGS");
}

/* L1, in VMX operation, as if it had never been in 64-bit mode. */
static void make_32bit(struct vm *vm, struct kvm_sregs *ret_before)
{
	uint32_t *directory = vm->mem + PAGE_DIRECTORY;
	struct kvm_sregs sregs;
	unsigned int i;

	for (i = 0; i < L1_MEM_SIZE >> 22; i++)
		directory[i] = i << 22 | 0x83;	/* present, writable, 4 MiB */
	for (i = 0; i < NR_INSNS; i++)
		memcpy(vm->mem + CODE + 16 * i, code[i], sizeof(code[i]));

	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs) < 0)
		bail("KVM_GET_SREGS");
	*ret_before = sregs;
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	sregs.efer = 0;
	sregs.cr3 = PAGE_DIRECTORY;
	sregs.cr4 = (sregs.cr4 & ~0x20ULL) | 0x10;	/* PSE, no PAE */
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) < 0)
		bail("KVM_SET_SREGS");
}

/* Back where L1 waits for its next batch, of which this is an empty one. */
static void make_64bit(struct vm *vm, const struct kvm_sregs *sregs, const struct kvm_regs *regs)
{
	if (ioctl(vm->vcpu, KVM_SET_SREGS, sregs) < 0)
		bail("KVM_SET_SREGS");
	set(vm, regs);
	vm->m->nr_ops = 0;
	vm_run(vm);
}

/* Executes one instruction; all registers are in @regs, before and after. */
static void execute(struct vm *vm, enum insn insn, struct kvm_regs *regs)
{
	regs->rip = CODE + 16 * insn;
	regs->rflags = L1_FLAGS;	/* success clears them */
	set(vm, regs);
	if (vm_run_to_port(vm) != PORT)
		bail("%s did not come to its end", names[insn]);
	get(vm, regs);
}

/* One field, read and written in all four ways; @salt makes the values others each time. */
static void access_field(struct vm *vm, uint32_t field, uint32_t salt, const char *policy)
{
	uint64_t *operand = vm->mem + OPERAND;
	enum insn insn;

	for (insn = WRITE_REG; insn <= WRITE_MEM; insn++) {
		uint32_t value = salt * (insn + 1);
		struct kvm_regs regs = {
			.rax = HIGH | field, .rbx = HIGH | value, .rcx = HIGH | OPERAND,
		};
		uint64_t kept = (uint32_t)dev_kept(field, value);

		*operand = HIGH | value;
		if (insn == WRITE_MEM)
			regs.rbx = ~0ULL;
		execute(vm, insn, &regs);
		expect_is(regs.rflags & L1_FLAGS, 0, "%s: %s of %s: flags", policy,
			  names[insn], dev_name(field));

		*operand = ~0ULL;
		regs = (struct kvm_regs){ .rax = HIGH | field, .rbx = ~0ULL, .rcx = HIGH | OPERAND };
		execute(vm, READ_REG, &regs);
		expect_is(regs.rflags & L1_FLAGS, 0, "%s: VMREAD of %s: flags", policy,
			  dev_name(field));
		expect_is(regs.rbx, kept, "%s: %s, then VMREAD of %s", policy, names[insn],
			  dev_name(field));
		expect_is(*operand, ~0ULL, "%s: VMREAD leaves memory alone", policy);

		regs = (struct kvm_regs){ .rax = HIGH | field, .rbx = ~0ULL, .rcx = HIGH | OPERAND };
		execute(vm, READ_MEM, &regs);
		expect_is(*operand, kept | 0xffffffff00000000ULL, "%s: %s, then VMREAD of %s to memory",
			  policy, names[insn], dev_name(field));
		expect_is(regs.rbx, ~0ULL, "%s: VMREAD to memory leaves registers alone", policy);
	}
}

static void test_policy(struct vm *vm, int fd, const struct policy *policy)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	unsigned int i;

	dev_must_set(fd, policy);
	test_begin();
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		vm_vmwrite(vm, fields[i], ~0ULL);
	get(vm, &regs);
	make_32bit(vm, &sregs);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		access_field(vm, fields[i], 0x9e3779b1U + i, policy->name);
	make_64bit(vm, &sregs, &regs);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		expect_is(vm_vmread(vm, fields[i]),
			  (uint32_t)dev_kept(fields[i], (0x9e3779b1U + i) * (WRITE_MEM + 1)),
			  "%s: %s, in 64-bit mode", policy->name, dev_name(fields[i]));
	test_end("under %s, operands have 32 bits in 32-bit mode", policy->name);
}

int main(void)
{
	static struct policy policy;
	enum dev_policy which;
	struct vm vm;
	int fd;

	dev_open();
	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	for (which = 0; which < POLICY_NR; which++) {
		dev_make_policy(which, &policy);
		test_policy(&vm, fd, &policy);
	}
	return done_testing();
}
