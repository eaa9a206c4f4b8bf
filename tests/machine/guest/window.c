// SPDX-License-Identifier: LGPL-2.1-or-later
/* Profiling windows for the tests: see window.h. */
#include <errno.h>
#include <sys/ioctl.h>

#include "tap.h"
#include "window.h"

int window_start(int vm_fd, uint32_t duration_ms)
{
	struct nvmx_window window = { .size = sizeof(window), .duration_ms = duration_ms };

	return ioctl(vm_fd, NVMX_VM_START_WINDOW, &window) < 0 ? errno : 0;
}

int window_end(int vm_fd)
{
	struct nvmx_window window = { .size = sizeof(window) };

	return ioctl(vm_fd, NVMX_VM_END_WINDOW, &window) < 0 ? errno : 0;
}

struct nvmx_vm_info window_info(int vm_fd)
{
	struct nvmx_vm_info info = { .size = sizeof(info) };

	if (ioctl(vm_fd, NVMX_VM_GET_INFO, &info) < 0)
		bail("NVMX_VM_GET_INFO");
	return info;
}

bool window_is_open(int vm_fd)
{
	return window_info(vm_fd).state & NVMX_VM_STATE_WINDOW;
}

void window_check(struct vm *vm, int vm_fd, const struct policy *p, const char *when)
{
	static struct counters before, after;
	static struct l1_op ops[DEV_MAX_FIELDS];
	unsigned int i, reads = 0, writes = 0;

	for (i = 0; i < dev_nr_fields; i++)
		ops[i] = (struct l1_op){ .op = L1_VMREAD, .field = dev_fields[i].encoding };
	dev_counters(vm_fd, &before);
	vm_batch(vm, ops, dev_nr_fields);
	for (i = 0; i < dev_nr_fields; i++)
		ops[i].op = L1_VMWRITE;
	vm_batch(vm, ops, dev_nr_fields);
	dev_counters(vm_fd, &after);

	for (i = 0; i < dev_nr_fields; i++) {
		uint32_t e = dev_fields[i].encoding;
		unsigned int c = p ? dev_class(p, e) : NVMX_CLASS_INTERCEPT;

		expect_is(ops[i].flags, 0, "%s: VMWRITE of %s", when, dev_name(e));
		expect_is(dev_reads(&after, e) - dev_reads(&before, e), c == NVMX_CLASS_INTERCEPT,
			  "%s: VMREAD exits of %s", when, dev_name(e));
		expect_is(dev_writes(&after, e) - dev_writes(&before, e), c != NVMX_CLASS_READ_WRITE,
			  "%s: VMWRITE exits of %s", when, dev_name(e));
		reads += c == NVMX_CLASS_INTERCEPT;
		writes += c != NVMX_CLASS_READ_WRITE;
	}
	expect_is(after.total.vmread_exits - before.total.vmread_exits, reads,
		  "%s: VMREAD exits", when);
	expect_is(after.total.vmwrite_exits - before.total.vmwrite_exits, writes,
		  "%s: VMWRITE exits", when);
}
