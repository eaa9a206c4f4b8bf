/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.nvmx1.Manager, at /org/nvmx1, and the ObjectManager beside it.  Owns
 * nothing; org.nvmx1.xml is the reference that the tests hold it to.
 */
#include <inttypes.h>

#include "daemon/bus.h"
#include "daemon/bus-error.h"
#include "daemon/polkit.h"
#include "daemon/property.h"

#define MANAGER_INTERFACE	"org.nvmx1.Manager"
#define ACTION_MANAGE		"org.nvmx1.manage"

/*
 * VMs in one answer of ListStatistics: with all of vmcs12's fields it stays far below
 * what a bus takes as one message, and others do not wait long for theirs.
 */
#define STATISTICS_MAX 128

/* ---- properties ---- */

#define PUT_TEXT(name, text)							\
static int put_##name(sd_bus_message *reply, const void *object)		\
{										\
	const struct bus *bus = object;						\
										\
	return sd_bus_message_append(reply, "s", text);				\
}

/* In one word, for libvirt and for Sources. */
static const char *state_of(const struct bus *bus, const char *name)
{
	const struct source *s = sources_find(bus->sources, name);

	return !s ? "disabled" : source_is_connected(s) ? "connected" : "disconnected";
}

PUT_TEXT(kernel_support, kernel_support_to_string(bus->kernel->support))
PUT_TEXT(kernel_link, bus->kernel->link.ops->name)
PUT_TEXT(libvirt, state_of(bus, CONFIG_LIBVIRT))
PUT_TEXT(default_policy, bus->files->config.default_policy)

static int put_version(sd_bus_message *reply, const void *object)
{
	return sd_bus_message_append(reply, "s", NVMX_VERSION);
}

static int put_sources(sd_bus_message *reply, const void *object)
{
	const struct bus *bus = object;
	int r;

	r = sd_bus_message_open_container(reply, 'a', "{ss}");
	if (r < 0)
		return r;
	for (size_t i = 0; i < bus->sources->n; i++) {
		const char *name = bus->sources->list[i].name;

		r = sd_bus_message_append(reply, "{ss}", name, state_of(bus, name));
		if (r < 0)
			return r;
	}
	return sd_bus_message_close_container(reply);
}

static int put_missing(sd_bus_message *reply, const void *object)
{
	const char *missing[BUS_MISSING_MAX + 1] = { NULL };

	(void)bus_missing(object, missing);
	return sd_bus_message_append_strv(reply, (char **)missing);
}

static int put_tsc_khz(sd_bus_message *reply, const void *object)
{
	const struct bus *bus = object;

	return sd_bus_message_append(reply, "u", bus->kernel->tsc_khz);
}

static int put_n_vms(sd_bus_message *reply, const void *object)
{
	const struct bus *bus = object;

	return sd_bus_message_append(reply, "u", (uint32_t)bus->vms->n);
}

#define CONST	SD_BUS_VTABLE_PROPERTY_CONST
#define EMITS	SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

/* All there are: name, signature, function, vtable's flags. */
#define MANAGER_PROPERTIES(P)					\
	P(Version,	"s",	put_version,		CONST)	\
	P(KernelSupport, "s",	put_kernel_support,	EMITS)	\
	P(KernelLink,	"s",	put_kernel_link,	CONST)	\
	P(TSCKHz,	"u",	put_tsc_khz,		EMITS)	\
	P(Libvirt,	"s",	put_libvirt,		EMITS)	\
	P(Sources,	"a{ss}", put_sources,		EMITS)	\
	P(DefaultPolicy, "s",	put_default_policy,	EMITS)	\
	P(Missing,	"as",	put_missing,		EMITS)	\
	P(NVMs,		"u",	put_n_vms,		EMITS)

#define ENTRY(name, signature, put, flags)	{ #name, signature, put, 0, 0 },
#define PROPERTY(name, signature, put, flags)	SD_BUS_PROPERTY(#name, signature, get, 0, flags),

static const struct property manager_properties[] = { MANAGER_PROPERTIES(ENTRY) {} };

static int get(sd_bus *bus, const char *path, const char *interface, const char *property,
	       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return property_put(manager_properties, property, reply, userdata);
}

/* ---- VMs ---- */

static int method_list_vms(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct bus *bus = userdata;
	int r;

	r = bus_need_module(bus, error);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(reply, 'a', "(tosssusbbs)");
	if (r < 0)
		return r;
	for (size_t i = 0; i < bus->vms->n; i++) {
		r = vm_bus_append_row(bus, reply, bus->vms->vms[i]);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

static int method_list_statistics(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct bus *bus = userdata;
	uint64_t after, last = 0;
	size_t i, end;
	int r;

	r = sd_bus_message_read(call, "t", &after);
	if (r < 0)
		return r;
	r = bus_need_module(bus, error);
	if (r < 0)
		return r;

	i = after < UINT64_MAX ? vm_set_place(bus->vms, after + 1) : bus->vms->n;
	end = bus->vms->n - i > STATISTICS_MAX ? i + STATISTICS_MAX : bus->vms->n;
	if (end < bus->vms->n)
		last = bus->vms->vms[end - 1]->id;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_append(reply, "t", last);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(reply, 'a', "(ta{sv}a{st}a(sutt))");
	if (r < 0)
		return r;
	for (; i < end; i++) {
		r = vm_bus_append_statistics(bus, reply, bus->vms->vms[i]);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

static int ambiguous(const char *name, struct vm *const two[2], sd_bus_error *error)
{
	return sd_bus_error_setf(error, NVMX_ERROR("AmbiguousName"),
				 "\"%s\" may be VM %" PRIu64 " or VM %" PRIu64 "; give the id.",
				 name, two[0]->id, two[1]->id);
}

static int reply_path(sd_bus_message *call, const struct vm *vm)
{
	char path[VM_PATH_MAX];

	return sd_bus_reply_method_return(call, "o", vm_bus_path(vm, path));
}

static int method_get_vm(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;
	struct bus *bus = userdata;
	struct vm *two[2];
	const char *name;
	int r;

	r = sd_bus_message_read(call, "s", &name);
	if (r < 0)
		return r;
	r = bus_need_module(bus, error);
	if (r < 0)
		return r;

	r = vm_set_find_name(bus->vms, name, two);
	if (r < 0)
		return ambiguous(name, two, error);
	if (r > 0)
		return reply_path(call, two[0]);

	/* The name may be as long as a message, and cut it may be no text. */
	error_set(&sentence, 0, "No running VM has the name, uuid or id \"%.64s\"; \"nvmxctl list\" lists the VMs.",
		  name);
	return sd_bus_error_set(error, NVMX_ERROR("NoSuchVM"), sentence);
}

static int method_get_vm_by_pid(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	struct vm *two[2];
	char text[24];
	uint32_t pid;
	int r;

	r = sd_bus_message_read(call, "u", &pid);
	if (r < 0)
		return r;
	r = bus_need_module(bus, error);
	if (r < 0)
		return r;

	r = pid <= INT32_MAX ? vm_set_find_pid(bus->vms, pid, two) : 0;
	snprintf(text, sizeof(text), "%" PRIu32, pid);
	if (r < 0)
		return ambiguous(text, two, error);
	if (r > 0)
		return reply_path(call, two[0]);

	return sd_bus_error_setf(error, NVMX_ERROR("NoSuchVM"),
				 "Process %" PRIu32 " runs no VM; \"nvmxctl list\" lists the VMs.", pid);
}

/* ---- fields and policies ---- */

static int append_flags(sd_bus_message *reply, const struct nvmx_field *field)
{
	const char *name;
	int r;

	r = sd_bus_message_open_container(reply, 'a', "s");
	if (r < 0)
		return r;
	for (unsigned int bit = 0; (name = field_flag_to_string(bit)); bit++) {
		if (!(field->flags & 1U << bit))
			continue;
		r = sd_bus_message_append(reply, "s", name);
		if (r < 0)
			return r;
	}
	return sd_bus_message_close_container(reply);
}

static int append_field(sd_bus_message *reply, const struct nvmx_field *field)
{
	const char *stock = class_to_string(field->stock_class);
	const char *kind = kind_to_string(field->kind), *width = width_to_string(field->width);
	int r;

	r = sd_bus_message_open_container(reply, 'r', "usssasasas");
	if (r < 0)
		return r;
	r = sd_bus_message_append(reply, "usss", field->encoding, field->name,
				  width ? width : "", kind ? kind : "");
	if (r < 0)
		return r;

	r = sd_bus_message_open_container(reply, 'a', "s");
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < NVMX_NR_CLASSES; i++) {
		if (!field_allows(field, i))
			continue;
		r = sd_bus_message_append(reply, "s", class_to_string(i));
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r < 0)
		return r;

	r = sd_bus_message_append(reply, "as", 1, stock ? stock : "");
	if (r < 0)
		return r;
	r = append_flags(reply, field);
	if (r < 0)
		return r;
	return sd_bus_message_close_container(reply);
}

static int method_list_fields(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct bus *bus = userdata;
	int r;

	r = bus_need_module(bus, error);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(reply, 'a', "(usssasasas)");
	if (r < 0)
		return r;
	for (size_t i = 0; i < bus->kernel->table.n; i++) {
		r = append_field(reply, &bus->kernel->table.fields[i]);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

static int method_list_policies(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct bus *bus = userdata;
	const struct policy *p;
	int r;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(reply, 'a', "(sss)");
	if (r < 0)
		return r;
	for (size_t i = 0; (p = policy_set_get(bus->files->policies, i)); i++) {
		r = sd_bus_message_append(reply, "(sss)", p->name, p->description, p->path);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

static int method_get_policy(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ char *sentence = NULL;
	struct bus *bus = userdata;
	const char *name;
	int r;

	r = sd_bus_message_read(call, "s", &name);
	if (r < 0)
		return r;
	r = bus_need_module(bus, error);
	if (r < 0)
		return r;
	r = policy_set_resolve(bus->files->policies, &bus->kernel->table, name, &a, &sentence);
	if (r < 0)
		return bus_error_set(error, r, sentence);

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_append(reply, "s", vmwrite_any_to_string(a->vmwrite_any_field));
	if (r < 0)
		return r;
	r = vm_bus_append_classes(reply, a);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

static int method_describe(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *json = NULL;
	struct bus *bus = userdata;
	int r;

	r = property_describe(manager_properties, bus->bus, bus, &json);
	return r < 0 ? r : sd_bus_reply_method_return(call, "s", json);
}

static int reload_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;
	struct bus *bus = userdata;
	int r;

	r = bus->reload(bus->userdata, &sentence);
	if (r < 0)
		return bus_error_set(error, r, sentence);
	return sd_bus_reply_method_return(call, NULL);
}

static int method_reload(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	return polkit_authorize(call, ACTION_MANAGE, NULL, reload_authorized, userdata, error);
}

/* ---- the object ---- */

static const sd_bus_vtable manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("ListVMs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(tosssusbbs)", vms),
				method_list_vms, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetVM", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", path),
				method_get_vm, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetVMByPID", SD_BUS_ARGS("u", pid), SD_BUS_RESULT("o", path),
				method_get_vm_by_pid, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("ListStatistics", SD_BUS_ARGS("t", after),
				SD_BUS_RESULT("t", last, "a(ta{sv}a{st}a(sutt))", statistics),
				method_list_statistics, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("ListFields", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(usssasasas)", fields),
				method_list_fields, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("ListPolicies", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sss)", policies),
				method_list_policies, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetPolicy", SD_BUS_ARGS("s", name),
				SD_BUS_RESULT("s", vmwrite_any_field, "a{ss}", fields),
				method_get_policy, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json),
				method_describe, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
				method_reload, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL_WITH_ARGS("VMNew", SD_BUS_ARGS("t", id, "o", path), 0),
	SD_BUS_SIGNAL_WITH_ARGS("VMRemoved", SD_BUS_ARGS("t", id, "o", path), 0),
	SD_BUS_SIGNAL_WITH_ARGS("PolicyChanged",
				SD_BUS_ARGS("t", id, "o", path, "s", policy, "s", source), 0),
	SD_BUS_SIGNAL_WITH_ARGS("VMXStarted", SD_BUS_ARGS("t", id, "o", path), 0),
	MANAGER_PROPERTIES(PROPERTY)
	SD_BUS_VTABLE_END,
};

int manager_bus_add(struct bus *bus)
{
	return sd_bus_add_object_vtable(bus->bus, NULL, BUS_PATH, MANAGER_INTERFACE, manager_vtable, bus);
}

/* ---- signals ---- */

void manager_bus_changed(const struct bus *bus, const char *property)
{
	bus_check_sent(bus, sd_bus_emit_properties_changed(bus->bus, BUS_PATH, MANAGER_INTERFACE,
							   property, NULL));
}

static void send_vm_signal(const struct bus *bus, const struct vm *vm, const char *member)
{
	char path[VM_PATH_MAX];

	bus_check_sent(bus, sd_bus_emit_signal(bus->bus, BUS_PATH, MANAGER_INTERFACE, member,
					       "to", vm->id, vm_bus_path(vm, path)));
}

void manager_bus_vm_new(const struct bus *bus, const struct vm *vm)
{
	char path[VM_PATH_MAX];

	bus_check_sent(bus, sd_bus_emit_object_added(bus->bus, vm_bus_path(vm, path)));
	send_vm_signal(bus, vm, "VMNew");
	manager_bus_changed(bus, "NVMs");
}

/* Before the VM goes: sd-bus looks the object up. */
void manager_bus_vm_removed(const struct bus *bus, const struct vm *vm)
{
	char path[VM_PATH_MAX];

	send_vm_signal(bus, vm, "VMRemoved");
	bus_check_sent(bus, sd_bus_emit_object_removed(bus->bus, vm_bus_path(vm, path)));
}
