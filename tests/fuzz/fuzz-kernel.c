/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel says: lifecycle records, and the answers to ioctls, from a kernel that
 * may say anything.  The first byte is the number of records' bytes, over 4; the rest is
 * taken piece by piece by the ioctls.
 */
#include <linux/nvmx.h>
#include <sys/mman.h>

#include "daemon/link.h"
#include "tests/fuzz/fuzz.h"

/* As much as a sane kernel would have; the link gives more room for more. */
#define ENTRIES_MAX	300

static struct {
	const uint8_t *data;
	size_t size;
} rest;

/* Fills with the input, and with zeros beyond it. */
static void take(void *to, size_t size)
{
	size_t n = size < rest.size ? size : rest.size;

	memset(to, 0, size);
	if (n > 0)
		memcpy(to, rest.data, n);
	rest.data += n;
	rest.size -= n;
}

/* An array's answer: as many entries as there is room for, and how many there are. */
static uint32_t take_array(uint64_t address, uint32_t room, size_t entry_size)
{
	uint16_t n;

	take(&n, sizeof(n));
	n %= ENTRIES_MAX;
	for (uint32_t i = 0; i < n && i < room; i++)
		take((uint8_t *)(uintptr_t)address + i * entry_size, entry_size);
	return n;
}

static int fuzz_call(int fd, unsigned int request, void *arg)
{
	uint8_t fails;

	take(&fails, sizeof(fails));
	if (fails == 1)
		return -ENODEV;

	if (request == NVMX_GET_INFO) {
		take(arg, sizeof(struct nvmx_info));
	} else if (request == NVMX_VM_GET_INFO) {
		take(arg, sizeof(struct nvmx_vm_info));
	} else if (request == NVMX_GET_FIELDS) {
		struct nvmx_get_fields *a = arg;

		a->nr = take_array(a->fields, a->nr, a->entry_size);
	} else if (request == NVMX_LIST_VMS) {
		struct nvmx_list_vms *a = arg;
		uint32_t n = take_array(a->vms, a->nr, a->entry_size);

		a->nr = n < a->nr ? n : a->nr;
	} else if (request == NVMX_VM_GET_POLICY) {
		struct nvmx_policy *a = arg;

		take(a->label, sizeof(a->label));
		take(&a->vmwrite_any_field, sizeof(a->vmwrite_any_field));
		a->nr = take_array(a->entries, a->nr, sizeof(struct nvmx_policy_entry));
	} else if (request == NVMX_VM_GET_COUNTERS) {
		struct nvmx_counters *a = arg;

		a->nr = take_array(a->fields, a->nr, sizeof(struct nvmx_field_counters));
	} else if (request == NVMX_VM_GET_EXECUTABLE) {
		struct nvmx_executable *a = arg;

		a->nr = take_array(a->path, a->nr, 1);
	}
	return 0;
}

static const struct link_ops fuzz_ops = { .name = "fuzz", .call = fuzz_call };

static void on_event(const struct nvmx_event *event, void *userdata)
{
	size_t *n = userdata;

	demand(event->size >= sizeof(*event));
	(*n)++;
}

static void check_events(struct link *l, const uint8_t *data, size_t size)
{
	size_t n = 0;
	int r;

	demand(ftruncate(l->event_fd, 0) >= 0);
	demand(pwrite(l->event_fd, data, size, 0) == (ssize_t)size);
	demand(lseek(l->event_fd, 0, SEEK_SET) == 0);
	while ((r = link_read_events(l, on_event, &n)) > 0)
		;
	demand(r == -ENODEV || r == -EBADMSG);
	demand(n <= size / sizeof(struct nvmx_event));
}

static void check_policy(struct link *l, const struct field_table *table)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ struct nvmx_policy_entry *entries = NULL, *again = NULL;
	struct nvmx_policy policy;
	char *sentence = NULL;
	size_t n;
	int r;

	if (link_vm_get_policy(l, 0, &policy, &entries) < 0)
		return;
	demand(strnlen(policy.label, sizeof(policy.label)) < sizeof(policy.label));
	r = assignment_from_entries(table, entries, policy.nr, policy.vmwrite_any_field, &a, &sentence);
	fuzz_check_sentence(r, &sentence);
	if (r < 0)
		return;
	demand(assignment_to_entries(a, &again, &n) >= 0);
	demand(n <= policy.nr);
	(void)assignment_check(a, &sentence);
	free(sentence);
}

static void check_calls(struct link *l)
{
	_cleanup_free_ struct nvmx_field_counters *counters = NULL;
	_cleanup_free_ struct nvmx_vm_info *vms = NULL;
	_cleanup_free_ struct nvmx_field *fields = NULL;
	_cleanup_free_ char *executable = NULL;
	struct field_table table = { 0 };
	struct nvmx_counters totals;
	size_t n;

	if (link_get_fields(l, &fields, &table.n) >= 0) {
		table.fields = fields;
		for (size_t i = 0; i < table.n; i++)
			demand(strnlen(fields[i].name, NVMX_FIELD_NAME_LEN) < NVMX_FIELD_NAME_LEN);
		check_policy(l, &table);
	}
	(void)link_list_vms(l, &vms, &n);
	if (link_vm_get_counters(l, 0, NVMX_ALL_VCPUS, &totals, &counters) >= 0)
		for (size_t i = 0; i < totals.nr; i++)
			(void)field_find_encoding(&table, counters[i].encoding);
	if (link_vm_get_executable(l, 0, &executable) >= 0)
		demand(strlen(executable) < ENTRIES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct link l;
	size_t n;

	if (!l.ops) {
		link_init(&l, &fuzz_ops, "fuzz");
		l.event_fd = memfd_create("records", MFD_CLOEXEC);
		demand(l.event_fd >= 0);
	}
	if (size == 0)
		return 0;

	n = data[0] * 4;
	n = n < size - 1 ? n : size - 1;
	check_events(&l, data + 1, n);
	rest.data = data + 1 + n;
	rest.size = size - 1 - n;
	check_calls(&l);
	return 0;
}
