/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random numbers of a seed (not 0): the same on every machine. */
#ifndef RAND_H
#define RAND_H

#include <stdint.h>

static inline uint64_t random64_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dULL;
}

static inline unsigned int below_of(uint64_t *state, unsigned int n)
{
	return (random64_of(state) >> 33) % n;
}

/* The same for a program that needs only one source. */
static uint64_t rand_state __attribute__((unused));

static inline uint64_t random64(void)
{
	return random64_of(&rand_state);
}

static inline unsigned int below(unsigned int n)
{
	return below_of(&rand_state, n);
}

#endif
