// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ioctls of /dev/nvmx for the fuzzer: see fuzz.h.  A new one needs an entry in
 * fuzz_ops[], a function that makes a good argument, and one that looks at the answer.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "dev.h"
#include "fuzz.h"

/* ---- good arguments ------------------------------------------------------ */

/* Room for at most max elements, with more after it or up to the hole. */
static uint64_t make_room(struct fuzz *f, uint32_t elem, uint32_t max, uint32_t *ret_nr)
{
	uint64_t area = (uintptr_t)f->area;

	*ret_nr = fuzz_one_in(f, 4) ? max : fuzz_below(f, max + 1);
	return fuzz_one_in(f, 2) ? area + FUZZ_DATA : area + FUZZ_DATA_END - (uint64_t)*ret_nr * elem;
}

static uint64_t some_id(struct fuzz *f)
{
	return __atomic_load_n(&f->shared->newest, __ATOMIC_RELAXED) + 2 - fuzz_below(f, 12);
}

static void fill_fields(struct fuzz *f, union fuzz_arg *arg)
{
	struct nvmx_get_fields *get = &arg->get_fields;

	get->entry_size = sizeof(struct nvmx_field);
	get->fields = make_room(f, get->entry_size, dev_nr_fields, &get->nr);
}

static void fill_list(struct fuzz *f, union fuzz_arg *arg)
{
	struct nvmx_list_vms *list = &arg->list_vms;

	list->entry_size = sizeof(struct nvmx_vm_info);
	list->vms = make_room(f, list->entry_size, 40, &list->nr);
	if (fuzz_one_in(f, 2))
		list->after = some_id(f);
}

static void fill_open(struct fuzz *f, union fuzz_arg *arg)
{
	arg->open_vm.id = some_id(f);
}

static void fill_get_policy(struct fuzz *f, union fuzz_arg *arg)
{
	struct nvmx_policy *get = &arg->policy;

	get->entries = make_room(f, sizeof(struct nvmx_policy_entry), dev_nr_fields, &get->nr);
}

static uint32_t good_class(struct fuzz *f, const struct nvmx_field *field, bool hide)
{
	uint32_t c = fuzz_below(f, NVMX_NR_CLASSES);

	if (hide && field->kind == NVMX_KIND_READ_ONLY_DATA && c == NVMX_CLASS_READ_WRITE)
		return NVMX_CLASS_INTERCEPT;
	return dev_allows(field, c) ? c : NVMX_CLASS_INTERCEPT;
}

static void fill_set_policy(struct fuzz *f, union fuzz_arg *arg)
{
	struct nvmx_policy *set = &arg->policy;
	struct nvmx_policy_entry *entries;
	uint32_t i, skip;

	set->vmwrite_any_field = fuzz_one_in(f, 4) ? NVMX_VMWRITE_ANY_HIDE : NVMX_VMWRITE_ANY_INHERIT;
	set->entries = make_room(f, sizeof(*entries), dev_nr_fields, &set->nr);
	snprintf(set->label, sizeof(set->label), "fuzz %#x", fuzz_interesting(f));
	/* nr fields of the table, each once */
	entries = (void *)(uintptr_t)set->entries;
	skip = dev_nr_fields - set->nr ? fuzz_below(f, dev_nr_fields - set->nr + 1) : 0;
	for (i = 0; i < set->nr; i++) {
		const struct nvmx_field *field = &dev_fields[i + skip];

		entries[i].encoding = field->encoding;
		entries[i].shadow_class = good_class(f, field, set->vmwrite_any_field);
	}
}

static void fill_counters(struct fuzz *f, union fuzz_arg *arg)
{
	struct nvmx_counters *get = &arg->counters;

	get->vcpu = fuzz_one_in(f, 2) ? NVMX_ALL_VCPUS : (int)fuzz_below(f, 3);
	get->fields = make_room(f, sizeof(struct nvmx_field_counters), dev_nr_fields, &get->nr);
}

static void fill_window(struct fuzz *f, union fuzz_arg *arg)
{
	arg->window.duration_ms = 1 + fuzz_below(f, fuzz_one_in(f, 8) ? NVMX_WINDOW_MAX_MS : 50);
}

static void fill_executable(struct fuzz *f, union fuzz_arg *arg)
{
	arg->executable.path = make_room(f, 1, 64, &arg->executable.nr);
}

/* ---- what a success may say ---------------------------------------------- */

static bool check_info(const union fuzz_arg *arg)
{
	return arg->info.abi_version == NVMX_ABI_VERSION && arg->info.nr_fields == dev_nr_fields;
}

static bool check_fields(const union fuzz_arg *arg)
{
	return arg->get_fields.nr == dev_nr_fields;
}

static bool check_open(const union fuzz_arg *arg)
{
	return arg->open_vm.fd >= 0;
}

static bool check_policy(const union fuzz_arg *arg)
{
	return arg->policy.nr <= dev_nr_fields && arg->policy.bad_encoding == NVMX_NO_FIELD &&
		arg->policy.vmwrite_any_field <= NVMX_VMWRITE_ANY_HIDE &&
		memchr(arg->policy.label, '\0', NVMX_LABEL_LEN);
}

static bool check_set_policy(const union fuzz_arg *arg)
{
	return arg->policy.generation && arg->policy.bad_encoding == NVMX_NO_FIELD;
}

static bool check_vm_info(const union fuzz_arg *arg)
{
	return arg->vm_info.id && arg->vm_info.pid > 0 && arg->vm_info.nr_pending <= arg->vm_info.nr_vcpus;
}

static bool check_counters(const union fuzz_arg *arg)
{
	return arg->counters.nr <= dev_nr_fields + 1;
}

/* Of the one program that creates VMs here. */
static bool check_executable(const union fuzz_arg *arg)
{
	return arg->executable.nr > 1 && arg->executable.nr <= 4096;
}

#define ARRAY_OF(type, member) \
	.size = sizeof(struct type), .pointer = offsetof(struct type, member), .nr = offsetof(struct type, nr)

const struct fuzz_op fuzz_ops[] = {
	{ "NVMX_GET_INFO", NVMX_GET_INFO, .size = sizeof(struct nvmx_info),
	  .first_size = offsetof(struct nvmx_info, tsc_khz), .check = check_info },
	{ "NVMX_GET_FIELDS", NVMX_GET_FIELDS, ARRAY_OF(nvmx_get_fields, fields),
	  .fill = fill_fields, .check = check_fields },
	{ "NVMX_LIST_VMS", NVMX_LIST_VMS, ARRAY_OF(nvmx_list_vms, vms), .fill = fill_list },
	{ "NVMX_OPEN_VM", NVMX_OPEN_VM, .size = sizeof(struct nvmx_open_vm), .state_errors = { ENOENT },
	  .fill = fill_open, .check = check_open },
	{ "NVMX_GET_DEFAULT_POLICY", NVMX_GET_DEFAULT_POLICY, ARRAY_OF(nvmx_policy, entries),
	  .fill = fill_get_policy, .check = check_policy },
	{ "NVMX_SET_DEFAULT_POLICY", NVMX_SET_DEFAULT_POLICY, ARRAY_OF(nvmx_policy, entries),
	  .entries = true, .writes = true, .input_errors = { EOPNOTSUPP },
	  .fill = fill_set_policy, .check = check_set_policy },
	{ "NVMX_VM_GET_INFO", NVMX_VM_GET_INFO, .size = sizeof(struct nvmx_vm_info), .of_vm = true,
	  .check = check_vm_info },
	{ "NVMX_VM_GET_POLICY", NVMX_VM_GET_POLICY, ARRAY_OF(nvmx_policy, entries), .of_vm = true,
	  .fill = fill_get_policy, .check = check_policy },
	{ "NVMX_VM_SET_POLICY", NVMX_VM_SET_POLICY, ARRAY_OF(nvmx_policy, entries), .of_vm = true,
	  .entries = true, .writes = true, .state_errors = { EBUSY }, .input_errors = { EOPNOTSUPP },
	  .fill = fill_set_policy, .check = check_set_policy },
	{ "NVMX_VM_GET_COUNTERS", NVMX_VM_GET_COUNTERS, ARRAY_OF(nvmx_counters, fields), .of_vm = true,
	  .first_size = offsetof(struct nvmx_counters, slow_path_entries), .state_errors = { ENOENT },
	  .fill = fill_counters, .check = check_counters },
	{ "NVMX_VM_START_WINDOW", NVMX_VM_START_WINDOW, .size = sizeof(struct nvmx_window),
	  .of_vm = true, .writes = true, .state_errors = { EBUSY }, .fill = fill_window },
	{ "NVMX_VM_END_WINDOW", NVMX_VM_END_WINDOW, .size = sizeof(struct nvmx_window),
	  .of_vm = true, .writes = true, .state_errors = { ENOENT } },
	{ "NVMX_VM_GET_EXECUTABLE", NVMX_VM_GET_EXECUTABLE, ARRAY_OF(nvmx_executable, path),
	  .of_vm = true, .fill = fill_executable, .check = check_executable },
};

const unsigned int fuzz_nr_ops = sizeof(fuzz_ops) / sizeof(fuzz_ops[0]);

_Static_assert(sizeof(fuzz_ops) / sizeof(fuzz_ops[0]) < FUZZ_MAX_OPS, "FUZZ_MAX_OPS is too small");
