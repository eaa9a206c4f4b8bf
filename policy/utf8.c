/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UTF-8 as D-Bus takes it: no surrogates, no noncharacters, nothing overlong.
 * One string that is not so would make a whole message fail.
 */
#include "policy/internal.h"

static size_t sequence_length(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	if (c >= 0xf0 && c <= 0xf4)
		return 4;
	return 0;
}

size_t utf8_length(const char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = sequence_length(*s);
	uint32_t c;

	if (n <= 1)
		return n;

	c = (unsigned char)*s & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		/* A NUL is none of these: never beyond the end. */
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ||
	    (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
		return 0;
	return n;
}

bool utf8_is_text(const char *s)
{
	while (*s) {
		size_t n = utf8_length(s);

		if (n == 0 || (unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
		s += n;
	}
	return true;
}

void utf8_clean(char *s)
{
	while (*s) {
		size_t n = utf8_length(s);

		if (n == 0 || (unsigned char)*s < 0x20 || *s == 0x7f) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}
