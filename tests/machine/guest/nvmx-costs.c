// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The counters that tell what nested VMX costs: copies and what of them was timed,
 * entries that went the slow path, lazy fetches; per vCPU and their sum.  TSC ticks are
 * instructions here, so that the timed cycles have bounds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

static struct policy policies[POLICY_NR];
static unsigned int sample_every;
/* Ticks that a field may cost in a copy: the argument, for a kernel that checks each access. */
static unsigned int field_max;

static struct nvmx_counters counters_of(int fd, int vcpu)
{
	struct nvmx_counters c = { .size = sizeof(c), .vcpu = vcpu };

	if (ioctl(fd, NVMX_VM_GET_COUNTERS, &c) < 0)
		bail("NVMX_VM_GET_COUNTERS of vCPU %d", vcpu);
	return c;
}

static unsigned int shadowed(const struct policy *p, unsigned int shadow_class)
{
	unsigned int i, n = 0;

	for (i = 0; i < p->nr; i++)
		n += p->entries[i].shadow_class == shadow_class;
	return n;
}

static void new_vm(struct vm *ret, int *ret_fd, const struct policy *p)
{
	vm_new(ret, VM_NO_BOOT);
	*ret_fd = dev_open_vm(ret->id);
	dev_must_set(*ret_fd, p);
	vm_boot(ret);
	vm_vmxon(ret);
	vm_setup(ret, 0);
}

/* @n entries into L2, before each of which L1 writes another value to @field. */
static void enter(struct vm *vm, uint32_t field, uint64_t value, unsigned int n)
{
	static struct l1_op ops[L1_MAX_OPS];
	unsigned int i, k = 0;

	for (i = 0; i < n; i++) {
		if (field != NO_SUCH_FIELD)
			ops[k++] = (struct l1_op){ .op = L1_VMWRITE, .field = field, .value = value + i };
		ops[k++] = (struct l1_op){
			.op = L1_VMWRITE, .field = GUEST_RIP, .value = vm->m->l2_entry[L2_VMCALL],
		};
		ops[k++] = (struct l1_op){ .op = L1_ENTER };
	}
	vm_batch(vm, ops, k);
	for (i = 0; i < k; i++)
		if (ops[i].op == L1_ENTER && !ops[i].value)
			bail("L2 was not entered: error %u", ops[i].error);
}

/* ---- samples ------------------------------------------------------------- */

static uint64_t samples(uint64_t events)
{
	return (events + sample_every - 1) / sample_every;
}

/* Ticks per sample between a and b; what an interrupt got into is above it. */
static uint64_t per_sample(uint64_t timed_a, uint64_t cycles_a, uint64_t timed_b, uint64_t cycles_b)
{
	return timed_b > timed_a ? (cycles_b - cycles_a) / (timed_b - timed_a) : ~0ULL;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void check_samples(const struct nvmx_counters *c)
{
	expect_is(c->to_vmcs12_timed, samples(c->shadow_to_vmcs12), "timed of %llu copies to vmcs12",
		  (unsigned long long)c->shadow_to_vmcs12);
	expect_is(c->to_shadow_timed, samples(c->vmcs12_to_shadow), "timed of %llu copies to the shadow",
		  (unsigned long long)c->vmcs12_to_shadow);
	/* one that a task switch got into is dropped */
	expect(c->slow_path_timed <= samples(c->slow_path_entries) &&
	       c->slow_path_timed + 1 >= samples(c->slow_path_entries),
	       "%llu timed of %llu entries by the slow path", (unsigned long long)c->slow_path_timed,
	       (unsigned long long)c->slow_path_entries);
}

static void test_samples(const struct policy *p)
{
	unsigned int i, rw = shadowed(p, NVMX_CLASS_READ_WRITE), ro = shadowed(p, NVMX_CLASS_READ_ONLY);
	uint64_t to_vmcs12 = ~0ULL, to_shadow = ~0ULL, slow = ~0ULL;
	struct nvmx_counters a, b;
	struct vm vm;
	int fd;

	new_vm(&vm, &fd, p);
	test_begin();
	for (i = 0; i < 6; i++) {
		a = counters_of(fd, 0);
		/* an odd number, so that the samples fall anywhere in a round */
		enter(&vm, PAGE_FAULT_ERROR_CODE_MATCH, 1, sample_every + 7);
		b = counters_of(fd, 0);
		check_samples(&b);
		to_vmcs12 = lower(to_vmcs12, per_sample(a.to_vmcs12_timed, a.to_vmcs12_cycles,
							b.to_vmcs12_timed, b.to_vmcs12_cycles));
		to_shadow = lower(to_shadow, per_sample(a.to_shadow_timed, a.to_shadow_cycles,
							b.to_shadow_timed, b.to_shadow_cycles));
		slow = lower(slow, per_sample(a.slow_path_timed, a.slow_path_cycles,
					      b.slow_path_timed, b.slow_path_cycles));
	}
	expect_is(b.fields_to_vmcs12, b.shadow_to_vmcs12 * rw, "fields copied to vmcs12");
	expect_is(b.fields_to_shadow, b.vmcs12_to_shadow * (rw + ro), "fields copied to the shadow");
	expect(rw ? to_vmcs12 >= 3 * rw && to_vmcs12 <= field_max * rw + 500 : to_vmcs12 == ~0ULL,
	       "ticks of a copy of %u fields to vmcs12: %llu", rw, (unsigned long long)to_vmcs12);
	expect(rw + ro ? to_shadow >= 3 * (rw + ro) && to_shadow <= field_max * (rw + ro) + 500 :
	       to_shadow == ~0ULL, "ticks of a copy of %u fields to the shadow: %llu", rw + ro,
	       (unsigned long long)to_shadow);
	expect(slow >= 100 && slow <= 20000, "ticks of the slow path: %llu", (unsigned long long)slow);
	test_end("%s: one in %u copies and slow entries is timed, and plausible", p->name,
		 sample_every);
	note("ticks: %u fields to vmcs12 %lld, %u to the shadow VMCS %lld, slow path %lld", rw,
	     (long long)to_vmcs12, rw + ro, (long long)to_shadow, (long long)slow);
	close(fd);
	vm_free(&vm);
}

/* ---- slow-path entries --------------------------------------------------- */

/* Entries that went the slow path when L1 has written @value to @field. */
static uint64_t slow_after(struct vm *vm, int fd, uint32_t field, uint64_t value)
{
	uint64_t before = counters_of(fd, 0).slow_path_entries;

	enter(vm, field, value, 1);
	return counters_of(fd, 0).slow_path_entries - before;
}

static void test_slow_path(const struct policy *p)
{
	static const uint32_t slow[] = {
		PAGE_FAULT_ERROR_CODE_MASK, PAGE_FAULT_ERROR_CODE_MATCH, GUEST_ES_BASE, GUEST_DS_BASE,
		GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP, GUEST_GDTR_LIMIT,
	};
	static const uint32_t eager[] = { GUEST_RSP, CR0_READ_SHADOW, TPR_THRESHOLD };
	struct vm vm;
	unsigned int i;
	uint64_t value;
	int fd;

	new_vm(&vm, &fd, p);
	enter(&vm, NO_SUCH_FIELD, 0, 2);
	test_begin();
	expect_is(slow_after(&vm, fd, NO_SUCH_FIELD, 0), 0, "nothing written");
	for (i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
		bool free = dev_class(p, slow[i]) == NVMX_CLASS_READ_WRITE;
		const char *name = dev_name(slow[i]);

		expect(dev_field(slow[i])->flags & NVMX_FIELD_SLOW, "%s is a slow field", name);
		value = vm_vmread(&vm, slow[i]);
		expect_is(slow_after(&vm, fd, slow[i], value ^ 8), 1, "%s: another value", name);
		expect_is(slow_after(&vm, fd, NO_SUCH_FIELD, 0), 0, "%s: the entry after it", name);
		expect_is(slow_after(&vm, fd, slow[i], value ^ 8), !free, "%s: the same value", name);
		expect_is(slow_after(&vm, fd, slow[i], value), 1, "%s: the first value", name);
	}
	for (i = 0; i < sizeof(eager) / sizeof(eager[0]); i++) {
		value = vm_vmread(&vm, eager[i]);
		expect_is(slow_after(&vm, fd, eager[i], value ^ 8), 0, "%s", dev_name(eager[i]));
		expect_is(slow_after(&vm, fd, eager[i], value), 0, "%s", dev_name(eager[i]));
	}
	vm_setup(&vm, 1);
	expect_is(slow_after(&vm, fd, NO_SUCH_FIELD, 0), 1, "another VMCS");
	vm_op(&vm, L1_VMPTRLD, 0, 0, 1);
	expect_is(slow_after(&vm, fd, NO_SUCH_FIELD, 0), 1, "the one before");
	test_end("%s: entries go the slow path after a change that needs it, and no others", p->name);
	close(fd);
	vm_free(&vm);
}

/* ---- lazy fetches -------------------------------------------------------- */

static void test_rare_syncs(void)
{
	static struct policy lazy;
	uint64_t base, now;
	struct vm vm;
	int fd;

	dev_make_empty("es-base", &lazy);
	dev_set_class(&lazy, GUEST_ES_BASE, NVMX_CLASS_READ_ONLY);
	new_vm(&vm, &fd, &policies[POLICY_HOST_RSP]);
	test_begin();
	expect(dev_field(GUEST_ES_BASE)->flags & NVMX_FIELD_LAZY, "GUEST_ES_BASE is a lazy field");
	enter(&vm, NO_SUCH_FIELD, 0, 2);
	base = counters_of(fd, 0).rare_syncs;
	enter(&vm, NO_SUCH_FIELD, 0, 50);
	expect_is(counters_of(fd, 0).rare_syncs - base, 0, "50 exits, no lazy field shadowed");
	vm_vmread(&vm, GUEST_RIP);
	expect_is(counters_of(fd, 0).rare_syncs - base, 0, "L1 reads another field");
	vm_vmread(&vm, GUEST_ES_BASE);
	expect_is(counters_of(fd, 0).rare_syncs - base, 1, "L1 reads one");
	vm_vmread(&vm, GUEST_ES_BASE);
	vm_vmread(&vm, GUEST_DS_BASE);
	expect_is(counters_of(fd, 0).rare_syncs - base, 1, "and again, and another");

	enter(&vm, NO_SUCH_FIELD, 0, 1);
	dev_must_set(fd, &lazy);
	vm_op(&vm, L1_NOP, 0, 0, 1);
	expect_is(counters_of(fd, 0).rare_syncs - base, 2, "a policy that shadows one is taken up");
	now = counters_of(fd, 0).rare_syncs;
	enter(&vm, NO_SUCH_FIELD, 0, 50);
	vm_vmread(&vm, GUEST_ES_BASE);
	vm_vmread(&vm, GUEST_DS_BASE);
	expect_is(counters_of(fd, 0).rare_syncs - now, 50, "50 exits with one shadowed");
	dev_must_set(fd, &policies[POLICY_HOST_RSP]);
	now = counters_of(fd, 0).rare_syncs;
	enter(&vm, NO_SUCH_FIELD, 0, 50);
	expect_is(counters_of(fd, 0).rare_syncs - now, 0, "50 exits with none again");
	test_end("lazy fields are fetched with each exit if one is shadowed, else when L1 asks");
	close(fd);
	vm_free(&vm);
}

/* ---- per vCPU, and their sum --------------------------------------------- */

#define FIRST	offsetof(struct nvmx_counters, nested_entries)
#define NR_MEMBERS ((sizeof(struct nvmx_counters) - FIRST) / sizeof(uint64_t))

static uint64_t member(const struct nvmx_counters *c, unsigned int i)
{
	uint64_t value;

	memcpy(&value, (const char *)c + FIRST + i * sizeof(value), sizeof(value));
	return value;
}

/* The VM's vCPUs do not run, and its counters have been read before. */
static void check_not_reset(int fd)
{
	static struct counters first, second;
	uint64_t reads = 0, writes = 0;
	unsigned int i;

	dev_counters(fd, &first);
	dev_counters(fd, &second);
	expect_is(second.nr, first.nr, "fields that are counted");
	for (i = 0; i < first.nr; i++) {
		reads += first.fields[i].vmread_exits;
		writes += first.fields[i].vmwrite_exits;
		expect(!memcmp(&second.fields[i], &first.fields[i], sizeof(first.fields[i])),
		       "counts of %s, read again", dev_name(first.fields[i].encoding));
	}
	expect(reads && writes, "L1 has read and written");
	expect_is(reads, first.total.vmread_exits, "VMREADs of all fields");
	expect_is(writes, first.total.vmwrite_exits, "VMWRITEs of all fields");
}

static void test_sum(void)
{
	struct nvmx_counters one[2], sum, again;
	struct vm vms[2];
	unsigned int i;
	int fd;

	new_vm(&vms[0], &fd, &policies[POLICY_NO_AR_BYTES]);
	vm_new_sibling(&vms[1], &vms[0], 1);
	one[1] = counters_of(fd, 1);
	vm_vmxon(&vms[1]);
	vm_setup(&vms[1], 0);
	test_begin();
	for (i = 0; i < NR_MEMBERS; i++)
		expect_is(member(&one[1], i), 0, "member %u of a vCPU that has done nothing", i);
	enter(&vms[0], PAGE_FAULT_ERROR_CODE_MASK, 1, 90);
	vm_vmread(&vms[0], GUEST_CS_AR_BYTES);
	one[0] = counters_of(fd, 0);
	enter(&vms[1], GUEST_ES_BASE, 1, 30);
	one[1] = counters_of(fd, 1);
	expect_is(one[0].nested_entries, 90, "entries of the first");
	expect_is(one[1].nested_entries, 30, "entries of the other");
	expect_is(one[0].nested_exits_reflected, 90, "exits of the first");
	expect_is(one[1].nested_exits_reflected, 30, "exits of the other");
	sum = counters_of(fd, NVMX_ALL_VCPUS);
	again = counters_of(fd, 0);
	for (i = 0; i < NR_MEMBERS; i++) {
		expect_is(member(&sum, i), member(&one[0], i) + member(&one[1], i), "member %u", i);
		expect_is(member(&again, i), member(&one[0], i),
			  "member %u of the first, after the other has worked and all was read", i);
	}
	check_not_reset(fd);
	test_end("counters of two vCPUs: each its own, their sum, and not reset when read");
	close(fd);
	vm_free(&vms[1]);
	vm_free(&vms[0]);
}

int main(int argc, char *argv[])
{
	struct nvmx_info info = { .size = sizeof(info) };
	enum dev_policy p;

	field_max = argc > 1 ? strtoul(argv[1], NULL, 0) : 30;
	dev_open();
	if (ioctl(dev_fd, NVMX_GET_INFO, &info) < 0 || !info.sample_every || !info.tsc_khz)
		bail("sample_every %u, tsc_khz %u", info.sample_every, info.tsc_khz);
	sample_every = info.sample_every;
	for (p = 0; p < POLICY_NR; p++)
		dev_make_policy(p, &policies[p]);
	test_samples(&policies[POLICY_STOCK]);
	test_samples(&policies[POLICY_MOST]);
	test_samples(&policies[POLICY_READ_ONLY]);
	test_samples(&policies[POLICY_INTERCEPT_ALL]);
	test_slow_path(&policies[POLICY_MOST]);
	test_slow_path(&policies[POLICY_HALF]);
	test_slow_path(&policies[POLICY_STOCK]);
	test_slow_path(&policies[POLICY_INTERCEPT_ALL]);
	test_rare_syncs();
	test_sum();
	close(dev_fd);
	return done_testing();
}
