// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nvmx-nomem NUMBER: what happens where memory is short, on a kernel with fault injection.
 * Of operation NUMBER (there are `nvmx-nomem count`) the first allocation fails, then in
 * another attempt the second, and so on, until one goes by without a failure; and once
 * every allocation fails.  An operation that fails says ENOMEM, unless it is KVM that does,
 * and leaves nothing behind, and the same call works after it.
 *
 * /proc/self/fail-nth counts allocations of this task only, and make-it-fail is for it
 * only; scenarios/nomem.sh makes the kernel's injection ready.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dev.h"
#include "mem.h"
#include "nomem.h"
#include "tap.h"
#include "vm.h"

/* What the operations are done to. */
static struct vm vm;
static int kvm, vm_fd, reader;
/* What an operation gave. */
static int fd;
static unsigned int fds_before;
static struct policy old_policy, new_policy;
static uint64_t old_generation;

static struct nvmx_vm_info vms[4];
static struct nvmx_list_vms list;
static struct counters counters;
static struct nvmx_event events[8];

/* ---- what is there ------------------------------------------------------- */

static unsigned int nr_vms(void)
{
	struct nvmx_info info = { .size = sizeof(info) };

	if (ioctl(dev_fd, NVMX_GET_INFO, &info) < 0)
		bail("NVMX_GET_INFO");
	return info.nr_vms;
}

static struct nvmx_vm_info vm_info(void)
{
	struct nvmx_vm_info info = { .size = sizeof(info) };

	if (ioctl(vm_fd, NVMX_VM_GET_INFO, &info) < 0)
		bail("NVMX_VM_GET_INFO");
	return info;
}

/* The reader's records, of which there are at most eight; how many. */
static unsigned int read_events(void)
{
	ssize_t n = read(reader, events, sizeof(events));

	return n < 0 ? 0 : n / sizeof(events[0]);
}

static void new_vm(unsigned int flags)
{
	vm_new(&vm, flags);
	vm_fd = dev_open_vm(vm.id);
	read_events();
}

static void end_vm(void)
{
	close(vm_fd);
	vm_free(&vm);
	read_events();
}

static void count_fds(void)
{
	fds_before = mem_open_fds();
}

static void no_new_fd(void)
{
	expect_is(mem_open_fds(), fds_before, "open files");
}

/* ---- opening ------------------------------------------------------------- */

static int open_device(void)
{
	fd = open("/dev/nvmx", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : 0;
}

static void device_is_open(void)
{
	struct nvmx_info info = { .size = sizeof(info) };

	expect_is(ioctl(fd, NVMX_GET_INFO, &info), 0, "NVMX_GET_INFO by the new fd");
	vm_come_and_go();
	expect_is(read(fd, events, sizeof(events)), 2 * sizeof(events[0]), "records by the new fd");
	read_events();
}

static void close_fd(void)
{
	close(fd);
}

static void before_open_vm(void)
{
	new_vm(VM_NO_BOOT);
	count_fds();
}

static int open_vm(void)
{
	struct nvmx_open_vm o = { .size = sizeof(o), .id = vm.id };

	if (ioctl(dev_fd, NVMX_OPEN_VM, &o) < 0)
		return -errno;
	fd = o.fd;
	return 0;
}

static void vm_is_open(void)
{
	struct nvmx_vm_info info = { .size = sizeof(info) };

	expect_is(ioctl(fd, NVMX_VM_GET_INFO, &info), 0, "NVMX_VM_GET_INFO by the new fd");
	expect_is(info.id, vm.id, "its VM");
}

static void after_open_vm(void)
{
	close(fd);
	end_vm();
}

/* ---- policies ------------------------------------------------------------ */

static void make_policies(void)
{
	dev_make_policy(POLICY_NO_AR_BYTES, &old_policy);
	/* with a VMWRITE bitmap of its own for vCPUs without "VMWRITE any field" */
	dev_make_policy(POLICY_LEGACY, &new_policy);
}

static void before_set(void)
{
	struct policy got;

	new_vm(VM_NO_BOOT);
	dev_must_set(vm_fd, &old_policy);
	dev_get(vm_fd, &got, NULL, &old_generation);
	read_events();
}

static int set_policy(void)
{
	return dev_set(vm_fd, &new_policy);
}

static void expect_policy(const struct policy *want, uint64_t generation)
{
	char label[NVMX_LABEL_LEN];
	struct policy got;
	uint64_t now;

	dev_get(vm_fd, &got, label, &now);
	expect(dev_same(&got, want), "the policy is \"%s\"", want->name);
	expect(!strcmp(label, want->name), "and so is its label (\"%s\")", label);
	expect_is(now, generation, "its generation");
}

static void policy_is_old(void)
{
	expect_policy(&old_policy, old_generation);
	expect_is(read_events(), 0, "records");
}

static void policy_is_new(void)
{
	expect_policy(&new_policy, old_generation + 1);
	expect(read_events() == 1 && events[0].type == NVMX_EVENT_VM_POLICY, "VM_POLICY");
}

/* The same of new VMs' policy, of which a new VM tells. */
static int set_default(const struct policy *p)
{
	struct nvmx_policy set = {
		.size = sizeof(set), .vmwrite_any_field = p->any, .nr = p->nr,
		.entries = (uintptr_t)p->entries,
	};

	snprintf(set.label, sizeof(set.label), "%s", p->name);
	return ioctl(dev_fd, NVMX_SET_DEFAULT_POLICY, &set) < 0 ? -errno : 0;
}

static void before_set_default(void)
{
	if (set_default(&old_policy) < 0)
		bail("NVMX_SET_DEFAULT_POLICY");
}

static int set_new_default(void)
{
	return set_default(&new_policy);
}

static void expect_default(const struct policy *want)
{
	struct policy got;

	new_vm(VM_NO_BOOT);
	dev_get(vm_fd, &got, NULL, NULL);
	expect(dev_same(&got, want), "the policy of a new VM is \"%s\"", want->name);
	end_vm();
}

static void default_is_old(void)
{
	expect_default(&old_policy);
}

static void default_is_new(void)
{
	expect_default(&new_policy);
}

static void after_set_default(void)
{
	struct policy stock;

	dev_make_policy(POLICY_STOCK, &stock);
	stock.name = "";
	if (set_default(&stock) < 0)
		bail("NVMX_SET_DEFAULT_POLICY");
}

/* ---- counters, lists, windows, records ----------------------------------- */

static void before_look(void)
{
	new_vm(0);
	vm_vmxon(&vm);
	vm_setup(&vm, 0);
	vm_run_l2(&vm, L2_VMCALL);
	read_events();
}

static int get_counters(void)
{
	counters.total = (struct nvmx_counters){
		.size = sizeof(counters.total), .vcpu = NVMX_ALL_VCPUS, .nr = DEV_MAX_FIELDS,
		.fields = (uintptr_t)counters.fields,
	};
	return ioctl(vm_fd, NVMX_VM_GET_COUNTERS, &counters.total) < 0 ? -errno : 0;
}

static void counters_are_there(void)
{
	expect(counters.total.nested_entries && counters.total.nr, "entries and exits are counted");
}

static int list_vms(void)
{
	list = (struct nvmx_list_vms){
		.size = sizeof(list), .entry_size = sizeof(vms[0]), .nr = 4, .vms = (uintptr_t)vms,
	};
	return ioctl(dev_fd, NVMX_LIST_VMS, &list) < 0 ? -errno : 0;
}

static void vms_are_listed(void)
{
	expect(list.nr == 1 && vms[0].id == vm.id, "the VM is listed");
}

static int start_window(void)
{
	struct nvmx_window window = { .size = sizeof(window), .duration_ms = 60000 };

	return ioctl(vm_fd, NVMX_VM_START_WINDOW, &window) < 0 ? -errno : 0;
}

static int end_window(void)
{
	struct nvmx_window window = { .size = sizeof(window) };

	return ioctl(vm_fd, NVMX_VM_END_WINDOW, &window) < 0 ? -errno : 0;
}

static void window_is_open(void)
{
	expect_is(vm_info().state, NVMX_VM_STATE_VMXON | NVMX_VM_STATE_WINDOW, "state");
}

static void window_is_closed(void)
{
	expect_is(vm_info().state, NVMX_VM_STATE_VMXON, "state");
}

static void before_end_window(void)
{
	before_look();
	if (start_window() < 0)
		bail("NVMX_VM_START_WINDOW");
}

static int read_records(void)
{
	struct pollfd p = { .fd = reader, .events = POLLIN };

	memset(events, 0, sizeof(events));
	if (poll(&p, 1, -1) < 0 || read(reader, events, sizeof(events)) < 0)
		return -errno;
	return 0;
}

static void records_are_read(void)
{
	expect(events[0].type == NVMX_EVENT_VM_CREATED && events[1].type == NVMX_EVENT_VM_GONE &&
	       events[0].id == events[1].id && !events[2].type, "both records are there");
}

/* ---- VMs and vCPUs ------------------------------------------------------- */

static void before_create(void)
{
	read_events();
	count_fds();
}

static int create_vm(void)
{
	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	return fd < 0 ? -errno : 0;
}

/* Who is told that it came is told that it went. */
static void no_vm(void)
{
	unsigned int n = read_events();

	no_new_fd();
	expect_is(nr_vms(), 0, "VMs");
	expect(!n || (n == 2 && events[0].type == NVMX_EVENT_VM_CREATED &&
		      events[1].type == NVMX_EVENT_VM_GONE && events[0].id == events[1].id),
	       "no record, or VM_CREATED and VM_GONE (%u)", n);
}

static void one_vm(void)
{
	expect_is(nr_vms(), 1, "VMs");
	expect(read_events() == 1 && events[0].type == NVMX_EVENT_VM_CREATED, "VM_CREATED");
	vm_fd = dev_open_vm(dev_newest_vm());
	expect(dev_executable(vm_fd, NULL, 0) > 1, "with its executable");
	close(vm_fd);
}

static void after_create(void)
{
	close(fd);
	expect_is(nr_vms(), 0, "VMs at last");
	expect(read_events() == 1 && events[0].type == NVMX_EVENT_VM_GONE, "VM_GONE");
}

static void before_vcpu(void)
{
	vm.fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm.fd < 0 || ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0) < 0)
		bail("a VM");
	vm_fd = dev_open_vm(dev_newest_vm());
	count_fds();
}

static int create_vcpu(void)
{
	fd = ioctl(vm.fd, KVM_CREATE_VCPU, 0);
	return fd < 0 ? -errno : 0;
}

static void no_vcpu(void)
{
	no_new_fd();
	expect_is(vm_info().nr_vcpus, 0, "vCPUs");
}

static void one_vcpu(void)
{
	expect_is(vm_info().nr_vcpus, 1, "vCPUs");
	expect_is(vm_info().nr_pending, 0, "vCPUs that have another policy");
}

static void after_vcpu(void)
{
	close(fd);
	close(vm.fd);
	close(vm_fd);
	read_events();
}

/* ---- VMXON and what L1 does after it ------------------------------------- */

static void prepare_op(enum l1_opcode opcode, uint32_t field)
{
	vm.m->ops[0] = (struct l1_op){ .op = opcode, .field = field, .count = 1 };
	vm.m->nr_ops = 1;
}

/* Memory of L1's and the tables that map it are there once it has tried and got #GP. */
static void before_vmxon(void)
{
	new_vm(0);
	vm_op(&vm, L1_VMXON, 0, 0, 1);
	if (vm.m->ops[0].vector != 13)
		bail("VMXON with IA32_FEATURE_CONTROL cleared does not fault");
	vm_set_msr(&vm, MSR_IA32_FEATURE_CONTROL, 5);
	prepare_op(L1_VMXON, 0);
}

static int run_vcpu(void)
{
	while (ioctl(vm.vcpu, KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	return 0;
}

/* No VMXON was told of, and what can be set before it only can be set. */
static void not_vmxon(void)
{
	struct policy hide;

	expect_is(vm_info().state, 0, "state");
	expect_is(read_events(), 0, "records");
	dev_make_empty("hide", &hide);
	hide.any = NVMX_VMWRITE_ANY_HIDE;
	expect_is(-dev_set(vm_fd, &hide), 0, "errno of setting vmwrite-any-field");
	expect_is(-dev_set(vm_fd, &old_policy), 0, "errno of setting it back");
	expect_is(read_events(), 2, "records of these two");
}

static void is_vmxon(void)
{
	expect_is(vm_info().state, NVMX_VM_STATE_VMXON, "state");
	expect(read_events() == 1 && events[0].type == NVMX_EVENT_VM_VMXON, "VM_VMXON");
}

static void vmxon_works(void)
{
	expect(!vm.m->ops[0].flags && vm.m->ops[0].vector == L1_NO_VECTOR, "VMXON succeeds");
	is_vmxon();
	vm_setup(&vm, 0);
	vm_run_l2(&vm, L2_VMCALL);
	expect_is(vm_vmread(&vm, VM_EXIT_REASON), EXIT_REASON_VMCALL, "L2's exit");
}

static void before_restore(void)
{
	new_vm(0);
}

/* VMX operation by a nested state with no current VMCS. */
static int restore(void)
{
	struct kvm_nested_state state = {
		.format = KVM_STATE_NESTED_FORMAT_VMX, .size = sizeof(state),
		.hdr.vmx = { .vmxon_pa = L1_VMXON_REGION, .vmcs12_pa = -1 },
	};

	return ioctl(vm.vcpu, KVM_SET_NESTED_STATE, &state) < 0 ? -errno : 0;
}

/* A switch to other classes, taken up while L1 reads. */
static void before_switch(void)
{
	before_look();
	vm_vmwrite(&vm, HOST_RSP, 0x5a5a);
	dev_must_set(vm_fd, &new_policy);
	prepare_op(L1_VMREAD, HOST_RSP);
}

static void is_switched(void)
{
	expect_is(vm.m->ops[0].value, 0x5a5a, "HOST_RSP");
	expect_is(vm_info().nr_pending, 0, "vCPUs that have another policy");
}

/* ---- all of it ----------------------------------------------------------- */

static const struct nomem_op ops[] = {
	{ "open /dev/nvmx", .least = 2, .before = count_fds, .run = open_device,
	  .failed = no_new_fd, .done = device_is_open, .after = close_fd },
	{ "NVMX_OPEN_VM", .least = 1, .before = before_open_vm, .run = open_vm,
	  .failed = no_new_fd, .done = vm_is_open, .after = after_open_vm },
	{ "NVMX_VM_SET_POLICY", .least = 6, .before = before_set, .run = set_policy,
	  .failed = policy_is_old, .done = policy_is_new, .after = end_vm },
	{ "NVMX_SET_DEFAULT_POLICY", .least = 6, .before = before_set_default, .run = set_new_default,
	  .failed = default_is_old, .done = default_is_new, .after = after_set_default },
	{ "NVMX_VM_GET_COUNTERS", .least = 1, .before = before_look, .run = get_counters,
	  .done = counters_are_there, .after = end_vm },
	{ "NVMX_LIST_VMS", .least = 1, .before = before_look, .run = list_vms,
	  .done = vms_are_listed, .after = end_vm },
	{ "NVMX_VM_START_WINDOW", .before = before_look, .run = start_window,
	  .failed = window_is_closed, .done = window_is_open, .after = end_vm },
	{ "NVMX_VM_END_WINDOW", .before = before_end_window, .run = end_window,
	  .failed = window_is_open, .done = window_is_closed, .after = end_vm },
	{ "poll and read records", .before = vm_come_and_go, .run = read_records,
	  .done = records_are_read },
	{ "KVM_CREATE_VM", .least = 5, .before = before_create, .run = create_vm,
	  .failed = no_vm, .done = one_vm, .after = after_create },
	{ "KVM_CREATE_VCPU", .least = 3, .of_kvm = true, .before = before_vcpu, .run = create_vcpu,
	  .failed = no_vcpu, .done = one_vcpu, .after = after_vcpu },
	{ "VMXON", .least = 5, .before = before_vmxon, .run = run_vcpu,
	  .failed = not_vmxon, .done = vmxon_works, .after = end_vm },
	{ "KVM_SET_NESTED_STATE", .least = 5, .before = before_restore, .run = restore,
	  .failed = not_vmxon, .done = is_vmxon, .after = end_vm },
	{ "a switch taken up", .before = before_switch, .run = run_vcpu,
	  .done = is_switched, .after = end_vm },
};

int main(int argc, char *argv[])
{
	unsigned int i, nr = sizeof(ops) / sizeof(ops[0]);

	if (argc > 1 && !strcmp(argv[1], "count")) {
		printf("%u\n", nr);
		return 0;
	}
	i = argc > 1 ? strtoul(argv[1], NULL, 10) : nr;
	if (i >= nr)
		bail("usage: nvmx-nomem count|NUMBER");
	nomem_open();
	dev_open();
	make_policies();
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	reader = open("/dev/nvmx", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (kvm < 0 || reader < 0)
		bail("/dev/kvm, /dev/nvmx");
	nomem_test(&ops[i]);
	close(kvm);
	close(reader);
	nomem_close();
	dev_test_unused();
	return done_testing();
}
