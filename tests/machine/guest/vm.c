// SPDX-License-Identifier: LGPL-2.1-or-later
/* A VM that runs the bare-metal L1, on the raw KVM API: see vm.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

extern const char l1_image[], l1_image_end[];

static void xioctl(int fd, unsigned long request, void *arg, const char *what)
{
	if (ioctl(fd, request, arg) < 0)
		bail("%s", what);
}

/* ---- the guest's memory and registers ------------------------------------ */

/* @base: the guest-physical address of mem */
static void make_page_tables(void *mem, uint64_t base)
{
	uint64_t *pml4 = mem + L1_PML4, *pdpt = mem + L1_PDPT, *pd = mem + L1_PD;
	uint64_t *ept4 = mem + L1_EPT_PML4, *ept3 = mem + L1_EPT_PDPT, *ept2 = mem + L1_EPT_PD;
	unsigned int i;

	pml4[0] = (base + L1_PDPT) | 3;
	pdpt[0] = (base + L1_PD) | 3;
	ept4[0] = (base + L1_EPT_PDPT) | 7;
	ept3[0] = (base + L1_EPT_PD) | 7;
	for (i = 0; i < 512; i++) {
		pd[i] = (base + ((uint64_t)i << 21)) | 0x83;	/* present, writable, 2 MiB */
		if (i != (base + L2_HOLE) >> 21)
			ept2[i] = (uint64_t)i << 21 | 0xb7;	/* rwx, write-back, 2 MiB */
	}
}

static void make_gdt(void *mem)
{
	uint64_t *gdt = mem + L1_GDT;

	gdt[SEL_CODE / 8] = 0x00af9b000000ffff;
	gdt[SEL_DATA / 8] = 0x00cf93000000ffff;
	gdt[SEL_TSS / 8] = 0x00008b0000000067 | (uint64_t)L1_TSS << 16;
	gdt[SEL_CODE_CONFORMING / 8] = 0x00af9f000000ffff;
	gdt[SEL_DATA_SMALL / 8] = 0x004f93000000ffff;
}

static void set_registers(struct vm *vm, uint64_t base)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = SEL_CODE, .type = 11, .present = 1, .s = 1,
		.l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = SEL_DATA, .type = 3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
	struct kvm_regs regs = { .rip = L1_IMAGE, .rsp = L1_STACK, .rflags = 2 };
	struct kvm_sregs sregs;

	xioctl(vm->vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr = (struct kvm_segment){
		.base = L1_TSS, .limit = 0x67, .selector = SEL_TSS, .type = 11, .present = 1,
	};
	sregs.ldt = (struct kvm_segment){ .limit = 0xffff, .type = 2, .unusable = 1 };
	sregs.gdt.base = L1_GDT;
	sregs.gdt.limit = 0xff;
	sregs.idt.base = L1_IDT;
	sregs.idt.limit = 0x1ff;
	sregs.cr0 = 0x80000031;		/* PG, NE, ET, PE */
	sregs.cr3 = base + L1_PML4;
	sregs.cr4 = 0x220;		/* OSFXSR, PAE */
	sregs.efer = 0x500;		/* LMA, LME */
	xioctl(vm->vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	xioctl(vm->vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void set_cpuid(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	if (!cpuid)
		bail("no memory");
	cpuid->nent = 256;
	xioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	xioctl(vm->vcpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
}

/* ---- MSRs and statistics ------------------------------------------------- */

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

uint64_t vm_get_msr(struct vm *vm, uint32_t msr)
{
	struct one_msr m = { .head.nmsrs = 1, .entry.index = msr };

	if (ioctl(vm->vcpu, KVM_GET_MSRS, &m) != 1)
		bail("KVM_GET_MSRS of %#x", msr);
	return m.entry.data;
}

bool vm_try_set_msr(struct vm *vm, uint32_t msr, uint64_t value)
{
	struct one_msr m = { .head.nmsrs = 1, .entry.index = msr, .entry.data = value };

	return ioctl(vm->vcpu, KVM_SET_MSRS, &m) == 1;
}

void vm_set_msr(struct vm *vm, uint32_t msr, uint64_t value)
{
	if (!vm_try_set_msr(vm, msr, value))
		bail("KVM_SET_MSRS of %#x", msr);
}

static bool read_stat(int owner, const char *name, uint64_t *ret)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	bool found = false;
	unsigned int i;
	size_t size;
	int fd;

	fd = ioctl(owner, KVM_GET_STATS_FD, NULL);
	if (fd < 0)
		bail("KVM_GET_STATS_FD");
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		bail("header of the statistics");
	size = sizeof(*desc) + header.name_size;
	desc = calloc(1, size);
	if (!desc)
		bail("no memory");
	for (i = 0; i < header.num_desc && !found; i++) {
		if (pread(fd, desc, size, header.desc_offset + i * size) != (ssize_t)size)
			bail("descriptors of the statistics");
		if (strcmp(desc->name, name))
			continue;
		if (pread(fd, ret, sizeof(*ret), header.data_offset + desc->offset) != sizeof(*ret))
			bail("data of the statistics");
		found = true;
	}
	free(desc);
	close(fd);
	return found;
}

bool vm_stat(struct vm *vm, const char *name, uint64_t *ret)
{
	return read_stat(vm->vcpu, name, ret);
}

bool vm_stat_of_vm(struct vm *vm, const char *name, uint64_t *ret)
{
	return read_stat(vm->fd, name, ret);
}

/* ---- life ---------------------------------------------------------------- */

/* Memory in which L1 waits to be run. */
static void *new_memory(uint64_t base)
{
	void *mem;

	mem = mmap(NULL, L1_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		bail("memory of the guest");
	make_page_tables(mem, base);
	make_gdt(mem);
	memcpy(mem + L1_IMAGE, l1_image, l1_image_end - l1_image);
	return mem;
}

/* The vCPU @index of vm->fd, with @mem of its own, @mem_size bytes. */
static void add_vcpu(struct vm *vm, unsigned int index, void *mem, size_t mem_size)
{
	struct kvm_userspace_memory_region region = {
		.slot = index, .guest_phys_addr = index * mem_size,
		.memory_size = mem_size, .userspace_addr = (uintptr_t)mem,
	};
	int size;

	vm->mem = mem;
	vm->mem_size = mem_size;
	xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vm->vcpu < 0)
		bail("KVM_CREATE_VCPU");
	size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < 0)
		bail("KVM_GET_VCPU_MMAP_SIZE");
	vm->run_size = size;
	vm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		bail("struct kvm_run");
	vm->m = vm->mem + L1_MAILBOX;
	set_cpuid(vm);
}

void vm_create(struct vm *ret, void *mem, size_t mem_size)
{
	struct vm vm = {};

	vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm < 0)
		bail("/dev/kvm");
	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		bail("KVM_CREATE_VM");
	vm.id = dev_newest_vm();
	xioctl(vm.fd, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	add_vcpu(&vm, 0, mem, mem_size);
	*ret = vm;
}

void vm_new(struct vm *ret, unsigned int flags)
{
	vm_create(ret, new_memory(0), L1_MEM_SIZE);
	set_registers(ret, 0);
	if (!(flags & VM_NO_BOOT))
		vm_boot(ret);
}

void vm_succeed(struct vm *ret, struct vm *old)
{
	vm_create(ret, old->mem, old->mem_size);
	old->mem = NULL;
}

void vm_new_sibling(struct vm *ret, const struct vm *first, unsigned int index)
{
	uint64_t base = (uint64_t)index * L1_MEM_SIZE;
	struct vm vm = { .id = first->id };
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };

	vm.kvm = fcntl(first->kvm, F_DUPFD_CLOEXEC, 0);
	vm.fd = fcntl(first->fd, F_DUPFD_CLOEXEC, 0);
	if (vm.kvm < 0 || vm.fd < 0)
		bail("another fd of the VM");
	add_vcpu(&vm, index, new_memory(base), L1_MEM_SIZE);
	set_registers(&vm, base);
	vm.m->base = base;
	/* not the boot processor, so it would wait for a SIPI */
	xioctl(vm.vcpu, KVM_SET_MP_STATE, &runnable, "KVM_SET_MP_STATE");
	*ret = vm;
	vm_boot(ret);
}

void vm_free(struct vm *vm)
{
	munmap(vm->run, vm->run_size);
	close(vm->vcpu);
	close(vm->fd);
	close(vm->kvm);
	if (vm->mem)
		munmap(vm->mem, vm->mem_size);
	memset(vm, 0, sizeof(*vm));
}

void vm_boot(struct vm *vm)
{
	vm_run(vm);
	if (!vm->m->ready)
		bail("L1 did not boot");
}

uint16_t vm_run_to_port(struct vm *vm)
{
	struct kvm_run *run = vm->run;

	while (ioctl(vm->vcpu, KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			bail("KVM_RUN");
	if (run->exit_reason != KVM_EXIT_IO)
		bail("L1 exited with reason %u (%#llx)", run->exit_reason,
		     (unsigned long long)run->hw.hardware_exit_reason);
	if (run->io.port == L1_PORT_FATAL) {
		errno = 0;
		bail("L1 faulted: vector %llu, error %#llx, rip %#llx, cr2 %#llx",
		     (unsigned long long)vm->m->fatal_vector,
		     (unsigned long long)vm->m->fatal_error,
		     (unsigned long long)vm->m->fatal_rip,
		     (unsigned long long)vm->m->fatal_cr2);
	}
	return run->io.port;
}

bool vm_run_to_l2(struct vm *vm)
{
	uint16_t port = vm_run_to_port(vm);

	if (port != L1_PORT_DONE && port != L2_PORT)
		bail("a write to port %#x, which is nobody's", port);
	return port == L2_PORT;
}

void vm_run(struct vm *vm)
{
	if (vm_run_to_l2(vm))
		bail("L2 writes to a port of the host");
}

void vm_batch(struct vm *vm, struct l1_op *ops, unsigned int n)
{
	if (n > L1_MAX_OPS)
		bail("batch of %u operations", n);
	memcpy(vm->m->ops, ops, n * sizeof(*ops));
	vm->m->nr_ops = n;
	vm_run(vm);
	memcpy(ops, vm->m->ops, n * sizeof(*ops));
}

struct l1_op *vm_op(struct vm *vm, enum l1_opcode opcode, uint32_t field, uint64_t value,
		    uint32_t count)
{
	vm->m->ops[0] = (struct l1_op){
		.op = opcode, .field = field, .value = value, .count = count,
	};
	vm->m->nr_ops = 1;
	vm_run(vm);
	return &vm->m->ops[0];
}

static struct l1_op *must(struct vm *vm, enum l1_opcode opcode, uint32_t field, uint64_t value)
{
	struct l1_op *op = vm_op(vm, opcode, field, value, 1);

	errno = 0;
	if (op->flags || op->vector != L1_NO_VECTOR)
		bail("L1 operation %d, field %#x, value %#llx: flags %#x, error %u, vector %d",
		     opcode, field, (unsigned long long)value, op->flags, op->error, op->vector);
	return op;
}

void vm_vmxon(struct vm *vm)
{
	if ((vm_get_msr(vm, MSR_IA32_FEATURE_CONTROL) & 5) != 5)
		vm_set_msr(vm, MSR_IA32_FEATURE_CONTROL, 5);
	must(vm, L1_VMXON, 0, 0);
}

void vm_setup(struct vm *vm, unsigned int which)
{
	must(vm, L1_SETUP, 0, which);
}

void vm_new_vmx(struct vm *ret)
{
	vm_new(ret, 0);
	vm_vmxon(ret);
	vm_setup(ret, 0);
}

uint64_t vm_vmread(struct vm *vm, uint32_t field)
{
	return must(vm, L1_VMREAD, field, 0)->value;
}

void vm_vmwrite(struct vm *vm, uint32_t field, uint64_t value)
{
	must(vm, L1_VMWRITE, field, value);
}

void vm_run_l2(struct vm *vm, enum l2_program program)
{
	vm_vmwrite(vm, GUEST_RIP, vm->m->l2_entry[program]);
	vm_vmwrite(vm, GUEST_RSP, L2_STACK);
	if (!must(vm, L1_ENTER, 0, 0)->value)
		bail("L2 was not entered");
}

uint64_t vm_l1_rdmsr(struct vm *vm, uint32_t msr)
{
	return must(vm, L1_RDMSR, msr, 0)->value;
}

void vm_come_and_go(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd;

	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (fd < 0)
		bail("KVM_CREATE_VM");
	close(fd);
	close(kvm);
}
