// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Two VMs at once: a policy set on one leaves the exits of the other as they are.
 * And the counters: KVM's binary statistics show the same.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

static struct counters before[2], after[2];

/* L1's work for a while: every shadowable field once each way, and L2 in between. */
static void work(struct vm *vm)
{
	unsigned int i;

	vm_setup(vm, 0);
	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], NVMX_CLASS_READ_ONLY))
			vm_vmwrite(vm, dev_fields[i].encoding, vm_vmread(vm, dev_fields[i].encoding));
	vm_vmwrite(vm, GUEST_RIP, vm->m->l2_entry[L2_MIX]);
	vm_op(vm, L1_L2_LOOP, 0, 0, 9);
}

/* Exits that work() causes, by the policy that the VM is meant to have. */
static void check_exits(struct vm *vm, int fd, const struct policy *p, const char *who)
{
	static struct counters b, a;
	unsigned int i, c;
	uint32_t e;

	vm_setup(vm, 0);
	dev_counters(fd, &b);
	for (i = 0; i < dev_nr_fields; i++)
		if (dev_allows(&dev_fields[i], NVMX_CLASS_READ_ONLY))
			vm_vmwrite(vm, dev_fields[i].encoding, vm_vmread(vm, dev_fields[i].encoding));
	dev_counters(fd, &a);
	for (i = 0; i < dev_nr_fields; i++) {
		e = dev_fields[i].encoding;
		if (!dev_allows(&dev_fields[i], NVMX_CLASS_READ_ONLY))
			continue;
		c = dev_class(p, e);
		expect_is(dev_reads(&a, e) - dev_reads(&b, e), c == NVMX_CLASS_INTERCEPT,
			  "%s (%s): VMREAD exits of %s", who, p->name, dev_fields[i].name);
		expect_is(dev_writes(&a, e) - dev_writes(&b, e), c != NVMX_CLASS_READ_WRITE,
			  "%s (%s): VMWRITE exits of %s", who, p->name, dev_fields[i].name);
	}
}

static void test_pairs(struct vm vms[2], const int fds[2])
{
	enum dev_policy which, other;
	static struct policy p[2], got;
	uint64_t generation, was;

	for (other = 0; other < POLICY_NR; other++) {
		dev_make_policy(other, &p[1]);
		dev_must_set(fds[1], &p[1]);
		dev_get(fds[1], &got, NULL, &was);
		test_begin();
		for (which = 0; which < POLICY_NR; which++) {
			dev_make_policy(which, &p[0]);
			dev_must_set(fds[0], &p[0]);
			check_exits(&vms[0], fds[0], &p[0], "the one");
			check_exits(&vms[1], fds[1], &p[1], "the other");
			dev_get(fds[1], &got, NULL, &generation);
			expect(dev_same(&got, &p[1]), "the other's policy is as it was");
			expect_is(generation, was, "and its generation");
			dev_get(fds[0], &got, NULL, NULL);
			expect(dev_same(&got, &p[0]), "the one has what was set");
		}
		test_end("policies set on one VM leave the exits of the other, with %s, alone",
			 p[1].name);
	}
}

static void test_untouched(struct vm vms[2], const int fds[2])
{
	static struct policy p, stock;
	static char label[NVMX_LABEL_LEN];
	uint64_t generation;

	dev_make_policy(POLICY_STOCK, &stock);
	dev_make_policy(POLICY_INTERCEPT_ALL, &p);
	test_begin();
	work(&vms[1]);
	dev_must_set(fds[0], &p);
	work(&vms[0]);
	work(&vms[1]);
	dev_counters(fds[1], &after[1]);
	expect_is(after[1].total.policy_switches, 0, "policy switches of the other");
	expect_is(dev_reads(&after[1], VM_EXIT_REASON), 0, "VMREAD exits of VM_EXIT_REASON");
	dev_counters(fds[0], &after[0]);
	expect_is(after[0].total.policy_switches, 1, "policy switches of the one");
	expect(dev_reads(&after[0], VM_EXIT_REASON) > 0, "VMREAD exits of VM_EXIT_REASON");
	dev_get(fds[1], &p, label, &generation);
	expect(dev_same(&p, &stock), "the other has stock");
	expect_is(generation, 0, "its generation");
	expect_is(label[0], 0, "its label");
	test_end("a VM that nobody touched has the kernel's own list, and keeps it");
}

static unsigned int pending(int fd)
{
	struct nvmx_vm_info info = { .size = sizeof(info) };

	if (ioctl(fd, NVMX_VM_GET_INFO, &info) < 0)
		bail("NVMX_VM_GET_INFO");
	return info.nr_pending;
}

/* A vCPU holds the older policy until it enters L1 again; nr_pending says so. */
static void test_pending(struct vm *vm, int fd)
{
	static struct policy p;

	vm_op(vm, L1_NOP, 0, 0, 1);
	test_begin();
	expect_is(pending(fd), 0, "pending before");
	dev_make_policy(POLICY_MOST, &p);
	dev_must_set(fd, &p);
	dev_must_set(fd, &p);
	dev_counters(fd, &before[0]);
	expect_is(pending(fd), 1, "pending while L1 does not run");
	vm_op(vm, L1_NOP, 0, 0, 1);
	dev_counters(fd, &after[0]);
	expect_is(pending(fd), 0, "pending after L1 ran");
	expect_is(after[0].total.policy_switches - before[0].total.policy_switches, 1,
		  "two policies set, one taken up");
	test_end("a vCPU takes up the last policy when it enters L1, and not before");
}

/* L1 in the middle of work, the other VM switched between any two of its batches. */
static void test_interleaved(struct vm vms[2], const int fds[2])
{
	static struct policy p[POLICY_NR];
	enum dev_policy which;
	unsigned int i;

	for (which = 0; which < POLICY_NR; which++)
		dev_make_policy(which, &p[which]);
	dev_must_set(fds[0], &p[POLICY_STOCK]);
	vm_setup(&vms[0], 0);
	vm_vmread(&vms[0], VM_EXIT_REASON);
	dev_counters(fds[0], &before[0]);
	for (i = 0; i < 60; i++) {
		dev_must_set(fds[1], &p[i % POLICY_NR]);
		vm_op(&vms[1], L1_VMREAD, VM_EXIT_REASON, 0, 3);
		vm_op(&vms[0], L1_VMREAD, VM_EXIT_REASON, 0, 3);
		vm_op(&vms[0], L1_VMREAD, HOST_RSP, 0, 2);
	}
	dev_counters(fds[0], &after[0]);
	test_begin();
	expect_is(dev_reads(&after[0], VM_EXIT_REASON) - dev_reads(&before[0], VM_EXIT_REASON), 0,
		  "VM_EXIT_REASON");
	expect_is(dev_reads(&after[0], HOST_RSP) - dev_reads(&before[0], HOST_RSP),
		  dev_class(&p[POLICY_STOCK], HOST_RSP) ? 0 : 120, "HOST_RSP");
	expect_is(after[0].total.policy_switches, before[0].total.policy_switches, "policy switches");
	test_end("60 policies set on one VM while the other works");
}

static void test_stats(struct vm *vm, int fd, const char *who)
{
	static const struct {
		const char *name;
		size_t offset;
	} stats[] = {
		{ "nested_vmread_exits", offsetof(struct nvmx_counters, vmread_exits) },
		{ "nested_vmwrite_exits", offsetof(struct nvmx_counters, vmwrite_exits) },
	};
	static struct counters c;
	uint64_t value, sum[2] = {}, want;
	unsigned int i;

	work(vm);
	dev_counters(fd, &c);
	for (i = 0; i < 2; i++) {
		want = *(uint64_t *)((char *)&c.total + stats[i].offset);
		ok(vm_stat(vm, stats[i].name, &value) && value == want && value > 0,
		   "%s: the vCPU's binary statistic %s is the counter (%llu)", who, stats[i].name,
		   (unsigned long long)want);
		ok(!vm_stat_of_vm(vm, stats[i].name, &value),
		   "%s: %s is not in the VM's table, where libvirt would drop all", who, stats[i].name);
	}
	for (i = 0; i < c.nr; i++) {
		sum[0] += c.fields[i].vmread_exits;
		sum[1] += c.fields[i].vmwrite_exits;
	}
	is(sum[0], c.total.vmread_exits, "%s: the fields' VMREAD exits add up to the total", who);
	is(sum[1], c.total.vmwrite_exits, "%s: the fields' VMWRITE exits add up to the total", who);
}

int main(void)
{
	struct vm vms[2];
	int fds[2], i;

	dev_open();
	for (i = 0; i < 2; i++) {
		vm_new_vmx(&vms[i]);
		fds[i] = dev_open_vm(vms[i].id);
	}
	test_untouched(vms, fds);
	test_pairs(vms, fds);
	test_interleaved(vms, fds);
	test_pending(&vms[0], fds[0]);
	test_stats(&vms[0], fds[0], "one VM");
	test_stats(&vms[1], fds[1], "the other");
	for (i = 0; i < 2; i++) {
		close(fds[i]);
		vm_free(&vms[i]);
	}
	return done_testing();
}
