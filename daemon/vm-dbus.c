/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.nvmx1.VM, at /org/nvmx1/vm/ID.  Owns nothing; org.nvmx1.xml is the reference
 * that the tests hold it to.
 */
#include <inttypes.h>

#include "daemon/bus.h"
#include "daemon/bus-error.h"
#include "daemon/counters.h"
#include "daemon/property.h"
#include "daemon/vm-methods.h"

#define VM_PATH_PREFIX		BUS_PATH "/vm"
#define VM_INTERFACE		"org.nvmx1.VM"

/* One for the process: sd-bus hands a property's function the VM, and nothing beside it. */
static const struct bus *vm_bus;

const struct bus *vm_bus_get(void)
{
	return vm_bus;
}

const char *vm_bus_path(const struct vm *vm, char path[VM_PATH_MAX])
{
	snprintf(path, VM_PATH_MAX, VM_PATH_PREFIX "/%" PRIu64, vm->id);
	return path;
}

/* Digits without a leading zero, so that each VM has one path. */
bool vm_bus_parse_id(const char *s, uint64_t *ret)
{
	char *end;

	if (*s < '1' || *s > '9')
		return false;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	return errno == 0 && !*end;
}

/* ---- properties ---- */

#define PUT_TEXT(name_, text)							\
static int put_##name_(sd_bus_message *reply, const void *object)		\
{										\
	const struct vm *vm = object;						\
										\
	return sd_bus_message_append(reply, "s", (text) ?: "");			\
}

PUT_TEXT(name, vm_name(vm))
PUT_TEXT(name_origin, vm_origin(vm))
PUT_TEXT(uuid, vm_uuid(vm))
PUT_TEXT(executable, vm->executable)
PUT_TEXT(unit, vm->process.unit)
PUT_TEXT(source, vm->source_name)
PUT_TEXT(policy, vm->policy.base)
PUT_TEXT(policy_source, policy_source_to_string(vm->policy.source))
PUT_TEXT(error, vm->error)
PUT_TEXT(vmwrite_any_field, vm->policy.assignment ?
	 vmwrite_any_to_string(vm->policy.assignment->vmwrite_any_field) : NULL)
PUT_TEXT(shadowing, vm_shadowing(vm))

static int put_id(sd_bus_message *reply, const void *object)
{
	const struct vm *vm = object;

	return sd_bus_message_append(reply, "t", vm->id);
}

static int put_start_time(sd_bus_message *reply, const void *object)
{
	const struct vm *vm = object;

	return sd_bus_message_append(reply, "t", vm->start_time);
}

static int put_pid(sd_bus_message *reply, const void *object)
{
	const struct vm *vm = object;

	return sd_bus_message_append(reply, "u", (uint32_t)vm->pid);
}

static int put_vmxon(sd_bus_message *reply, const void *object)
{
	const struct vm *vm = object;

	return sd_bus_message_append(reply, "b", (int)vm->vmxon);
}

static int put_vcpus(sd_bus_message *reply, const void *object)
{
	struct nvmx_vm_info info = { 0 };

	/* Of a VM that is about to go: none. */
	(void)vm_get_info(object, &info);
	return sd_bus_message_append(reply, "u", info.nr_vcpus);
}

static int put_reason(sd_bus_message *reply, const void *object)
{
	_cleanup_free_ char *reason = vm_policy_reason(object);

	return reason ? sd_bus_message_append(reply, "s", reason) : -ENOMEM;
}

static int put_pending(sd_bus_message *reply, const void *object)
{
	_cleanup_free_ char *pending = sources_pending(vm_bus->sources, object);

	return pending ? sd_bus_message_append(reply, "s", pending) : -ENOMEM;
}

static int put_overrides(sd_bus_message *reply, const void *object)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	size_t n;
	int r;

	r = vm_policy_overrides(object, &changes, &n);
	if (r < 0)
		return r;

	r = sd_bus_message_open_container(reply, 'a', "{ss}");
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = sd_bus_message_append(reply, "{ss}", changes[i].name, changes[i].value);
		if (r < 0)
			return r;
	}
	return sd_bus_message_close_container(reply);
}

int vm_bus_append_classes(sd_bus_message *reply, const struct assignment *a)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "{ss}");
	if (r < 0)
		return r;
	for (size_t i = 0; a && i < a->table->n; i++) {
		if (a->classes[i] == NVMX_CLASS_INTERCEPT)
			continue;
		r = sd_bus_message_append(reply, "{ss}", a->table->fields[i].name,
					  class_to_string(a->classes[i]));
		if (r < 0)
			return r;
	}
	return sd_bus_message_close_container(reply);
}

static int put_fields(sd_bus_message *reply, const void *object)
{
	const struct vm *vm = object;

	return vm_bus_append_classes(reply, vm->policy.assignment);
}

#define CONST		SD_BUS_VTABLE_PROPERTY_CONST
#define EMITS		SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define STATISTICS	1	/* in ListStatistics, too */

/* All there are: name, signature, function, vtable's flags, what changes it, where else it is. */
#define VM_PROPERTIES(P)								\
	P(Id,		"t",	put_id,			CONST, 0, 0)			\
	P(PID,		"u",	put_pid,		CONST, 0, STATISTICS)		\
	P(StartTime,	"t",	put_start_time,		CONST, 0, STATISTICS)		\
	P(Name,		"s",	put_name,		EMITS, VM_CHANGED_IDENTITY, STATISTICS) \
	P(NameOrigin,	"s",	put_name_origin,	EMITS, VM_CHANGED_IDENTITY, 0)	\
	P(UUID,		"s",	put_uuid,		EMITS, VM_CHANGED_IDENTITY, STATISTICS) \
	P(Source,	"s",	put_source,		EMITS, VM_CHANGED_IDENTITY, STATISTICS) \
	P(Pending,	"s",	put_pending,		EMITS, VM_CHANGED_PENDING, 0)	\
	P(Executable,	"s",	put_executable,		CONST, 0, 0)			\
	P(Unit,		"s",	put_unit,		CONST, 0, 0)			\
	P(VCPUs,	"u",	put_vcpus,		0, 0, 0)			\
	P(VMXOn,	"b",	put_vmxon,		EMITS, VM_CHANGED_VMXON, STATISTICS) \
	P(Policy,	"s",	put_policy,		EMITS, VM_CHANGED_BASE, STATISTICS) \
	P(PolicySource,	"s",	put_policy_source,	EMITS, VM_CHANGED_SOURCE, STATISTICS) \
	P(PolicyReason,	"s",	put_reason,		0, 0, 0)			\
	P(PolicyError,	"s",	put_error,		EMITS, VM_CHANGED_ERROR, STATISTICS) \
	P(Overrides,	"a{ss}", put_overrides,		EMITS, VM_CHANGED_OVERRIDES, 0)	\
	P(VMWriteAnyField, "s",	put_vmwrite_any_field,	EMITS, VM_CHANGED_VMWRITE_ANY, 0) \
	P(Fields,	"a{ss}", put_fields,		EMITS, VM_CHANGED_CLASSES, 0)	\
	P(Shadowing,	"s",	put_shadowing,		EMITS, VM_CHANGED_SHADOWING, STATISTICS)

#define ENTRY(name, signature, put, flags, changes, listed) { #name, signature, put, changes, listed },
static const struct property vm_properties[] = { VM_PROPERTIES(ENTRY) {} };

static int get(sd_bus *bus, const char *path, const char *interface, const char *property,
	       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return property_put(vm_properties, property, reply, userdata);
}

int vm_bus_append_row(const struct bus *bus, sd_bus_message *reply, const struct vm *vm)
{
	char path[VM_PATH_MAX];
	int changed;

	changed = vm_policy_is_changed(vm);
	if (changed < 0)
		return changed;
	return sd_bus_message_append(reply, "(tosssusbbs)", vm->id, vm_bus_path(vm, path), vm_name(vm),
				     vm_uuid(vm), vm->policy.base, (uint32_t)vm->pid,
				     policy_source_to_string(vm->policy.source), changed, (int)vm->vmxon,
				     vm_shadowing(vm));
}

/* ---- GetStatistics ---- */

static int append_totals(sd_bus_message *reply, const struct nvmx_counters *c)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "{st}");
	if (r < 0)
		return r;
	for (size_t i = 0; i < COUNTERS_N; i++) {
		r = sd_bus_message_append(reply, "{st}", counters_all[i].name,
					  (uint64_t)*counter_of(c, &counters_all[i]));
		if (r < 0)
			return r;
	}
	return sd_bus_message_close_container(reply);
}

static int append_field_counters(sd_bus_message *reply, const struct field_table *table,
				 const struct nvmx_field_counters *fields, size_t n)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "(sutt)");
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		int k = field_find_encoding(table, fields[i].encoding);

		r = sd_bus_message_append(reply, "(sutt)", k >= 0 ? table->fields[k].name : "other",
					  fields[i].encoding, fields[i].vmread_exits,
					  fields[i].vmwrite_exits);
		if (r < 0)
			return r;
	}
	return sd_bus_message_close_container(reply);
}

static int append_counters(sd_bus_message *reply, const struct vm *vm, const struct nvmx_counters *counters,
			   const struct nvmx_field_counters *fields)
{
	int r;

	r = append_totals(reply, counters);
	if (r < 0)
		return r;
	return append_field_counters(reply, &vm->context->kernel->table, fields, counters->nr);
}

/* A VM that has just gone has nothing to tell. */
int vm_bus_append_statistics(const struct bus *bus, sd_bus_message *reply, const struct vm *vm)
{
	_cleanup_free_ struct nvmx_field_counters *fields = NULL;
	struct nvmx_counters counters;
	int r;

	r = link_vm_get_counters(&vm->context->kernel->link, vm->fd, NVMX_ALL_VCPUS, &counters, &fields);
	if (r < 0)
		return r == -ENODEV ? 0 : r;

	r = sd_bus_message_open_container(reply, 'r', "ta{sv}a{st}a(sutt)");
	if (r < 0)
		return r;
	r = sd_bus_message_append(reply, "t", vm->id);
	if (r < 0)
		return r;
	r = property_put_dict(vm_properties, STATISTICS, reply, vm);
	if (r < 0)
		return r;
	r = append_counters(reply, vm, &counters, fields);
	if (r < 0)
		return r;
	return sd_bus_message_close_container(reply);
}

static int method_get_statistics(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_free_ struct nvmx_field_counters *fields = NULL;
	struct nvmx_counters counters;
	struct vm *vm = userdata;
	int32_t vcpu;
	int r;

	r = sd_bus_message_read(call, "i", &vcpu);
	if (r < 0)
		return r;

	r = vcpu < NVMX_ALL_VCPUS ? -ENOENT :
	    link_vm_get_counters(&vm->context->kernel->link, vm->fd, vcpu, &counters, &fields);
	if (r == -ENOENT) {
		struct nvmx_vm_info info = { 0 };

		vm_get_info(vm, &info);
		return sd_bus_error_setf(error, NVMX_ERROR("NoSuchVCPU"),
					 "VM %" PRIu64 " (%s) has no vCPU %d; it has %u, numbered from 0.",
					 vm->id, vm_name(vm), vcpu, info.nr_vcpus);
	}
	if (r == -ENODEV)
		return sd_bus_error_setf(error, NVMX_ERROR("VMGone"), "VM %" PRIu64 " (%s) is gone.",
					 vm->id, vm_name(vm));
	if (r < 0)
		return r;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = append_counters(reply, vm, &counters, fields);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

static int method_describe(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *json = NULL;
	int r;

	r = property_describe(vm_properties, vm_bus->bus, userdata, &json);
	return r < 0 ? r : sd_bus_reply_method_return(call, "s", json);
}

/* ---- the object ---- */

#define PROPERTY(name, signature, put, flags, changes, listed) \
	SD_BUS_PROPERTY(#name, signature, get, 0, flags),

static const sd_bus_vtable vm_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("SetPolicy", SD_BUS_ARGS("s", policy, "a{ss}", changes),
				SD_BUS_NO_RESULT, vm_method_set_policy, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
				vm_method_reset, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("StartProfile", SD_BUS_ARGS("t", duration_usec), SD_BUS_NO_RESULT,
				vm_method_start_profile, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("EndProfile", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
				vm_method_end_profile, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetStatistics", SD_BUS_ARGS("i", vcpu),
				SD_BUS_RESULT("a{st}", totals, "a(sutt)", fields),
				method_get_statistics, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json),
				method_describe, SD_BUS_VTABLE_UNPRIVILEGED),
	VM_PROPERTIES(PROPERTY)
	SD_BUS_VTABLE_END,
};

int vm_bus_find(const struct bus *bus, uint64_t id, struct vm **ret, sd_bus_error *error)
{
	struct vm *vm = vm_set_find(bus->vms, id);

	if (vm) {
		*ret = vm;
		return 0;
	}
	if (id <= bus->vms->last_id)
		return sd_bus_error_setf(error, NVMX_ERROR("VMGone"), "VM %" PRIu64 " is gone.", id);
	return sd_bus_error_setf(error, NVMX_ERROR("NoSuchVM"),
				 "There has been no VM %" PRIu64 "; \"nvmxctl list\" lists the VMs.", id);
}

static int find(sd_bus *sd_bus, const char *path, const char *interface, void *userdata,
		void **ret_found, sd_bus_error *error)
{
	const struct bus *bus = userdata;
	struct vm *vm;
	uint64_t id;
	int r;

	if (strncmp(path, VM_PATH_PREFIX "/", strlen(VM_PATH_PREFIX "/")) != 0 ||
	    !vm_bus_parse_id(path + strlen(VM_PATH_PREFIX "/"), &id))
		return 0;

	r = vm_bus_find(bus, id, &vm, error);
	if (r < 0)
		return r;
	*ret_found = vm;
	return 1;
}

static int enumerate(sd_bus *sd_bus, const char *prefix, void *userdata, char ***ret_nodes,
		     sd_bus_error *error)
{
	const struct bus *bus = userdata;
	char **nodes, path[VM_PATH_MAX];
	size_t n = 0;

	nodes = calloc(bus->vms->n + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	for (; n < bus->vms->n; n++) {
		nodes[n] = strdup(vm_bus_path(bus->vms->vms[n], path));
		if (nodes[n])
			continue;
		while (n > 0)
			free(nodes[--n]);
		free(nodes);
		return -ENOMEM;
	}

	*ret_nodes = nodes;	/* sd-bus frees them */
	return 0;
}

int vm_bus_add(struct bus *bus)
{
	int r;

	vm_bus = bus;
	r = sd_bus_add_fallback_vtable(bus->bus, NULL, VM_PATH_PREFIX, VM_INTERFACE, vm_vtable, find, bus);
	if (r < 0)
		return r;
	return sd_bus_add_node_enumerator(bus->bus, NULL, VM_PATH_PREFIX, enumerate, bus);
}

/* PolicyChanged and VMXStarted are the manager's, of one VM: who waits for them need not know it. */
static void tell_manager(const struct bus *bus, const struct vm *vm, const char *path, unsigned int what)
{
	if (what & (VM_CHANGED_POLICY))
		bus_check_sent(bus, sd_bus_emit_signal(bus->bus, BUS_PATH, "org.nvmx1.Manager", "PolicyChanged",
						       "toss", vm->id, path, vm->policy.base,
						       policy_source_to_string(vm->policy.source)));
	if (what & VM_CHANGED_VMXON)
		bus_check_sent(bus, sd_bus_emit_signal(bus->bus, BUS_PATH, "org.nvmx1.Manager", "VMXStarted",
						       "to", vm->id, path));
}

void vm_bus_changed(const struct bus *bus, const struct vm *vm, unsigned int what)
{
	const char *names[ARRAY_SIZE(vm_properties)];
	char path[VM_PATH_MAX];
	size_t n = 0;

	vm_bus_path(vm, path);
	for (const struct property *p = vm_properties; p->name; p++)
		if (p->changes & what)
			names[n++] = p->name;
	names[n] = NULL;
	if (n > 0)
		bus_check_sent(bus, sd_bus_emit_properties_changed_strv(bus->bus, path, VM_INTERFACE,
									(char **)names));
	tell_manager(bus, vm, path, what);
}
