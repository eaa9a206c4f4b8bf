/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small helpers that all of user space shares: ownership by cleanup attributes,
 * and a few things that libc lacks.  Header-only; owns nothing.
 */
#ifndef NVMX_POLICY_UTIL_H
#define NVMX_POLICY_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(x)		(sizeof(x) / sizeof((x)[0]))
#define _cleanup_(f)		__attribute__((cleanup(f)))
#define _printf_(fmt, args)	__attribute__((format(printf, fmt, args)))

/*
 * DEFINE_CLEANUP(struct foo *, foo_free) makes foo_freep() for
 * _cleanup_(foo_freep) struct foo *foo = NULL;
 */
#define DEFINE_CLEANUP(type, f)						\
	static inline __attribute__((unused)) void f##p(type *p)	\
	{								\
		if (*p)							\
			f(*p);						\
	}

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* The errno that the caller is about to return stays as it is. */
static inline void closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void fclosep(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	errno = saved;
}

#define _cleanup_free_		_cleanup_(freep)
#define _cleanup_close_		_cleanup_(closep)
#define _cleanup_fclose_	_cleanup_(fclosep)

/* Hands the pointer (or fd) on: the cleanup attribute then finds nothing. */
#define steal_ptr(p)					\
	({						\
		__typeof__(p) *_pp = &(p);		\
		__typeof__(p) _v = *_pp;		\
		*_pp = NULL;				\
		_v;					\
	})

static inline int steal_fd(int *fd)
{
	int v = *fd;

	*fd = -EBADF;
	return v;
}

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static inline bool isempty(const char *s)
{
	return !s || !*s;
}

/* Nothing is wrong but that the host has too little of something now: worth another try. */
static inline bool is_shortage(int r)
{
	return r == -ENOMEM || r == -ENFILE || r == -EMFILE;
}

#endif /* NVMX_POLICY_UTIL_H */
