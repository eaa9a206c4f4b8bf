// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The vCPU's state goes to another VM by KVM_{GET,SET}_NESTED_STATE, as in a migration:
 * what L1 wrote without an exit goes with it, from any policy to any policy, in L1 and
 * in the middle of L2.  And policies switch while the vCPU is in user space, L2 active.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev.h"
#include "quiet.h"
#include "tap.h"
#include "vm.h"

static struct policy policies[POLICY_NR];

static void must_ioctl(int fd, unsigned long cmd, void *arg, const char *what)
{
	if (ioctl(fd, cmd, arg) < 0)
		bail("%s", what);
}

/* Instruction emulation that waits for user space is finished first. */
static void complete_io(struct vm *vm)
{
	vm->run->immediate_exit = 1;
	if (ioctl(vm->vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
		bail("KVM_RUN with immediate_exit");
	vm->run->immediate_exit = 0;
}

/* A new VM in the place of *vm, with its memory and the state of its vCPU. */
static void move(struct vm *vm, int *fd, const struct policy *to, bool policy_first)
{
	static union {
		struct kvm_nested_state state;
		uint8_t bytes[16384];
	} nested;
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct vm target;
	int target_fd;

	complete_io(vm);
	must_ioctl(vm->vcpu, KVM_GET_REGS, &regs, "KVM_GET_REGS");
	must_ioctl(vm->vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	must_ioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &events, "KVM_GET_VCPU_EVENTS");
	nested.state.size = sizeof(nested);
	must_ioctl(vm->vcpu, KVM_GET_NESTED_STATE, &nested, "KVM_GET_NESTED_STATE");

	vm_new(&target, VM_NO_BOOT);
	target_fd = dev_open_vm(target.id);
	if (policy_first)
		dev_must_set(target_fd, to);
	memcpy(target.mem, vm->mem, L1_MEM_SIZE);
	vm_set_msr(&target, MSR_IA32_FEATURE_CONTROL, 5);
	must_ioctl(target.vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	must_ioctl(target.vcpu, KVM_SET_VCPU_EVENTS, &events, "KVM_SET_VCPU_EVENTS");
	must_ioctl(target.vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	must_ioctl(target.vcpu, KVM_SET_NESTED_STATE, &nested, "KVM_SET_NESTED_STATE");
	if (!policy_first)
		dev_must_set(target_fd, to);

	close(*fd);
	vm_free(vm);
	*vm = target;
	*fd = target_fd;
}

/* ---- in L1 --------------------------------------------------------------- */

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

static void check_pattern(struct vm *vm, uint64_t salt, const char *from, const char *to)
{
	static struct l1_op want[DEV_MAX_FIELDS], got[DEV_MAX_FIELDS];
	unsigned int i, n = pattern(want, L1_VMWRITE, salt);

	pattern(got, L1_VMREAD, 0);
	vm_batch(vm, got, n);
	for (i = 0; i < n; i++)
		expect_is(got[i].value, dev_kept(want[i].field, want[i].value), "%s to %s: %s", from, to,
			  dev_name(want[i].field));
}

static void test_in_l1(enum dev_policy from)
{
	struct nvmx_vm_info info;
	struct nvmx_policy hide = { .size = sizeof(hide), .vmwrite_any_field = NVMX_VMWRITE_ANY_HIDE };
	struct l1_op ops[DEV_MAX_FIELDS];
	enum dev_policy to;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	test_begin();
	for (to = 0; to < POLICY_NR; to++) {
		uint64_t salt = 0x9e3779b97f4a7c15ULL * (1 + from * POLICY_NR + to);

		dev_must_set(fd, &policies[from]);
		vm_batch(&vm, ops, pattern(ops, L1_VMWRITE, salt));
		move(&vm, &fd, &policies[to], to & 1);
		check_pattern(&vm, salt, policies[from].name, policies[to].name);
		info = (struct nvmx_vm_info){ .size = sizeof(info) };
		expect_is(ioctl(fd, NVMX_VM_GET_INFO, &info), 0, "NVMX_VM_GET_INFO");
		expect_is(info.state, NVMX_VM_STATE_VMXON, "the new VM is in VMX operation");
		errno = 0;
		expect(ioctl(fd, NVMX_VM_SET_POLICY, &hide) < 0 && errno == EBUSY,
		       "too late to hide, as after VMXON");
	}
	vm_setup(&vm, 0);
	vm_run_l2(&vm, L2_OUT);
	expect_is(vm_vmread(&vm, EXIT_QUALIFICATION), 0x800040, "L2 runs");
	test_end("moved from %s to every policy: L1's values go along", policies[from].name);
	close(fd);
	vm_free(&vm);
}

/* What was hidden stays so, if the target's policy comes before the state does. */
static void test_hidden(void)
{
	struct policy hide, inherit;
	struct l1_op *op;
	struct vm vm;
	int fd;

	dev_make_policy(POLICY_STOCK, &hide);
	dev_make_policy(POLICY_STOCK, &inherit);
	hide.any = NVMX_VMWRITE_ANY_HIDE;
	vm_new(&vm, 0);
	fd = dev_open_vm(vm.id);
	dev_must_set(fd, &hide);
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	test_begin();
	move(&vm, &fd, &hide, true);
	op = vm_op(&vm, L1_VMWRITE, VM_EXIT_REASON, 0x55, 1);
	expect_is(op->flags, L1_ZF, "VMWRITE of exit information: VMfailValid");
	expect_is(op->error, VMXERR_READ_ONLY_COMPONENT, "its error");
	expect(!(vm_l1_rdmsr(&vm, MSR_IA32_VMX_MISC) & VMX_MISC_VMWRITE_ANY), "IA32_VMX_MISC");
	expect_is(dev_set(fd, &inherit), (unsigned long long)-EBUSY, "to inherit now");
	test_end("hide, set on the target before the state is: L1 still finds it hidden");
	close(fd);
	vm_free(&vm);
}

/* ---- in the middle of L2 ------------------------------------------------- */

/* The vCPU comes to user space three times in L2; *to is set, or the VM moved, each time. */
static void run(struct vm *vm, int *fd, const struct policy *to, bool moves)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (!expect(vm_run_to_l2(vm), "L2 comes to user space"))
			return;
		if (to && moves)
			move(vm, fd, to, i & 1);
		else if (to)
			dev_must_set(*fd, to);
	}
	vm_run(vm);
	expect_is(vm->m->l2_gpr[GPR_RBX], 3, "L2 has done its rounds");
}

static void test_in_l2(enum dev_policy from, bool moves)
{
	static struct l1_op want[L1_MAX_OPS], got[L1_MAX_OPS];
	enum dev_policy to;
	struct vm reference, vm;
	int reference_fd, fd;
	unsigned int n;

	vm_new_vmx(&reference);
	reference_fd = dev_open_vm(reference.id);
	dev_must_set(reference_fd, &policies[POLICY_INTERCEPT_ALL]);
	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	test_begin();
	for (to = 0; to < POLICY_NR; to++) {
		n = quiet_prepare(&reference, want, 0x1234567 * (1 + to));
		run(&reference, &reference_fd, NULL, false);
		memcpy(want, reference.m->ops, n * sizeof(*want));
		quiet_prepare(&vm, got, 0x1234567 * (1 + to));
		dev_must_set(fd, &policies[from]);
		run(&vm, &fd, &policies[to], moves);
		memcpy(got, vm.m->ops, n * sizeof(*got));
		quiet_compare(want, got, n, &policies[from], &policies[to]);
	}
	test_end("%s from %s to every policy, the vCPU in user space and L2 active: as without",
		 moves ? "moved" : "switched", policies[from].name);
	close(fd);
	close(reference_fd);
	vm_free(&vm);
	vm_free(&reference);
}

int main(void)
{
	enum dev_policy p;

	dev_open();
	for (p = 0; p < POLICY_NR; p++)
		dev_make_policy(p, &policies[p]);
	for (p = 0; p < POLICY_NR; p++)
		test_in_l1(p);
	test_hidden();
	for (p = 0; p < POLICY_NR; p++)
		test_in_l2(p, false);
	for (p = 0; p < POLICY_NR; p++)
		test_in_l2(p, true);
	return done_testing();
}
