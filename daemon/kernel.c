/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the kernel, loses it, and waits for it.  Owns the link and the table.
 */
#include <libgen.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "daemon/kernel.h"
#include "daemon/log.h"

static int start_waiting(struct kernel *k);

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

const char *kernel_why_unsupported(const struct kernel *k)
{
	switch (k->support) {
	case KERNEL_NO_MODULE:
		if (k->error == -EACCES)
			return "/dev/nvmx cannot be opened: nvmxd must be in the device's group; it then continues by itself.";
		if (k->error == -EPERM)
			return "/dev/nvmx may not be opened, as it appeared after nvmxd.service was started: \"systemctl restart nvmxd\".";
		if (k->error == -EPROTONOSUPPORT)
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

static void tell(struct kernel *k, enum kernel_news news)
{
	(void)k->changed(news, NULL, k->userdata);
}

static void set_support(struct kernel *k, enum kernel_support support)
{
	if (k->support == support)
		return;
	k->support = support;
	tell(k, KERNEL_SUPPORT);
}

static void set_tsc_khz(struct kernel *k, uint32_t tsc_khz)
{
	if (k->tsc_khz == tsc_khz)
		return;
	k->tsc_khz = tsc_khz;
	tell(k, KERNEL_TSC);
}

/* ---- lost ---- */

static void close_kernel(struct kernel *k)
{
	k->records = sd_event_source_disable_unref(k->records);
	tell(k, KERNEL_LOST);
	link_close(&k->link);
	free(steal_ptr(k->fields));
	k->table = (struct field_table) { 0 };
	set_tsc_khz(k, 0);
}

static void lose(struct kernel *k, int r)
{
	log_event(LOG_NOTICE, MESSAGE_KERNEL_MISSING, "%s has disappeared (%s); waiting for it to come back.",
		  k->link.path, strerror(-r));
	close_kernel(k);
	k->error = -ENOENT;
	set_support(k, KERNEL_NO_MODULE);
	tell(k, KERNEL_GONE);

	r = start_waiting(k);
	if (r < 0) {
		log_error("%s cannot be waited for: %s.", k->link.path, strerror(-r));
		sd_event_exit(k->event, r);
	}
}

static void on_record(const struct nvmx_event *record, void *userdata)
{
	struct kernel *k = userdata;

	(void)k->changed(KERNEL_RECORD, record, k->userdata);
}

static int on_records(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct kernel *k = userdata;
	int r = 0;

	if (revents & EPOLLIN)
		r = link_read_events(&k->link, on_record, k);
	else if (revents & (EPOLLHUP | EPOLLERR))
		r = -ENODEV;
	if (r < 0)
		lose(k, r);

	return 0;
}

/* ---- found ---- */

static int read_kernel(struct kernel *k)
{
	struct nvmx_info info;
	int r;

	r = link_get_info(&k->link, &info);
	if (r < 0)
		return r;
	if (info.abi_version != NVMX_ABI_VERSION) {
		log_event(LOG_ERR, MESSAGE_KERNEL_MISSING, "The interface of the kvm-intel module has version %u, that of nvmxd version %u: install both from the same nvmx.",
			  info.abi_version, NVMX_ABI_VERSION);
		return -EPROTONOSUPPORT;
	}

	r = link_get_fields(&k->link, &k->fields, &k->table.n);
	if (r < 0)
		return r;
	k->table.fields = k->fields;

	r = sd_event_add_io(k->event, &k->records, k->link.event_fd, EPOLLIN, on_records, k);
	if (r < 0)
		return r;
	/* Records of one wakeup come before the EPOLLHUP of the VMs they tell about. */
	r = sd_event_source_set_priority(k->records, SD_EVENT_PRIORITY_NORMAL - 1);
	if (r < 0)
		return r;

	set_support(k, !(info.features & NVMX_FEATURE_NESTED) ? KERNEL_NO_NESTED :
		       !(info.features & NVMX_FEATURE_SHADOW_VMCS) ? KERNEL_NO_SHADOW_VMCS :
		       KERNEL_AVAILABLE);
	set_tsc_khz(k, info.tsc_khz);
	if (k->support == KERNEL_AVAILABLE && !(info.features & NVMX_FEATURE_ALL_FIELDS))
		log_warning("Only the kernel's own list can be shadowed, because kvm-intel could not ask the processor which VMCS fields it has: the kernel's log says why.");
	return 0;
}

/* Once for each reason. */
static void say_missing(struct kernel *k, int r)
{
	if (is_shortage(r))
		retry_soon(k->retry);
	if (r == k->error)
		return;
	k->error = r;
	tell(k, KERNEL_SUPPORT);

	if (r == -EACCES)
		log_event(LOG_ERR, MESSAGE_KERNEL_MISSING, "%s may not be opened (%s): nvmxd must be in its group; waiting for that to change.",
			  k->link.path, strerror(-r));
	else if (r == -EPERM)
		/* What DeviceAllow= names has to be there when the service starts. */
		log_event(LOG_WARNING, MESSAGE_KERNEL_MISSING, "%s may not be opened (%s), as it appeared after nvmxd.service was started; nvmx-device.service restarts that.",
			  k->link.path, strerror(-r));
	else if (is_shortage(r))
		log_event(LOG_ERR, MESSAGE_KERNEL_MISSING, "%s cannot be used for now: %s.", k->link.path, strerror(-r));
	else if (r != -EPROTONOSUPPORT)	/* which has been said */
		log_event(LOG_NOTICE, MESSAGE_KERNEL_MISSING, "%s does not exist (%s): the kvm-intel module that comes with nvmx is not loaded; waiting for it.",
			  k->link.path, strerror(-r));
}

static void try_kernel(struct kernel *k)
{
	int r;

	r = link_open(&k->link);
	if (r >= 0) {
		r = read_kernel(k);
		if (r >= 0)
			r = k->changed(KERNEL_FOUND, NULL, k->userdata);
		if (r < 0) {
			close_kernel(k);
			set_support(k, KERNEL_NO_MODULE);
		}
	}
	if (r < 0) {
		say_missing(k, r);
		return;
	}

	k->error = 0;
	k->watch = sd_event_source_disable_unref(k->watch);
	tell(k, KERNEL_READY);
}

void kernel_try_again(struct kernel *k)
{
	if (!kernel_is_open(k))
		try_kernel(k);
}

static int on_watch(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct kernel *k = userdata;

	/* Nothing here may fail: sd-event would never call it again. */
	if ((event->mask & IN_Q_OVERFLOW) ||
	    (event->len > 0 && streq(event->name, strrchr(k->link.path, '/') + 1)))
		try_kernel(k);
	return 0;
}

/*
 * Watches the folder first and looks second, so that nothing falls between.
 * Attributes too: udev hands a new device to its group after making it.
 */
static int start_waiting(struct kernel *k)
{
	_cleanup_free_ char *path = strdup(k->link.path);
	int r;

	if (!path)
		return -ENOMEM;
	r = sd_event_add_inotify(k->event, &k->watch, dirname(path),
				 IN_CREATE | IN_MOVED_TO | IN_ATTRIB, on_watch, k);
	if (r < 0)
		return r;

	try_kernel(k);
	return 0;
}

int kernel_start(struct kernel *k)
{
	int r;

	r = start_waiting(k);
	if (r < 0)
		log_error("%s cannot be waited for: %s.", k->link.path, strerror(-r));
	return r;
}

void kernel_init(struct kernel *k, sd_event *event, struct retry *retry, const struct link_ops *ops,
		 const char *path, kernel_changed_t changed, void *userdata)
{
	*k = (struct kernel) {
		.event = event,
		.retry = retry,
		.changed = changed,
		.userdata = userdata,
	};
	link_init(&k->link, ops, path);
}

void kernel_clear(struct kernel *k)
{
	k->watch = sd_event_source_disable_unref(k->watch);
	k->records = sd_event_source_disable_unref(k->records);
	link_close(&k->link);
	free(steal_ptr(k->fields));
	k->table = (struct field_table) { 0 };
}
