/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells nvmxd which domains its VMs are.  Owns the list of the VMs asked about.
 *
 * One VM a turn of the event loop: between two of them the bus, libvirt and the watchdog have
 * theirs.  An answer that may be wrong for a passing reason, as when there is no descriptor to
 * read a file with, is not given, but looked for again.
 */
#include "daemon/libvirt/source.h"

#include <inttypes.h>
#include <strings.h>

#include <libvirt/virterror.h>

#include "daemon/libvirt/domain.h"
#include "daemon/libvirt/pause.h"
#include "daemon/log.h"
#include "policy/policy.h"

/* So many tries, which take four seconds, are nothing to speak of: a domain may be starting. */
#define TRIES_UNSAID	4

#define log_vm(vm, level, ...)	log_message(level, NULL, (vm)->id, (vm)->uuid, __VA_ARGS__)

/* A VM, as nvmxd asked about it. */
struct asked {
	uint64_t id, start_time;
	pid_t pid;
	char uuid[VIR_UUID_STRING_BUFLEN];	/* a hint; "": none */
	bool waits;		/* nvmxd does, for an answer */
	bool due;		/* to be told, ... */
	bool later;		/* ... after the pause */
	bool known;		/* was told to be a domain */
	bool in_flight;		/* is being told */
	unsigned int tries;	/* that came to nothing, in a row */
};

struct source {
	struct nvmxd *nvmxd;
	struct registration *registration;
	struct connection *connection;
	sd_event_source *turn;	/* on while there is something due that can be told */
	struct pause *pause;

	struct asked *vms;	/* by id */
	size_t n_vms, room;
	size_t next;		/* where the search for the next goes on */
	unsigned int in_flight;
};

/* A call that tells. */
struct call {
	struct source *source;
	uint64_t id;
};

static void work(struct source *s)
{
	/* Of a source that is there already it cannot fail. */
	(void)sd_event_source_set_enabled(s->turn, SD_EVENT_ONESHOT);
}

/* ---- the list ---- */

static size_t place(const struct source *s, uint64_t id)
{
	size_t low = 0, high = s->n_vms;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->vms[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct asked *find(const struct source *s, uint64_t id)
{
	size_t i = place(s, id);

	return i < s->n_vms && s->vms[i].id == id ? &s->vms[i] : NULL;
}

static struct asked *add(struct source *s, uint64_t id)
{
	struct asked *vm = find(s, id);
	size_t i;

	if (vm)
		return vm;
	if (s->n_vms == s->room) {
		size_t room = s->room ? s->room * 2 : 16;
		struct asked *p = reallocarray(s->vms, room, sizeof(*p));

		if (!p)
			return NULL;
		s->vms = p;
		s->room = room;
	}
	i = place(s, id);
	memmove(s->vms + i + 1, s->vms + i, (s->n_vms - i) * sizeof(*s->vms));
	s->n_vms++;
	s->vms[i] = (struct asked) { .id = id };
	return &s->vms[i];
}

static void drop(struct source *s, uint64_t id)
{
	struct asked *vm = find(s, id);

	if (!vm)
		return;
	s->n_vms--;
	memmove(vm, vm + 1, (s->n_vms - (vm - s->vms)) * sizeof(*vm));
}

void source_forget(struct source *s)
{
	s->n_vms = s->next = 0;
	pause_reset(s->pause);
}

/* ---- another try ---- */

static void on_pause(void *userdata)
{
	struct source *s = userdata;

	for (size_t i = 0; i < s->n_vms; i++) {
		s->vms[i].due |= s->vms[i].later;
		s->vms[i].later = false;
	}
	work(s);
}

/* @why: what people may want to know of, once it lasts. */
static void again(struct source *s, struct asked *vm, const char *why)
{
	vm->later = true;
	if (++vm->tries == TRIES_UNSAID)
		log_vm(vm, LOG_WARNING, "VM %" PRIu64 " (process %d): nvmxd cannot be told yet which domain it is, will try again: %s",
		       vm->id, (int)vm->pid, why);
	if (vm->tries == 1)
		pause_start_anew(s->pause);
	else
		pause_start(s->pause);
}

/* ---- telling ---- */

static int on_told(sd_bus_message *m, void *userdata, sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(m);
	struct call *call = userdata;
	struct source *s = call->source;
	struct asked *vm = find(s, call->id);

	if (!vm)
		return 0;
	vm->in_flight = false;
	if (!error) {
		/* One that is to be looked at again all the same goes on counting. */
		if (!vm->later)
			vm->tries = 0;
	} else if (sd_bus_error_has_name(error, NVMXD_ERROR("VMGone"))) {
		drop(s, call->id);
	} else if (sd_bus_error_has_name(error, NVMXD_ERROR("VMTaken"))) {
		log_vm(vm, LOG_NOTICE, "%s", error->message ?: error->name);
	} else if (!registration_is_lost(s->registration, error)) {
		vm->waits = true;
		again(s, vm, error->message ?: error->name);
	}
	return 0;
}

/* At the end of a call, whatever became of it. */
static void call_free(void *p)
{
	struct call *call = p;

	call->source->in_flight--;
	work(call->source);
	free(call);
}

static int send(struct source *s, struct asked *vm, sd_bus_message *m)
{
	struct call *call;
	int r;

	call = malloc(sizeof(*call));
	if (!call)
		return -ENOMEM;
	*call = (struct call) { .source = s, .id = vm->id };
	r = nvmxd_send(s->nvmxd, m, on_told, call, call_free, NULL);
	if (r < 0) {
		free(call);
		return r;
	}
	s->in_flight++;
	vm->in_flight = true;
	vm->waits = false;
	return 0;
}

static int tell_unknown(struct source *s, struct asked *vm, const char *reason)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r;

	/* A domain that was this VM and is not any more is about to end, and its VM with it. */
	if (vm->known && !vm->waits)
		return 0;
	r = nvmxd_prepare(s->nvmxd, NVMXD_SOURCES, "TellUnknown", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "ts", vm->id, reason);
	return r < 0 ? r : send(s, vm, m);
}

static int tell_vm(struct source *s, struct asked *vm, const struct domain *d, const char *how)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	const char *settings = d->settings ?: "", *error = d->error ?: "";
	int r;

	r = nvmxd_prepare(s->nvmxd, NVMXD_SOURCES, "TellVM", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "tsss", vm->id, d->name, vm->uuid, how);
	if (r >= 0)
		r = sd_bus_message_append(m, "s", settings);
	if (r == -EINVAL) {
		/* Noncharacters are XML, and nothing for the bus. */
		error = "Metadata: There are characters that are no text; remove them.";
		r = sd_bus_message_append(m, "s", "");
	}
	if (r >= 0)
		r = sd_bus_message_append(m, "s", error);
	if (r >= 0)
		r = send(s, vm, m);
	if (r >= 0)
		vm->known = true;
	return r;
}

/* ---- looking ---- */

/*
 * May another look at libvirt's note of the process come to something else, though nothing is
 * told of it?  It is written before the domain's QEMU begins, so of a domain that runs it is there.
 */
static bool is_passing(int r)
{
	return r == -ENOENT || r == -EAGAIN || r == -EBADMSG || r == -EIO || r == -EINTR || is_shortage(r);
}

static int tell_running(struct source *s, struct asked *vm, struct domain *d, char **ret_why)
{
	_cleanup_free_ char *path = NULL, *why = NULL;
	int r, k;

	r = domain_is_process(connection_pid_dir(s->connection), d->name, vm->pid, vm->start_time, &path);
	/* What nvmxd is told is lines; libvirt takes a tab in a name, too. */
	utf8_clean(d->name);
	if (r > 0) {
		utf8_clean(path);
		return tell_vm(s, vm, d, path);
	}

	if (r == 0)
		k = asprintf(&why, "libvirt says that domain %s is another process.", d->name);
	else
		k = asprintf(&why, "libvirt does not say which process domain %s is (%s/%s.pid: %s).", d->name,
			     connection_pid_dir(s->connection), d->name, strerror(-r));
	if (k < 0) {
		why = NULL;
		return -ENOMEM;
	}
	if (r == 0)
		return tell_unknown(s, vm, why);
	if (is_passing(r)) {
		*ret_why = steal_ptr(why);
		return -EAGAIN;
	}
	r = tell_unknown(s, vm, why);
	if (r >= 0)
		again(s, vm, why);	/* somebody may mend that */
	return r;
}

static int tell(struct source *s, struct asked *vm, char **ret_why)
{
	struct domain d = {};
	int r;

	if (isempty(vm->uuid))
		return tell_unknown(s, vm, "");
	r = domain_get(connection_get(s->connection), vm->uuid, &d);
	if (r == -EIO && connection_is_lost(s->connection))
		return 0;	/* connected again, it is asked anew */
	if (r == -EIO)
		*ret_why = strdup(connection_error());
	else if (r == -ENOENT || (r >= 0 && d.id < 0))
		r = tell_unknown(s, vm, "");
	else if (r >= 0)
		r = tell_running(s, vm, &d, ret_why);
	domain_clear(&d);
	return r;
}

/* One that is being told is told again once that is done. */
static struct asked *next_due(struct source *s)
{
	for (size_t i = 0; i < s->n_vms; i++) {
		size_t k = (s->next + i) % s->n_vms;

		if (s->vms[k].due && !s->vms[k].in_flight) {
			s->next = k + 1;
			return &s->vms[k];
		}
	}
	return NULL;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct source *s = userdata;
	_cleanup_free_ char *why = NULL;
	struct asked *vm;
	int r;

	if (!connection_get(s->connection) || !nvmxd_is_there(s->nvmxd) || s->in_flight >= SOURCE_CALLS_MAX)
		return 0;
	vm = next_due(s);
	if (!vm)
		return 0;
	vm->due = vm->later = false;
	r = tell(s, vm, &why);
	if (r < 0)
		again(s, vm, why ?: strerror(-r));
	work(s);
	return 0;
}

/* ---- being asked ---- */

static int on_asked(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct source *s = userdata;
	uint64_t id, start_time;
	struct asked *vm;
	const char *uuid;
	uint32_t pid;
	int r;

	r = sd_bus_message_read(m, "tuts", &id, &pid, &start_time, &uuid);
	if (r < 0) {
		log_error("nvmxd asked something that is not understood: %s.", strerror(-r));
		return 0;
	}
	vm = add(s, id);
	if (!vm) {
		/* The next process is asked again. */
		log_error("Out of memory; exiting, to be restarted.");
		return sd_event_exit(sd_event_source_get_event(s->turn), -ENOMEM);
	}
	vm->pid = (pid_t)pid;
	vm->start_time = start_time;
	snprintf(vm->uuid, sizeof(vm->uuid), "%s", strlen(uuid) < sizeof(vm->uuid) ? uuid : "");
	vm->waits = vm->due = true;
	work(s);
	return 0;
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t id;

	if (sd_bus_message_read(m, "t", &id) >= 0)
		drop(userdata, id);
	return 0;
}

void source_on_domain(struct source *s, const char *uuid)
{
	for (size_t i = 0; i < s->n_vms; i++)
		if (strcasecmp(s->vms[i].uuid, uuid) == 0)
			s->vms[i].due = true;
	work(s);
}

/* ---- the whole ---- */

int source_new(sd_event *event, struct nvmxd *nvmxd, struct registration *registration,
	       struct connection *connection, struct source **ret)
{
	struct source *s;
	int r;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->nvmxd = nvmxd;
	s->registration = registration;
	s->connection = connection;
	r = pause_new(event, on_pause, s, &s->pause);
	if (r >= 0)
		r = sd_event_add_defer(event, &s->turn, on_turn, s);
	/* What comes in, from both sides, comes first. */
	if (r >= 0)
		r = sd_event_source_set_priority(s->turn, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->turn, SD_EVENT_OFF);
	if (r >= 0)
		r = nvmxd_listen(nvmxd, NVMXD_SOURCES, "Asked", on_asked, s);
	if (r >= 0)
		r = nvmxd_listen(nvmxd, NVMXD_MANAGER, "VMRemoved", on_removed, s);
	if (r < 0) {
		source_free(s);
		return r;
	}

	*ret = s;
	return 0;
}

struct source *source_free(struct source *s)
{
	if (!s)
		return NULL;
	sd_event_source_disable_unref(s->turn);
	pause_free(s->pause);
	free(s->vms);
	free(s);
	return NULL;
}
