/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a VM in the daemon: from the kernel's record to EPOLLHUP, and what /proc and
 * sources tell about it meanwhile.  Owns the fd of the VM.
 */
#include <inttypes.h>
#include <sys/epoll.h>

#include "daemon/vm.h"

/*
 * What is known of a VM, and what that makes of its policy.  "Settings" are those that a
 * source tells; whether they are the same is asked of the last ones that made sense.
 */
enum event {
	EVENT_UNKNOWN,		/* no source knows it (any more), and all have answered */
	EVENT_AWAITED,		/* likewise, but one has not answered */
	EVENT_FIRST,		/* good settings, or none, for the first time */
	EVENT_SAME,		/* good settings, as before */
	EVENT_OTHER,		/* good settings, other than before */
	EVENT_BAD,		/* settings that cannot be used */
	EVENT_FILES,		/* policy files or configuration were read again */
	EVENTS_N,
};

enum action {
	STAY,			/* the policy is left as it is */
	SETTLE,			/* decide; one set at run time stays */
	SUPERSEDE,		/* decide: the last writer wins */
	REFUSE,			/* the policy is left as it is, and the VM says why */
};

static const struct transition {
	enum vm_state next;
	enum action action;
} transitions[VM_STATES_N][EVENTS_N] = {
	[VM_WAITING] = {
		[EVENT_UNKNOWN]	= { VM_STRAY,	SETTLE },
		[EVENT_AWAITED]	= { VM_WAITING,	STAY },
		/* Here and in the next state there is no "before": all are the first. */
		[EVENT_FIRST]	= { VM_KNOWN,	SETTLE },
		[EVENT_SAME]	= { VM_KNOWN,	SETTLE },
		[EVENT_OTHER]	= { VM_KNOWN,	SETTLE },
		[EVENT_BAD]	= { VM_BROKEN,	REFUSE },
		[EVENT_FILES]	= { VM_WAITING,	STAY },
	},
	[VM_STRAY] = {
		[EVENT_UNKNOWN]	= { VM_STRAY,	STAY },
		[EVENT_AWAITED]	= { VM_STRAY,	STAY },
		[EVENT_FIRST]	= { VM_KNOWN,	SETTLE },
		[EVENT_SAME]	= { VM_KNOWN,	SETTLE },
		[EVENT_OTHER]	= { VM_KNOWN,	SETTLE },
		[EVENT_BAD]	= { VM_BROKEN,	REFUSE },
		[EVENT_FILES]	= { VM_STRAY,	SETTLE },
	},
	[VM_KNOWN] = {
		[EVENT_UNKNOWN]	= { VM_STRAY,	SETTLE },
		[EVENT_AWAITED]	= { VM_WAITING,	STAY },
		[EVENT_FIRST]	= { VM_KNOWN,	SETTLE },
		/* The same thing may be told many times. */
		[EVENT_SAME]	= { VM_KNOWN,	STAY },
		[EVENT_OTHER]	= { VM_KNOWN,	SUPERSEDE },
		[EVENT_BAD]	= { VM_BROKEN,	REFUSE },
		[EVENT_FILES]	= { VM_KNOWN,	SETTLE },
	},
	[VM_BROKEN] = {
		[EVENT_UNKNOWN]	= { VM_STRAY,	SETTLE },
		[EVENT_AWAITED]	= { VM_WAITING,	STAY },
		[EVENT_FIRST]	= { VM_KNOWN,	SETTLE },
		/* Mended to what they were: nobody has set anything else. */
		[EVENT_SAME]	= { VM_KNOWN,	SETTLE },
		[EVENT_OTHER]	= { VM_KNOWN,	SUPERSEDE },
		[EVENT_BAD]	= { VM_BROKEN,	REFUSE },
		[EVENT_FILES]	= { VM_BROKEN,	STAY },
	},
};

void vm_changed(struct vm *vm, unsigned int what)
{
	if (what)
		vm->context->changed(vm, what, vm->context->userdata);
}

void vm_owe(struct vm *vm, enum vm_owed owed, int r)
{
	if (vm->owed < owed)
		vm->owed = owed;
	if (is_shortage(r))
		retry_soon(vm->context->retry);
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

bool vm_set_error(struct vm *vm, char *sentence)
{
	bool same = text_equal(vm->error, sentence);

	free(vm->error);
	vm->error = sentence;
	if (!same)
		vm_changed(vm, VM_CHANGED_ERROR);
	return !same;
}

/* The sentence is settings_error by now. */
static void refuse(struct vm *vm)
{
	char *copy = vm->settings_error ? strdup(vm->settings_error) : NULL;

	if (vm_set_error(vm, copy))
		log_vm_event(vm, LOG_ERR, MESSAGE_METADATA_REFUSED, "The metadata of %s, from source %s: %s The policy in force stays.",
			     vm_name(vm), vm->source_name, vm->settings_error ?: "out of memory.");
}

static void step(struct vm *vm, enum event event)
{
	const struct transition *t = &transitions[vm->state][event];
	bool waited = vm->state == VM_WAITING;

	vm->state = t->next;
	if (waited != (vm->state == VM_WAITING))
		vm_changed(vm, VM_CHANGED_PENDING);

	switch (t->action) {
	case STAY:
		break;
	case SETTLE:
		vm_policy_settle(vm, vm->owed == VM_OWES_SUPERSEDE);
		break;
	case SUPERSEDE:
		vm_policy_settle(vm, true);
		break;
	case REFUSE:
		refuse(vm);
		break;
	}
}

/* ---- born and gone ---- */

static int on_hangup(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct vm *vm = userdata;

	if (revents & (EPOLLHUP | EPOLLERR))
		vm_changed(vm, VM_CHANGED_GONE);
	return 0;
}

/*
 * The executable is the kernel's word: /proc shows a process's exe to its own user alone, and
 * argv[0] is what it likes.  A process that cannot be seen (another pid namespace, or gone)
 * has no name.
 */
static int identify(struct vm *vm)
{
	int r;

	r = link_vm_get_executable(&vm->context->kernel->link, vm->fd, &vm->executable);
	if (r < 0)
		return r;
	utf8_clean(vm->executable);
	r = proc_identify(vm->pid, vm->start_time, &vm->process);
	if (r >= 0 || r == -ENOMEM)
		return r;
	if (r != -ESRCH)
		log_message(LOG_WARNING, NULL, vm->id, NULL, "VM %" PRIu64 " has no name, because /proc/%d could not be read: %s.",
			    vm->id, (int)vm->pid, strerror(-r));
	return asprintf(&vm->process.comm, "vm-%" PRIu64, vm->id) < 0 ? -ENOMEM : 0;
}

int vm_new(const struct vm_context *context, uint64_t id, pid_t pid, uint64_t start_time,
	   unsigned int awaited, struct vm **ret)
{
	_cleanup_vm_ struct vm *vm = NULL;
	struct nvmx_vm_info info;
	int r;

	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->context = context;
	vm->id = id;
	vm->pid = pid;
	vm->start_time = start_time;
	vm->awaited = awaited;
	vm->source = -1;
	vm->fd = vm->profile_fd = -EBADF;

	r = link_open_vm(&context->kernel->link, id, &vm->fd);
	if (r < 0)
		return r;
	/* EPOLLHUP comes unasked. */
	r = sd_event_add_io(context->event, &vm->hangup, vm->fd, 0, on_hangup, vm);
	if (r < 0)
		return r;

	r = vm_get_info(vm, &info);
	if (r < 0)
		return r;
	vm->kernel_state = info.state;
	vm->vmxon = info.state & NVMX_VM_STATE_VMXON;
	r = identify(vm);
	if (r < 0)
		return r;
	vm->owed = VM_OWES_REFRESH;
	r = vm_policy_refresh(vm);
	if (r < 0)
		return r;

	*ret = steal_ptr(vm);
	return 0;
}

void vm_begin(struct vm *vm)
{
	step(vm, vm->awaited ? EVENT_AWAITED : EVENT_UNKNOWN);
}

static void forget_source(struct vm *vm)
{
	free(steal_ptr(vm->source_name));
	free(steal_ptr(vm->name));
	free(steal_ptr(vm->uuid));
	free(steal_ptr(vm->origin));
	vm->source = -1;
}

static void forget_settings(struct vm *vm)
{
	free(steal_ptr(vm->settings));
	metadata_free(steal_ptr(vm->metadata));
	free(steal_ptr(vm->settings_error));
	vm->told = false;
}

struct vm *vm_free(struct vm *vm)
{
	if (!vm)
		return NULL;

	vm_profile_close(vm);
	sd_event_source_disable_unref(vm->hangup);
	if (vm->fd >= 0)
		close(vm->fd);
	forget_source(vm);
	forget_settings(vm);
	vm_policy_clear(&vm->policy);
	proc_identity_clear(&vm->process);
	free(vm->executable);
	free(vm->error);
	free(vm);
	return NULL;
}

/* ---- who it is ---- */

const char *vm_name(const struct vm *vm)
{
	return vm->name ?: !isempty(vm->process.name) ? vm->process.name : vm->process.comm;
}

const char *vm_uuid(const struct vm *vm)
{
	return vm->uuid ?: vm->process.uuid;
}

const char *vm_origin(const struct vm *vm)
{
	return vm->origin ?: !isempty(vm->process.name) ? "the -name of its command line" :
	       vm->process.name ? "the name of its process" : "its id";
}

/* Makes copies first: all or nothing. */
static int take_identity(struct vm *vm, const struct vm_answer *answer)
{
	_cleanup_free_ char *source = strdup(answer->source_name), *name = strdup(answer->name),
			    *uuid = strdup(answer->uuid), *origin = NULL;
	bool same;

	if (asprintf(&origin, "source %s, %s", answer->source_name, answer->origin) < 0)
		origin = NULL;
	if (!source || !name || !uuid || !origin)
		return -ENOMEM;

	same = text_equal(vm->source_name, source) && streq(vm_name(vm), name) &&
	       streq(vm_uuid(vm), uuid) && streq(vm_origin(vm), origin);
	forget_source(vm);
	vm->source_name = steal_ptr(source);
	vm->name = steal_ptr(name);
	vm->uuid = steal_ptr(uuid);
	vm->origin = steal_ptr(origin);
	vm->source = answer->source;
	if (!same)
		vm_changed(vm, VM_CHANGED_IDENTITY);
	return 0;
}

/* ---- what sources tell ---- */

/* D-Bus has checked that it is UTF-8. */
int vm_answer_check_line(const char *what, const char *s, size_t max, char **ret_error)
{
	if (strlen(s) > max)
		return error_set(ret_error, -EINVAL, "The %s is longer than %zu bytes.", what, max);
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return error_set(ret_error, -EINVAL, "The %s has a control character.", what);
	return 0;
}

int vm_answer_check(const struct vm_answer *answer, char **ret_error)
{
	char uuid[PROC_UUID_LEN];
	int r;

	if (!*answer->name)
		return error_set(ret_error, -EINVAL, "The name is empty.");
	r = vm_answer_check_line("name", answer->name, VM_ANSWER_NAME_MAX, ret_error);
	if (r < 0)
		return r;
	if (*answer->uuid && (!proc_parse_uuid(answer->uuid, uuid) || !streq(uuid, answer->uuid)))
		return error_set(ret_error, -EINVAL, "\"%.64s\" is not a uuid in lower case.", answer->uuid);
	r = vm_answer_check_line("origin", answer->origin, VM_ANSWER_ORIGIN_MAX, ret_error);
	if (r < 0)
		return r;
	r = vm_answer_check_line("error", answer->error, VM_ANSWER_ERROR_MAX, ret_error);
	if (r < 0)
		return r;
	if (strlen(answer->settings) > VM_ANSWER_SETTINGS_MAX)
		return error_set(ret_error, -EINVAL, "The settings are longer than %d bytes.", VM_ANSWER_SETTINGS_MAX);
	return 0;
}

/* What the settings are, as an event; the VM has them then.  -ENOMEM: nothing is changed. */
static int take_settings(struct vm *vm, const struct vm_answer *answer)
{
	_cleanup_metadata_ struct metadata *metadata = NULL;
	_cleanup_free_ char *text = NULL, *sentence = NULL;
	enum event event;
	int r = 0;

	if (*answer->error) {
		sentence = strdup(answer->error);
		r = sentence ? -EBADMSG : -ENOMEM;
	} else if (*answer->settings) {
		text = strdup(answer->settings);
		r = text ? metadata_parse(text, &metadata, &sentence) : -ENOMEM;
	}
	/* An error of which there is no sentence is none that somebody could put right. */
	if (r == -ENOMEM || (r < 0 && !sentence))
		return -ENOMEM;
	if (r < 0) {
		free(vm->settings_error);
		vm->settings_error = steal_ptr(sentence);
		return EVENT_BAD;
	}

	/*
	 * The last writer wins: settings that change while the VM runs end a policy set at run
	 * time.  What was there when the daemon first looked has not changed.
	 */
	event = !vm->told ? EVENT_FIRST : metadata_equal(vm->metadata, metadata) ? EVENT_SAME : EVENT_OTHER;
	forget_settings(vm);
	vm->settings = steal_ptr(text);
	vm->metadata = steal_ptr(metadata);
	vm->told = true;
	return event;
}

int vm_told(struct vm *vm, const struct vm_answer *answer)
{
	int event;
	int r;

	if (vm->source >= 0 && (unsigned int)vm->source < answer->source) {
		vm->awaited &= ~(1U << answer->source);
		return -EEXIST;
	}
	/* What another source told is not what this one changes. */
	if (vm->source != (int)answer->source)
		forget_settings(vm);
	/* Without the name a match could not be found: nothing is decided then. */
	r = take_identity(vm, answer);
	if (r < 0)
		return r;
	event = take_settings(vm, answer);
	if (event < 0)
		return event;
	vm->awaited &= ~(1U << answer->source);
	vm->false_uuid = false;
	step(vm, event);
	return 0;
}

static void let_go(struct vm *vm)
{
	forget_source(vm);
	forget_settings(vm);
	vm_changed(vm, VM_CHANGED_IDENTITY);
}

void vm_unknown(struct vm *vm, unsigned int source, const char *reason)
{
	bool knew = vm->source == (int)source;

	vm->awaited &= ~(1U << source);
	if (*reason && !vm->false_uuid && vm->source < 0) {
		log_vm(vm, LOG_WARNING, "VM %" PRIu64 " (process %d) has the uuid %s, but is not managed by it: %s",
		       vm->id, (int)vm->pid, vm->process.uuid, reason);
		vm->false_uuid = true;
	}
	if (knew)
		let_go(vm);
	if (knew || (vm->source < 0 && vm->state == VM_WAITING))
		step(vm, vm->awaited ? EVENT_AWAITED : EVENT_UNKNOWN);
}

/* ---- what the kernel tells ---- */

int vm_get_info(const struct vm *vm, struct nvmx_vm_info *ret)
{
	return link_vm_get_info(&vm->context->kernel->link, vm->fd, ret);
}

void vm_take_state(struct vm *vm, uint32_t kernel_state)
{
	uint32_t changed = vm->kernel_state ^ kernel_state;

	vm->kernel_state = kernel_state;
	if (kernel_state & NVMX_VM_STATE_VMXON && !vm->vmxon) {
		vm->vmxon = true;
		vm_changed(vm, VM_CHANGED_VMXON);
		log_vm_event(vm, LOG_INFO, MESSAGE_VMX_STARTED, "VM %" PRIu64 " (%s) uses VMX: its guest has executed VMXON.",
			     vm->id, vm_name(vm));
	}
	if (changed & (NVMX_VM_STATE_EVMCS | NVMX_VM_STATE_WINDOW))
		vm_changed(vm, VM_CHANGED_SHADOWING);
}

/* Of a VM that is about to go: EPOLLHUP is on its way. */
void vm_refresh_state(struct vm *vm)
{
	struct nvmx_vm_info info;

	if (vm_get_info(vm, &info) >= 0)
		vm_take_state(vm, info.state);
}

const char *vm_shadowing(const struct vm *vm)
{
	if (vm->context->kernel->support != KERNEL_AVAILABLE)
		return "inert-kernel";
	if (vm->kernel_state & NVMX_VM_STATE_EVMCS)
		return "inert-evmcs";
	return vm->kernel_state & NVMX_VM_STATE_WINDOW ? "profiling" : "active";
}

/* ---- again ---- */

void vm_files_changed(struct vm *vm)
{
	step(vm, EVENT_FILES);
	/* The base may be another by now though what is in force is not. */
	vm_changed(vm, vm_policy_compare_overrides(vm));
}

void vm_try_again(struct vm *vm)
{
	switch (vm->owed) {
	case VM_OWES_NOTHING:
		break;
	case VM_OWES_REFRESH:
		(void)vm_policy_refresh(vm);	/* notes itself what is still owed */
		break;
	case VM_OWES_SETTLE:
	case VM_OWES_SUPERSEDE:
		vm_policy_settle(vm, vm->owed == VM_OWES_SUPERSEDE);
		break;
	}
}
