/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a VM in the daemon: from the kernel's record to EPOLLHUP, and what
 * /proc and libvirt tell about it meanwhile.  Owns the fd of the VM.
 */
#include <inttypes.h>
#include <sys/epoll.h>

#include "daemon/libvirt.h"
#include "daemon/vm.h"

static int on_hangup(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct vm *vm = userdata;

	if (revents & (EPOLLHUP | EPOLLERR))
		manager_remove_vm(vm->manager, vm);
	return 0;
}

/* A process that cannot be seen (another pid namespace, or gone) has no name. */
static int identify(struct vm *vm)
{
	struct proc_identity p = {};
	int r;

	r = proc_identify(vm->pid, vm->start_time, &p);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		if (asprintf(&p.comm, "vm-%" PRIu64, vm->id) < 0)
			return -ENOMEM;
		if (r != -ESRCH)
			log_vm(vm, LOG_WARNING, "VM %" PRIu64 " has no name, because /proc/%d could not be read: %s.",
			       vm->id, (int)vm->pid, strerror(-r));
	}

	vm->name = p.comm;
	vm->executable = p.executable;
	vm->unit = p.unit;
	memcpy(vm->uuid, p.uuid, sizeof(vm->uuid));
	return 0;
}

int vm_new(struct manager *m, uint64_t id, pid_t pid, uint64_t start_time, struct vm **ret)
{
	_cleanup_vm_ struct vm *vm = NULL;
	struct nvmx_vm_info info;
	int r;

	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->manager = m;
	vm->id = id;
	vm->pid = pid;
	vm->start_time = start_time;
	vm->fd = vm->profile_fd = -EBADF;
	vm->domain = VM_DOMAIN_NONE;
	statistics_vm_clear(&vm->statistics);
	if (asprintf(&vm->path, VM_PATH_PREFIX "/%" PRIu64, id) < 0) {
		vm->path = NULL;
		return -ENOMEM;
	}

	r = link_open_vm(&m->link, id, &vm->fd);
	if (r < 0)
		return r;
	/* EPOLLHUP comes unasked. */
	r = sd_event_add_io(m->event, &vm->hangup, vm->fd, 0, on_hangup, vm);
	if (r < 0)
		return r;

	r = vm_get_info(vm, &info);
	if (r < 0)
		return r;
	vm->vmxon = info.state & NVMX_VM_STATE_VMXON;
	r = identify(vm);
	if (r < 0)
		return r;
	r = vm_policy_refresh(vm);
	if (r < 0)
		return r;

	*ret = steal_ptr(vm);
	return 0;
}

struct vm *vm_free(struct vm *vm)
{
	if (!vm)
		return NULL;

	vm_profile_close(vm);
	sd_event_source_disable_unref(vm->hangup);
	if (vm->fd >= 0)
		close(vm->fd);
	metadata_free(vm->metadata);
	vm_policy_clear(&vm->policy);
	statistics_vm_clear(&vm->statistics);
	free(vm->metadata_text);
	free(vm->metadata_error);
	free(vm->error);
	free(vm->name);
	free(vm->executable);
	free(vm->unit);
	free(vm->path);
	free(vm);
	return NULL;
}

int vm_get_info(const struct vm *vm, struct nvmx_vm_info *ret)
{
	return link_vm_get_info(&vm->manager->link, vm->fd, ret);
}

void vm_set_vmxon(struct vm *vm)
{
	if (vm->vmxon)
		return;

	vm->vmxon = true;
	statistics_check(vm);
	vm_bus_changed(vm, (const char *const[]) { "VMXOn", NULL });
	manager_bus_vmx_started(vm->manager, vm);
	log_vm_event(vm, LOG_INFO, MESSAGE_VMX_STARTED, "VM %" PRIu64 " (%s) uses VMX: its guest has executed VMXON.",
		     vm->id, vm->name);
}

/* What libvirt says of the domain is not known, or could not be taken. */
static void ask_again(struct vm *vm, int r)
{
	vm->unasked = true;
	manager_try_again(vm->manager, r);
}

/*
 * Settles what needs no answer; a VM whose domain libvirt may know waits for it,
 * so that a policy in force is not changed back and forth by a restart.
 */
void vm_ask_libvirt(struct vm *vm)
{
	int r;

	if (!vm->manager->libvirt || isempty(vm->uuid)) {
		vm_policy_settle(vm, false);
		return;
	}

	if (vm->domain == VM_DOMAIN_NONE)
		vm->domain = VM_DOMAIN_ASKED;
	if (!vm->manager->libvirt_connected)
		return;		/* when it is, each VM that waits is asked for */
	r = libvirt_lookup(vm->manager->libvirt, vm->uuid);
	if (r < 0)
		ask_again(vm, r);
}

void vm_try_again(struct vm *vm)
{
	if (vm->unasked) {
		vm->unasked = false;
		vm_ask_libvirt(vm);
	}
	if (vm->undecided || vm->stale)
		vm_policy_settle(vm, vm->supersede);
	statistics_check(vm);
}

static int set_name(struct vm *vm, const char *name)
{
	char *copy;

	if (isempty(name) || streq(vm->name, name))
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;

	free(vm->name);
	vm->name = copy;
	vm_bus_changed(vm, (const char *const[]) { "Name", NULL });
	return 0;
}

/* The sentence becomes the VM's; said in the log when it is a new one. */
static void set_metadata_error(struct vm *vm, char *sentence)
{
	bool same = vm->metadata_error && sentence && streq(vm->metadata_error, sentence);

	free(vm->metadata_error);
	vm->metadata_error = sentence;
	if (same)
		return;

	log_vm_event(vm, LOG_ERR, MESSAGE_METADATA_REFUSED, "The metadata of domain %s: %s The policy in force stays.", vm->name,
		     sentence ? sentence : "out of memory.");
	free(vm->error);
	vm->error = sentence ? strdup(sentence) : NULL;
	vm_bus_changed(vm, (const char *const[]) { "PolicyError", NULL });
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

/* What the running domain's metadata is now, as libvirt said it.  -ENOMEM: nothing is changed. */
static int take_metadata(struct vm *vm, const struct domain_info *info)
{
	_cleanup_metadata_ struct metadata *metadata = NULL;
	_cleanup_free_ char *text = NULL;
	char *sentence = NULL;
	bool first, supersede;
	int r = 0;

	if (info->error < 0) {
		sentence = strdup(info->error_text ? info->error_text : strerror(-info->error));
		if (!sentence)
			return -ENOMEM;
		set_metadata_error(vm, sentence);
		return 0;
	}

	first = !vm->metadata_seen;

	/* The same thing may be told many times. */
	if (!first && !vm->metadata_error && text_equal(vm->metadata_text, info->metadata))
		return 0;

	if (info->metadata) {
		text = strdup(info->metadata);
		r = text ? metadata_parse(text, &metadata, &sentence) : -ENOMEM;
	}
	/* An error of which there is no sentence is none that somebody could put right. */
	if (r == -ENOMEM || (r < 0 && !sentence)) {
		free(sentence);
		return -ENOMEM;
	}
	vm->metadata_seen = true;
	if (r < 0) {
		set_metadata_error(vm, sentence);
		return 0;
	}

	free(vm->metadata_text);
	vm->metadata_text = steal_ptr(text);
	free(steal_ptr(vm->metadata_error));

	/*
	 * The last writer wins: metadata that changes while the VM runs ends a policy
	 * set at run time.  What was there when the daemon first looked has not changed.
	 */
	supersede = !first && !metadata_equal(vm->metadata, metadata);
	metadata_free(vm->metadata);
	vm->metadata = steal_ptr(metadata);
	vm_policy_settle(vm, supersede);
	return 0;
}

/*
 * Anybody who may use KVM can give a process any uuid, but only root can write
 * libvirt's note of which process a domain is.
 */
static bool is_its_process(struct vm *vm, const struct domain_info *info)
{
	if (info->pid == vm->pid)
		return true;
	/* The domain was started anew, and this VM is about to go; or libvirt's note is. */
	if (vm->domain == VM_DOMAIN_KNOWN)
		return false;

	if (!vm->false_uuid)
		log_vm(vm, LOG_WARNING, "VM %" PRIu64 " (process %d) has the uuid of domain %s, but is not managed as that domain: %s.",
		       vm->id, (int)vm->pid, info->name,
		       info->pid > 0 ? "libvirt says that the domain is another process" :
				       "libvirt does not say which process the domain is");
	vm->false_uuid = true;
	if (vm->domain == VM_DOMAIN_ASKED) {
		vm->domain = VM_DOMAIN_NONE;
		vm_policy_settle(vm, false);
	}
	return false;
}

void vm_on_domain(struct vm *vm, const struct domain_info *info)
{
	int r;

	/* A domain that does not run is not this VM, or is this VM's end. */
	if (info->kind != DOMAIN_INFO || info->id < 0) {
		if (vm->domain == VM_DOMAIN_ASKED && info->kind != DOMAIN_GONE) {
			vm->domain = VM_DOMAIN_NONE;
			vm_policy_settle(vm, false);
		}
		return;
	}

	if (!is_its_process(vm, info))
		return;
	/* Without the name a match could not be found: nothing is decided then. */
	r = set_name(vm, info->name);
	if (r >= 0) {
		vm->domain = VM_DOMAIN_KNOWN;
		r = take_metadata(vm, info);
	}
	if (r < 0) {
		log_vm(vm, LOG_ERR, "What libvirt says of domain %s could not be used: %s.",
		       info->name, strerror(-r));
		ask_again(vm, r);
		return;
	}
	statistics_on_domain(vm, info);
}
