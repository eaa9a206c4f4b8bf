/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Puts kernel, files, VMs, sources and bus together: what one tells, the others hear of
 * here.  Owns them all, and the event loop.
 */
#include <inttypes.h>

#include <systemd/sd-daemon.h>

#include "daemon/bus.h"
#include "daemon/log.h"
#include "daemon/manager.h"

struct manager {
	struct manager_options options;	/* borrowed strings */
	sd_event *event;
	struct retry *retry;
	struct kernel kernel;
	struct files files;
	struct vm_context context;
	struct vm_set vms;
	struct sources sources;
	struct bus bus;
	char *missing;			/* as it was last told on the bus */
};

sd_event *manager_event(const struct manager *m)
{
	return m->event;
}

/* ---- Missing, and systemctl's status ---- */

static char *join_missing(const struct manager *m)
{
	const char *missing[BUS_MISSING_MAX];
	char *text = NULL;
	size_t n, size;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	n = bus_missing(&m->bus, missing);
	for (size_t i = 0; i < n; i++)
		fprintf(f, " %s", missing[i]);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void manager_update_status(const struct manager *m)
{
	_cleanup_free_ char *text = join_missing(m);

	/* The next one may get through. */
	if (text)
		(void)sd_notifyf(0, "STATUS=%zu VM%s.%s", m->vms.n, m->vms.n == 1 ? "" : "s", text);
}

/* Something that may have changed it; it is told if it has, or if that cannot be said. */
static void missing_changed(struct manager *m)
{
	_cleanup_free_ char *text = join_missing(m);

	if (text && m->missing && streq(text, m->missing))
		return;
	free(m->missing);
	m->missing = steal_ptr(text);
	manager_bus_changed(&m->bus, "Missing");
	manager_update_status(m);
}

static void on_missing_changed(void *userdata)
{
	missing_changed(userdata);
}

/* ---- VMs ---- */

static void on_vm_changed(struct vm *vm, unsigned int what, void *userdata)
{
	struct manager *m = userdata;

	if (what != VM_CHANGED_GONE) {
		vm_bus_changed(&m->bus, vm, what);
		return;
	}

	manager_bus_vm_removed(&m->bus, vm);
	log_vm_event(vm, LOG_INFO, MESSAGE_VM_GONE, "VM %" PRIu64 " (%s) is gone.", vm->id, vm_name(vm));
	vm_set_remove(&m->vms, vm);
	manager_bus_changed(&m->bus, "NVMs");
	manager_update_status(m);
}

static void remove_vm(struct manager *m, struct vm *vm)
{
	on_vm_changed(vm, VM_CHANGED_GONE, m);
}

static void add_vm(struct manager *m, uint64_t id, pid_t pid, uint64_t start_time)
{
	_cleanup_vm_ struct vm *vm = NULL;
	int r;

	if (vm_set_find(&m->vms, id))
		return;
	vm_set_seen(&m->vms, id);

	r = vm_new(&m->context, id, pid, start_time, sources_all(&m->sources), &vm);
	if (r == -ENOENT || r == -ENODEV)
		return;		/* gone again already */
	if (r >= 0)
		r = vm_set_add(&m->vms, vm);
	if (r < 0) {
		log_message(LOG_ERR, NULL, id, NULL, "VM %" PRIu64 " is not managed: %s.", id, strerror(-r));
		if (is_shortage(r))
			retry_soon(m->retry);
		return;
	}

	manager_bus_vm_new(&m->bus, vm);
	manager_update_status(m);
	log_vm_event(vm, LOG_INFO, MESSAGE_VM_NEW, "VM %" PRIu64 " (%s, process %d) was found, with policy %s (%s).",
		     vm->id, vm_name(vm), (int)vm->pid, vm->policy.base,
		     policy_source_to_string(vm->policy.source));
	vm_begin(vm);
	sources_ask(&m->sources, vm);
	steal_ptr(vm);
}

/* Takes over what the kernel lists: at the start, and when records were lost. */
static int list_vms(struct manager *m)
{
	_cleanup_free_ struct nvmx_vm_info *infos = NULL;
	size_t n, k = 0;
	int r;

	r = link_list_vms(&m->kernel.link, &infos, &n);
	if (r < 0)
		return r;

	/* Both lists ascend. */
	for (size_t i = 0; i < m->vms.n;) {
		while (k < n && infos[k].id < m->vms.vms[i]->id)
			k++;
		if (k < n && infos[k].id == m->vms.vms[i]->id)
			i++;
		else
			remove_vm(m, m->vms.vms[i]);
	}

	for (size_t i = 0; i < n; i++) {
		struct vm *vm = vm_set_find(&m->vms, infos[i].id);

		if (!vm) {
			add_vm(m, infos[i].id, infos[i].pid, infos[i].start_time);
			continue;
		}
		/* What records would have told. */
		vm_take_state(vm, infos[i].state);
		(void)vm_policy_refresh(vm);	/* what it owes then it notes */
	}

	return 0;
}

static void list_again(struct manager *m)
{
	int r;

	r = list_vms(m);
	if (r < 0)
		log_error("The VMs could not be listed: %s.", strerror(-r));
	if (is_shortage(r))
		retry_soon(m->retry);
}

/* ---- the kernel ---- */

static void on_record(struct manager *m, const struct nvmx_event *record)
{
	struct vm *vm = vm_set_find(&m->vms, record->id);

	switch (record->type) {
	case NVMX_EVENT_VM_CREATED:
		add_vm(m, record->id, record->pid, record->start_time);
		break;
	case NVMX_EVENT_VM_VMXON:
		if (vm)
			vm_take_state(vm, vm->kernel_state | NVMX_VM_STATE_VMXON);
		break;
	case NVMX_EVENT_VM_POLICY:
		if (vm)
			(void)vm_policy_refresh(vm);	/* what it owes then it notes */
		break;
	case NVMX_EVENT_VM_STATE:
		if (vm)
			vm_refresh_state(vm);
		break;
	case NVMX_EVENT_VM_GONE:
		if (vm)
			remove_vm(m, vm);
		break;
	case NVMX_EVENT_OVERFLOW:
		log_notice("The kernel dropped %u records; listing the VMs again.", record->lost);
		list_again(m);
		break;
	}
}

/* Of what could not be read now the VMs keep what they have. */
static void load_policies(struct manager *m, const struct field_table *table)
{
	int r;

	r = files_load_policies(&m->files, table);
	if (is_shortage(r))
		retry_soon(m->retry);
	missing_changed(m);
}

static void drop_vms(struct manager *m)
{
	while (m->vms.n > 0)
		remove_vm(m, m->vms.vms[m->vms.n - 1]);
	policy_set_forget_resolved(m->files.policies);
	/* Another kernel may count from 1 again. */
	m->vms.last_id = 0;
}

static void say_ready(const struct manager *m)
{
	const char *why = kernel_why_unsupported(&m->kernel);

	if (why)
		log_event(LOG_WARNING, MESSAGE_KERNEL_INERT, "%s", why);
	else
		log_event(LOG_INFO, MESSAGE_KERNEL_READY, "%s is ready, with %zu fields and %zu VM%s.",
			  m->kernel.link.path, m->kernel.table.n, m->vms.n, m->vms.n == 1 ? "" : "s");
}

static int on_kernel(enum kernel_news news, const struct nvmx_event *record, void *userdata)
{
	struct manager *m = userdata;

	switch (news) {
	case KERNEL_FOUND:
		load_policies(m, &m->kernel.table);
		return list_vms(m);
	case KERNEL_LOST:
		drop_vms(m);
		break;
	case KERNEL_GONE:
		load_policies(m, NULL);
		break;
	case KERNEL_READY:
		say_ready(m);
		break;
	case KERNEL_SUPPORT:
		manager_bus_changed(&m->bus, "KernelSupport");
		missing_changed(m);
		break;
	case KERNEL_TSC:
		manager_bus_changed(&m->bus, "TSCKHz");
		break;
	case KERNEL_RECORD:
		on_record(m, record);
		break;
	}

	return 0;
}

/* ---- files ---- */

static const struct field_table *table(const struct manager *m)
{
	return kernel_is_open(&m->kernel) ? &m->kernel.table : NULL;
}

int manager_reload(struct manager *m, char **ret_error)
{
	_cleanup_free_ char *was = strdup(m->files.config.default_policy);
	int r;

	r = files_reload(&m->files, table(m), ret_error);
	if (m->files.again) {
		if (is_shortage(r))
			retry_soon(m->retry);
		return r;
	}

	if (!was || !streq(was, m->files.config.default_policy))
		manager_bus_changed(&m->bus, "DefaultPolicy");
	missing_changed(m);
	for (size_t i = 0; i < m->vms.n; i++)
		vm_files_changed(m->vms.vms[i]);
	return r;
}

static int on_reload(void *userdata, char **ret_error)
{
	return manager_reload(userdata, ret_error);
}

/* ---- sources ---- */

static void on_ask(const struct source *s, const struct vm *vm, void *userdata)
{
	struct manager *m = userdata;

	sources_bus_ask(&m->bus, s, vm);
}

static void on_source_changed(const struct source *s, void *userdata)
{
	struct manager *m = userdata;

	manager_bus_changed(&m->bus, "Sources");
	if (streq(s->name, CONFIG_LIBVIRT))
		manager_bus_changed(&m->bus, "Libvirt");
	missing_changed(m);
	/* Pending says why the answer is not there. */
	for (size_t i = 0; i < m->vms.n; i++)
		if (m->vms.vms[i]->state == VM_WAITING)
			vm_bus_changed(&m->bus, m->vms.vms[i], VM_CHANGED_PENDING);
}

static const struct source_ops source_ops = { .ask = on_ask, .changed = on_source_changed };

/* ---- another try ---- */

static void on_retry(void *userdata)
{
	struct manager *m = userdata;

	if (kernel_is_open(&m->kernel))
		list_again(m);
	else
		kernel_try_again(&m->kernel);	/* says and notes itself what is wrong */

	if (m->files.again)
		(void)manager_reload(m, NULL);
	for (size_t i = 0; i < m->vms.n; i++)
		vm_try_again(m->vms.vms[i]);
}

/* ---- the whole ---- */

int manager_new(const struct manager_options *options, struct manager **ret)
{
	_cleanup_manager_ struct manager *m = NULL;
	int r;

	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->options = *options;
	files_init(&m->files, options->config_dirs, options->policy_dirs);
	kernel_init(&m->kernel, NULL, NULL, options->link, options->link_path, on_kernel, m);

	r = sd_event_default(&m->event);
	if (r < 0)
		return r;
	r = sd_event_set_watchdog(m->event, true);
	if (r < 0)
		return r;
	r = retry_new(m->event, on_retry, m, &m->retry);
	if (r < 0)
		return r;

	kernel_init(&m->kernel, m->event, m->retry, options->link, options->link_path, on_kernel, m);
	m->context = (struct vm_context) {
		.event = m->event,
		.kernel = &m->kernel,
		.files = &m->files,
		.retry = m->retry,
		.changed = on_vm_changed,
		.userdata = m,
	};
	m->bus = (struct bus) {
		.event = m->event,
		.kernel = &m->kernel,
		.files = &m->files,
		.vms = &m->vms,
		.sources = &m->sources,
		.reload = on_reload,
		.missing_changed = on_missing_changed,
		.userdata = m,
	};

	*ret = steal_ptr(m);
	return 0;
}

struct manager *manager_free(struct manager *m)
{
	if (!m)
		return NULL;

	m->retry = retry_free(m->retry);
	/* VMs before the bus: the owners of their windows are connections. */
	for (size_t i = 0; i < m->vms.n; i++)
		vm_profile_close(m->vms.vms[i]);
	bus_close(&m->bus);
	sources_clear(&m->sources);
	vm_set_clear(&m->vms);
	kernel_clear(&m->kernel);
	files_clear(&m->files);
	free(m->missing);
	sd_event_unref(m->event);
	free(m);
	return NULL;
}

int manager_start(struct manager *m)
{
	static const struct config_sources none = {};
	int r;

	r = files_load(&m->files, NULL);
	if (r < 0 && r != -EBADMSG)
		return r;
	r = sources_init(&m->sources, m->event, &m->vms,
			 m->options.no_sources ? &none : &m->files.config.sources, &source_ops, m);
	if (r < 0) {
		log_error("The sources of settings could not be set up: %s.", strerror(-r));
		return r;
	}

	r = bus_open(&m->bus);
	if (r < 0)
		return r;
	/*
	 * Before anything is touched, so that a second one does no harm.  Calls are
	 * answered once the loop runs, so whoever sees the name sees everything.
	 */
	r = bus_take_name(&m->bus);
	if (r < 0)
		return r;

	return kernel_start(&m->kernel);
}
