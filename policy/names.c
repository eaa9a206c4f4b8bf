/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The numbers of the kernel's ABI as the words that people write.
 */
#include "policy/internal.h"

static const char *const class_names[] = {
	[NVMX_CLASS_INTERCEPT]	= "intercept",
	[NVMX_CLASS_READ_ONLY]	= "read-only",
	[NVMX_CLASS_READ_WRITE]	= "read-write",
};

static const char *const vmwrite_any_names[] = {
	[NVMX_VMWRITE_ANY_INHERIT]	= "inherit",
	[NVMX_VMWRITE_ANY_HIDE]		= "hide",
};

static const char *const kind_names[] = {
	[NVMX_KIND_CONTROL]		= "control",
	[NVMX_KIND_READ_ONLY_DATA]	= "exit-information",
	[NVMX_KIND_GUEST_STATE]		= "guest-state",
	[NVMX_KIND_HOST_STATE]		= "host-state",
};

static const char *const width_names[] = {
	[NVMX_WIDTH_16]		= "16",
	[NVMX_WIDTH_64]		= "64",
	[NVMX_WIDTH_32]		= "32",
	[NVMX_WIDTH_NATURAL]	= "natural",
};

/* By the number of the bit. */
static const char *const field_flag_names[] = { "eager", "slow", "lazy", "absent", "lossy" };

static const char *to_string(const char *const *names, size_t n, unsigned int value)
{
	return value < n ? names[value] : NULL;
}

static int from_string(const char *const *names, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (streq(names[i], s))
			return i;
	return -EDOM;
}

const char *class_to_string(unsigned int shadow_class)
{
	return to_string(class_names, ARRAY_SIZE(class_names), shadow_class);
}

int class_from_string(const char *s)
{
	return from_string(class_names, ARRAY_SIZE(class_names), s);
}

const char *vmwrite_any_to_string(unsigned int value)
{
	return to_string(vmwrite_any_names, ARRAY_SIZE(vmwrite_any_names), value);
}

int vmwrite_any_from_string(const char *s)
{
	return from_string(vmwrite_any_names, ARRAY_SIZE(vmwrite_any_names), s);
}

const char *kind_to_string(unsigned int kind)
{
	return to_string(kind_names, ARRAY_SIZE(kind_names), kind);
}

const char *width_to_string(unsigned int width)
{
	return to_string(width_names, ARRAY_SIZE(width_names), width);
}

const char *field_flag_to_string(unsigned int bit)
{
	return to_string(field_flag_names, ARRAY_SIZE(field_flag_names), bit);
}

int field_flag_from_string(const char *s)
{
	return from_string(field_flag_names, ARRAY_SIZE(field_flag_names), s);
}

static const char *nearest_of(const char *const *names, size_t n, const char *s)
{
	struct nearest nearest = {};

	for (size_t i = 0; i < n; i++)
		nearest_try(&nearest, s, names[i]);
	return nearest.name;
}

int class_parse(const char *place, const char *s, unsigned int *ret, char **ret_error)
{
	const char *nearest;
	int r;

	r = class_from_string(s);
	nearest = r < 0 ? nearest_of(class_names, ARRAY_SIZE(class_names), s) : NULL;
	if (nearest)
		return error_set(ret_error, r, "%sThere is no class \"%.64s\"; did you mean %s?",
				 place, s, nearest);
	if (r < 0)
		return error_set(ret_error, r, "%sThere is no class \"%.64s\"; "
				 "a field is intercept, read-only or read-write.", place, s);
	*ret = r;
	return 0;
}

int vmwrite_any_parse(const char *place, const char *s, int *ret, char **ret_error)
{
	int r;

	r = vmwrite_any_from_string(s);
	if (r < 0)
		return error_set(ret_error, r, "%s" VMWRITE_ANY_FIELD " cannot be \"%.64s\"; "
				 "it is inherit or hide.", place, s);
	*ret = r;
	return 0;
}
