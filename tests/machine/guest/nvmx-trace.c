// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Tracepoints nvmx:* by tracefs, which the scenario mounts: one line for each exit that
 * is counted, with VM, vCPU and the field's name, and formats that name the fields, so
 * that perf and trace-cmd decode by themselves.  And what is allocated under a lock, which
 * the kernel's own tracepoints tell.
 *
 * nvmx-trace load: only makes events, for whoever records them, and prints how many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "tap.h"
#include "vm.h"

#define TRACEFS "/sys/kernel/tracing/"
#define MAX_LINES 4000

static const char *const events[] = {
	"nvmx_vmread_exit", "nvmx_vmwrite_exit", "nvmx_policy_switch",
};

static void write_file(const char *name, const char *value)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), TRACEFS "%s", name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		bail("writing %s to %s", value, path);
	close(fd);
}

static void trace(const char *event, bool on)
{
	char name[100];

	snprintf(name, sizeof(name), "events/nvmx/%s/enable", event);
	write_file(name, on ? "1" : "0");
}

static void trace_all(bool on)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		trace(events[i], on);
}

/* ---- lines of the trace -------------------------------------------------- */

/* "TASK-PID [CPU] FLAGS TIME: EVENT: TEXT" */
struct line {
	char event[40];
	char text[200];
};

static struct line lines[MAX_LINES];
static unsigned int nr_lines;

/* Takes what the buffer has; it is empty after it. */
static void read_trace(void)
{
	char text[400], *s;
	FILE *f = fopen(TRACEFS "trace", "re");

	nr_lines = 0;
	while (f && fgets(text, sizeof(text), f)) {
		s = strstr(text, ": nvmx_");
		if (!s)
			continue;
		if (nr_lines == MAX_LINES)
			bail("more than %u lines in the trace", MAX_LINES);
		if (sscanf(s, ": %39[^:]: %199[^\n]", lines[nr_lines].event,
			   lines[nr_lines].text) == 2)
			nr_lines++;
	}
	if (!f)
		bail("the trace");
	fclose(f);
	write_file("trace", "");
}

static unsigned int count(const char *event, const char *with)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr_lines; i++)
		n += !strcmp(lines[i].event, event) && strstr(lines[i].text, with);
	return n;
}

/* An access, its vCPU and VM, and the name that the line has to give it. */
static void expect_access(unsigned int i, bool write, const struct vm *vm, unsigned int vcpu,
			  uint64_t encoding, const char *name)
{
	unsigned long long got_vm, got_rip, got_encoding;
	unsigned int got_vcpu;
	char got_name[60];

	if (!expect(i < nr_lines, "line %u: only %u came", i, nr_lines))
		return;
	expect(!strcmp(lines[i].event, events[write]), "line %u: event %s", i, lines[i].event);
	if (!expect(sscanf(lines[i].text, "vm %llu vcpu %u rip %llx encoding %llx field %59s",
			   &got_vm, &got_vcpu, &got_rip, &got_encoding, got_name) == 5,
		    "line %u: \"%s\"", i, lines[i].text))
		return;
	expect_is(got_vm, vm->id, "line %u: VM", i);
	expect_is(got_vcpu, vcpu, "line %u: vCPU", i);
	expect(got_rip >= L1_IMAGE && got_rip < L1_IMAGE + 0x10000, "line %u: rip %#llx", i, got_rip);
	expect_is(got_encoding, encoding, "line %u: encoding", i);
	expect(!strcmp(got_name, name), "line %u: field %s, not %s", i, got_name, name);
}

/* ---- tests --------------------------------------------------------------- */

static void test_names(void)
{
	static const struct {
		enum l1_opcode op;
		uint32_t field;
		const char *name;
		bool fails;
	} accesses[] = {
		{ L1_VMREAD, GUEST_RIP, "GUEST_RIP", false },
		{ L1_VMREAD, HOST_RSP, NULL, false },
		{ L1_VMWRITE, HOST_RSP, NULL, false },
		{ L1_VMREAD_MEM, GUEST_PHYSICAL_ADDRESS_HIGH, "GUEST_PHYSICAL_ADDRESS", false },
		{ L1_VMWRITE, EPT_POINTER | 1, "EPT_POINTER", false },
		{ L1_VMWRITE_MEM, VIRTUAL_PROCESSOR_ID, "VIRTUAL_PROCESSOR_ID", false },
		{ L1_VMREAD, NO_SUCH_FIELD, "unsupported", true },
		{ L1_VMWRITE, NO_SUCH_FIELD, "unsupported", true },
		{ L1_VMREAD, 0xffffffff, "unsupported", true },
		{ L1_VMREAD, 0x10000 | GUEST_RIP, "unsupported", true },
		{ L1_VMWRITE, GUEST_RIP | 1, "unsupported", true },
	};
	static struct policy p;
	struct vm vm;
	unsigned int i, line = 0;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	dev_make_policy(POLICY_HOST_RSP, &p);
	dev_must_set(fd, &p);
	vm_op(&vm, L1_NOP, 0, 0, 1);
	trace_all(true);
	for (i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++)
		vm_op(&vm, accesses[i].op, accesses[i].field, 0, 1);
	trace_all(false);
	read_trace();
	test_begin();
	for (i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
		if (accesses[i].name)
			expect_access(line++, accesses[i].op == L1_VMWRITE ||
				      accesses[i].op == L1_VMWRITE_MEM, &vm, 0, accesses[i].field,
				      accesses[i].name);
		if (accesses[i].fails)
			expect_access(line++, false, &vm, 0, VM_INSTRUCTION_ERROR,
				      "VM_INSTRUCTION_ERROR");
	}
	expect_is(nr_lines, line, "lines");
	test_end("a line says VM, vCPU, encoding and field; high halves and no fields too");
	close(fd);
	vm_free(&vm);
}

/* All fields by two vCPUs of one VM and one of another; each line is an exit counted. */
static void test_counted(void)
{
	static struct counters before, after;
	static struct l1_op ops[DEV_MAX_FIELDS];
	static struct policy p;
	struct vm vms[3];
	unsigned int i, j;
	char who[3][40];
	int fds[2];

	vm_new_vmx(&vms[0]);
	vm_new_sibling(&vms[1], &vms[0], 1);
	vm_vmxon(&vms[1]);
	vm_setup(&vms[1], 0);
	vm_new_vmx(&vms[2]);
	fds[0] = dev_open_vm(vms[0].id);
	fds[1] = dev_open_vm(vms[2].id);
	dev_make_policy(POLICY_INTERCEPT_ALL, &p);
	dev_must_set(fds[0], &p);
	/* the other VM has all but what is never shadowed free */
	dev_make_policy(POLICY_READ_ONLY, &p);
	dev_must_set(fds[1], &p);
	trace_all(true);
	dev_counters(fds[0], &before);
	for (j = 0; j < 3; j++) {
		for (i = 0; i < dev_nr_fields; i++)
			ops[i] = (struct l1_op){ .op = L1_VMREAD, .field = dev_fields[i].encoding };
		vm_batch(&vms[j], ops, dev_nr_fields);
		snprintf(who[j], sizeof(who[j]), "vm %llu vcpu %u ", (unsigned long long)vms[j].id,
			 j == 1);
	}
	vm_op(&vms[1], L1_VMWRITE, HOST_RSP, 0, 300);
	dev_counters(fds[0], &after);
	trace_all(false);
	read_trace();
	test_begin();
	expect_is(count(events[0], who[0]), dev_nr_fields, "VMREADs of the first");
	expect_is(count(events[0], who[1]), dev_nr_fields, "VMREADs of its other vCPU");
	expect_is(count(events[0], who[0]) + count(events[0], who[1]),
		  after.total.vmread_exits - before.total.vmread_exits, "VMREADs counted");
	expect_is(count(events[1], who[1]), 300, "VMWRITEs of its other vCPU");
	expect_is(count(events[1], "field HOST_RSP"), 300, "of HOST_RSP");
	expect_is(count(events[1], who[0]), 0, "VMWRITEs of the first");
	expect_is(count(events[0], who[2]), dev_nr_fields - p.nr, "VMREADs of another VM");
	for (i = 0; i < dev_nr_fields; i++) {
		char name[60];

		snprintf(name, sizeof(name), "field %s", dev_fields[i].name);
		expect(count(events[0], name) >= 2, "%s has lines", name);
	}
	test_end("one line for each exit that is counted, by VM and vCPU");
	for (i = 0; i < 2; i++)
		close(fds[i]);
	for (i = 0; i < 3; i++)
		vm_free(&vms[i]);
}

static void expect_switch(unsigned int i, const struct vm *vm, const struct policy *p, bool vmxon)
{
	unsigned int j, rw = 0, ro = 0;
	char want[100];

	for (j = 0; j < p->nr; j++) {
		rw += p->entries[j].shadow_class == NVMX_CLASS_READ_WRITE;
		ro += p->entries[j].shadow_class == NVMX_CLASS_READ_ONLY;
	}
	snprintf(want, sizeof(want), "vm %llu vcpu 0 read-write %u read-only %u vmxon %d",
		 (unsigned long long)vm->id, rw, ro, vmxon);
	expect(i < nr_lines && !strcmp(lines[i].text, want), "line %u: \"%s\", not \"%s\"", i,
	       i < nr_lines ? lines[i].text : "", want);
}

static void test_switches(void)
{
	static struct policy p[POLICY_NR];
	struct vm vm;
	unsigned int i;
	int fd;

	vm_new(&vm, 0);
	fd = dev_open_vm(vm.id);
	trace(events[2], true);
	for (i = 0; i < POLICY_NR; i++) {
		dev_make_policy(i, &p[i]);
		dev_must_set(fd, &p[i]);
		if (i == 3)
			vm_vmxon(&vm);
		else
			vm_op(&vm, L1_NOP, 0, 0, 1);
	}
	vm_setup(&vm, 0);
	trace(events[2], false);
	read_trace();
	test_begin();
	for (i = 0; i < POLICY_NR; i++)
		expect_switch(i, &vm, &p[i], i > 3);
	expect_is(nr_lines, POLICY_NR, "lines: nothing but the switches");
	test_end("each switch has a line with the numbers of fields");
	dev_must_set(fd, &p[0]);
	vm_vmread(&vm, HOST_RSP);
	read_trace();
	is(nr_lines, 0, "no line while the tracepoints are off");
	close(fd);
	vm_free(&vm);
}

/* What perf and trace-cmd go by. */
static void test_format(const char *event)
{
	static char format[100000];
	char path[200], want[100];
	unsigned int i;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), TRACEFS "events/nvmx/%s/format", event);
	f = fopen(path, "re");
	n = f ? fread(format, 1, sizeof(format) - 1, f) : 0;
	if (!n)
		bail("%s", path);
	fclose(f);
	test_begin();
	expect(strstr(format, "print fmt: "), "there is a format");
	for (i = 0; i < dev_nr_fields; i++) {
		snprintf(want, sizeof(want), "{ %u, \"%s\" }", dev_fields[i].encoding,
			 dev_fields[i].name);
		expect(strstr(format, want), "%s is in it", want);
	}
	for (i = 0; format[i]; i++)
		expect(strncmp(&format[i], "{ ", 2) || format[i + 2] < 'A', "a number, not %.40s",
		       &format[i]);
	test_end("the format of %s has the number and the name of each of %u fields", event,
		 dev_nr_fields);
}

/* ---- what is done under a lock ------------------------------------------- */

#define PROBES "p:nvmx_test/lock %s\np:nvmx_test/unlock mutex_unlock\n"

static bool add_probes(const char *lock)
{
	int fd = open(TRACEFS "kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);
	char text[200];
	bool done;

	snprintf(text, sizeof(text), PROBES, lock);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/*
 * Pages that setting a policy allocates: none while a mutex is held, for those who wait
 * for it would wait for memory, too.
 */
static void test_allocations(void)
{
	unsigned int locked = 0, pages = 0, pages_locked = 0;
	static struct policy p;
	char text[400], pid[20];
	struct vm vm;
	FILE *f;
	int fd;

	vm_new(&vm, VM_NO_BOOT);
	fd = dev_open_vm(vm.id);
	dev_make_policy(POLICY_LEGACY, &p);
	/* with lockdep it is a macro, of a function of another name */
	if (!add_probes("mutex_lock") && !add_probes("mutex_lock_nested"))
		bail("kprobe_events");
	snprintf(pid, sizeof(pid), "%d", getpid());
	write_file("set_event_pid", pid);
	write_file("events/nvmx_test/enable", "1");
	write_file("events/kmem/mm_page_alloc/enable", "1");
	write_file("trace", "");
	dev_must_set(fd, &p);
	write_file("events/kmem/mm_page_alloc/enable", "0");
	write_file("events/nvmx_test/enable", "0");
	f = fopen(TRACEFS "trace", "re");
	while (f && fgets(text, sizeof(text), f)) {
		if (strstr(text, ": lock: "))
			locked++;
		else if (strstr(text, ": unlock: "))
			locked -= locked > 0;
		else if (strstr(text, ": mm_page_alloc: ")) {
			pages++;
			pages_locked += locked > 0;
		}
	}
	if (!f)
		bail("the trace");
	fclose(f);
	write_file("trace", "");
	write_file("set_event_pid", "");
	write_file("kprobe_events", "");
	test_begin();
	expect(pages >= 3, "pages allocated: %u", pages);
	expect_is(pages_locked, 0, "of them with a mutex held");
	test_end("setting a policy allocates before it locks anything");
	close(fd);
	vm_free(&vm);
}

/* A window's worth of events, and how many of each. */
static int load(void)
{
	static struct counters c;
	static struct policy p;
	struct vm vm;
	int fd;

	vm_new_vmx(&vm);
	fd = dev_open_vm(vm.id);
	dev_make_policy(POLICY_INTERCEPT_ALL, &p);
	dev_must_set(fd, &p);
	vm_op(&vm, L1_VMREAD, HOST_RSP, 0, 30);
	vm_op(&vm, L1_VMWRITE, GUEST_RIP, vm.m->l2_entry[L2_MIX], 1);
	vm_op(&vm, L1_L2_LOOP, 0, 0, 9);
	vm_op(&vm, L1_VMREAD, NO_SUCH_FIELD, 0, 1);
	dev_counters(fd, &c);
	printf("vmread=%llu vmwrite=%llu switch=%llu reason=%llu\n",
	       (unsigned long long)c.total.vmread_exits, (unsigned long long)c.total.vmwrite_exits,
	       (unsigned long long)c.total.policy_switches,
	       (unsigned long long)dev_reads(&c, VM_EXIT_REASON));
	vm_free(&vm);
	return 0;
}

int main(int argc, char *argv[])
{
	dev_open();
	if (argc > 1 && !strcmp(argv[1], "load"))
		return load();
	write_file("trace", "");
	test_format(events[0]);
	test_format(events[1]);
	test_names();
	test_counted();
	test_switches();
	test_allocations();
	close(dev_fd);
	return done_testing();
}
