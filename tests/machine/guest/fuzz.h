/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One random call on /dev/nvmx at a time, from a seed, and whether its outcome is one
 * that the header of the ABI allows.  fuzz-ops.c knows the ioctls, fuzz-call.c spoils
 * and judges calls of them.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/nvmx.h>

#define FUZZ_PAGE	4096UL

/*
 * A caller's area, in the first 4 GiB for 32-bit calls: pages for the argument, a hole, a
 * read-only page, another hole, then what pointers in arguments point to, and a hole.
 */
#define FUZZ_HOLE	(3 * FUZZ_PAGE)
#define FUZZ_READ_ONLY	(FUZZ_HOLE + FUZZ_PAGE)
#define FUZZ_DATA	(FUZZ_READ_ONLY + 2 * FUZZ_PAGE)
#define FUZZ_DATA_SIZE	(16 * FUZZ_PAGE)
#define FUZZ_DATA_END	(FUZZ_DATA + FUZZ_DATA_SIZE)
#define FUZZ_SIZE	(FUZZ_DATA_END + FUZZ_PAGE)

/*
 * fds of VMs have numbers of their own, so that one which is closed while others use it
 * is not followed by a file of another kind; an empty slot holds an eventfd.
 */
#define FUZZ_SLOT_FD	100
#define FUZZ_NR_SLOTS	8

#define FUZZ_MAX_OPS	32
#define FUZZ_MAX_ERRNO	134

/**
 * struct fuzz_shared - what all callers share
 * @registry: open for writing, and for reading only; never closed
 * @foreign: a file that knows no ioctl of ours
 * @newest: about the id of the newest VM
 */
struct fuzz_shared {
	int registry[2];
	int foreign;
	uint64_t newest;
};

/**
 * struct fuzz - a caller; its thread owns it
 * @random: state of the generator; with the seed, all there is to its choices
 * @area: memory for arguments, see fuzz-call.c
 * @outcomes: calls by ioctl and errno (0: success)
 * @reads: calls of read(2) and poll(2)
 * @bad: outcomes that the ABI does not allow
 * @last_bad: the last of those, as a sentence
 */
struct fuzz {
	struct fuzz_shared *shared;
	uint64_t random;
	uint8_t *area;
	unsigned long outcomes[FUZZ_MAX_OPS][FUZZ_MAX_ERRNO];
	unsigned long reads;
	unsigned long bad;
	char last_bad[300];
};

/* Needs dev_open(). */
void fuzz_open(struct fuzz_shared *ret);
void fuzz_close(struct fuzz_shared *shared);
void fuzz_init(struct fuzz *ret, struct fuzz_shared *shared, uint64_t seed);
/* One call, judged. */
void fuzz_call(struct fuzz *f);
/* The fd of a VM takes the place of another in the slots, whoever may be using that. */
void fuzz_keep_fd(struct fuzz *f, int fd);
/* A random number below n; true in one of n cases. */
uint32_t fuzz_below(struct fuzz *f, uint32_t n);
bool fuzz_one_in(struct fuzz *f, uint32_t n);

/* ---- for fuzz-*.c ---------------------------------------------------------- */

/* Random: 64 bits; a value that may be a special one. */
uint64_t fuzz_next(struct fuzz *f);
uint32_t fuzz_interesting(struct fuzz *f);

union fuzz_arg {
	struct {
		uint32_t size;
		uint32_t flags;
	};
	struct nvmx_info info;
	struct nvmx_get_fields get_fields;
	struct nvmx_list_vms list_vms;
	struct nvmx_open_vm open_vm;
	struct nvmx_policy policy;
	struct nvmx_vm_info vm_info;
	struct nvmx_counters counters;
	struct nvmx_window window;
	struct nvmx_executable executable;
	uint32_t words[2 * FUZZ_PAGE / 4];
	uint8_t bytes[2 * FUZZ_PAGE];
};

/**
 * struct fuzz_op - an ioctl
 * @size: of its struct; @first_size: of the struct's first version, 0: the same
 * @pointer: offset of the member that points to an array, 0: none
 * @nr: offset of the number of its elements
 * @entries: the array is of policy entries, which the caller makes; bad_encoding is written back
 * @writes: needs a fd that was opened for writing
 * @of_vm: of the fd of a VM, so ENODEV may come
 * @state_errors: what a good argument may give, depending on what else goes on
 * @input_errors: what only a bad argument may give, beyond what every ioctl may
 */
struct fuzz_op {
	const char *name;
	unsigned long cmd;
	uint32_t size, first_size;
	uint8_t pointer, nr;
	bool entries, writes, of_vm;
	int state_errors[3], input_errors[2];
	void (*fill)(struct fuzz *f, union fuzz_arg *arg);
	bool (*check)(const union fuzz_arg *arg);
};

/* The table. */
extern const struct fuzz_op fuzz_ops[];
extern const unsigned int fuzz_nr_ops;

#endif
