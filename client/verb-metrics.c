/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl metrics [--format=FORMAT] [--output=FILE]: the counters of all VMs for
 * Prometheus and what understands it.
 *
 * There are two formats of nearly the same text.  OpenMetrics is what a scraper asks
 * for.  node_exporter's textfile collector and promtool take Prometheus's older one
 * only: there the family of a counter has the name of its sample, there is no type
 * "info", and no unit.
 */
#include <inttypes.h>

#include "client/nvmxctl.h"

#define PREFIX	"nvmx_"

enum type { GAUGE, INFO, COUNTER };

/* What the totals of ListStatistics become; unknown ones are a newer nvmxd's. */
static const struct {
	const char *key;
	const char *name;
	bool seconds;			/* the total is in cycles of the TSC */
	const char *help;
} totals[] = {
	{ "nested_entries", "nested_entries", false, "VM entries of L1 into L2" },
	{ "nested_exits_reflected", "nested_exits_reflected", false, "Exits of L2 reflected to L1" },
	{ "vmread_exits", "vmread_exits", false, "VMREADs by L1 that exited to L0" },
	{ "vmwrite_exits", "vmwrite_exits", false, "VMWRITEs by L1 that exited to L0" },
	{ "vmwrite_propagated", "vmwrite_propagated", false, "VMWRITEs propagated to the shadow VMCS" },
	{ "shadow_to_vmcs12", "shadow_to_vmcs12", false, "Copies of the shadow VMCS to vmcs12" },
	{ "vmcs12_to_shadow", "vmcs12_to_shadow", false, "Copies of vmcs12 to the shadow VMCS" },
	{ "fields_to_vmcs12", "fields_to_vmcs12", false, "Fields copied to vmcs12" },
	{ "fields_to_shadow", "fields_to_shadow", false, "Fields copied to the shadow VMCS" },
	{ "rare_syncs", "rare_syncs", false, "Fetches of lazily fetched guest state from vmcs02" },
	{ "policy_switches", "policy_switches", false, "Policy switches of vCPUs" },
	{ "slow_path_entries", "slow_path_entries", false, "VM entries into L2 that took the slow path" },
	{ "to_vmcs12_timed", "to_vmcs12_timed", false, "Copies to vmcs12 that were timed" },
	{ "to_vmcs12_cycles", "to_vmcs12_timed_seconds", true, "Time that the timed copies to vmcs12 took" },
	{ "to_shadow_timed", "to_shadow_timed", false, "Copies to the shadow VMCS that were timed" },
	{ "to_shadow_cycles", "to_shadow_timed_seconds", true,
	  "Time that the timed copies to the shadow VMCS took" },
	{ "slow_path_timed", "slow_path_timed", false, "Slow paths that were timed" },
	{ "slow_path_cycles", "slow_path_timed_seconds", true, "Time that the timed slow paths took" },
};

struct exposition {
	FILE *f;
	bool openmetrics;
	struct json_object *manager;	/* properties */
	struct json_object *vms;	/* by statistics_list() */
	uint64_t tsc_khz;
};

/* ---- text ---- */

static void put_family(const struct exposition *e, const char *name, enum type type, bool seconds,
		       const char *help)
{
	static const char *const suffixes[] = { "", "_info", "_total" };
	static const char *const names[] = { "gauge", "info", "counter" };
	const char *suffix = e->openmetrics ? "" : suffixes[type];

	fprintf(e->f, "# HELP " PREFIX "%s%s %s.\n", name, suffix, help);
	fprintf(e->f, "# TYPE " PREFIX "%s%s %s\n", name, suffix,
		type == INFO && !e->openmetrics ? "gauge" : names[type]);
	if (seconds && e->openmetrics)
		fprintf(e->f, "# UNIT " PREFIX "%s seconds\n", name);
}

static void put_label(FILE *f, char separator, const char *name, const char *value)
{
	fprintf(f, "%c%s=\"", separator, name);
	for (const char *p = value; *p; p++)
		if (*p == '\n')
			fputs("\\n", f);
		else if (*p == '"' || *p == '\\')
			fprintf(f, "\\%c", *p);
		else
			fputc(*p, f);
	fputc('"', f);
}

/* ---- VMs ---- */

/* NAME{vm=...,domain=...,uuid=...  and what the caller appends before the "}". */
static void put_vm(const struct exposition *e, const char *name, const char *suffix,
		   struct json_object *vm)
{
	fprintf(e->f, PREFIX "%s%s", name, suffix);
	put_label(e->f, '{', "vm", json_get_text(vm, "id"));
	put_label(e->f, ',', "domain", json_get_text(vm, "name"));
	put_label(e->f, ',', "uuid", json_get_text(vm, "uuid"));
}

static void put_infos(const struct exposition *e)
{
	static const struct { const char *label, *key; } labels[] = {
		{ "policy", "policy" },
		{ "source", "policy_source" },
		{ "shadowing", "shadowing" },
	};

	put_family(e, "vm", INFO, false, "A VM, its policy, the source of that, and the state of shadowing");
	for (size_t i = 0; i < json_length(e->vms); i++) {
		struct json_object *vm = json_at(e->vms, i);

		put_vm(e, "vm", "_info", vm);
		for (size_t k = 0; k < ARRAY_SIZE(labels); k++)
			put_label(e->f, ',', labels[k].label, json_get_text(vm, labels[k].key));
		fputs("} 1\n", e->f);
	}
}

static bool is_vmxon(struct json_object *vm)
{
	return json_object_get_boolean(json_get(vm, "vmxon"));
}

static bool has_error(struct json_object *vm)
{
	return *json_get_text(vm, "policy_error");
}

static void put_flag(const struct exposition *e, const char *name, const char *help,
		     bool (*test)(struct json_object *vm))
{
	put_family(e, name, GAUGE, false, help);
	for (size_t i = 0; i < json_length(e->vms); i++) {
		struct json_object *vm = json_at(e->vms, i);

		put_vm(e, name, "", vm);
		fprintf(e->f, "} %d\n", test(vm));
	}
}

static void put_total(const struct exposition *e, size_t k)
{
	put_family(e, totals[k].name, COUNTER, totals[k].seconds, totals[k].help);
	for (size_t i = 0; i < json_length(e->vms); i++) {
		struct json_object *vm = json_at(e->vms, i);
		uint64_t n = statistics_total(vm, totals[k].key);

		put_vm(e, totals[k].name, "_total", vm);
		if (totals[k].seconds)
			fprintf(e->f, "} %.9f\n", n / (e->tsc_khz * 1e3));
		else
			fprintf(e->f, "} %" PRIu64 "\n", n);
	}
}

static void put_field_exits(const struct exposition *e, struct json_object *vm,
			    struct json_object *field, const char *access)
{
	uint64_t n = json_get_count(field, access);

	/* Only what occurred: a VM has some 180 fields, and its L1 few that exit. */
	if (n == 0)
		return;
	put_vm(e, "field_exits", "_total", vm);
	put_label(e->f, ',', "field", json_get_text(field, "name"));
	put_label(e->f, ',', "access", access);
	fprintf(e->f, "} %" PRIu64 "\n", n);
}

static void put_fields(const struct exposition *e)
{
	put_family(e, "field_exits", COUNTER, false, "Accesses to a field of vmcs12 by L1 that exited to L0");
	for (size_t i = 0; i < json_length(e->vms); i++) {
		struct json_object *vm = json_at(e->vms, i);
		struct json_object *fields = json_get(vm, "fields");

		for (size_t k = 0; k < json_length(fields); k++) {
			struct json_object *field = json_at(fields, k);

			put_field_exits(e, vm, field, "vmread");
			put_field_exits(e, vm, field, "vmwrite");
		}
	}
}

static void put_manager(const struct exposition *e)
{
	put_family(e, "daemon", INFO, false, "nvmxd, the kernel's support and the connection to libvirt");
	fputs(PREFIX "daemon_info", e->f);
	put_label(e->f, '{', "version", json_get_text(e->manager, "Version"));
	put_label(e->f, ',', "kernel_support", json_get_text(e->manager, "KernelSupport"));
	put_label(e->f, ',', "libvirt", json_get_text(e->manager, "Libvirt"));
	fputs("} 1\n", e->f);
	put_family(e, "vms", GAUGE, false, "Number of VMs");
	fprintf(e->f, PREFIX "vms %zu\n", json_length(e->vms));
}

static void print(const struct exposition *e)
{
	put_manager(e);
	put_infos(e);
	put_flag(e, "vm_vmxon", "Whether a vCPU of the VM has ever executed VMXON", is_vmxon);
	put_flag(e, "vm_policy_error", "Whether the policy that is asked for could not be applied", has_error);
	for (size_t k = 0; k < ARRAY_SIZE(totals); k++)
		if (!totals[k].seconds || e->tsc_khz > 0)
			put_total(e, k);
	put_fields(e);
	if (e->openmetrics)
		fputs("# EOF\n", e->f);
}

/* ---- where it comes from ---- */

/* Without the module there are none, which the metrics say. */
static int get_vms(struct client *c, struct json_object **ret)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = statistics_list(c, &error, ret);
	if (r >= 0)
		return STATUS_DONE;
	if (client_error_status(&error) != STATUS_NO_KERNEL)
		return client_fail(&error, r);
	*ret = json_object_new_array();
	return STATUS_DONE;
}

static int get_manager(struct client *c, struct json_object **ret)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	int r;

	r = client_call(c, NVMX_BUS_PATH, "org.freedesktop.DBus.Properties", "GetAll",
			NVMX_BUS_MANAGER, &reply);
	if (r != STATUS_DONE)
		return r;
	r = bus_json_read(reply, ret);
	return r < 0 ? client_fail(&error, r) : STATUS_DONE;
}

static int write_file(struct exposition *e, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t size;

	e->f = open_memstream(&text, &size);
	if (e->f)
		print(e);
	if (!e->f || fclose(e->f) == EOF) {
		fprintf(stderr, "nvmxctl: Out of memory.\n");
		return STATUS_FAILED;
	}
	return file_write(path, text);
}

int verb_metrics(struct client *c)
{
	_cleanup_json_ struct json_object *manager = NULL, *vms = NULL;
	struct exposition e = { .openmetrics = c->args->format == FORMAT_OPENMETRICS };
	int r;

	r = client_connect(c, NEED_DAEMON);
	if (r == STATUS_DONE)
		r = get_manager(c, &manager);
	if (r == STATUS_DONE)
		r = get_vms(c, &vms);
	if (r != STATUS_DONE)
		return r;

	e.manager = manager;
	e.vms = vms;
	e.tsc_khz = json_get_count(manager, "TSCKHz");
	if (c->args->output)
		return write_file(&e, c->args->output);
	e.f = pager_out(c);
	print(&e);
	return STATUS_DONE;
}
