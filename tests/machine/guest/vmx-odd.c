// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The rare ways out of L1 and L2, policies switching meanwhile: into system management
 * mode and back by RSM, from L1 and from the middle of L2, which may have changed state
 * of its own that is not in SMRAM; VMREAD in the handler, which is #UD; and VMXOFF, then
 * VMXON and the same VMCS again.  Values are as without a switch.
 */
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev.h"
#include "quiet.h"
#include "tap.h"
#include "vm.h"

/* The SMI handler comes to user space twice by this port. */
#define SMM_PORT	0xe8
#define SMM_HANDLER	0x38000

static struct policy policies[POLICY_NR];

static void install_handler(struct vm *vm)
{
	/* out %al, $SMM_PORT; the same again; rsm */
	static const uint8_t code[] = { 0xe6, SMM_PORT, 0xe6, SMM_PORT, 0x0f, 0xaa };
	/* address space 1 is what a vCPU sees in system management mode */
	struct kvm_userspace_memory_region region = {
		.slot = 1 << 16, .memory_size = L1_MEM_SIZE, .userspace_addr = (uintptr_t)vm->mem,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		bail("KVM_SET_USER_MEMORY_REGION");
	memcpy(vm->mem + SMM_HANDLER, code, sizeof(code));
}

/*
 * Another handler: comes to user space by SMM_PORT, enters protected mode, where a VMREAD
 * may exit, and executes one of GUEST_RIP; then tells by one of two ports what came of it,
 * and does RSM.
 */
#define SMM_PORT_READ	0xe9
#define SMM_PORT_UD	0xea
#define SMM_STACK	0x39000
#define SMM_ADDRESS(label) #label " - smm_vmread + " __stringify(SMM_HANDLER)
#define __stringify(x)	___stringify(x)
#define ___stringify(x)	#x

extern const uint8_t smm_vmread[], smm_vmread_end[];
asm(".pushsection .rodata\n"
    "smm_vmread:\n"
    ".code16\n"
    "	out %al, $" __stringify(SMM_PORT) "\n"
    "	addr32 lgdtl " SMM_ADDRESS(smm_gdtr) "\n"
    "	addr32 lidtl " SMM_ADDRESS(smm_idtr) "\n"
    "	mov %cr0, %eax\n"
    "	or $1, %al\n"
    "	mov %eax, %cr0\n"
    "	ljmpl $8, $" SMM_ADDRESS(1f) "\n"
    ".code32\n"
    "1:	mov $16, %ax\n"
    "	mov %ax, %ds\n"
    "	mov %ax, %ss\n"
    "	mov $" __stringify(SMM_STACK) ", %esp\n"
    "	mov $0x681e, %eax\n"
    "	vmread %eax, %ebx\n"
    "	out %al, $" __stringify(SMM_PORT_READ) "\n"
    "	rsm\n"
    "smm_ud:\n"
    "	out %al, $" __stringify(SMM_PORT_UD) "\n"
    "	rsm\n"
    ".balign 8\n"
    "smm_gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
    "smm_idt: .fill 6, 8, 0\n"
    "	.word (" SMM_ADDRESS(smm_ud) ") & 0xffff, 8, 0x8e00, (" SMM_ADDRESS(smm_ud) ") >> 16\n"
    "smm_gdtr: .word 23\n"
    "	.long " SMM_ADDRESS(smm_gdt) "\n"
    "smm_idtr: .word 55\n"
    "	.long " SMM_ADDRESS(smm_idt) "\n"
    "smm_vmread_end:\n"
    ".code64\n"
    ".popsection");

static bool in_smm(struct vm *vm)
{
	return vm->run->flags & KVM_RUN_X86_SMM;
}

/* User space may take a snapshot at any time, and restore it; the vCPU goes on as if it had not. */
static void snapshot(struct vm *vm, bool restore)
{
	static union {
		struct kvm_nested_state state;
		uint8_t bytes[16384];
	} nested;

	nested.state.size = sizeof(nested);
	if (ioctl(vm->vcpu, KVM_GET_NESTED_STATE, &nested) < 0)
		bail("KVM_GET_NESTED_STATE");
	if (restore && ioctl(vm->vcpu, KVM_SET_NESTED_STATE, &nested) < 0)
		bail("KVM_SET_NESTED_STATE");
}

enum meanwhile { NOTHING, SWITCH, SWITCH_TWICE, SNAPSHOT, RESTORE, NR_MEANWHILE };

/* An SMI; what is to be done while the handler runs; the handler has not done RSM. */
static void smi(struct vm *vm, int fd, const struct policy *to, enum meanwhile what)
{
	if (ioctl(vm->vcpu, KVM_SMI, 0) < 0)
		bail("KVM_SMI");
	expect_is(vm_run_to_port(vm), SMM_PORT, "the SMI handler runs");
	expect(in_smm(vm), "in system management mode");
	if (what == SWITCH_TWICE)
		dev_must_set(fd, &policies[POLICY_MOST]);
	if (what == SNAPSHOT || what == RESTORE)
		snapshot(vm, what == RESTORE);
	expect_is(vm_run_to_port(vm), SMM_PORT, "and still does");
	if (what == SWITCH || what == SWITCH_TWICE)
		dev_must_set(fd, to);
	if (what == SNAPSHOT || what == RESTORE)
		snapshot(vm, what == RESTORE);
}

/* ---- SMM from L1 --------------------------------------------------------- */

/* Not in VMX operation there, whatever the class; and again after RSM, which costs no exit. */
static void test_vmread_in_smm(enum dev_policy which, bool restore)
{
	static struct counters before, after;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	install_handler(&vm);
	memcpy(vm.mem + SMM_HANDLER, smm_vmread, smm_vmread_end - smm_vmread);
	fd = dev_open_vm(vm.id);
	dev_must_set(fd, &policies[which]);
	test_begin();
	vm_vmwrite(&vm, GUEST_RIP, 0x123456);
	dev_counters(fd, &before);
	vm.m->ops[0] = (struct l1_op){ .op = L1_VMREAD, .field = GUEST_RIP };
	vm.m->nr_ops = 1;
	if (ioctl(vm.vcpu, KVM_SMI, 0) < 0)
		bail("KVM_SMI");
	expect_is(vm_run_to_port(&vm), SMM_PORT, "the SMI handler runs");
	if (restore)
		snapshot(&vm, true);
	expect_is(vm_run_to_port(&vm), SMM_PORT_UD, "VMREAD is #UD in it");
	expect(in_smm(&vm), "in system management mode");
	vm_run(&vm);
	expect(!in_smm(&vm), "RSM leaves it");
	expect_is(vm.m->ops[0].value, 0x123456, "GUEST_RIP, read after it");
	dev_counters(fd, &after);
	expect_is(dev_reads(&after, GUEST_RIP) - dev_reads(&before, GUEST_RIP),
		  dev_class(&policies[which], GUEST_RIP) == NVMX_CLASS_INTERCEPT, "VMREADs that exited");
	test_end("%s: VMREAD in an SMI handler%s: #UD", policies[which].name,
		 restore ? ", restored in it" : "");
	close(fd);
	vm_free(&vm);
}

static unsigned int pattern(struct l1_op *ops, enum l1_opcode op, uint64_t salt)
{
	unsigned int i, n = 0;

	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], NVMX_CLASS_READ_ONLY))
			ops[n++] = (struct l1_op){
				.op = op, .field = dev_fields[i].encoding, .value = salt * (i + 1),
			};
	return n;
}

static void test_smm_in_l1(enum dev_policy from)
{
	static struct l1_op want[DEV_MAX_FIELDS], got[DEV_MAX_FIELDS];
	enum dev_policy to;
	unsigned int i, n;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	install_handler(&vm);
	fd = dev_open_vm(vm.id);
	test_begin();
	for (to = 0; to < POLICY_NR; to++) {
		n = pattern(want, L1_VMWRITE, 0x9e3779b97f4a7c15ULL * (1 + from * POLICY_NR + to));
		dev_must_set(fd, &policies[from]);
		vm_batch(&vm, want, n);
		pattern(got, L1_VMREAD, 0);
		memcpy(vm.m->ops, got, n * sizeof(*got));
		vm.m->nr_ops = n;
		smi(&vm, fd, &policies[to], 1 + to % (NR_MEANWHILE - 1));
		vm_run(&vm);
		memcpy(got, vm.m->ops, n * sizeof(*got));
		expect(!in_smm(&vm), "RSM leaves it");
		for (i = 0; i < n; i++)
			expect_is(got[i].value, dev_kept(want[i].field, want[i].value), "%s to %s: %s",
				  policies[from].name, policies[to].name, dev_name(want[i].field));
	}
	vm_setup(&vm, 0);
	vm_run_l2(&vm, L2_OUT);
	expect_is(vm_vmread(&vm, EXIT_QUALIFICATION), 0x800040, "L2 runs");
	test_end("from %s to every policy in an SMI that L1 took: L1's values survive",
		 policies[from].name);
	close(fd);
	vm_free(&vm);
}

/* ---- SMM from L2 --------------------------------------------------------- */

/* L2 comes to user space three times, and an SMI in the middle of it each time. */
static void run(struct vm *vm, int fd, struct l1_op *ops, unsigned int n,
		const struct policy *to, enum meanwhile what)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (!expect(vm_run_to_port(vm) == L2_PORT, "L2 comes to user space"))
			return;
		smi(vm, fd, to, what);
	}
	if (!expect(vm_run_to_port(vm) == L1_PORT_DONE, "L2 goes on where it was"))
		return;
	expect_is(vm->m->l2_gpr[GPR_RBX], 3, "L2 has done its rounds");
	memcpy(ops, vm->m->ops, n * sizeof(*ops));
}

static void test_smm_in_l2(enum dev_policy from, enum meanwhile what, const char *doing)
{
	static struct l1_op want[L1_MAX_OPS], got[L1_MAX_OPS];
	enum dev_policy to;
	struct vm vms[2];
	int fds[2];
	unsigned int i, n;

	for (i = 0; i < 2; i++) {
		vm_new_vmx(&vms[i]);
		install_handler(&vms[i]);
		fds[i] = dev_open_vm(vms[i].id);
	}
	dev_must_set(fds[0], &policies[POLICY_INTERCEPT_ALL]);
	test_begin();
	for (to = 0; to < POLICY_NR; to++) {
		n = quiet_prepare(&vms[0], want, 0x1234567 * (1 + to));
		run(&vms[0], fds[0], want, n, NULL, NOTHING);
		quiet_prepare(&vms[1], got, 0x1234567 * (1 + to));
		dev_must_set(fds[1], &policies[from]);
		run(&vms[1], fds[1], got, n, &policies[to], what);
		quiet_compare(want, got, n, &policies[from], &policies[to]);
		if (vms[1].m->l2_gpr[GPR_RBX] != 3)
			break;
	}
	test_end("%s, %s in SMIs that L2 took: L2 goes on, all fields are as without",
		 policies[from].name, doing);
	for (i = 0; i < 2; i++) {
		close(fds[i]);
		vm_free(&vms[i]);
	}
}

/*
 * IA32_SYSENTER_ESP is neither in SMRAM nor is it L1's while L2 has one of its own: what
 * L2 wrote to it is in vmcs12 while the handler runs, and for RSM to find.  A shadow VMCS
 * in which L1 may write GUEST_SYSENTER_ESP has the value from before L2's entry.
 */
static void msr_across_smi(struct vm *vm, int fd, const struct policy *to, enum meanwhile what,
			   uint64_t value)
{
	struct l1_op ops[] = {
		{ .op = L1_VMWRITE, .field = GUEST_RIP, .value = vm->m->l2_entry[L2_MSR] },
		{ .op = L1_VMWRITE, .field = GUEST_SYSENTER_ESP, .value = ~value & 0xffffffff },
		{ .op = L1_ENTER },
		{ .op = L1_VMREAD, .field = GUEST_SYSENTER_ESP },
	};

	vm->m->l2_gpr[GPR_RCX] = MSR_IA32_SYSENTER_ESP;
	vm->m->l2_gpr[GPR_RAX] = (uint32_t)value;
	vm->m->l2_gpr[GPR_RDX] = value >> 32;
	memcpy(vm->m->ops, ops, sizeof(ops));
	vm->m->nr_ops = sizeof(ops) / sizeof(*ops);
	if (!expect_is(vm_run_to_port(vm), L2_PORT, "L2 comes to user space"))
		return;
	expect_is(vm_get_msr(vm, MSR_IA32_SYSENTER_ESP), value, "what L2 wrote to the MSR");
	smi(vm, fd, to, what);
	if (!expect_is(vm_run_to_port(vm), L1_PORT_DONE, "L2 goes on where it was"))
		return;
	expect_is(vm->m->l2_gpr[GPR_RDX] << 32 | vm->m->l2_gpr[GPR_RAX], value,
		  "to %s: what L2 reads in it after RSM", to->name);
	expect_is(vm->m->ops[3].value, value, "to %s: what L1 reads in GUEST_SYSENTER_ESP",
		  to->name);
}

static void test_msr_in_l2(enum meanwhile what, const char *doing)
{
	const struct policy *from = &policies[POLICY_MOST];
	enum dev_policy to;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	install_handler(&vm);
	fd = dev_open_vm(vm.id);
	/* L1 leaves L2_PORT and the MSRs to L2 */
	vm_vmwrite(&vm, MSR_BITMAP, L1_MSR_BITMAP);
	vm_vmwrite(&vm, CPU_BASED_VM_EXEC_CONTROL,
		   (vm_vmread(&vm, CPU_BASED_VM_EXEC_CONTROL) & ~(1ULL << 24)) | 1ULL << 28);
	test_begin();
	expect_is(dev_class(from, GUEST_SYSENTER_ESP), NVMX_CLASS_READ_WRITE,
		  "class of GUEST_SYSENTER_ESP");
	for (to = 0; to < POLICY_NR; to++) {
		dev_must_set(fd, from);
		msr_across_smi(&vm, fd, &policies[to], what, 0x123456789000ULL + to);
	}
	test_end("%s in an SMI that L2 took: L2 keeps the MSR that it wrote", doing);
	close(fd);
	vm_free(&vm);
}

/* ---- VMXOFF -------------------------------------------------------------- */

/*
 * Written and flushed by VMCLEAR, then written again, and VMXOFF without a flush, where
 * what is there after VMXON is KVM's choice; or flushed by the VMPTRLD of another VMCS,
 * with which L2 runs before VMXOFF.  Policies are set between any two steps.
 */
static void off_and_on(struct vm *vm, int fd, const struct policy *const *p, bool by_vmclear,
		       struct l1_op *reads, unsigned int n)
{
	static struct l1_op ops[DEV_MAX_FIELDS];

	dev_must_set(fd, p[0]);
	vm_setup(vm, 1);
	vm_setup(vm, 0);
	pattern(ops, L1_VMWRITE, 0x1111111111111111ULL);
	vm_batch(vm, ops, n);
	dev_must_set(fd, p[1]);
	if (by_vmclear) {
		vm_op(vm, L1_VMCLEAR, 0, 0, 1);
		vm_op(vm, L1_VMPTRLD, 0, 0, 1);
		dev_must_set(fd, p[0]);
		pattern(ops, L1_VMWRITE, 0x2222222222222222ULL);
		vm_batch(vm, ops, n);
	} else {
		vm_op(vm, L1_VMPTRLD, 0, 1, 1);
		dev_must_set(fd, p[0]);
		/* what it leaves in vmcs02 is not for the other VMCS */
		vm_run_l2(vm, L2_SEGMENTS);
	}
	dev_must_set(fd, p[1]);
	vm_op(vm, L1_VMXOFF, 0, 0, 1);
	dev_must_set(fd, p[0]);
	vm_op(vm, L1_NOP, 0, 0, 1);
	dev_must_set(fd, p[1]);
	vm_vmxon(vm);
	vm_op(vm, L1_VMPTRLD, 0, 0, 1);
	dev_must_set(fd, p[0]);
	pattern(reads, L1_VMREAD, 0);
	vm_batch(vm, reads, n);
}

static void test_off(enum dev_policy from)
{
	static struct l1_op want[2][DEV_MAX_FIELDS], got[DEV_MAX_FIELDS];
	const struct policy *p[2] = { &policies[POLICY_INTERCEPT_ALL], &policies[POLICY_INTERCEPT_ALL] };
	unsigned int i, n = pattern(got, L1_VMREAD, 0), by_vmclear;
	enum dev_policy to;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	test_begin();
	for (by_vmclear = 0; by_vmclear < 2; by_vmclear++) {
		off_and_on(&vm, fd, p, by_vmclear, want[by_vmclear], n);
		/* that which was flushed */
		for (i = 0; i < n; i++)
			expect(!want[by_vmclear][i].flags && want[by_vmclear][i].value, "%s is there",
			       dev_name(got[i].field));
	}
	p[0] = &policies[from];
	for (to = 0; to < POLICY_NR; to++) {
		p[1] = &policies[to];
		off_and_on(&vm, fd, p, to & 1, got, n);
		for (i = 0; i < n; i++)
			expect(got[i].value == want[to & 1][i].value && !got[i].flags,
			       "%s to %s: %s is %#llx, not %#llx", p[0]->name, p[1]->name,
			       dev_name(got[i].field), (unsigned long long)got[i].value,
			       (unsigned long long)want[to & 1][i].value);
		vm_setup(&vm, 0);
		vm_run_l2(&vm, L2_OUT);
		expect_is(vm_vmread(&vm, EXIT_QUALIFICATION), 0x800040, "L2 runs");
	}
	test_end("VMXOFF amid switches between %s and every policy: the VMCS is as without",
		 policies[from].name);
	close(fd);
	vm_free(&vm);
}

int main(void)
{
	enum dev_policy p;

	dev_open();
	for (p = 0; p < POLICY_NR; p++)
		dev_make_policy(p, &policies[p]);
	test_vmread_in_smm(POLICY_INTERCEPT_ALL, false);
	test_vmread_in_smm(POLICY_STOCK, false);
	test_vmread_in_smm(POLICY_STOCK, true);
	for (p = 0; p < POLICY_NR; p++)
		test_smm_in_l1(p);
	for (p = 0; p < POLICY_NR; p++)
		test_smm_in_l2(p, SWITCH, "switched to every policy");
	test_smm_in_l2(POLICY_STOCK, SWITCH_TWICE, "switched twice");
	test_smm_in_l2(POLICY_MOST, SNAPSHOT, "a snapshot taken");
	test_msr_in_l2(SWITCH, "switched to every policy");
	test_msr_in_l2(SNAPSHOT, "a snapshot taken");
	test_msr_in_l2(RESTORE, "a snapshot taken and restored");
	for (p = 0; p < POLICY_NR; p++)
		test_off(p);
	close(dev_fd);
	return done_testing();
}
