// SPDX-License-Identifier: LGPL-2.1-or-later
/* What L1 does around L2 while something else happens: see quiet.h. */
#include <string.h>

#include "l1.h"
#include "quiet.h"
#include "tap.h"

const uint32_t quiet_fields[NR_QUIET] = {
	CR0_READ_SHADOW, CR4_READ_SHADOW, VM_ENTRY_INSTRUCTION_LEN, VM_ENTRY_EXCEPTION_ERROR_CODE,
	HOST_FS_BASE, HOST_GS_BASE, HOST_RSP,
};

unsigned int quiet_ops(struct vm *vm, struct l1_op *ops, uint64_t salt, enum l2_program program)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_QUIET; i++)
		ops[n++] = (struct l1_op){
			.op = L1_VMWRITE, .field = quiet_fields[i], .value = (salt + i) & 0x7fffffff,
		};
	ops[n++] = (struct l1_op){
		.op = L1_VMWRITE, .field = GUEST_RIP, .value = vm->m->l2_entry[program],
	};
	ops[n++] = (struct l1_op){ .op = L1_ENTER };
	for (i = 0; i < dev_nr_fields; i++)
		ops[n++] = (struct l1_op){ .op = L1_VMREAD, .field = dev_fields[i].encoding };
	return n;
}

unsigned int quiet_prepare(struct vm *vm, struct l1_op *ops, uint64_t salt)
{
	uint64_t controls = vm_vmread(vm, CPU_BASED_VM_EXEC_CONTROL) & ~(1ULL << 24);
	unsigned int n;

	/* L2_PORT is L2's own */
	ops[0] = (struct l1_op){
		.op = L1_VMWRITE, .field = CPU_BASED_VM_EXEC_CONTROL, .value = controls,
	};
	n = 1 + quiet_ops(vm, ops + 1, salt, L2_HOST);
	vm->m->l2_gpr[GPR_RBX] = 0;
	memcpy(vm->m->ops, ops, n * sizeof(*ops));
	vm->m->nr_ops = n;
	return n;
}

void quiet_compare(const struct l1_op *want, const struct l1_op *got, unsigned int n,
		   const struct policy *from, const struct policy *to)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		expect((got[i].value == want[i].value || dev_is_unspecified(got[i].field)) &&
		       got[i].flags == want[i].flags,
		       "%s to %s: operation %u of %s: %#llx, not %#llx", from->name, to->name, i,
		       dev_name(got[i].field), (unsigned long long)got[i].value,
		       (unsigned long long)want[i].value);
}
