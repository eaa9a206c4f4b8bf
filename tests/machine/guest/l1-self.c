// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The test of the tests: the bare-metal L1 boots, runs L2, and sees what an Intel
 * processor shows a hypervisor.  Needs nothing of nvmx, so it runs on the
 * distribution's own modules, too.
 */
#include "dev.h"
#include "tap.h"
#include "vm.h"

static void test_flags(struct vm *vm)
{
	struct l1_op *op;

	op = vm_op(vm, L1_VMREAD, VM_EXIT_REASON, 0, 1);
	is(op->vector, 6, "VMREAD before VMXON: #UD");
	vm_vmxon(vm);
	op = vm_op(vm, L1_VMREAD, VM_EXIT_REASON, 0x5a, 1);
	is(op->flags, L1_CF, "VMREAD without a current VMCS: VMfailInvalid");
	is(op->value, 0x5a, "and its destination keeps its value");
	op = vm_op(vm, L1_VMXON, 0, 0, 1);
	is(op->flags, L1_CF, "VMXON in VMX operation without a current VMCS: VMfailInvalid");
	vm_setup(vm, 0);
	op = vm_op(vm, L1_VMREAD, NO_SUCH_FIELD, 0, 1);
	is(op->flags, L1_ZF, "VMREAD of a field that does not exist: VMfailValid");
	is(op->error, VMXERR_UNSUPPORTED_COMPONENT, "with error 12");
	op = vm_op(vm, L1_VMRESUME, 0, 0, 1);
	is(op->error, 5, "VMRESUME of a VMCS that is not launched: error 5");
}

static void test_exits(struct vm *vm)
{
	static const struct {
		enum l2_program program;
		uint32_t reason;
		const char *what;
	} exits[] = {
		{ L2_VMCALL, EXIT_REASON_VMCALL, "VMCALL" },
		{ L2_OUT, EXIT_REASON_IO, "OUT" },
		{ L2_EPT, EXIT_REASON_EPT_VIOLATION, "EPT violation" },
		{ L2_SEGMENTS, EXIT_REASON_VMCALL, "VMCALL with other segments" },
		{ L2_HLT, EXIT_REASON_HLT, "HLT" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
		vm_setup(vm, 0);
		vm_run_l2(vm, exits[i].program);
		is(vm_vmread(vm, VM_EXIT_REASON), exits[i].reason, "L2 exits by %s", exits[i].what);
		is(vm_vmread(vm, GUEST_RIP), vm->m->l2_exit[exits[i].program], "at the right place");
	}
	vm_setup(vm, 0);
	vm_vmwrite(vm, GUEST_RIP, vm->m->l2_entry[L2_MIX]);
	vm->m->l2_gpr[GPR_RBX] = 0;
	is(vm_op(vm, L1_L2_LOOP, 0, 0, 300)->value, 100 * (10 + 18 + 30), "300 exits in a row");
	vm_run_l2(vm, L2_VMCALL);
	is(vm->m->l2_gpr[GPR_RBX], 99, "L2's registers are its own");
}

int main(void)
{
	struct vm vm, other;

	dev_try_open();
	vm_new(&vm, 0);
	ok(true, "L1 boots");
	test_flags(&vm);
	test_exits(&vm);
	vm_new_vmx(&other);
	vm_run_l2(&other, L2_OUT);
	is(vm_vmread(&other, VM_EXIT_REASON), EXIT_REASON_IO, "a second VM at the same time");
	is(vm_op(&vm, L1_VMXOFF, 0, 0, 1)->flags, 0, "VMXOFF");
	vm_free(&other);
	vm_free(&vm);
	return done_testing();
}
