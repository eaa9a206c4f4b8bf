/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random numbers of a seed (not 0): the same on every machine. */
#ifndef RAND_H
#define RAND_H

#include <stdint.h>

static uint64_t rand_state;

static inline uint64_t random64(void)
{
	rand_state ^= rand_state << 13;
	rand_state ^= rand_state >> 7;
	rand_state ^= rand_state << 17;
	return rand_state * 0x2545f4914f6cdd1dULL;
}

static inline unsigned int below(unsigned int n)
{
	return (random64() >> 33) % n;
}

#endif
