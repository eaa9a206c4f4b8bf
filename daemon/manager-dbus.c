/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.nvmx1.Manager, at /org/nvmx1, and the ObjectManager beside it.  Owns
 * nothing; org.nvmx1.xml is the reference that the tests hold it to.
 */
#include <inttypes.h>
#include <strings.h>

#include "daemon/bus-error.h"
#include "daemon/polkit.h"
#include "daemon/vm.h"

#define ACTION_MANAGE "org.nvmx1.manage"

/*
 * VMs in one answer of ListStatistics: with all of vmcs12's fields it stays far below
 * what a bus takes as one message, and others do not wait long for theirs.
 */
#define STATISTICS_MAX 128

/* ---- properties ---- */

const char *manager_bus_text(const struct manager *m, const char *property)
{
	if (streq(property, "Version"))
		return NVMX_VERSION;
	if (streq(property, "KernelSupport"))
		return kernel_support_to_string(m->support);
	if (streq(property, "KernelLink"))
		return m->link.ops->name;
	if (streq(property, "Libvirt"))
		return m->libvirt_connected ? "connected" :
		       m->libvirt || m->libvirt_missing ? "disconnected" : "disabled";
	if (streq(property, "DefaultPolicy"))
		return m->config.default_policy;
	return "";
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", manager_bus_text(userdata, property));
}

static int get_missing(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const char *missing[MANAGER_MISSING_MAX + 1] = { NULL };

	(void)manager_missing(userdata, missing);
	return sd_bus_message_append_strv(reply, (char **)missing);
}

static int get_tsc_khz(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct manager *m = userdata;

	return sd_bus_message_append(reply, "u", m->tsc_khz);
}

static int get_n_vms(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct manager *m = userdata;

	return sd_bus_message_append(reply, "u", (uint32_t)m->n_vms);
}

/* ---- VMs ---- */

/* Without the module there is no list, which is not the same as an empty one. */
static int need_module(const struct manager *m, sd_bus_error *error)
{
	if (m->support != KERNEL_NO_MODULE)
		return 0;
	return bus_error_set(error, -ENOTCONN, manager_why_unsupported(m));
}

#define VM_ROW "(tosssusbbs)"

static int append_vm_row(sd_bus_message *reply, const struct vm *vm)
{
	int changed;

	changed = vm_policy_is_changed(vm);
	if (changed < 0)
		return changed;
	return sd_bus_message_append(reply, VM_ROW, vm->id, vm->path, vm->name, vm->uuid, vm->policy.base,
				     (uint32_t)vm->pid, policy_source_to_string(vm->policy.source),
				     changed, (int)vm->vmxon, vm_shadowing(vm));
}

static int method_list_vms(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct manager *m = userdata;
	int r;

	r = need_module(m, error);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(reply, 'a', VM_ROW);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->n_vms; i++) {
		r = append_vm_row(reply, m->vms[i]);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

/* A VM that has just gone has nothing to tell. */
static int append_statistics(sd_bus_message *reply, const struct vm *vm)
{
	_cleanup_free_ struct nvmx_field_counters *fields = NULL;
	struct nvmx_counters counters;
	int r;

	r = link_vm_get_counters(&vm->manager->link, vm->fd, NVMX_ALL_VCPUS, &counters, &fields);
	if (r < 0)
		return r == -ENODEV ? 0 : r;

	r = sd_bus_message_open_container(reply, 'r', "ta{sv}a{st}a(sutt)");
	if (r < 0)
		return r;
	r = sd_bus_message_append(reply, "t", vm->id);
	if (r < 0)
		return r;
	r = vm_bus_append_properties(reply, vm);
	if (r < 0)
		return r;
	r = vm_bus_append_counters(reply, vm, &counters, fields);
	if (r < 0)
		return r;
	return sd_bus_message_close_container(reply);
}

static int method_list_statistics(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct manager *m = userdata;
	uint64_t after, last = 0;
	size_t i, end;
	int r;

	r = sd_bus_message_read(call, "t", &after);
	if (r < 0)
		return r;
	r = need_module(m, error);
	if (r < 0)
		return r;

	i = after < UINT64_MAX ? manager_vm_place(m, after + 1) : m->n_vms;
	end = m->n_vms - i > STATISTICS_MAX ? i + STATISTICS_MAX : m->n_vms;
	if (end < m->n_vms)
		last = m->vms[end - 1]->id;

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
		r = append_statistics(reply, m->vms[i]);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

typedef bool (*vm_test_t)(const struct vm *vm, const char *name);

static bool test_uuid(const struct vm *vm, const char *name)
{
	return *name && strcasecmp(vm->uuid, name) == 0;
}

static bool test_process(const struct vm *vm, const char *name)
{
	return streq(vm->name, name) || test_uuid(vm, name);
}

/* Processes choose their names and uuids themselves, libvirt's domains do not. */
static bool test_domain(const struct vm *vm, const char *name)
{
	return vm->domain == VM_DOMAIN_KNOWN && test_process(vm, name);
}

static bool test_id(const struct vm *vm, const char *name)
{
	char id[24];

	snprintf(id, sizeof(id), "%" PRIu64, vm->id);
	return streq(id, name);
}

static bool test_pid(const struct vm *vm, const char *name)
{
	char pid[24];

	snprintf(pid, sizeof(pid), "%d", (int)vm->pid);
	return vm->pid > 0 && streq(pid, name);
}

/* The one VM that passes; 0 if none does; an error if it is not clear which is meant. */
static int find_one(const struct manager *m, vm_test_t test, const char *name,
		    const struct vm **ret, sd_bus_error *error)
{
	const struct vm *found = NULL;

	for (size_t i = 0; i < m->n_vms; i++) {
		if (!test(m->vms[i], name))
			continue;
		if (found)
			return sd_bus_error_setf(error, NVMX_ERROR("AmbiguousName"),
						 "\"%s\" may be VM %" PRIu64 " or VM %" PRIu64 "; give the id.",
						 name, found->id, m->vms[i]->id);
		found = m->vms[i];
	}

	*ret = found;
	return found ? 1 : 0;
}

static int method_get_vm(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	static const vm_test_t tests[] = { test_domain, test_id, test_process };
	_cleanup_free_ char *sentence = NULL;
	struct manager *m = userdata;
	const struct vm *vm = NULL;
	const char *name;
	int r;

	r = sd_bus_message_read(call, "s", &name);
	if (r < 0)
		return r;
	r = need_module(m, error);
	if (r < 0)
		return r;

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		r = find_one(m, tests[i], name, &vm, error);
		if (r < 0)
			return r;
		if (r > 0)
			return sd_bus_reply_method_return(call, "o", vm->path);
	}

	/* The name may be as long as a message, and cut it may be no text. */
	error_set(&sentence, 0, "No running VM has the name, uuid or id \"%.64s\"; \"nvmxctl list\" lists the VMs.",
		  name);
	return sd_bus_error_set(error, NVMX_ERROR("NoSuchVM"), sentence);
}

static int method_get_vm_by_pid(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct manager *m = userdata;
	const struct vm *vm = NULL;
	char text[24];
	uint32_t pid;
	int r;

	r = sd_bus_message_read(call, "u", &pid);
	if (r < 0)
		return r;
	r = need_module(m, error);
	if (r < 0)
		return r;

	snprintf(text, sizeof(text), "%" PRIu32, pid);
	r = find_one(m, test_pid, text, &vm, error);
	if (r < 0)
		return r;
	if (r > 0)
		return sd_bus_reply_method_return(call, "o", vm->path);

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
	struct manager *m = userdata;
	int r;

	r = need_module(m, error);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(reply, 'a', "(usssasasas)");
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->table.n; i++) {
		r = append_field(reply, &m->table.fields[i]);
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
	struct manager *m = userdata;
	const struct policy *p;
	int r;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(reply, 'a', "(sss)");
	if (r < 0)
		return r;
	for (size_t i = 0; (p = policy_set_get(m->policies, i)); i++) {
		r = sd_bus_message_append(reply, "(sss)", p->name, p->description, p->path);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(reply);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

int manager_bus_append_classes(sd_bus_message *reply, const struct assignment *a)
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

static int method_get_policy(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ char *sentence = NULL;
	struct manager *m = userdata;
	const char *name;
	int r;

	r = sd_bus_message_read(call, "s", &name);
	if (r < 0)
		return r;
	r = need_module(m, error);
	if (r < 0)
		return r;
	r = policy_set_resolve(m->policies, &m->table, name, &a, &sentence);
	if (r < 0)
		return bus_error_set(error, r, sentence);

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = sd_bus_message_append(reply, "s", vmwrite_any_to_string(a->vmwrite_any_field));
	if (r < 0)
		return r;
	r = manager_bus_append_classes(reply, a);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

static int method_describe(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *json = NULL;
	int r;

	r = describe_manager(userdata, &json);
	return r < 0 ? r : sd_bus_reply_method_return(call, "s", json);
}

static int reload_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;
	int r;

	r = manager_reload(userdata, &sentence);
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
	SD_BUS_METHOD_WITH_ARGS("ListVMs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a" VM_ROW, vms),
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
	SD_BUS_PROPERTY("Version", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("KernelSupport", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("KernelLink", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("TSCKHz", "u", get_tsc_khz, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Libvirt", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("DefaultPolicy", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Missing", "as", get_missing, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("NVMs", "u", get_n_vms, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

int manager_bus_add(struct manager *m)
{
	int r;

	r = sd_bus_open_system_with_description(&m->bus, "nvmxd");
	if (r < 0) {
		log_error("The system bus could not be reached: %s.", strerror(-r));
		return r;
	}

	r = sd_bus_add_object_vtable(m->bus, NULL, MANAGER_PATH, MANAGER_INTERFACE, manager_vtable, m);
	if (r >= 0)
		r = vm_bus_add(m);
	if (r >= 0)
		r = sd_bus_add_object_manager(m->bus, NULL, MANAGER_PATH);
	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(m->bus, true);
	if (r >= 0)
		r = sd_bus_attach_event(m->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0)
		log_error("The objects could not be put on the bus: %s.", strerror(-r));
	return r;
}

/* The process that has the name, 0 if that cannot be said. */
static pid_t name_owner(sd_bus *bus)
{
	_cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
	pid_t pid = 0;

	if (sd_bus_get_name_creds(bus, MANAGER_BUS_NAME, SD_BUS_CREDS_PID, &creds) < 0 ||
	    sd_bus_creds_get_pid(creds, &pid) < 0)
		return 0;
	return pid;
}

int manager_bus_take_name(struct manager *m)
{
	int r;

	r = sd_bus_request_name(m->bus, MANAGER_BUS_NAME, 0);
	switch (r) {
	case -EEXIST:
		log_error("Another nvmxd runs already: %s is taken on the bus by process %d. End that one, then \"systemctl start nvmxd\".",
			  MANAGER_BUS_NAME, (int)name_owner(m->bus));
		return -EADDRINUSE;
	case -EACCES:
	case -EPERM:
		log_error("The bus does not let this user have the name %s: is org.nvmx1.conf installed, and was the bus told (\"systemctl reload dbus\")? Then \"systemctl start nvmxd\".",
			  MANAGER_BUS_NAME);
		return -EADDRINUSE;
	}
	if (r < 0)
		log_error("The name %s could not be acquired on the bus: %s.", MANAGER_BUS_NAME, strerror(-r));
	return r;
}

/* ---- signals ---- */

void manager_bus_check_sent(struct manager *m, int r)
{
	/* A bus that is lost ends the loop by itself. */
	if (r >= 0 || r == -ENOTCONN || r == -ECONNRESET || r == -ESTALE)
		return;
	log_error("A change could not be told on the bus (%s); nvmxd ends, to be started again, so that all look anew.",
		  strerror(-r));
	sd_event_exit(m->event, r);
}

void manager_bus_changed(struct manager *m, const char *property)
{
	manager_bus_check_sent(m, sd_bus_emit_properties_changed(m->bus, MANAGER_PATH, MANAGER_INTERFACE,
								 property, NULL));
}

/* VMNew, VMRemoved, VMXStarted */
static void send_vm_signal(struct manager *m, const struct vm *vm, const char *member)
{
	manager_bus_check_sent(m, sd_bus_emit_signal(m->bus, MANAGER_PATH, MANAGER_INTERFACE, member,
						     "to", vm->id, vm->path));
}

void manager_bus_vm_new(struct manager *m, const struct vm *vm)
{
	manager_bus_check_sent(m, sd_bus_emit_object_added(m->bus, vm->path));
	send_vm_signal(m, vm, "VMNew");
}

void manager_bus_vm_removed(struct manager *m, const struct vm *vm)
{
	send_vm_signal(m, vm, "VMRemoved");
	manager_bus_check_sent(m, sd_bus_emit_object_removed(m->bus, vm->path));
}

void manager_bus_policy_changed(struct manager *m, const struct vm *vm)
{
	manager_bus_check_sent(m, sd_bus_emit_signal(m->bus, MANAGER_PATH, MANAGER_INTERFACE,
						     "PolicyChanged", "toss", vm->id, vm->path,
						     vm->policy.base,
						     policy_source_to_string(vm->policy.source)));
}

void manager_bus_vmx_started(struct manager *m, const struct vm *vm)
{
	send_vm_signal(m, vm, "VMXStarted");
}
