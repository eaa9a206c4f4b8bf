/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.nvmx1.VM, at /org/nvmx1/vm/ID.  Owns nothing; org.nvmx1.xml is the reference
 * that the tests hold it to.
 */
#include <inttypes.h>

#include "daemon/bus-error.h"
#include "daemon/counters.h"
#include "daemon/polkit.h"
#include "daemon/vm.h"

#define ACTION_SET_POLICY "org.nvmx1.set-policy"

/* ---- properties ---- */

static int get_id(sd_bus *bus, const char *path, const char *interface, const char *property,
		  sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct vm *vm = userdata;

	return sd_bus_message_append(reply, "t", streq(property, "Id") ? vm->id : vm->start_time);
}

static int get_pid(sd_bus *bus, const char *path, const char *interface, const char *property,
		   sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct vm *vm = userdata;

	return sd_bus_message_append(reply, "u", (uint32_t)vm->pid);
}

const char *vm_bus_text(const struct vm *vm, const char *property)
{
	const struct vm_policy *p = &vm->policy;
	const char *text = "";

	if (streq(property, "Name"))
		text = vm->name;
	else if (streq(property, "UUID"))
		text = vm->uuid;
	else if (streq(property, "Executable"))
		text = vm->executable;
	else if (streq(property, "Unit"))
		text = vm->unit;
	else if (streq(property, "Policy"))
		text = p->base;
	else if (streq(property, "PolicySource"))
		text = policy_source_to_string(p->source);
	else if (streq(property, "PolicyError"))
		text = vm->error;
	else if (streq(property, "VMWriteAnyField"))
		text = p->assignment ? vmwrite_any_to_string(p->assignment->vmwrite_any_field) : "";
	else if (streq(property, "Shadowing"))
		text = vm_shadowing(vm);

	return text ? text : "";
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", vm_bus_text(userdata, property));
}

static int get_reason(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *reason = vm_policy_reason(userdata);

	return reason ? sd_bus_message_append(reply, "s", reason) : -ENOMEM;
}

static int get_vcpus(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct nvmx_vm_info info = { 0 };

	/* Of a VM that is about to go: none. */
	vm_get_info(userdata, &info);
	return sd_bus_message_append(reply, "u", info.nr_vcpus);
}

static int get_vmxon(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct vm *vm = userdata;

	return sd_bus_message_append(reply, "b", (int)vm->vmxon);
}

static int get_overrides(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	size_t n;
	int r;

	r = vm_policy_overrides(userdata, &changes, &n);
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

static int get_fields(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct vm *vm = userdata;

	return manager_bus_append_classes(reply, vm->policy.assignment);
}

/* Whether the policy does anything right now. */
const char *vm_shadowing(const struct vm *vm)
{
	struct nvmx_vm_info info;

	if (vm->manager->support != KERNEL_AVAILABLE)
		return "inert-kernel";
	if (vm_get_info(vm, &info) < 0)
		return "active";
	if (info.state & NVMX_VM_STATE_EVMCS)
		return "inert-evmcs";
	return info.state & NVMX_VM_STATE_WINDOW ? "profiling" : "active";
}

int vm_bus_append_properties(sd_bus_message *reply, const struct vm *vm)
{
	static const char *const texts[] = {
		"Name", "UUID", "Policy", "PolicySource", "PolicyError", "Shadowing",
	};
	int r;

	r = sd_bus_message_open_container(reply, 'a', "{sv}");
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		r = sd_bus_message_append(reply, "{sv}", texts[i], "s", vm_bus_text(vm, texts[i]));
		if (r < 0)
			return r;
	}
	r = sd_bus_message_append(reply, "{sv}", "VMXOn", "b", (int)vm->vmxon);
	if (r < 0)
		return r;
	return sd_bus_message_close_container(reply);
}

/* ---- SetPolicy, Reset ---- */

static int read_changes(sd_bus_message *call, struct policy_change **ret, size_t *ret_n)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	const char *name, *value;
	size_t n = 0;
	int r;

	r = sd_bus_message_enter_container(call, 'a', "{ss}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_read(call, "{ss}", &name, &value)) > 0) {
		struct policy_change *p = realloc(changes, (n + 1) * sizeof(*p));

		if (!p)
			return -ENOMEM;
		changes = p;
		changes[n++] = (struct policy_change) { name, value };
	}
	if (r < 0)
		return r;
	r = sd_bus_message_exit_container(call);
	if (r < 0)
		return r;

	*ret = steal_ptr(changes);
	*ret_n = n;
	return 0;
}

/* From the start of the call's arguments: it is read before polkit and after. */
static int read_set_policy(sd_bus_message *call, const char **ret_name,
			   struct policy_change **ret_changes, size_t *ret_n)
{
	int r;

	r = sd_bus_message_rewind(call, true);
	if (r < 0)
		return r;
	r = sd_bus_message_read(call, "s", ret_name);
	if (r < 0)
		return r;
	return read_changes(call, ret_changes, ret_n);
}

static int compute(struct vm *vm, sd_bus_message *call, struct assignment **ret, char **ret_base,
		   sd_bus_error *error)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	_cleanup_free_ char *sentence = NULL;
	const char *name;
	size_t n;
	int r;

	r = read_set_policy(call, &name, &changes, &n);
	if (r < 0)
		return r;

	r = vm_policy_compute(vm, name, changes, n, ret, ret_base, &sentence);
	return r < 0 ? bus_error_set(error, r, sentence) : 0;
}

/* Digits without a leading zero, so that each VM has one path. */
static bool parse_id(const char *s, uint64_t *ret)
{
	char *end;

	if (*s < '1' || *s > '9')
		return false;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	return errno == 0 && !*end;
}

/* After polkit: the VM may have gone meanwhile. */
static int find_again(struct manager *m, sd_bus_message *call, struct vm **ret, sd_bus_error *error)
{
	const char *id_text = strrchr(sd_bus_message_get_path(call), '/') + 1;
	struct vm *vm;
	uint64_t id;

	vm = parse_id(id_text, &id) ? manager_find_vm(m, id) : NULL;
	if (!vm)
		return sd_bus_error_setf(error, NVMX_ERROR("VMGone"), "VM %s is gone.", id_text);
	*ret = vm;
	return 0;
}

static int set_policy_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ char *base = NULL, *sentence = NULL;
	struct vm *vm;
	int r;

	r = find_again(userdata, call, &vm, error);
	if (r < 0)
		return r;
	r = compute(vm, call, &a, &base, error);
	if (r < 0)
		return r;
	r = vm_policy_set(vm, a, base, &sentence);
	if (r < 0)
		return bus_error_set(error, r, sentence);

	return sd_bus_reply_method_return(call, NULL);
}

/* As nvmxctl set takes them; NULL if there are none. */
static int format_changes(sd_bus_message *call, char **ret)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	_cleanup_free_ char *text = NULL;
	const char *name;
	size_t n, size;
	FILE *f;
	int r;

	r = read_set_policy(call, &name, &changes, &n);
	if (r < 0)
		return r;
	*ret = NULL;
	if (n == 0)
		return 0;

	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%s=%s", i > 0 ? " " : "", changes[i].name, changes[i].value);
	if (fclose(f) != 0)
		return -ENOMEM;
	*ret = steal_ptr(text);
	return 0;
}

/*
 * The details are what a rule of polkit's may go by, so none is a thing that the owner of the
 * VM's process chooses: its name and uuid are told if they are libvirt's word.  policy and
 * changes: what is to be set; NULL: nothing.
 */
static int authorize(struct vm *vm, sd_bus_message *call, const char *policy, const char *changes,
		     polkit_authorized_t authorized, sd_bus_error *error)
{
	bool vouched = vm->domain == VM_DOMAIN_KNOWN;
	char id[24];
	const char *const all[][2] = {
		{ "id", id },
		{ "vm", vouched ? vm->name : NULL },
		{ "uuid", vouched ? vm->uuid : NULL },
		{ "policy", policy },
		{ "changes", changes },
	};
	const char *details[2 * ARRAY_SIZE(all) + 1];
	size_t n = 0;

	snprintf(id, sizeof(id), "%" PRIu64, vm->id);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i][1]) {
			details[n++] = all[i][0];
			details[n++] = all[i][1];
		}
	details[n] = NULL;
	return polkit_authorize(call, ACTION_SET_POLICY, details, authorized, vm->manager, error);
}

static int method_set_policy(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *base = NULL, *changes = NULL;
	_cleanup_assignment_ struct assignment *a = NULL;
	struct vm *vm = userdata;
	int r;

	/* What cannot be done is refused before anybody is asked for a password. */
	r = compute(vm, call, &a, &base, error);
	if (r < 0)
		return r;
	r = format_changes(call, &changes);
	if (r < 0)
		return r;

	return authorize(vm, call, base, changes, set_policy_authorized, error);
}

static int reset_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;
	struct vm *vm;
	int r;

	r = find_again(userdata, call, &vm, error);
	if (r < 0)
		return r;
	r = vm_policy_reset(vm, &sentence);
	if (r < 0)
		return bus_error_set(error, r, sentence);

	return sd_bus_reply_method_return(call, NULL);
}

static int method_reset(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	return authorize(userdata, call, NULL, NULL, reset_authorized, error);
}

/* ---- StartProfile, EndProfile ---- */

static int read_duration(sd_bus_message *call, uint32_t *ret_ms, sd_bus_error *error)
{
	uint64_t usec;
	int r;

	r = sd_bus_message_rewind(call, true);
	if (r < 0)
		return r;
	r = sd_bus_message_read(call, "t", &usec);
	if (r < 0)
		return r;
	if (usec == 0 || usec > NVMX_WINDOW_MAX_MS * UINT64_C(1000))
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "A VM can be profiled for 1 to %" PRIu64 " microseconds, not for %" PRIu64 ".",
					 NVMX_WINDOW_MAX_MS * UINT64_C(1000), usec);

	*ret_ms = (usec + 999) / 1000;
	return 0;
}

static int start_profile_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	uint32_t duration_ms;
	struct vm *vm;
	int r;

	r = find_again(userdata, call, &vm, error);
	if (r < 0)
		return r;
	r = read_duration(call, &duration_ms, error);
	if (r < 0)
		return r;
	r = vm_profile_start(vm, call, duration_ms, error);
	if (r < 0)
		return r;

	return sd_bus_reply_method_return(call, NULL);
}

static int method_start_profile(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	uint32_t duration_ms;
	int r;

	r = read_duration(call, &duration_ms, error);
	if (r < 0)
		return r;

	return authorize(userdata, call, NULL, NULL, start_profile_authorized, error);
}

/* Of the caller's own: nobody else's can be ended, so polkit is not asked. */
static int method_end_profile(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	int r;

	r = vm_profile_end(userdata, call, error);
	if (r < 0)
		return r;

	return sd_bus_reply_method_return(call, NULL);
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

int vm_bus_append_counters(sd_bus_message *reply, const struct vm *vm, const struct nvmx_counters *counters,
			   const struct nvmx_field_counters *fields)
{
	int r;

	r = append_totals(reply, counters);
	if (r < 0)
		return r;
	return append_field_counters(reply, &vm->manager->table, fields, counters->nr);
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
	    link_vm_get_counters(&vm->manager->link, vm->fd, vcpu, &counters, &fields);
	if (r == -ENOENT) {
		struct nvmx_vm_info info = { 0 };

		vm_get_info(vm, &info);
		return sd_bus_error_setf(error, NVMX_ERROR("NoSuchVCPU"),
					 "VM %" PRIu64 " (%s) has no vCPU %d; it has %u, numbered from 0.",
					 vm->id, vm->name, vcpu, info.nr_vcpus);
	}
	if (r == -ENODEV)
		return sd_bus_error_setf(error, NVMX_ERROR("VMGone"), "VM %" PRIu64 " (%s) is gone.",
					 vm->id, vm->name);
	if (r < 0)
		return r;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r < 0)
		return r;
	r = vm_bus_append_counters(reply, vm, &counters, fields);
	if (r < 0)
		return r;
	return sd_bus_send(NULL, reply, NULL);
}

static int method_describe(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *json = NULL;
	int r;

	r = describe_vm(userdata, &json);
	return r < 0 ? r : sd_bus_reply_method_return(call, "s", json);
}

/* ---- the object ---- */

static const sd_bus_vtable vm_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("SetPolicy", SD_BUS_ARGS("s", policy, "a{ss}", changes),
				SD_BUS_NO_RESULT, method_set_policy, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Reset", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
				method_reset, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("StartProfile", SD_BUS_ARGS("t", duration_usec), SD_BUS_NO_RESULT,
				method_start_profile, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("EndProfile", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
				method_end_profile, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetStatistics", SD_BUS_ARGS("i", vcpu),
				SD_BUS_RESULT("a{st}", totals, "a(sutt)", fields),
				method_get_statistics, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json),
				method_describe, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Id", "t", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("PID", "u", get_pid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("StartTime", "t", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Name", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("UUID", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Executable", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Unit", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("VCPUs", "u", get_vcpus, 0, 0),
	SD_BUS_PROPERTY("VMXOn", "b", get_vmxon, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Policy", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("PolicySource", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("PolicyReason", "s", get_reason, 0, 0),
	SD_BUS_PROPERTY("PolicyError", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Overrides", "a{ss}", get_overrides, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("VMWriteAnyField", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Fields", "a{ss}", get_fields, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Shadowing", "s", get_text, 0, 0),
	SD_BUS_VTABLE_END,
};

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata,
		void **ret_found, sd_bus_error *error)
{
	struct manager *m = userdata;
	struct vm *vm;
	uint64_t id;

	if (strncmp(path, VM_PATH_PREFIX "/", strlen(VM_PATH_PREFIX "/")) != 0 ||
	    !parse_id(path + strlen(VM_PATH_PREFIX "/"), &id))
		return 0;

	vm = manager_find_vm(m, id);
	if (vm) {
		*ret_found = vm;
		return 1;
	}
	if (id <= m->last_id)
		return sd_bus_error_setf(error, NVMX_ERROR("VMGone"), "VM %" PRIu64 " is gone.", id);
	return sd_bus_error_setf(error, NVMX_ERROR("NoSuchVM"),
				 "There has been no VM %" PRIu64 "; \"nvmxctl list\" lists the VMs.", id);
}

static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
		     sd_bus_error *error)
{
	struct manager *m = userdata;
	char **nodes;
	size_t n = 0;

	nodes = calloc(m->n_vms + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	for (; n < m->n_vms; n++) {
		nodes[n] = strdup(m->vms[n]->path);
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

int vm_bus_add(struct manager *m)
{
	int r;

	r = sd_bus_add_fallback_vtable(m->bus, NULL, VM_PATH_PREFIX, VM_INTERFACE, vm_vtable, find, m);
	if (r < 0)
		return r;
	return sd_bus_add_node_enumerator(m->bus, NULL, VM_PATH_PREFIX, enumerate, m);
}

void vm_bus_changed(struct vm *vm, const char *const *properties)
{
	if (!vm->announced || !properties[0])
		return;
	manager_bus_check_sent(vm->manager,
			       sd_bus_emit_properties_changed_strv(vm->manager->bus, vm->path,
								   VM_INTERFACE, (char **)properties));
}
