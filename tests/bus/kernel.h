/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stand-in for the kernel: its state and what its calls do, as
 * <linux/nvmx.h> says.  kernel.c has it, loopback-kernel.c puts it behind a socket.
 * No VM of it runs anything; tests say what happens.
 */
#ifndef NVMX_TESTS_KERNEL_H
#define NVMX_TESTS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/nvmx.h>

#define KERNEL_FIELDS_MAX	256
#define KERNEL_VMS_MAX		20000
#define KERNEL_VCPUS_MAX	8

/* Counters of one vCPU; exits by index in the table, those of no field last. */
struct kernel_vcpu {
	struct nvmx_counters totals;
	uint64_t vmread[KERNEL_FIELDS_MAX + 1], vmwrite[KERNEL_FIELDS_MAX + 1];
};

#define KERNEL_NO_WINDOW	(-1)
#define KERNEL_OTHERS_WINDOW	(-2)		/* of a program that is not connected; no end */

struct kernel_vm {
	struct nvmx_vm_info info;
	bool alive;
	const char *executable;			/* kept for good, as the VM is; NULL: "" */
	uint32_t vmwrite_any_field;
	uint64_t generation;
	char label[NVMX_LABEL_LEN];
	uint8_t classes[KERNEL_FIELDS_MAX];
	int window_owner;			/* an fd; KERNEL_NO_WINDOW */
	uint64_t window_until;			/* milliseconds of the monotonic clock */
	/* What L1 does when it is read: see "runs" in loopback-kernel.c. */
	uint64_t runs;
	bool untimed;
	uint32_t reads[KERNEL_FIELDS_MAX], writes[KERNEL_FIELDS_MAX];	/* per 100 exits of L2 */
	struct kernel_vcpu vcpus[KERNEL_VCPUS_MAX];
};

struct kernel {
	uint64_t features;
	uint32_t abi_version;
	uint32_t tsc_khz;
	struct nvmx_field fields[KERNEL_FIELDS_MAX];
	size_t n_fields;
	struct kernel_vm *vms[KERNEL_VMS_MAX];	/* id - 1; gone ones stay */
	size_t n_vms;
	size_t n_windows;		/* open ones */
	bool no_executable;		/* a module without NVMX_VM_GET_EXECUTABLE */
	int fail_set;			/* errno of the next SET_POLICY, 0: none */
	/* A lifecycle record: NVMX_EVENT_*. */
	void (*record)(uint32_t type, const struct kernel_vm *vm);
};

/* Reads a table such as fields.txt; 0, or -1 having said why. */
int kernel_read_fields(struct kernel *k, const char *path);
/* As a kernel that could not ask the processor what it has. */
void kernel_keep_own_list(struct kernel *k);
int kernel_find_field(const struct kernel *k, const char *name);

/* NULL: no such VM, or gone. */
struct kernel_vm *kernel_find_vm(struct kernel *k, uint64_t id);
struct kernel_vm *kernel_create_vm(struct kernel *k, pid_t pid, uint64_t start_time, unsigned int vcpus);
void kernel_end_vm(struct kernel *k, struct kernel_vm *vm);

/* What L1 does: unlike the module's, which waits for up to a second, each change is told. */
void kernel_set_evmcs(struct kernel *k, struct kernel_vm *vm, bool used);
/* A window of another program, if no other is open; or the end of whatever is open. */
void kernel_open_window(struct kernel *k, struct kernel_vm *vm);
void kernel_close_window(struct kernel *k, struct kernel_vm *vm);
/* Ends the windows whose time is over; gives the milliseconds until the next ends, -1: none. */
int kernel_end_windows(struct kernel *k);

/*
 * One call: fd is the caller's, for what belongs to it; arg is the caller's struct, array its array (room for it if from the
 * kernel).  vm: the VM of the fd, NULL for the registry's.  0 or negative errno.
 */
int kernel_call(struct kernel *k, struct kernel_vm *vm, int fd, uint32_t request, void *arg,
		void *array);
/* The fd was closed. */
void kernel_release(struct kernel *k, struct kernel_vm *vm, int fd);

#endif /* NVMX_TESTS_KERNEL_H */
