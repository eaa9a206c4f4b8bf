/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Causes: each by lines that are its doing, and beside each what only looks like it.
 */
#include "tests/unit/unit.h"

#include "client/cause.h"

#define S(seconds)	((uint64_t)((seconds) * 1e9))

enum { VMREAD = 23, VMWRITE = 25, VMRESUME = 24, MSR_WRITE = 32 };

#define IN(where, s)		{ .kind = ACCOUNT_GUEST, .level = ACCOUNT_##where, .count = 1000, .ns = S(s) }
#define OUTSIDE(reason, s)	{ .kind = ACCOUNT_OUTSIDE, .why = ACCOUNT_##reason, .count = 10, .ns = S(s) }
#define EXIT(a, number, b, s)	{ .kind = ACCOUNT_EXIT, .level = ACCOUNT_##a, .to = ACCOUNT_##b, .reason = (number), \
				  .count = 1000, .ns = S(s) }
#define WRITES(msr, s)		{ .kind = ACCOUNT_DETAIL, .reason = MSR_WRITE, .what = (msr), .count = 1000, .ns = S(s) }

#define LINES(...)		(struct account_line[]) { __VA_ARGS__, { .kind = -1 } }

/* Ten seconds; what no line takes L1 runs. */
static const struct example {
	const char *verdict;
	struct account_line *lines;
} examples[] = {
	{ "idle",		LINES(OUTSIDE(HALTED, 9.9)) },
	{ "not-nested",		LINES(EXIT(L1, 1, L1, .1)) },
	{ "cheap",		LINES(IN(L2, 5), EXIT(L1, VMRESUME, L2, .1), EXIT(L2, 1, L2, .1)) },
	/* Much of L0, of which none leads. */
	{ "nothing-leads",	LINES(IN(L2, 1), EXIT(L1, VMRESUME, L2, .4), EXIT(L1, 1, L1, .4), EXIT(L1, 52, L1, .4),
				      EXIT(L1, 10, L1, .4)) },

	{ "fields",		LINES(EXIT(L1, VMREAD, L1, .3), EXIT(L1, VMWRITE, L1, .3)) },
	{ "cheap",		LINES(EXIT(L1, VMREAD, L1, .2), EXIT(L1, VMWRITE, L1, .2)) },
	/* Of the time that is not halted. */
	{ "fields",		LINES(OUTSIDE(HALTED, 9), EXIT(L1, VMREAD, L1, .06)) },
	/* Those of L2 are L1's to handle. */
	{ "transitions",	LINES(IN(L2, 1), EXIT(L2, VMREAD, L1, 3)) },

	{ "descriptor-tables",	LINES(EXIT(L1, 46, L1, 1), EXIT(L1, 47, L1, .5)) },
	{ "transitions",	LINES(IN(L2, 1), EXIT(L2, 46, L1, 3)) },

	{ "first-touch",	LINES(EXIT(L2, 48, L2, 1)) },
	{ "first-touch",	LINES(EXIT(L1, 48, L1, 1)) },
	{ "l1-maps",		LINES(EXIT(L2, 48, L1, 1), EXIT(L1, VMRESUME, L2, .9)) },

	{ "port-io",		LINES(EXIT(L1, 30, L1, 1)) },
	{ "port-io",		LINES(EXIT(L2, 30, L1, 1)) },
	{ "mmio",		LINES(EXIT(L1, 49, L1, 1)) },
	{ "mmio",		LINES(EXIT(L1, 44, L1, 1)) },

	{ "timer",		LINES(EXIT(L1, 52, L1, .4), EXIT(L1, MSR_WRITE, L1, .4), WRITES(0x6e0, .4)) },
	/* Another MSR. */
	{ "not-nested",		LINES(EXIT(L1, MSR_WRITE, L1, .8), WRITES(0x48, .8)) },
	{ "interrupts",		LINES(EXIT(L1, MSR_WRITE, L1, .8), WRITES(0x830, .6), WRITES(0x80b, .2)) },

	{ "no-ept",		LINES(IN(L2, 1), EXIT(L2, 28, L1, .5), EXIT(L2, 0, L1, .5), EXIT(L2, 14, L1, .5)) },
	/* Without L2 it is a guest's own business. */
	{ "nothing-leads",	LINES(EXIT(L1, 28, L1, 1.5)) },
	{ "invalidations",	LINES(EXIT(L1, 50, L1, .4), EXIT(L1, 53, L1, .4)) },
	{ "vmcs-switches",	LINES(EXIT(L1, 21, L1, .4), EXIT(L1, 19, L1, .4)) },
	{ "pause",		LINES(EXIT(L1, 40, L1, 1)) },
	{ "preempted",		LINES(OUTSIDE(PREEMPTED, 3), EXIT(L1, VMREAD, L1, 1)) },
	{ "cheap",		LINES(IN(L2, 5), OUTSIDE(PREEMPTED, .4)) },
	{ "cpuid",		LINES(EXIT(L2, 10, L1, 1)) },
	{ "user-space",		LINES(OUTSIDE(USER, 3)) },
	/* A VM that is paused. */
	{ "stopped",		LINES(OUTSIDE(USER, 10)) },
	{ "user-space",		LINES({ .kind = ACCOUNT_OUTSIDE, .why = ACCOUNT_USER, .count = 1000, .ns = S(9.9) }) },
	{ "transitions",	LINES(IN(L2, 1), EXIT(L1, VMRESUME, L2, 2), EXIT(L2, 18, L1, 1)) },
	{ "nothing-leads",	LINES(IN(L2, 1), EXIT(L1, VMRESUME, L2, 1), EXIT(L2, 18, L1, 1)) },
};

static void make(const struct example *e, struct account_vcpu *ret)
{
	struct account_vcpu v = { .ns = S(10) };
	uint64_t sum = 0;

	for (const struct account_line *l = e->lines; (int)l->kind != -1; l++) {
		assert_int_equal(account_add(&v, l), 0);
		sum += l->kind == ACCOUNT_DETAIL ? 0 : l->ns;
	}
	assert_int_equal(account_add(&v, &(struct account_line) { .kind = ACCOUNT_GUEST, .ns = v.ns - sum, .count = 1000 }),
			 0);
	*ret = v;
}

static void test_verdicts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		struct account_vcpu v;
		struct json_object *o;

		make(&examples[i], &v);
		o = cause_find(&v, &(struct cause_host) {});
		if (!streq(json_get_text(o, "verdict"), examples[i].verdict))
			fail_msg("example %zu: %s, not %s", i, json_get_text(o, "verdict"), examples[i].verdict);
		json_object_put(o);
		account_vcpu_clear(&v);
	}
}

/* The one that takes most comes first, and no time is two causes'. */
static void test_order(void **state)
{
	const struct example e = { .lines = LINES(EXIT(L1, VMREAD, L1, 1), OUTSIDE(PREEMPTED, 2), EXIT(L2, 48, L1, 1.5),
						  EXIT(L1, VMRESUME, L2, 1)) };
	struct account_vcpu v;
	struct json_object *o, *causes;

	make(&e, &v);
	o = cause_find(&v, &(struct cause_host) {});
	causes = json_get(o, "causes");
	assert_int_equal(json_length(causes), 3);
	assert_string_equal(json_get_text(json_at(causes, 0), "cause"), "preempted");
	assert_string_equal(json_get_text(json_at(causes, 1), "cause"), "l1-maps");
	assert_string_equal(json_get_text(json_at(causes, 2), "cause"), "fields");
	assert_string_equal(json_get_text(json_at(causes, 2), "text"),
			    "L1 accesses fields of its VMCS that are not shadowed: each VMREAD and VMWRITE exits: 10 % of the "
			    "time that it is not halted, 100 times a second, 1000.0 us each.");
	assert_non_null(strstr(json_get_text(json_at(causes, 2), "way"), "nvmx-dkms"));
	json_object_put(o);
	o = cause_find(&v, &(struct cause_host) { .shadowing_off = true });
	assert_non_null(strstr(json_get_text(json_at(json_get(o, "causes"), 2), "way"), "enable_shadow_vmcs"));
	json_object_put(o);
	account_vcpu_clear(&v);
}

/* What to begin with. */
static void test_reflected(void **state)
{
	const struct example e = { .lines = LINES(IN(L2, 1), EXIT(L1, VMRESUME, L2, 3), EXIT(L2, 30, L1, .1), EXIT(L2, 18, L1, .1),
						  EXIT(L2, 30, L1, .1), EXIT(L2, 10, L2, .1)) };
	struct account_vcpu v;
	struct json_object *o;

	make(&e, &v);
	v.lines[2].count = 3000;
	o = cause_find(&v, &(struct cause_host) {});
	assert_string_equal(json_get_text(o, "verdict"), "transitions");
	assert_non_null(strstr(json_get_text(o, "text"), "Of L2's exits to L1 60 % are IO_INSTRUCTION."));
	json_object_put(o);
	account_vcpu_clear(&v);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_reflected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
