/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An array in the order of ids.  Owns the VMs in it.
 */
#include <inttypes.h>
#include <strings.h>

#include "daemon/vm-set.h"

size_t vm_set_place(const struct vm_set *set, uint64_t id)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->vms[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}

	return low;
}

struct vm *vm_set_find(const struct vm_set *set, uint64_t id)
{
	size_t i = vm_set_place(set, id);

	return i < set->n && set->vms[i]->id == id ? set->vms[i] : NULL;
}

void vm_set_seen(struct vm_set *set, uint64_t id)
{
	if (id > set->last_id)
		set->last_id = id;
}

int vm_set_add(struct vm_set *set, struct vm *vm)
{
	size_t i = vm_set_place(set, vm->id);
	struct vm **p;

	p = realloc(set->vms, (set->n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;

	set->vms = p;
	memmove(p + i + 1, p + i, (set->n - i) * sizeof(*p));
	p[i] = vm;
	set->n++;
	vm_set_seen(set, vm->id);
	return 0;
}

void vm_set_remove(struct vm_set *set, struct vm *vm)
{
	size_t i = vm_set_place(set, vm->id);

	memmove(set->vms + i, set->vms + i + 1, (set->n - i - 1) * sizeof(*set->vms));
	set->n--;
	vm_free(vm);
}

void vm_set_clear(struct vm_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		vm_free(set->vms[i]);
	free(set->vms);
	*set = (struct vm_set) {};
}

/* ---- finding ---- */

typedef bool (*vm_test_t)(const struct vm *vm, const void *key);

static bool test_process(const struct vm *vm, const void *key)
{
	const char *name = key;

	return streq(vm_name(vm), name) || (*name && strcasecmp(vm_uuid(vm), name) == 0);
}

/* Processes choose their names and uuids themselves, what a source knows is not theirs. */
static bool test_vouched(const struct vm *vm, const void *key)
{
	return vm_is_vouched(vm) && test_process(vm, key);
}

static bool test_id(const struct vm *vm, const void *key)
{
	char id[24];

	snprintf(id, sizeof(id), "%" PRIu64, vm->id);
	return streq(id, key);
}

static bool test_pid(const struct vm *vm, const void *key)
{
	return vm->pid > 0 && vm->pid == *(const pid_t *)key;
}

static int find_one(const struct vm_set *set, vm_test_t test, const void *key, struct vm *ret_two[2])
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (!test(set->vms[i], key))
			continue;
		ret_two[n++] = set->vms[i];
		if (n == 2)
			return -ENOTUNIQ;
	}

	return n;
}

int vm_set_find_name(const struct vm_set *set, const char *name, struct vm *ret_two[2])
{
	static const vm_test_t tests[] = { test_vouched, test_id, test_process };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tests); i++)
		r = find_one(set, tests[i], name, ret_two);
	return r;
}

int vm_set_find_pid(const struct vm_set *set, pid_t pid, struct vm *ret_two[2])
{
	return find_one(set, test_pid, &pid, ret_two);
}
