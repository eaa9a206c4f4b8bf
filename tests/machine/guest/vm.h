/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM with a vCPU, or several, each of which runs the bare-metal L1 (l1.c), on the raw KVM API.
 * Whatever goes wrong here that is not what a test looks at ends the program
 * (bail()).
 */
#ifndef VM_H
#define VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "l1.h"

struct kvm_run;

/**
 * struct vm - a VM; whoever calls vm_new() owns it, until vm_free()
 * @kvm, @fd, @vcpu: file descriptors of /dev/kvm, the VM and its vCPU
 * @id: nvmx's id of the VM, 0 without nvmx
 * @mem, @mem_size: the guest's memory; L1_MEM_SIZE bytes if the bare-metal L1 runs in it
 * @m: the mailbox in it
 */
struct vm {
	int kvm, fd, vcpu;
	uint64_t id;
	struct kvm_run *run;
	size_t run_size;
	void *mem;
	size_t mem_size;
	struct l1_mailbox *m;
};

/*
 * A VM with one vCPU, @mem (from mmap()) at address 0, interrupt controllers and CPUID, but no
 * registers set; what runs in it is the caller's.
 */
void vm_create(struct vm *ret, void *mem, size_t mem_size);

/* What a test wants different from the default, before L1 boots. */
#define VM_NO_BOOT	(1U << 0)	/* leave L1 before its first instruction */

void vm_new(struct vm *ret, unsigned int flags);
/*
 * Another vCPU of the VM of @first, @index from 1 in the order of creation, which runs a
 * booted L1 of its own, in memory of its own.  The VM lives until both are freed.
 */
void vm_new_sibling(struct vm *ret, const struct vm *first, unsigned int index);
void vm_free(struct vm *vm);
/* A new VM that takes over the memory of another, which is good for nothing after it. */
void vm_succeed(struct vm *ret, struct vm *old);
void vm_boot(struct vm *vm);

/* VM, L1 booted, in VMX operation, VMCS 0 set up and current. */
void vm_new_vmx(struct vm *ret);

/* A VM without a vCPU: made, and gone. */
void vm_come_and_go(void);

/* Runs the vCPU until L1 has executed the batch that is in the mailbox. */
void vm_run(struct vm *vm);

/*
 * The same, but returns true if before that L2, which L1 lets do port I/O, writes to
 * L2_PORT: the vCPU is then in user space, L2 active.
 */
bool vm_run_to_l2(struct vm *vm);

/* Runs the vCPU until somebody in it writes to a port that is the host's; says to which. */
uint16_t vm_run_to_port(struct vm *vm);

/* Executes ops[], which get their results. */
void vm_batch(struct vm *vm, struct l1_op *ops, unsigned int n);

/* Executes one operation; the result is valid until the next. */
struct l1_op *vm_op(struct vm *vm, enum l1_opcode opcode, uint32_t field, uint64_t value,
		    uint32_t count);

/* The usual operations; these bail() if the operation fails. */
void vm_vmxon(struct vm *vm);
void vm_setup(struct vm *vm, unsigned int which);
uint64_t vm_vmread(struct vm *vm, uint32_t field);
void vm_vmwrite(struct vm *vm, uint32_t field, uint64_t value);
/* Sets RIP to the program, and RSP; enters L2 once; returns when L2 has exited. */
void vm_run_l2(struct vm *vm, enum l2_program program);
uint64_t vm_l1_rdmsr(struct vm *vm, uint32_t msr);

/* MSRs by KVM_{GET,SET}_MSRS, as user space sees them. */
uint64_t vm_get_msr(struct vm *vm, uint32_t msr);
void vm_set_msr(struct vm *vm, uint32_t msr, uint64_t value);
bool vm_try_set_msr(struct vm *vm, uint32_t msr, uint64_t value);

/* A statistic of the vCPU by KVM_GET_STATS_FD; false if there is none of that name. */
bool vm_stat(struct vm *vm, const char *name, uint64_t *ret);

/* The same of the VM's table. */
bool vm_stat_of_vm(struct vm *vm, const char *name, uint64_t *ret);

#endif
