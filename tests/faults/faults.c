/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loaded before nvmxd's libraries: lets allocations fail, and the wall clock jump, as the
 * file says that $NVMX_FAULTS names.  It is a struct faults, which tests/faults/lib.sh
 * writes while nvmxd runs.
 *
 * What fails is what nvmxd itself and libsystemd and libxml2 ask for.  libvirt's library is
 * left out: glib ends the process then, which nobody can change.  So is json-c, which
 * may end it, too; what it asks for can be made to fail alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
	uint64_t fail_from;	/* the first that fails, from 1; 0: none does, and none is counted */
	uint64_t fail_n;	/* how many in a row */
	uint64_t count;		/* allocations since this was zeroed */
	int64_t clock;		/* seconds by which the wall clock is wrong */
	uint64_t json_c;	/* not 0: what json-c asks for, and nothing else */
};

static struct faults *faults;

/* ---- who asks ---- */

enum who { NOBODY, ALWAYS, MAIN_THREAD, JSON_C };

static struct range {
	uintptr_t begin, end;
	enum who who;
} ranges[16];
static size_t n_ranges;

static enum who who_is(const char *name)
{
	if (!*name || strstr(name, "/libsystemd.so"))
		return ALWAYS;
	if (strstr(name, "/libxml2.so") || strstr(name, "/libc.so"))
		return MAIN_THREAD;
	if (strstr(name, "/libjson-c.so"))
		return JSON_C;
	return NOBODY;
}

static int add_object(struct dl_phdr_info *info, size_t size, void *data)
{
	enum who who = who_is(info->dlpi_name);

	(void)size, (void)data;
	for (int i = 0; who != NOBODY && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && n_ranges < 16)
			ranges[n_ranges++] = (struct range) {
				info->dlpi_addr + p->p_vaddr,
				info->dlpi_addr + p->p_vaddr + p->p_memsz, who,
			};
	}
	return 0;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("NVMX_FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	dl_iterate_phdr(add_object, NULL);
	faults = p;
}

static bool fails(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	uint64_t n;

	if (!faults || faults->fail_from == 0)
		return false;
	for (size_t i = 0; i < n_ranges; i++) {
		if (at < ranges[i].begin || at >= ranges[i].end)
			continue;
		if ((ranges[i].who == JSON_C) != (faults->json_c != 0) ||
		    (ranges[i].who == MAIN_THREAD && gettid() != getpid()))
			return false;
		n = __atomic_add_fetch(&faults->count, 1, __ATOMIC_RELAXED);
		if (n < faults->fail_from || n >= faults->fail_from + faults->fail_n)
			return false;
		errno = ENOMEM;
		return true;
	}
	return false;
}

#define CALLER __builtin_return_address(0)

/* ---- allocations ---- */

/* The next in line, which may be a sanitizer's. */
#define NEXT(name)							\
	({								\
		static __typeof__(&name) next;				\
		if (!next)						\
			next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);	\
		next;							\
	})

void *malloc(size_t size)
{
	return fails(CALLER) ? NULL : NEXT(malloc)(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(CALLER) ? NULL : NEXT(calloc)(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails(CALLER) ? NULL : NEXT(realloc)(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	return fails(CALLER) ? NULL : NEXT(reallocarray)(p, n, size);
}

/*
 * Not by libc's, which calls malloc() above: for whom could not be told any more.  What else
 * libc allocates counts as its own.
 */
static char *copy(const char *s, size_t n)
{
	char *ret = NEXT(malloc)(n + 1);

	if (!ret)
		return NULL;
	memcpy(ret, s, n);
	ret[n] = 0;
	return ret;
}

char *strdup(const char *s)
{
	return fails(CALLER) ? NULL : copy(s, strlen(s));
}

char *strndup(const char *s, size_t n)
{
	return fails(CALLER) ? NULL : copy(s, strnlen(s, n));
}

/* ---- the wall clock ---- */

int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = NEXT(clock_gettime)(id, t);

	if (r == 0 && faults && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += faults->clock;
	return r;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	int r = NEXT(gettimeofday)(t, zone);

	if (r == 0 && faults)
		t->tv_sec += faults->clock;
	return r;
}

time_t time(time_t *ret)
{
	time_t t = NEXT(time)(NULL) + (faults ? faults->clock : 0);

	if (ret)
		*ret = t;
	return t;
}
