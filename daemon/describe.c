/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Describe: the properties of an object of the bus as one JSON object, with their names and
 * types.  Owns nothing.
 */
#include <json-c/json.h>

#include "daemon/vm.h"

static inline void json_putp(struct json_object **o)
{
	json_object_put(*o);
}

#define _cleanup_json_ _cleanup_(json_putp)

/* Takes the value; NULL is no memory. */
static int add(struct json_object *o, const char *key, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_object_add(o, key, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static int add_string(struct json_object *o, const char *key, const char *s)
{
	return add(o, key, json_object_new_string(s));
}

static int add_number(struct json_object *o, const char *key, uint64_t n)
{
	return add(o, key, json_object_new_uint64(n));
}

static int to_text(struct json_object *o, char **ret)
{
	const char *s = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						       JSON_C_TO_STRING_NOSLASHESCAPE);
	char *copy = s ? strdup(s) : NULL;

	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/* ---- a VM ---- */

static int add_overrides(struct json_object *o, const struct vm *vm)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	_cleanup_json_ struct json_object *list = json_object_new_object();
	size_t n;
	int r;

	if (!list)
		return -ENOMEM;
	r = vm_policy_overrides(vm, &changes, &n);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = add_string(list, changes[i].name, changes[i].value);
	return r < 0 ? r : add(o, "Overrides", steal_ptr(list));
}

static int add_fields(struct json_object *o, const struct vm *vm)
{
	_cleanup_json_ struct json_object *list = json_object_new_object();
	const struct assignment *a = vm->policy.assignment;
	int r = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && a && i < a->table->n; i++)
		if (a->classes[i] != NVMX_CLASS_INTERCEPT)
			r = add_string(list, a->table->fields[i].name, class_to_string(a->classes[i]));
	return r < 0 ? r : add(o, "Fields", steal_ptr(list));
}

static int add_vm(struct json_object *o, const struct vm *vm)
{
	static const char *const texts[] = {
		"Name", "UUID", "Executable", "Unit", "Policy", "PolicySource", "PolicyError",
		"VMWriteAnyField", "Shadowing",
	};
	_cleanup_free_ char *reason = vm_policy_reason(vm);
	struct nvmx_vm_info info = { 0 };
	int r;

	/* Of a VM that is about to go: no vCPUs. */
	(void)vm_get_info(vm, &info);
	r = add_number(o, "Id", vm->id);
	if (r >= 0)
		r = add_number(o, "PID", vm->pid);
	if (r >= 0)
		r = add_number(o, "StartTime", vm->start_time);
	if (r >= 0)
		r = add_number(o, "VCPUs", info.nr_vcpus);
	if (r >= 0)
		r = add(o, "VMXOn", json_object_new_boolean(vm->vmxon));
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(texts); i++)
		r = add_string(o, texts[i], vm_bus_text(vm, texts[i]));
	if (r >= 0)
		r = reason ? add_string(o, "PolicyReason", reason) : -ENOMEM;
	if (r >= 0)
		r = add_overrides(o, vm);
	if (r >= 0)
		r = add_fields(o, vm);
	return r;
}

int describe_vm(const struct vm *vm, char **ret)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	int r;

	if (!o)
		return -ENOMEM;
	r = add_vm(o, vm);
	return r < 0 ? r : to_text(o, ret);
}

/* ---- the manager ---- */

static int add_missing(struct json_object *o, const struct manager *m)
{
	const char *missing[MANAGER_MISSING_MAX];
	_cleanup_json_ struct json_object *list = json_object_new_array();
	size_t n = manager_missing(m, missing);

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct json_object *s = json_object_new_string(missing[i]);

		if (!s || json_object_array_add(list, s) < 0) {
			json_object_put(s);
			return -ENOMEM;
		}
	}
	return add(o, "Missing", steal_ptr(list));
}

int describe_manager(const struct manager *m, char **ret)
{
	static const char *const texts[] = {
		"Version", "KernelSupport", "KernelLink", "Libvirt", "DefaultPolicy",
	};
	_cleanup_json_ struct json_object *o = json_object_new_object();
	int r = o ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(texts); i++)
		r = add_string(o, texts[i], manager_bus_text(m, texts[i]));
	if (r >= 0)
		r = add_number(o, "TSCKHz", m->tsc_khz);
	if (r >= 0)
		r = add_number(o, "NVMs", m->n_vms);
	if (r >= 0)
		r = add_missing(o, m);
	return r < 0 ? r : to_text(o, ret);
}
