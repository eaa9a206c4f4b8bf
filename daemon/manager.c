/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manager's life: waits for the kernel, keeps the list of VMs as the kernel
 * tells it, and hands libvirt's news to the VMs.  Owns all that struct manager names.  Nothing polls: every wait is an fd in the event loop.
 */
#include <inttypes.h>
#include <libgen.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include <systemd/sd-daemon.h>

#include "daemon/libvirt.h"
#include "daemon/log.h"
#include "daemon/manager.h"
#include "daemon/polkit.h"
#include "daemon/vm.h"

static int start_waiting(struct manager *m);

/* ---- what the kernel supports ---- */

const char *kernel_support_to_string(enum kernel_support support)
{
	static const char *const names[] = {
		[KERNEL_NO_MODULE]	= "no-module",
		[KERNEL_NO_NESTED]	= "no-nested",
		[KERNEL_NO_SHADOW_VMCS]	= "no-shadow-vmcs",
		[KERNEL_AVAILABLE]	= "available",
	};

	return names[support];
}

const char *manager_why_unsupported(const struct manager *m)
{
	switch (m->support) {
	case KERNEL_NO_MODULE:
		if (m->link_error == -EACCES)
			return "/dev/nvmx cannot be opened: nvmxd must be in the device's group; it then continues by itself.";
		if (m->link_error == -EPERM)
			return "/dev/nvmx may not be opened, as it appeared after nvmxd.service was started: \"systemctl restart nvmxd\".";
		if (m->link_error == -EPROTONOSUPPORT)
			return "The kvm-intel module is of another version than nvmxd: install both from the same nvmx.";
		return "The kernel has no /dev/nvmx: load the kvm-intel module that comes with nvmx; nvmxd then continues by itself.";
	case KERNEL_NO_NESTED:
		return "Policies have no effect, because kvm-intel was loaded with nested=0: load it with nested=1.";
	case KERNEL_NO_SHADOW_VMCS:
		return "Policies have no effect, because the processor has no VMCS shadowing, or kvm-intel was loaded with enable_shadow_vmcs=0.";
	case KERNEL_AVAILABLE:
		break;
	}

	return NULL;
}

size_t manager_missing(const struct manager *m, const char *ret[MANAGER_MISSING_MAX])
{
	const char *why = manager_why_unsupported(m);
	size_t n = 0;

	if (why)
		ret[n++] = why;
	if (m->libvirt_missing)
		ret[n++] = "libvirt's library cannot be loaded: until the package libvirt0 is there and nvmxd is restarted, domains get no policy of their metadata or name.";
	if (m->libvirt && !m->libvirt_connected)
		ret[n++] = "libvirt is not connected: until it is, domains that start get no policy of their metadata or name.";
	if (m->polkit_missing)
		ret[n++] = "polkit is not available: only root may change anything.";
	if (config_is_restricted(&m->config))
		ret[n++] = MANAGER_RESTRICTED;
	if (m->config_error)
		ret[n++] = m->config_error;
	if (m->policy_error)
		ret[n++] = m->policy_error;
	return n;
}

void manager_update_status(const struct manager *m)
{
	const char *missing[MANAGER_MISSING_MAX];
	_cleanup_free_ char *text = NULL;
	size_t n, size;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f)
		return;		/* the next one may get through */
	fprintf(f, "STATUS=%zu VM%s.", m->n_vms, m->n_vms == 1 ? "" : "s");
	n = manager_missing(m, missing);
	for (size_t i = 0; i < n; i++)
		fprintf(f, " %s", missing[i]);
	if (fclose(f) == 0)
		sd_notify(0, text);
}

void manager_missing_changed(struct manager *m)
{
	manager_bus_changed(m, "Missing");
	manager_update_status(m);
}

static void set_tsc_khz(struct manager *m, uint32_t tsc_khz)
{
	if (m->tsc_khz == tsc_khz)
		return;
	m->tsc_khz = tsc_khz;
	manager_bus_changed(m, "TSCKHz");
}

static void set_support(struct manager *m, enum kernel_support support)
{
	if (m->support != support) {
		m->support = support;
		manager_bus_changed(m, "KernelSupport");
		manager_missing_changed(m);
	}
}

static void on_polkit(bool missing, void *userdata)
{
	struct manager *m = userdata;

	if (m->polkit_missing == missing)
		return;

	m->polkit_missing = missing;
	if (missing)
		log_event(LOG_NOTICE, MESSAGE_POLKIT_MISSING, "polkit is not available: only root may change anything.");
	else
		log_info("polkit is available.");
	manager_missing_changed(m);
}

/* ---- VMs ---- */

size_t manager_vm_place(const struct manager *m, uint64_t id)
{
	size_t low = 0, high = m->n_vms;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->vms[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}

	return low;
}

struct vm *manager_find_vm(const struct manager *m, uint64_t id)
{
	size_t i = manager_vm_place(m, id);

	return i < m->n_vms && m->vms[i]->id == id ? m->vms[i] : NULL;
}

static int insert_vm(struct manager *m, struct vm *vm)
{
	size_t i = manager_vm_place(m, vm->id);
	struct vm **p;

	p = realloc(m->vms, (m->n_vms + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;

	m->vms = p;
	memmove(p + i + 1, p + i, (m->n_vms - i) * sizeof(*p));
	p[i] = vm;
	m->n_vms++;
	return 0;
}

static void add_vm(struct manager *m, uint64_t id, pid_t pid, uint64_t start_time)
{
	_cleanup_vm_ struct vm *vm = NULL;
	int r;

	if (id > m->last_id)
		m->last_id = id;
	if (manager_find_vm(m, id))
		return;

	r = vm_new(m, id, pid, start_time, &vm);
	if (r == -ENOENT || r == -ENODEV)
		return;		/* gone again already */
	if (r >= 0)
		r = insert_vm(m, vm);
	if (r < 0) {
		log_message(LOG_ERR, NULL, id, NULL, "VM %" PRIu64 " is not managed: %s.", id, strerror(-r));
		manager_try_again(m, r);
		return;
	}

	vm->announced = true;
	manager_bus_vm_new(m, vm);
	manager_bus_changed(m, "NVMs");
	manager_update_status(m);
	log_vm_event(vm, LOG_INFO, MESSAGE_VM_NEW, "VM %" PRIu64 " (%s, process %d) was found, with policy %s (%s).",
		     vm->id, vm->name, (int)vm->pid, vm->policy.base,
		     policy_source_to_string(vm->policy.source));
	vm_ask_libvirt(vm);
	steal_ptr(vm);
}

void manager_remove_vm(struct manager *m, struct vm *vm)
{
	size_t i = manager_vm_place(m, vm->id);

	/* Signals first: sd-bus looks the object up for them. */
	manager_bus_vm_removed(m, vm);
	log_vm_event(vm, LOG_INFO, MESSAGE_VM_GONE, "VM %" PRIu64 " (%s) is gone.", vm->id, vm->name);

	memmove(m->vms + i, m->vms + i + 1, (m->n_vms - i - 1) * sizeof(*m->vms));
	m->n_vms--;
	vm_free(vm);
	manager_bus_changed(m, "NVMs");
	manager_update_status(m);
}

/* Takes over what the kernel lists: at the start, and when records were lost. */
static int list_vms(struct manager *m)
{
	_cleanup_free_ struct nvmx_vm_info *infos = NULL;
	size_t n, k = 0;
	int r;

	r = link_list_vms(&m->link, &infos, &n);
	if (r < 0)
		return r;

	/* Both lists ascend. */
	for (size_t i = 0; i < m->n_vms;) {
		while (k < n && infos[k].id < m->vms[i]->id)
			k++;
		if (k < n && infos[k].id == m->vms[i]->id)
			i++;
		else
			manager_remove_vm(m, m->vms[i]);
	}

	for (size_t i = 0; i < n; i++) {
		struct vm *vm = manager_find_vm(m, infos[i].id);

		if (!vm)
			add_vm(m, infos[i].id, infos[i].pid, infos[i].start_time);
		else if (infos[i].state & NVMX_VM_STATE_VMXON)
			vm_set_vmxon(vm);
	}

	return 0;
}

/* ---- the kernel link ---- */

static void on_record(const struct nvmx_event *event, void *userdata)
{
	struct manager *m = userdata;
	struct vm *vm = manager_find_vm(m, event->id);
	int r;

	switch (event->type) {
	case NVMX_EVENT_VM_CREATED:
		add_vm(m, event->id, event->pid, event->start_time);
		break;
	case NVMX_EVENT_VM_VMXON:
		if (vm)
			vm_set_vmxon(vm);
		break;
	case NVMX_EVENT_VM_GONE:
		if (vm)
			manager_remove_vm(m, vm);
		break;
	case NVMX_EVENT_OVERFLOW:
		log_notice("The kernel dropped %u records; listing the VMs again.", event->lost);
		r = list_vms(m);
		if (r < 0)
			log_error("The VMs could not be listed: %s.", strerror(-r));
		manager_try_again(m, r);
		break;
	}
}

/* Of what could not be read now the VMs keep what they have. */
static void load_policies(struct manager *m)
{
	int r;

	r = manager_load_policies(m, NULL);
	if (r >= 0 || r == -EBADMSG)
		return;
	log_error("The policy files could not be read: %s.", strerror(-r));
	m->reload_again = true;
	manager_try_again(m, r);
}

static void drop_kernel(struct manager *m)
{
	m->link_event = sd_event_source_disable_unref(m->link_event);
	while (m->n_vms > 0)
		manager_remove_vm(m, m->vms[m->n_vms - 1]);
	link_close(&m->link);

	policy_set_forget_resolved(m->policies);
	free(steal_ptr(m->fields));
	m->table = (struct field_table) { 0 };
	set_tsc_khz(m, 0);
	/* Another kernel may count from 1 again. */
	m->last_id = 0;
}

static void lose_kernel(struct manager *m, int r)
{
	log_event(LOG_NOTICE, MESSAGE_KERNEL_MISSING, "%s has disappeared (%s); waiting for it to come back.", m->link.path, strerror(-r));
	drop_kernel(m);
	m->link_error = -ENOENT;
	set_support(m, KERNEL_NO_MODULE);
	load_policies(m);

	r = start_waiting(m);
	if (r < 0) {
		log_error("%s cannot be waited for: %s.", m->link.path, strerror(-r));
		sd_event_exit(m->event, r);
	}
}

static int on_link_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct manager *m = userdata;
	int r = 0;

	if (revents & EPOLLIN)
		r = link_read_events(&m->link, on_record, m);
	else if (revents & (EPOLLHUP | EPOLLERR))
		r = -ENODEV;
	if (r < 0)
		lose_kernel(m, r);

	return 0;
}

static int read_kernel(struct manager *m)
{
	struct nvmx_info info;
	int r;

	r = link_get_info(&m->link, &info);
	if (r < 0)
		return r;
	if (info.abi_version != NVMX_ABI_VERSION) {
		log_event(LOG_ERR, MESSAGE_KERNEL_MISSING, "The interface of the kvm-intel module has version %u, that of nvmxd version %u: install both from the same nvmx.",
			  info.abi_version, NVMX_ABI_VERSION);
		return -EPROTONOSUPPORT;
	}

	r = link_get_fields(&m->link, &m->fields, &m->table.n);
	if (r < 0)
		return r;
	m->table.fields = m->fields;

	r = sd_event_add_io(m->event, &m->link_event, m->link.event_fd, EPOLLIN, on_link_event, m);
	if (r < 0)
		return r;
	/* Records of one wakeup come before the EPOLLHUP of the VMs they tell about. */
	r = sd_event_source_set_priority(m->link_event, SD_EVENT_PRIORITY_NORMAL - 1);
	if (r < 0)
		return r;

	set_support(m, !(info.features & NVMX_FEATURE_NESTED) ? KERNEL_NO_NESTED :
		       !(info.features & NVMX_FEATURE_SHADOW_VMCS) ? KERNEL_NO_SHADOW_VMCS :
		       KERNEL_AVAILABLE);
	set_tsc_khz(m, info.tsc_khz);
	if (m->support == KERNEL_AVAILABLE && !(info.features & NVMX_FEATURE_ALL_FIELDS))
		log_warning("Only the kernel's own list can be shadowed, because kvm-intel could not ask the processor which VMCS fields it has: the kernel's log says why.");
	return 0;
}

/* 0: there; else why not, which is said once for each reason. */
static int try_kernel(struct manager *m)
{
	const char *why;
	int r;

	r = link_open(&m->link);
	if (r >= 0) {
		r = read_kernel(m);
		if (r >= 0) {
			load_policies(m);
			r = list_vms(m);
		}
		if (r < 0) {
			drop_kernel(m);
			set_support(m, KERNEL_NO_MODULE);
		}
	}
	if (r < 0) {
		manager_try_again(m, r);
		if (r == m->link_error)
			return r;
		m->link_error = r;
		manager_missing_changed(m);
		if (r == -EACCES)
			log_event(LOG_ERR, MESSAGE_KERNEL_MISSING, "%s may not be opened (%s): nvmxd must be in its group; waiting for that to change.",
				  m->link.path, strerror(-r));
		else if (r == -EPERM)
			/* What DeviceAllow= names has to be there when the service starts. */
			log_event(LOG_WARNING, MESSAGE_KERNEL_MISSING, "%s may not be opened (%s), as it appeared after nvmxd.service was started; nvmx-device.service restarts that.",
				  m->link.path, strerror(-r));
		else if (is_shortage(r))
			log_event(LOG_ERR, MESSAGE_KERNEL_MISSING, "%s cannot be used for now: %s.", m->link.path, strerror(-r));
		else if (r != -EPROTONOSUPPORT)	/* which has been said */
			log_event(LOG_NOTICE, MESSAGE_KERNEL_MISSING, "%s does not exist (%s): the kvm-intel module that comes with nvmx is not loaded; waiting for it.",
				   m->link.path, strerror(-r));
		return r;
	}

	m->link_error = 0;
	m->link_watch = sd_event_source_disable_unref(m->link_watch);
	why = manager_why_unsupported(m);
	if (why)
		log_event(LOG_WARNING, MESSAGE_KERNEL_INERT, "%s", why);
	else
		log_event(LOG_INFO, MESSAGE_KERNEL_READY, "%s is ready, with %zu fields and %zu VM%s.", m->link.path, m->table.n,
			 m->n_vms, m->n_vms == 1 ? "" : "s");
	return 0;
}

static int on_watch(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct manager *m = userdata;

	/* Nothing here may fail: sd-event would never call it again. */
	if ((event->mask & IN_Q_OVERFLOW) ||
	    (event->len > 0 && streq(event->name, strrchr(m->link.path, '/') + 1)))
		try_kernel(m);
	return 0;
}

/*
 * Watches the folder first and looks second, so that nothing falls between.
 * Attributes too: udev hands a new device to its group after making it.
 */
static int start_waiting(struct manager *m)
{
	_cleanup_free_ char *path = strdup(m->link.path);
	int r;

	if (!path)
		return -ENOMEM;
	r = sd_event_add_inotify(m->event, &m->link_watch, dirname(path),
				 IN_CREATE | IN_MOVED_TO | IN_ATTRIB, on_watch, m);
	if (r < 0)
		return r;

	try_kernel(m);
	return 0;
}

/* ---- another try ---- */

void manager_try_again(struct manager *m, int r)
{
	if (is_shortage(r))
		retry_soon(m->retry);
}

static void on_retry(void *userdata)
{
	struct manager *m = userdata;
	int r = 0;

	if (m->link.fd < 0)
		(void)try_kernel(m);	/* says and notes itself what is wrong */
	else
		r = list_vms(m);
	manager_try_again(m, r);

	if (m->reload_again)
		manager_reload(m, NULL);
	for (size_t i = 0; i < m->n_vms; i++)
		vm_try_again(m->vms[i]);
}

/* ---- libvirt ---- */

static void on_domain(const struct domain_info *info, void *userdata)
{
	struct manager *m = userdata;

	for (size_t i = 0; i < m->n_vms; i++)
		if (streq(m->vms[i]->uuid, info->uuid))
			vm_on_domain(m->vms[i], info);
}

static void on_libvirt_state(bool connected, void *userdata)
{
	struct manager *m = userdata;

	if (m->libvirt_connected != connected) {
		m->libvirt_connected = connected;
		log_event(LOG_INFO, connected ? MESSAGE_LIBVIRT_CONNECTED : MESSAGE_LIBVIRT_LOST,
			  connected ? "libvirt is connected." : "libvirt is not connected.");
		manager_bus_changed(m, "Libvirt");
		manager_missing_changed(m);
	}
	if (!connected)
		return;
	statistics_on_connected(m);

	/* Domains report by themselves; a uuid that libvirt does not know would not. */
	for (size_t i = 0; i < m->n_vms; i++)
		if (m->vms[i]->domain == VM_DOMAIN_ASKED)
			vm_ask_libvirt(m->vms[i]);
}

static void on_written(const struct statistics_result *result, void *userdata)
{
	statistics_on_written(userdata, result);
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
	link_init(&m->link, options->link, options->link_path);

	r = sd_event_default(&m->event);
	if (r < 0)
		return r;
	r = sd_event_set_watchdog(m->event, true);
	if (r < 0)
		return r;
	r = retry_new(m->event, on_retry, m, &m->retry);
	if (r < 0)
		return r;

	*ret = steal_ptr(m);
	return 0;
}

struct manager *manager_free(struct manager *m)
{
	if (!m)
		return NULL;

	statistics_stop(m);
	libvirt_free(m->libvirt);
	m->retry = retry_free(m->retry);
	polkit_stop();
	/* Nothing more to say on the bus: the name is given up by closing it. */
	m->bus = sd_bus_flush_close_unref(m->bus);
	m->link_watch = sd_event_source_disable_unref(m->link_watch);
	m->link_event = sd_event_source_disable_unref(m->link_event);
	for (size_t i = 0; i < m->n_vms; i++)
		vm_free(m->vms[i]);
	free(m->vms);
	link_close(&m->link);
	policy_set_free(m->policies);
	free(m->fields);
	config_clear(&m->config);
	free(m->config_error);
	free(m->policy_error);
	free(m->files_said);
	sd_event_unref(m->event);
	free(m);
	return NULL;
}

int manager_start(struct manager *m)
{
	const char *uri;
	int r;

	r = manager_load_config(m);
	if (r >= 0 || r == -EBADMSG)
		r = manager_load_policies(m, NULL);
	if (r < 0 && r != -EBADMSG) {
		log_error("The configuration and policy files could not be read: %s.", strerror(-r));
		return r;
	}

	r = manager_bus_add(m);
	if (r < 0)
		return r;

	/*
	 * Before anything is touched, so that a second one does no harm.  Calls are
	 * answered once the loop runs, so whoever sees the name sees everything.
	 */
	r = manager_bus_take_name(m);
	if (r < 0)
		return r;

	r = polkit_watch(m->bus, on_polkit, m);
	if (r < 0) {
		log_error("polkit cannot be asked for: %s.", strerror(-r));
		return r;
	}

	uri = m->options.libvirt_uri ?: m->config.libvirt_uri;
	if (!streq(uri, CONFIG_NO_LIBVIRT)) {
		r = libvirt_new(&m->libvirt, m->event, uri, on_domain, on_libvirt_state,
				on_written, m);
		m->libvirt_missing = r == -ELIBACC;
		if (r < 0 && !m->libvirt_missing) {
			log_error("libvirt's thread could not be started: %s.", strerror(-r));
			return r;
		}
	}

	r = start_waiting(m);
	if (r < 0)
		log_error("%s cannot be waited for: %s.", m->link.path, strerror(-r));
	return r;
}
