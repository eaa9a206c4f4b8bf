// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vmwrite-any-field: IA32_VMX_MISC[29] as L1 sees it, and whether VMWRITE to the
 * exit information follows it, by policy and by what user space set.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

static struct counters before, after;

/* VMWRITE of every exit-information field fails with 13 and changes nothing. */
static void check_writes_fail(struct vm *vm, const char *what)
{
	struct l1_op *op;
	unsigned int i, n = 0;
	uint64_t value;

	test_begin();
	for (i = 0; i < dev_nr_fields; i++) {
		const struct nvmx_field *f = &dev_fields[i];

		if (f->kind != NVMX_KIND_READ_ONLY_DATA || f->encoding == VM_INSTRUCTION_ERROR)
			continue;
		value = vm_vmread(vm, f->encoding);
		op = vm_op(vm, L1_VMWRITE, f->encoding, value ^ 0x55, 1);
		expect_is(op->flags, L1_ZF, "%s: VMfailValid", f->name);
		expect_is(op->error, VMXERR_READ_ONLY_COMPONENT, "%s: error", f->name);
		expect_is(vm_vmread(vm, f->encoding), value, "%s: unchanged", f->name);
		n++;
	}
	expect(n >= 10, "there are exit-information fields");
	test_end("%s: VMWRITE to all exit information fails with error 13", what);
}

static void check_writes_work(struct vm *vm, const char *what)
{
	unsigned int i;

	test_begin();
	for (i = 0; i < dev_nr_fields; i++) {
		const struct nvmx_field *f = &dev_fields[i];

		if (f->kind != NVMX_KIND_READ_ONLY_DATA || f->encoding == VM_INSTRUCTION_ERROR)
			continue;
		vm_vmwrite(vm, f->encoding, 0x4321 + i);
		expect_is(vm_vmread(vm, f->encoding), 0x4321 + i, "%s: read back", f->name);
	}
	test_end("%s: VMWRITE to all exit information works and is read back", what);
}

static void check_misc(struct vm *vm, uint64_t l1, uint64_t host, const char *what)
{
	uint64_t as_set = vm_get_msr(vm, MSR_IA32_VMX_MISC);
	uint64_t seen = vm_l1_rdmsr(vm, MSR_IA32_VMX_MISC);

	is(!!(seen & VMX_MISC_VMWRITE_ANY), l1, "%s: L1 reads IA32_VMX_MISC[29] as %u", what,
	   (unsigned int)l1);
	is(!!(as_set & VMX_MISC_VMWRITE_ANY), host, "%s: KVM_GET_MSRS gives %u", what,
	   (unsigned int)host);
	is((seen ^ as_set) & ~VMX_MISC_VMWRITE_ANY, 0, "%s: no other bit differs", what);
}

static void policy_with(enum dev_policy which, uint32_t any, struct policy *ret)
{
	dev_make_policy(which, ret);
	ret->any = any;
}

static void test_inherit_and_hide(void)
{
	struct vm hidden, other;
	struct policy p;
	int fd, other_fd;

	vm_new(&hidden, 0);
	vm_new(&other, 0);
	fd = dev_open_vm(hidden.id);
	other_fd = dev_open_vm(other.id);
	policy_with(POLICY_STOCK, NVMX_VMWRITE_ANY_HIDE, &p);
	dev_must_set(fd, &p);
	check_misc(&hidden, 0, 1, "hide");
	check_misc(&other, 1, 1, "inherit, of another VM");
	vm_vmxon(&hidden);
	vm_setup(&hidden, 0);
	vm_vmxon(&other);
	vm_setup(&other, 0);
	vm_run_l2(&hidden, L2_VMCALL);
	is(vm_vmread(&hidden, VM_EXIT_REASON), EXIT_REASON_VMCALL, "hide: L2 runs");
	check_writes_fail(&hidden, "hide");
	check_writes_work(&other, "inherit");
	policy_with(POLICY_NO_AR_BYTES, NVMX_VMWRITE_ANY_HIDE, &p);
	dev_must_set(fd, &p);
	check_writes_fail(&hidden, "hide, another policy while it runs");
	policy_with(POLICY_STOCK, NVMX_VMWRITE_ANY_INHERIT, &p);
	is(dev_set(fd, &p), (unsigned long long)-EBUSY, "hide to inherit after VMXON: EBUSY");
	policy_with(POLICY_STOCK, NVMX_VMWRITE_ANY_HIDE, &p);
	is(dev_set(other_fd, &p), (unsigned long long)-EBUSY, "inherit to hide after VMXON: EBUSY");
	is(vm_op(&other, L1_VMXOFF, 0, 0, 1)->flags, 0, "VMXOFF");
	is(dev_set(other_fd, &p), (unsigned long long)-EBUSY, "and after VMXOFF too");
	check_misc(&hidden, 0, 1, "hide, after all that");
	check_misc(&other, 1, 1, "inherit, after all that");
	close(fd);
	close(other_fd);
	vm_free(&hidden);
	vm_free(&other);
}

/* As long as no vCPU did VMXON, and L1 has not looked, the choice is free. */
static void test_change_before_vmxon(void)
{
	struct policy p;
	struct vm vm;
	int fd;

	vm_new(&vm, 0);
	fd = dev_open_vm(vm.id);
	policy_with(POLICY_INTERCEPT_ALL, NVMX_VMWRITE_ANY_HIDE, &p);
	dev_must_set(fd, &p);
	is(!!(vm_get_msr(&vm, MSR_IA32_VMX_MISC) & VMX_MISC_VMWRITE_ANY), 1,
	   "hide before VMXON: user space has read the MSR");
	vm_l1_rdmsr(&vm, MSR_IA32_VMX_BASIC);
	policy_with(POLICY_STOCK, NVMX_VMWRITE_ANY_INHERIT, &p);
	dev_must_set(fd, &p);
	check_misc(&vm, 1, 1, "inherit again before VMXON");
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	check_writes_work(&vm, "inherit after hide");
	close(fd);
	vm_free(&vm);
}

/* What L1 has read in the MSR stays true, before VMXON too. */
static void test_change_after_read(uint32_t any)
{
	const char *what = any == NVMX_VMWRITE_ANY_HIDE ? "hide" : "inherit";
	bool shown = any != NVMX_VMWRITE_ANY_HIDE;
	struct policy p;
	struct vm vm;
	int fd;

	vm_new(&vm, 0);
	fd = dev_open_vm(vm.id);
	policy_with(POLICY_STOCK, any, &p);
	dev_must_set(fd, &p);
	check_misc(&vm, shown, 1, what);
	p.any = shown ? NVMX_VMWRITE_ANY_HIDE : NVMX_VMWRITE_ANY_INHERIT;
	is(dev_set(fd, &p), (unsigned long long)-EBUSY, "%s: to the other after L1 read the MSR: EBUSY",
	   what);
	policy_with(POLICY_INTERCEPT_ALL, any, &p);
	dev_must_set(fd, &p);
	check_misc(&vm, shown, 1, "as it was, with other classes");
	close(fd);
	vm_free(&vm);
}

/* Before L1's first instruction: later not every kernel lets user space do that. */
static void clear_bit_29(struct vm *vm)
{
	vm_set_msr(vm, MSR_IA32_VMX_MISC,
		   vm_get_msr(vm, MSR_IA32_VMX_MISC) & ~VMX_MISC_VMWRITE_ANY);
}

/*
 * User space itself does not offer the bit.  A policy with read-write exit
 * information then must not let VMWRITE succeed.
 */
static void test_cleared_by_user(enum dev_policy which, bool policy_first)
{
	static const char *const orders[] = { "MSR, policy", "policy, MSR" };
	const char *order = orders[policy_first];
	struct policy p;
	struct vm vm;
	int fd, i;

	vm_new(&vm, VM_NO_BOOT);
	fd = dev_open_vm(vm.id);
	policy_with(which, NVMX_VMWRITE_ANY_INHERIT, &p);
	for (i = 0; i < 2; i++)
		if (i == policy_first)
			clear_bit_29(&vm);
		else
			dev_must_set(fd, &p);
	vm_boot(&vm);
	note("%s, bit cleared by user space (%s)", p.name, order);
	check_misc(&vm, 0, 0, p.name);
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	check_writes_fail(&vm, p.name);
	vm_run_l2(&vm, L2_OUT);
	is(vm_vmread(&vm, EXIT_QUALIFICATION), 0x800040, "%s: and exit information is true", p.name);
	check_writes_fail(&vm, p.name);
	close(fd);
	vm_free(&vm);
}

/* The policy comes when L1 is in VMX operation already, or has left it meanwhile. */
static void test_legacy_later(void)
{
	struct policy legacy, stock;
	struct vm vm;
	bool changed;
	int fd;

	dev_make_policy(POLICY_LEGACY, &legacy);
	dev_make_policy(POLICY_STOCK, &stock);
	vm_new(&vm, VM_NO_BOOT);
	fd = dev_open_vm(vm.id);
	clear_bit_29(&vm);
	vm_boot(&vm);
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	dev_must_set(fd, &legacy);
	check_writes_fail(&vm, "legacy set after VMXON, bit cleared by user space");
	is(vm_op(&vm, L1_VMXOFF, 0, 0, 1)->flags, 0, "VMXOFF");
	changed = vm_try_set_msr(&vm, MSR_IA32_VMX_MISC,
				 vm_get_msr(&vm, MSR_IA32_VMX_MISC) | VMX_MISC_VMWRITE_ANY);
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	if (!changed) {
		check_writes_fail(&vm, "legacy, and this kernel lets nobody set the bit any more");
		goto out;
	}
	dev_counters(fd, &before);
	check_writes_work(&vm, "legacy, bit set by user space between two VMXONs");
	dev_counters(fd, &after);
	is(dev_writes(&after, VM_EXIT_REASON) - dev_writes(&before, VM_EXIT_REASON), 0,
	   "and does not exit");
	dev_must_set(fd, &stock);
	check_writes_work(&vm, "stock after legacy");
out:
	close(fd);
	vm_free(&vm);
}

static void test_default_policy(void)
{
	struct nvmx_policy set = {
		.size = sizeof(set), .vmwrite_any_field = NVMX_VMWRITE_ANY_HIDE, .label = "test:hide",
	};
	static struct policy was, p;
	static char label[NVMX_LABEL_LEN];
	uint64_t generation;
	struct vm vm, old;
	int fd, r;

	vm_new(&old, 0);
	dev_make_policy(POLICY_STOCK, &was);
	r = ioctl(dev_fd, NVMX_SET_DEFAULT_POLICY, &set);
	is(r, 0, "hide as the default policy");
	vm_new(&vm, 0);
	check_misc(&vm, 0, 1, "a new VM");
	check_misc(&old, 1, 1, "a VM from before");
	fd = dev_open_vm(vm.id);
	dev_get(fd, &p, label, &generation);
	is(p.any, NVMX_VMWRITE_ANY_HIDE, "a new VM has the default's vmwrite-any-field");
	is(generation, 0, "at generation 0");
	is(label[0] == 't', 1, "with the default's label");
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	check_writes_fail(&vm, "hidden by default");
	set.vmwrite_any_field = NVMX_VMWRITE_ANY_INHERIT;
	set.nr = was.nr;
	set.entries = (uintptr_t)was.entries;
	set.label[0] = '\0';
	is(ioctl(dev_fd, NVMX_SET_DEFAULT_POLICY, &set), 0, "stock as the default policy again");
	close(fd);
	vm_free(&vm);
	vm_free(&old);
}

int main(void)
{
	dev_open();
	test_inherit_and_hide();
	test_change_before_vmxon();
	test_change_after_read(NVMX_VMWRITE_ANY_INHERIT);
	test_change_after_read(NVMX_VMWRITE_ANY_HIDE);
	test_cleared_by_user(POLICY_LEGACY, false);
	test_cleared_by_user(POLICY_LEGACY, true);
	test_cleared_by_user(POLICY_STOCK, false);
	test_cleared_by_user(POLICY_INTERCEPT_ALL, false);
	test_legacy_later();
	test_default_policy();
	return done_testing();
}
