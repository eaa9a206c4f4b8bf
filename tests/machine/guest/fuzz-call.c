// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Random and mutated calls on /dev/nvmx: see fuzz.h.
 *
 * A call is a good one at first; then most are spoilt: words of the argument, its size,
 * where it lies, where it points to, the number, the fd.  What was spoilt says which
 * errors may come.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "tap.h"

/* Bytes after an argument that nobody may write. */
#define CANARY		0xc5
#define CANARY_SIZE	32

/* ---- random numbers ------------------------------------------------------ */

/* splitmix64 */
uint64_t fuzz_next(struct fuzz *f)
{
	uint64_t z = f->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t fuzz_below(struct fuzz *f, uint32_t n)
{
	return (fuzz_next(f) >> 32) % n;
}

bool fuzz_one_in(struct fuzz *f, uint32_t n)
{
	return !fuzz_below(f, n);
}

uint32_t fuzz_interesting(struct fuzz *f)
{
	static const uint32_t values[] = {
		0, 1, 2, 3, 4, 7, 8, 15, 16, 24, 31, 32, 39, 40, 56, 64, 112, 168, 176, 255, 256, 1023,
		1024, 1025, 4095, 4096, 4097, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
		0xfffffffe, 0xffffffff, 0x4400, 0x6802, 0x681e,
	};

	if (fuzz_one_in(f, 4))
		return fuzz_next(f);
	return values[fuzz_below(f, sizeof(values) / sizeof(values[0]))];
}

/* Where nothing of ours is, neither for a 64-bit caller nor cut to 32 bits. */
static uint64_t bad_address(struct fuzz *f)
{
	static const uint64_t addresses[] = {
		0, 8, 0xfff, 0x7ffffffff000, 0x7ffffffffff8, 0x800000000000, 0xffff800000000000,
		0xffff888000000000, 0xfffffffffffff000, 0xfffffffffffffff8,
	};

	return addresses[fuzz_below(f, sizeof(addresses) / sizeof(addresses[0]))];
}

/* ---- a call -------------------------------------------------------------- */

static const struct fuzz_op *find_op(unsigned long cmd)
{
	unsigned int i;

	for (i = 0; i < fuzz_nr_ops; i++)
		if (fuzz_ops[i].cmd == cmd)
			return &fuzz_ops[i];
	return NULL;
}

/**
 * struct call - a call in the making
 * @op: what cmd is, NULL if it is no ioctl
 * @arg: what the kernel is to find at @address
 * @length: how much of it is there
 * @seen: where we see it too, NULL if the address is a bad one
 * @canary: bytes after it that hold CANARY
 * @bad_arg, @bad_fd: spoilt
 * @overlaps: the argument's pointer may point to the argument
 * @compat: as a 32-bit program
 */
struct call {
	const struct fuzz_op *op;
	unsigned long cmd;
	int fd;
	union fuzz_arg arg;
	uint64_t address;
	size_t length;
	uint8_t *seen;
	size_t canary;
	bool bad_arg, bad_fd, overlaps, compat;
};

static void spoil_size(struct fuzz *f, struct call *c)
{
	uint32_t more = 8 * (1 + fuzz_below(f, 40)), i;

	switch (fuzz_below(f, 4)) {
	case 0:
		/* a struct of the future, of which nothing is used */
		c->arg.size = c->op->size + more;
		return;
	case 1:
		c->arg.size = c->op->size + more;
		i = c->op->size + fuzz_below(f, more);
		c->arg.bytes[i] = 1 + fuzz_below(f, 255);
		break;
	case 2:
		c->arg.size = fuzz_below(f, c->op->size);
		break;
	default:
		c->arg.size = fuzz_interesting(f);
	}
	c->bad_arg = true;
}

static void spoil_pointer(struct fuzz *f, struct call *c)
{
	uint64_t area = (uintptr_t)f->area, pointer;

	switch (fuzz_below(f, 5)) {
	case 0:
		pointer = area + FUZZ_DATA_END - fuzz_below(f, 64);
		break;
	case 1:
		pointer = area + FUZZ_READ_ONLY;
		break;
	case 2:
		pointer = area + fuzz_below(f, 256);
		c->overlaps = true;
		break;
	case 3:
		pointer = area + FUZZ_DATA + 1 + fuzz_below(f, 7);
		break;
	default:
		pointer = bad_address(f);
	}
	memcpy(&c->arg.bytes[c->op->pointer], &pointer, sizeof(pointer));
	c->bad_arg = true;
}

/* The caller's array of entries, while the pointer and the number are still good. */
static void spoil_entries(struct fuzz *f, struct call *c)
{
	struct nvmx_policy_entry *entries = (void *)(uintptr_t)c->arg.policy.entries;
	uint32_t nr = c->arg.policy.nr, n = 1 + fuzz_below(f, 3);

	for (; nr && n; n--) {
		struct nvmx_policy_entry *e = &entries[fuzz_below(f, nr)];

		if (fuzz_one_in(f, 2))
			e->encoding = fuzz_one_in(f, 2) ? fuzz_interesting(f) : entries[0].encoding;
		else
			e->shadow_class = fuzz_one_in(f, 2) ? fuzz_below(f, NVMX_NR_CLASSES) : fuzz_interesting(f);
		c->bad_arg = true;
	}
}

static void spoil_arg(struct fuzz *f, struct call *c)
{
	uint32_t i;

	switch (fuzz_below(f, 6)) {
	case 0:
		spoil_size(f, c);
		return;
	case 1:
		c->arg.flags = fuzz_interesting(f);
		break;
	case 2:
		if (c->op->pointer)
			spoil_pointer(f, c);
		return;
	case 3:
		if (c->op->nr)
			c->arg.words[c->op->nr / 4] = fuzz_interesting(f);
		break;
	case 4:
		for (i = 4; i < c->op->size; i++)
			c->arg.bytes[i] = fuzz_next(f);
		/* not to a place that is ours */
		if (c->op->pointer)
			spoil_pointer(f, c);
		break;
	default:
		i = 1 + fuzz_below(f, c->op->size / 4 - 1);
		/* half an address is nobody's */
		if (!c->op->pointer || i / 2 != c->op->pointer / 8U)
			c->arg.words[i] = fuzz_interesting(f);
	}
	c->bad_arg = true;
}

/* Writes the argument to its place, with the canary behind it. */
static void place_at(struct fuzz *f, struct call *c, size_t offset)
{
	size_t room = FUZZ_HOLE - offset;

	c->length = c->arg.size < sizeof(c->arg) ? c->arg.size : sizeof(c->arg);
	/* the size is always there to be read */
	if (c->length < 4)
		c->length = 4;
	if (c->length > room)
		c->length = room;
	c->seen = f->area + offset;
	c->address = (uintptr_t)c->seen;
	memcpy(c->seen, &c->arg, c->length);
	room -= c->length;
	c->canary = room < CANARY_SIZE ? room : CANARY_SIZE;
	memset(c->seen + c->length, CANARY, c->canary);
}

static void place_read_only(struct fuzz *f, struct call *c)
{
	uint8_t *page = f->area + FUZZ_READ_ONLY;

	if (mprotect(page, FUZZ_PAGE, PROT_READ | PROT_WRITE) < 0)
		bail("mprotect");
	memcpy(page, &c->arg, FUZZ_PAGE);
	if (mprotect(page, FUZZ_PAGE, PROT_READ) < 0)
		bail("mprotect");
	c->address = (uintptr_t)page;
	c->bad_arg = true;
}

static void place(struct fuzz *f, struct call *c)
{
	size_t size = c->arg.size < sizeof(c->arg) ? c->arg.size : sizeof(c->arg);

	switch (fuzz_below(f, 20)) {
	case 0:
		c->address = bad_address(f);
		c->bad_arg = true;
		break;
	case 1:
		place_at(f, c, FUZZ_HOLE - 1 - fuzz_below(f, c->op->size));
		c->bad_arg = true;
		break;
	case 2:
		place_read_only(f, c);
		break;
	case 3: case 4: case 5:
		place_at(f, c, FUZZ_HOLE - (size < 4 ? 4 : size));
		break;
	case 6:
		place_at(f, c, 1 + fuzz_below(f, 100));
		break;
	default:
		place_at(f, c, 0);
	}
}

static void choose_fd(struct fuzz *f, struct call *c)
{
	bool of_vm = c->op->of_vm;

	c->bad_fd = fuzz_one_in(f, 24);
	if (c->bad_fd && fuzz_one_in(f, 2)) {
		c->fd = fuzz_one_in(f, 2) ? -1 : fuzz_one_in(f, 2) ? 9999 : f->shared->foreign;
		return;
	}
	if (of_vm != c->bad_fd)
		c->fd = FUZZ_SLOT_FD + fuzz_below(f, FUZZ_NR_SLOTS);
	else
		c->fd = f->shared->registry[fuzz_one_in(f, 8)];
}

static void choose_cmd(struct fuzz *f, struct call *c)
{
	if (!fuzz_one_in(f, 32))
		return;
	c->cmd = fuzz_one_in(f, 2) ? _IO(NVMX_IOC_TYPE, fuzz_below(f, 256)) :
		_IOC(fuzz_below(f, 4), NVMX_IOC_TYPE, fuzz_below(f, 256), fuzz_below(f, 1 << 14));
	c->op = find_op(c->cmd);
	c->bad_arg = true;
	c->bad_fd = true;
}

static void make_call(struct fuzz *f, struct call *c)
{
	memset(c, 0, sizeof(*c));
	c->op = &fuzz_ops[fuzz_below(f, fuzz_nr_ops)];
	c->cmd = c->op->cmd;
	c->arg.size = c->op->size;
	if (c->op->fill)
		c->op->fill(f, &c->arg);
	if (c->op->entries && fuzz_one_in(f, 3))
		spoil_entries(f, c);
	if (fuzz_one_in(f, 2))
		spoil_arg(f, c);
	if (fuzz_one_in(f, 6))
		spoil_arg(f, c);
	choose_fd(f, c);
	place(f, c);
	choose_cmd(f, c);
	c->compat = fuzz_one_in(f, 8);
}

/* ioctl(2) as 32-bit programs make it. */
static long ioctl32(int fd, uint32_t cmd, uint32_t arg)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(54L), "b"((long)fd), "c"((long)cmd), "d"((long)arg)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}

static long execute(const struct call *c)
{
	long r;

	if (c->compat)
		return ioctl32(c->fd, c->cmd, c->address);
	r = ioctl(c->fd, c->cmd, c->address);
	return r < 0 ? -errno : r;
}

/* ---- judging ------------------------------------------------------------- */

static bool is_among(int error, const int *errors, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (error && error == errors[i])
			return true;
	return false;
}

static bool may_fail_with(struct fuzz *f, const struct call *c, int error)
{
	static const int common[] = { EINVAL, E2BIG, EFAULT };
	const struct fuzz_op *op = c->op;

	if (c->bad_fd && (error == EBADF || error == ENOTTY))
		return true;
	if (!op)
		return error == ENOTTY;
	/* the slot may be empty */
	if (op->of_vm && (error == ENODEV || error == ENOTTY))
		return true;
	if (error == EPERM)
		return op->writes && (op->of_vm || c->fd == f->shared->registry[1]);
	if (is_among(error, op->state_errors, 3))
		return true;
	return c->bad_arg && (is_among(error, common, 3) || is_among(error, op->input_errors, 2));
}

static void __attribute__((format(printf, 3, 4)))
bad(struct fuzz *f, const struct call *c, const char *format, ...)
{
	char what[100];
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	f->bad++;
	snprintf(f->last_bad, sizeof(f->last_bad),
		 "%s (%#lx)%s, fd %d%s, at %#llx, size %u, flags %#x%s: %s",
		 c->op ? c->op->name : "no ioctl", c->cmd, c->compat ? " of 32 bits" : "", c->fd,
		 c->bad_fd ? " (wrong)" : "", (unsigned long long)c->address, c->arg.size,
		 c->arg.flags, c->bad_arg ? ", spoilt" : "", what);
}

/* Nothing behind the argument is written; the argument not, if the call fails. */
static void judge_memory(struct fuzz *f, const struct call *c, long r)
{
	union fuzz_arg after;
	size_t i;

	for (i = 0; i < c->canary; i++)
		if (c->seen[c->length + i] != CANARY) {
			bad(f, c, "writes behind the argument");
			return;
		}
	if (!r)
		return;
	memcpy(&after, c->seen, c->length);
	if (c->op && c->op->entries)
		after.policy.bad_encoding = c->arg.policy.bad_encoding;
	if (memcmp(&after, &c->arg, c->length))
		bad(f, c, "fails with errno %ld, and has changed the argument", -r);
}

void fuzz_keep_fd(struct fuzz *f, int fd)
{
	if (dup3(fd, FUZZ_SLOT_FD + fuzz_below(f, FUZZ_NR_SLOTS), O_CLOEXEC) < 0 || close(fd) < 0)
		bail("a fd that NVMX_OPEN_VM gave");
}

static void judge_success(struct fuzz *f, const struct call *c)
{
	union fuzz_arg after;

	if (!c->op || !c->seen ||
	    c->length < (c->op->first_size ? c->op->first_size : c->op->size)) {
		bad(f, c, "succeeds");
		return;
	}
	memcpy(&after, c->seen, c->length);
	if (!c->overlaps && (after.size != c->arg.size || (c->op->check && !c->op->check(&after))))
		bad(f, c, "succeeds, and what it gives is wrong");
	if (c->op->cmd == NVMX_OPEN_VM)
		fuzz_keep_fd(f, after.open_vm.fd);
}

static void judge(struct fuzz *f, const struct call *c, long r)
{
	if (r > 0)
		bad(f, c, "gives %ld", r);
	else if (!r)
		judge_success(f, c);
	else if (!may_fail_with(f, c, -r))
		bad(f, c, "fails with errno %ld", -r);
	if (c->seen && !c->overlaps)
		judge_memory(f, c, r);
	f->outcomes[c->op ? c->op - fuzz_ops : fuzz_nr_ops][r > 0 || -r >= FUZZ_MAX_ERRNO ? 1 : -r]++;
}

/* ---- reading records ----------------------------------------------------- */

static bool good_records(const struct nvmx_event *e, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		bool overflow = e[i].type == NVMX_EVENT_OVERFLOW;

		if (e[i].size != sizeof(*e) || !e[i].type || e[i].type > NVMX_EVENT_VM_STATE ||
		    !e[i].id != overflow || !e[i].lost == overflow)
			return false;
	}
	return true;
}

static void fuzz_read(struct fuzz *f)
{
	size_t length = fuzz_one_in(f, 3) ? fuzz_interesting(f) : fuzz_below(f, FUZZ_DATA_SIZE);
	uint64_t address = (uintptr_t)f->area + FUZZ_DATA;
	bool spoilt = fuzz_one_in(f, 8);
	struct pollfd p;
	ssize_t n;

	p.fd = fuzz_one_in(f, 2) ? FUZZ_SLOT_FD + (int)fuzz_below(f, FUZZ_NR_SLOTS) :
		f->shared->registry[fuzz_below(f, 2)];
	p.events = fuzz_interesting(f);
	if (poll(&p, 1, 0) < 0)
		bail("poll");
	if (length > FUZZ_DATA_SIZE)
		spoilt = true;
	if (spoilt && fuzz_one_in(f, 2))
		address = bad_address(f);
	n = read(f->shared->registry[fuzz_below(f, 2)], (void *)(uintptr_t)address, length);
	f->reads++;
	if (n >= 0 ? n % sizeof(struct nvmx_event) || !good_records((void *)(uintptr_t)address, n / sizeof(struct nvmx_event)) :
	    errno != EAGAIN && !(errno == EINVAL && length < sizeof(struct nvmx_event)) &&
	    !(errno == EFAULT && spoilt)) {
		f->bad++;
		snprintf(f->last_bad, sizeof(f->last_bad), "read of %zu bytes to %#llx: gives %zd, errno %d",
			 length, (unsigned long long)address, n, n < 0 ? errno : 0);
	}
}

/* ---- all of it ----------------------------------------------------------- */

void fuzz_call(struct fuzz *f)
{
	struct call c;

	if (fuzz_one_in(f, 16)) {
		fuzz_read(f);
		return;
	}
	if (fuzz_one_in(f, 256)) {
		/* somebody may be using it */
		dup3(f->shared->foreign, FUZZ_SLOT_FD + fuzz_below(f, FUZZ_NR_SLOTS), O_CLOEXEC);
		return;
	}
	make_call(f, &c);
	judge(f, &c, execute(&c));
}

void fuzz_init(struct fuzz *ret, struct fuzz_shared *shared, uint64_t seed)
{
	static const unsigned long holes[] = { FUZZ_HOLE, FUZZ_READ_ONLY + FUZZ_PAGE, FUZZ_DATA_END };
	unsigned int i;

	memset(ret, 0, sizeof(*ret));
	ret->shared = shared;
	ret->random = seed;
	ret->area = mmap(NULL, FUZZ_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_POPULATE, -1, 0);
	if (ret->area == MAP_FAILED)
		bail("memory for arguments");
	for (i = 0; i < 3; i++)
		if (mprotect(ret->area + holes[i], FUZZ_PAGE, PROT_NONE) < 0)
			bail("mprotect");
}

void fuzz_open(struct fuzz_shared *ret)
{
	int i;

	ret->registry[0] = open("/dev/nvmx", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ret->registry[1] = open("/dev/nvmx", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ret->foreign = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ret->registry[0] < 0 || ret->registry[1] < 0 || ret->foreign < 0)
		bail("opening /dev/nvmx twice");
	for (i = 0; i < FUZZ_NR_SLOTS; i++)
		if (dup3(ret->foreign, FUZZ_SLOT_FD + i, O_CLOEXEC) < 0)
			bail("dup3");
}

void fuzz_close(struct fuzz_shared *shared)
{
	int i;

	for (i = 0; i < FUZZ_NR_SLOTS; i++)
		close(FUZZ_SLOT_FD + i);
	close(shared->registry[0]);
	close(shared->registry[1]);
	close(shared->foreign);
}
