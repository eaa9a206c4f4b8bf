// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Records of what changes while a VM lives: VM_POLICY of each policy that is set,
 * VM_STATE of each window's begin and end, and of enlightened VMCSs, of which a guest
 * cannot have more told than one change a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "records.h"
#include "tap.h"
#include "window.h"

#define LONG	NVMX_WINDOW_MAX_MS

static uint64_t start_time;
static struct policy policies[POLICY_NR];

/* The next record is of that type and this VM, and the last. */
static void expect_only(int reader, uint32_t type, const struct vm *vm, const char *when)
{
	struct nvmx_event e = records_next(reader);

	expect_is(e.type, type, "%s: type of the record", when);
	expect_is(e.id, vm->id, "%s: its VM", when);
	expect(records_drained(reader), "%s: no other record", when);
}

static void expect_none(int reader, const char *when)
{
	expect_is(records_next(reader).type, 0, "%s: type of a record", when);
}

static void expect_end(int reader, struct vm *vm, const char *when)
{
	uint64_t id = vm->id;

	vm_free(vm);
	expect_is(records_next(reader).type, NVMX_EVENT_VM_GONE, "%s: the VM ends", when);
	expect(records_drained(reader), "%s: no other record of VM %llu", when, (unsigned long long)id);
}

/* ---- policies ------------------------------------------------------------ */

static uint64_t generation(int fd)
{
	static struct policy p;
	uint64_t g;

	dev_get(fd, &p, NULL, &g);
	return g;
}

static int set_default(const struct policy *p)
{
	struct nvmx_policy set = {
		.size = sizeof(set), .nr = p->nr, .entries = (uintptr_t)p->entries,
	};

	return ioctl(dev_fd, NVMX_SET_DEFAULT_POLICY, &set) < 0 ? -errno : 0;
}

static void test_policy(void)
{
	struct policy bad = { .name = "bad", .any = NVMX_VMWRITE_ANY_HIDE + 1 };
	struct policy late = { .name = "late", .any = NVMX_VMWRITE_ANY_HIDE };
	int reader, fd, other;
	struct vm vm;
	unsigned int i;

	vm_new(&vm, 0);
	fd = dev_open_vm(vm.id);
	reader = records_open(O_NONBLOCK);
	/* the reader's own sets are told to it as well */
	other = dev_open_vm(vm.id);
	test_begin();
	expect_none(reader, "before");
	for (i = 0; i < POLICY_NR; i++) {
		dev_must_set(i & 1 ? fd : other, &policies[i]);
		records_expect(reader, NVMX_EVENT_VM_POLICY, vm.id, getpid(), start_time);
		expect(records_drained(reader), "%s: no other record", policies[i].name);
		expect_is(generation(fd), i + 1, "%s: generation", policies[i].name);
	}
	dev_must_set(fd, &policies[POLICY_NR - 1]);
	expect_only(reader, NVMX_EVENT_VM_POLICY, &vm, "the same once more");
	expect_is(dev_set(fd, &bad), -EINVAL, "one that is none");
	expect_none(reader, "one that is none");
	vm_vmxon(&vm);
	expect_only(reader, NVMX_EVENT_VM_VMXON, &vm, "VMXON");
	expect_is(dev_set(fd, &late), -EBUSY, "one that is too late");
	expect_none(reader, "one that is too late");
	expect_is(set_default(&policies[POLICY_STOCK]), 0, "the default");
	expect_none(reader, "the default");
	vm_setup(&vm, 0);
	vm_run_l2(&vm, L2_VMCALL);
	expect_none(reader, "the vCPU takes it up");
	expect_end(reader, &vm, "at last");
	test_end("VM_POLICY: one for each policy that is set on the VM, none for others");
	close(reader);
	close(fd);
	close(other);
}

/* ---- windows ------------------------------------------------------------- */

static void test_window(void)
{
	int reader, fd, other;
	struct vm vm;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	other = dev_open_vm(vm.id);
	reader = records_open(O_NONBLOCK);
	test_begin();
	expect_is(window_start(fd, LONG), 0, "START");
	records_expect(reader, NVMX_EVENT_VM_STATE, vm.id, getpid(), start_time);
	expect(window_is_open(fd), "it is open when the record comes");
	expect_is(window_start(other, LONG), EBUSY, "another START");
	expect_is(window_end(other), ENOENT, "another's END");
	expect_none(reader, "what is refused");
	dev_must_set(other, &policies[POLICY_MOST]);
	expect_only(reader, NVMX_EVENT_VM_POLICY, &vm, "a policy meanwhile");
	expect_is(window_end(fd), 0, "END");
	expect_only(reader, NVMX_EVENT_VM_STATE, &vm, "END");
	expect(!window_is_open(fd), "it is closed when the record comes");

	expect_is(window_start(fd, 1), 0, "START of one of 1 ms");
	expect_is(records_next(reader).type, NVMX_EVENT_VM_STATE, "START of one of 1 ms");
	expect(records_wait(reader, 10000), "it ends by itself");
	expect_only(reader, NVMX_EVENT_VM_STATE, &vm, "it ends by itself");
	expect(!window_is_open(fd), "it is closed by then");

	expect_is(window_start(other, LONG), 0, "START by another fd");
	expect_only(reader, NVMX_EVENT_VM_STATE, &vm, "START by another fd");
	close(other);
	expect_only(reader, NVMX_EVENT_VM_STATE, &vm, "its fd is closed");

	expect_is(window_start(fd, LONG), 0, "START");
	expect_only(reader, NVMX_EVENT_VM_STATE, &vm, "START");
	expect_end(reader, &vm, "with a window open");
	close(fd);
	expect_none(reader, "the fd of a VM that is gone is closed");
	test_end("VM_STATE: a window begins, and ends by END, by itself, and with its fd");
	close(reader);
}

static void test_owner_killed(void)
{
	int reader, fd, ready[2], status;
	struct vm vm;
	char byte;
	pid_t pid;

	vm_new(&vm, VM_NO_BOOT);
	if (pipe(ready) < 0)
		bail("pipe");
	reader = records_open(O_NONBLOCK);
	pid = fork();
	if (!pid) {
		fd = dev_open_vm(vm.id);
		byte = window_start(fd, LONG);
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	test_begin();
	expect(read(ready[0], &byte, 1) == 1 && !byte, "another process starts a window");
	expect_only(reader, NVMX_EVENT_VM_STATE, &vm, "START");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	expect_only(reader, NVMX_EVENT_VM_STATE, &vm, "its owner is killed");
	expect_end(reader, &vm, "at last");
	test_end("VM_STATE: a window ends with the process that began it");
	close(ready[0]);
	close(ready[1]);
	close(reader);
}

/* ---- enlightened VMCSs --------------------------------------------------- */

/* Hyper-V's, which KVM emulates; TLFS, and arch/x86/include/asm/hyperv-tlfs.h. */
#define HV_CPUID_INTERFACE		0x40000001
#define HV_INTERFACE			0x31237648	/* "Hv#1" */
#define HV_X64_MSR_VP_ASSIST_PAGE	0x40000073
#define HV_MSR_ENABLE			1

struct vp_assist_page {
	uint8_t not_for_us[40];
	uint8_t enlighten_vmentry;
	uint8_t reserved[7];
	uint64_t current_nested_vmcs;
};

/* Where nobody else has anything. */
#define VP_ASSIST_PAGE		0x10000

/* The record of a change comes within a second of it. */
#define TELL_MS			1000
#define SOON_MS			(10 * TELL_MS)

static struct vp_assist_page *assist_page(struct vm *vm)
{
	return vm->mem + VP_ASSIST_PAGE;
}

/* L1 sees Hyper-V instead of KVM, and is offered enlightened VMCSs. */
static void offer_evmcs(struct vm *vm)
{
	uint16_t version;
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_HYPERV_ENLIGHTENED_VMCS, .args = { (uintptr_t)&version },
	};
	struct kvm_cpuid2 *cpuid;
	unsigned int i, n = 0;

	cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	if (!cpuid)
		bail("no memory");
	cpuid->nent = 256;
	if (ioctl(vm->vcpu, KVM_ENABLE_CAP, &cap) < 0 ||
	    ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		bail("KVM_CAP_HYPERV_ENLIGHTENED_VMCS");
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function >> 8 != HV_CPUID_INTERFACE >> 8)
			cpuid->entries[n++] = cpuid->entries[i];
	cpuid->entries[n++] = (struct kvm_cpuid_entry2){
		.function = HV_CPUID_INTERFACE, .eax = HV_INTERFACE,
	};
	cpuid->nent = n;
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, cpuid) < 0)
		bail("KVM_SET_CPUID2 with Hyper-V's leaves");
	free(cpuid);
	vm_set_msr(vm, HV_X64_MSR_VP_ASSIST_PAGE, VP_ASSIST_PAGE | HV_MSR_ENABLE);
}

/* In VMX operation; its two VMCSs are good for either kind. */
static void new_hyperv(struct vm *ret)
{
	vm_new(ret, VM_NO_BOOT);
	offer_evmcs(ret);
	vm_boot(ret);
	vm_vmxon(ret);
}

/*
 * L1 takes an enlightened VMCS up, or drops it: by VMLAUNCH, which goes no further, for there is
 * nothing in the one, and none current without.
 */
static void launch(struct vm *vm, bool enlightened, unsigned int which)
{
	assist_page(vm)->enlighten_vmentry = enlightened;
	assist_page(vm)->current_nested_vmcs = L1_VMCS(which);
	if (!vm_op(vm, L1_VMLAUNCH, 0, 0, 1)->flags)
		bail("L2 was entered by an empty VMCS");
}

static bool uses_evmcs(int fd)
{
	return window_info(fd).state & NVMX_VM_STATE_EVMCS;
}

static void expect_told(int reader, const struct vm *vm, int fd, bool used, const char *when)
{
	expect(records_wait(reader, SOON_MS), "%s: a record", when);
	expect_only(reader, NVMX_EVENT_VM_STATE, vm, when);
	expect_is(uses_evmcs(fd), used, "%s: NVMX_VM_STATE_EVMCS", when);
}

static void expect_silence(int reader, const char *when)
{
	expect(!records_wait(reader, TELL_MS + TELL_MS / 2), "%s: no record", when);
}

static void test_evmcs(void)
{
	struct vm vm;
	int reader, fd;

	new_hyperv(&vm);
	fd = dev_open_vm(vm.id);
	reader = records_open(O_NONBLOCK);
	test_begin();
	launch(&vm, false, 0);
	expect_silence(reader, "an ordinary VMLAUNCH");
	launch(&vm, true, 0);
	expect_told(reader, &vm, fd, true, "VMLAUNCH takes one up");
	launch(&vm, true, 1);
	expect_silence(reader, "another instead");
	launch(&vm, false, 0);
	expect_told(reader, &vm, fd, false, "VMLAUNCH without one");
	launch(&vm, true, 0);
	expect_told(reader, &vm, fd, true, "and with one");
	vm_op(&vm, L1_VMCLEAR, 0, 0, 1);
	expect_told(reader, &vm, fd, false, "VMCLEAR");
	launch(&vm, true, 0);
	expect_told(reader, &vm, fd, true, "VMLAUNCH after it");
	vm_op(&vm, L1_VMXOFF, 0, 0, 1);
	expect_told(reader, &vm, fd, false, "VMXOFF");
	expect_silence(reader, "after all that");
	test_end("VM_STATE: an enlightened VMCS is taken up, and dropped in each way");

	/* nobody looks: what is over before it is told is not */
	test_begin();
	vm_vmxon(&vm);
	launch(&vm, true, 0);
	launch(&vm, false, 0);
	expect_silence(reader, "taken up and dropped");
	/* somebody has seen it, and has to be told that it is over */
	launch(&vm, true, 0);
	expect(uses_evmcs(fd), "NVMX_VM_GET_INFO says that it is used");
	launch(&vm, false, 0);
	expect_told(reader, &vm, fd, false, "taken up, seen and dropped");
	expect_silence(reader, "after it");
	/* with the VM goes what was to be told */
	launch(&vm, true, 0);
	expect_end(reader, &vm, "with one in use");
	expect_silence(reader, "the VM is gone");
	test_end("VM_STATE: not of what is over, unless somebody has seen it");
	close(fd);
	close(reader);
}

static unsigned int ms_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}

/* As fast as it can, for three times as long as a record takes. */
static void test_evmcs_rate(void)
{
	unsigned int changes = 0, told = 0, ms;
	struct timespec begin;
	struct vm vm;
	int reader, fd;

	new_hyperv(&vm);
	fd = dev_open_vm(vm.id);
	reader = records_open(O_NONBLOCK);
	test_begin();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		launch(&vm, !(changes & 1), 0);
		/* which makes each of them worth a record */
		uses_evmcs(fd);
		changes++;
		while (records_next(reader).type == NVMX_EVENT_VM_STATE)
			told++;
		ms = ms_since(&begin);
	} while (ms < 3 * TELL_MS);
	expect(changes > 20, "%u changes are more than a reader wants to hear of", changes);
	expect(told >= 1, "some are told");
	/* one more for the ticks that timers are rounded to */
	expect(told <= ms / TELL_MS + 1, "%u records in %u ms", told, ms);
	launch(&vm, false, 0);
	records_wait(reader, SOON_MS);
	while (records_next(reader).type == NVMX_EVENT_VM_STATE)
		;
	expect_silence(reader, "once it rests");
	expect_end(reader, &vm, "at last");
	test_end("VM_STATE: no more than one a second of a VM, however often it changes");
	note("%u changes in %u ms, %u records", changes, ms, told);
	close(fd);
	close(reader);
}

/*
 * With an enlightened VMCS in use every VMREAD is answered from that, whatever the class;
 * what L1 had current before is not.
 */
static void test_evmcs_after_vmptrld(enum dev_policy which)
{
	static struct policy p;
	struct vm vm;
	int fd;

	dev_make_policy(which, &p);
	new_hyperv(&vm);
	fd = dev_open_vm(vm.id);
	dev_must_set(fd, &p);
	test_begin();
	vm_setup(&vm, 0);
	vm_vmwrite(&vm, GUEST_RIP, 0x123456);
	expect_is(vm_vmread(&vm, GUEST_RIP), 0x123456, "the VMCS by VMPTRLD");
	launch(&vm, true, 1);
	expect(uses_evmcs(fd), "an enlightened VMCS is in use");
	expect_is(vm_vmread(&vm, GUEST_RIP), 0, "which has nothing in it");
	vm_op(&vm, L1_VMCLEAR, 0, 1, 1);
	expect(!uses_evmcs(fd), "none is in use");
	vm_setup(&vm, 0);
	vm_vmwrite(&vm, GUEST_RIP, 0x234567);
	expect_is(vm_vmread(&vm, GUEST_RIP), 0x234567, "the VMCS by VMPTRLD again");
	test_end("%s: an enlightened VMCS taken up after VMPTRLD: VMREAD reads it", p.name);
	close(fd);
	vm_free(&vm);
}

int main(void)
{
	enum dev_policy p;

	dev_open();
	start_time = records_start_time(getpid());
	for (p = 0; p < POLICY_NR; p++)
		dev_make_policy(p, &policies[p]);
	test_policy();
	test_window();
	test_owner_killed();
	test_evmcs();
	test_evmcs_rate();
	test_evmcs_after_vmptrld(POLICY_INTERCEPT_ALL);
	test_evmcs_after_vmptrld(POLICY_STOCK);
	dev_test_unused();
	return done_testing();
}
