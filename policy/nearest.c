/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The word that somebody may have meant: the one with the fewest letters added,
 * lost, changed or swapped with their neighbours.  Capitals, and '-' for '_', are no
 * difference.
 */
#include <ctype.h>

#include "policy/internal.h"

/* Longer ones are no slip of the finger. */
#define LENGTH_MAX	63

static int fold(char c)
{
	return c == '-' ? '_' : toupper((unsigned char)c);
}

static unsigned int smallest(unsigned int a, unsigned int b, unsigned int c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Optimal string alignment, with three rows of the matrix. */
static unsigned int distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned int rows[3][LENGTH_MAX + 1];

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *now = rows[i % 3], *last = rows[(i + 2) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			bool same = fold(a[i - 1]) == fold(b[j - 1]);

			now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]) && rows[(i + 1) % 3][j - 2] + 1 < now[j])
				now[j] = rows[(i + 1) % 3][j - 2] + 1;
		}
	}
	return rows[n % 3][m];
}

void nearest_try(struct nearest *n, const char *wanted, const char *candidate)
{
	size_t a = strlen(wanted), b = strlen(candidate);
	unsigned int d;

	if (a == 0 || a > LENGTH_MAX || b > LENGTH_MAX)
		return;
	d = distance(wanted, a, candidate, b);
	/* A quarter of the letters may be wrong, and one always unless nothing is left. */
	if (d > (a < 8 ? (unsigned int)(a > 2) : a / 4) || (n->name && d >= n->distance))
		return;
	n->name = candidate;
	n->distance = d;
}
