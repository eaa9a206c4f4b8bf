/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.nvmx1.Sources, at /org/nvmx1: how sources tell what they know.  A source is a
 * connection, of the configured user, that has said so; the bus's own policy keeps others
 * away before (org.nvmx1.conf).  Owns who is who.
 */
#include <inttypes.h>
#include <pwd.h>

#include "daemon/bus.h"
#include "daemon/bus-error.h"

#define SOURCES_INTERFACE	"org.nvmx1.Sources"

/* ---- who is who ---- */

static struct source *find_sender(const struct bus *bus, sd_bus_message *call)
{
	const char *sender = sd_bus_message_get_sender(call);

	for (size_t i = 0; i < bus->sources->n; i++)
		if (bus->peers[i] && sd_bus_track_contains(bus->peers[i], sender))
			return &bus->sources->list[i];
	return NULL;
}

static int need_source(const struct bus *bus, sd_bus_message *call, struct source **ret,
		       sd_bus_error *error)
{
	*ret = find_sender(bus, call);
	if (*ret)
		return 0;
	return sd_bus_error_set(error, NVMX_ERROR("NotASource"),
				"This connection is no source of settings: call Register first.");
}

/* A name, or a number. */
static int find_uid(const char *user, uid_t *ret)
{
	struct passwd *p;
	char *end;

	if (*user >= '0' && *user <= '9') {
		unsigned long n;

		errno = 0;
		n = strtoul(user, &end, 10);
		if (errno != 0 || *end || n >= UINT32_MAX)
			return -ENOENT;
		*ret = n;
		return 0;
	}

	errno = 0;
	p = getpwnam(user);
	if (!p)
		return errno > 0 && is_shortage(-errno) ? -errno : -ENOENT;
	*ret = p->pw_uid;
	return 0;
}

static int check_user(const struct source *s, sd_bus_message *call, sd_bus_error *error)
{
	_cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
	uid_t uid, expected;
	int r;

	r = sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds);
	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, &uid);
	if (r < 0)
		return r;

	r = find_uid(s->user, &expected);
	if (r == -ENOENT)
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "The user %s, as whom the source %s runs by nvmxd.conf, does not exist.", s->user, s->name);
	if (r < 0)
		return r;
	if (uid != expected)
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "The source %s runs as user %s, by nvmxd.conf, and not as user %" PRIu32 ".",
					 s->name, s->user, (uint32_t)uid);
	return 0;
}

static int on_peer_gone(sd_bus_track *track, void *userdata)
{
	(void)source_set_state(userdata, SOURCE_ABSENT, NULL);	/* without a reason nothing can fail */
	return 1;	/* 0 is to be called again at once, and for ever */
}

static int take_peer(struct bus *bus, struct source *s, sd_bus_message *call, sd_bus_error *error)
{
	_cleanup_(sd_bus_track_unrefp) sd_bus_track *peer = NULL;
	sd_bus_track **old = &bus->peers[s->number];
	int r;

	if (*old && sd_bus_track_count(*old) > 0)
		return sd_bus_error_setf(error, NVMX_ERROR("SourceTaken"),
					 "Another connection, %s, is the source %s.", sd_bus_track_first(*old), s->name);

	r = sd_bus_track_new(bus->bus, &peer, on_peer_gone, s);
	if (r >= 0)
		r = sd_bus_track_add_sender(peer, call);
	if (r < 0)
		return r;
	sd_bus_track_unref(*old);
	*old = steal_ptr(peer);
	return 0;
}

static int method_register(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	struct source *s, *is;
	const char *name;
	int r;

	r = sd_bus_message_read(call, "s", &name);
	if (r < 0)
		return r;
	s = sources_find(bus->sources, name);
	if (!s)
		return sd_bus_error_setf(error, NVMX_ERROR("NoSuchSource"),
					 "nvmxd.conf has no source \"%.32s\"; see .sources in nvmxd.conf(5), and restart nvmxd after a change of it.", name);
	is = find_sender(bus, call);
	if (is && is != s)
		return sd_bus_error_setf(error, NVMX_ERROR("SourceTaken"),
					 "This connection is the source %s already.", is->name);

	r = check_user(s, call, error);
	if (r >= 0 && !is)
		r = take_peer(bus, s, call, error);
	/* It says itself when it can answer. */
	if (r >= 0 && !is)
		r = source_set_state(s, SOURCE_NOT_READY, NULL);
	return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

/* ---- what they tell ---- */

/* A sentence that becomes one of Missing, or of the log. */
static int check_reason(const char *reason, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;

	if (vm_answer_check_line("reason", reason, VM_ANSWER_ERROR_MAX, &sentence) < 0)
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, sentence ?: "The reason is not valid.");
	return 0;
}

static int method_set_state(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	const char *reason;
	struct source *s;
	int ready;
	int r;

	r = sd_bus_message_read(call, "bs", &ready, &reason);
	if (r < 0)
		return r;
	r = need_source(bus, call, &s, error);
	if (r < 0)
		return r;
	r = check_reason(reason, error);
	if (r < 0)
		return r;

	r = source_set_state(s, ready ? SOURCE_READY : SOURCE_NOT_READY, ready ? NULL : reason);
	return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int method_tell_vm(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;
	struct bus *bus = userdata;
	struct vm_answer answer;
	struct source *s;
	struct vm *vm;
	uint64_t id;
	int r;

	r = sd_bus_message_read(call, "tsssss", &id, &answer.name, &answer.uuid, &answer.origin,
				&answer.settings, &answer.error);
	if (r < 0)
		return r;
	r = need_source(bus, call, &s, error);
	if (r < 0)
		return r;
	source_answered(s);
	r = vm_bus_find(bus, id, &vm, error);
	if (r < 0)
		return r;

	answer.source = s->number;
	answer.source_name = s->name;
	r = vm_answer_check(&answer, &sentence);
	if (r < 0)
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, sentence ?: "The answer is not valid.");
	r = vm_told(vm, &answer);
	if (r == -EEXIST)
		return sd_bus_error_setf(error, NVMX_ERROR("VMTaken"),
					 "VM %" PRIu64 " is known by the source %s, whose word comes first.", id, vm->source_name);
	return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int method_tell_unknown(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	const char *reason;
	struct source *s;
	struct vm *vm;
	uint64_t id;
	int r;

	r = sd_bus_message_read(call, "ts", &id, &reason);
	if (r < 0)
		return r;
	r = need_source(bus, call, &s, error);
	if (r < 0)
		return r;
	source_answered(s);
	r = vm_bus_find(bus, id, &vm, error);
	if (r >= 0)
		r = check_reason(reason, error);
	if (r < 0)
		return r;

	vm_unknown(vm, s->number, reason);
	return sd_bus_reply_method_return(call, NULL);
}

/* ---- the object ---- */

static const sd_bus_vtable sources_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Register", SD_BUS_ARGS("s", source), SD_BUS_NO_RESULT,
				method_register, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("SetState", SD_BUS_ARGS("b", ready, "s", reason), SD_BUS_NO_RESULT,
				method_set_state, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("TellVM",
				SD_BUS_ARGS("t", id, "s", name, "s", uuid, "s", origin, "s", settings, "s", error),
				SD_BUS_NO_RESULT, method_tell_vm, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("TellUnknown", SD_BUS_ARGS("t", id, "s", reason), SD_BUS_NO_RESULT,
				method_tell_unknown, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL_WITH_ARGS("Asked", SD_BUS_ARGS("t", id, "u", pid, "t", start_time, "s", uuid), 0),
	SD_BUS_VTABLE_END,
};

int sources_bus_add(struct bus *bus)
{
	return sd_bus_add_object_vtable(bus->bus, NULL, BUS_PATH, SOURCES_INTERFACE, sources_vtable, bus);
}

void sources_bus_close(struct bus *bus)
{
	for (size_t i = 0; i < ARRAY_SIZE(bus->peers); i++)
		bus->peers[i] = sd_bus_track_unref(bus->peers[i]);
}

/* To it alone: what a command line says is nobody else's business. */
void sources_bus_ask(const struct bus *bus, const struct source *s, const struct vm *vm)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	sd_bus_track *peer = bus->peers[s->number];
	const char *name = peer ? sd_bus_track_first(peer) : NULL;
	int r;

	if (!name)
		return;		/* its going is on its way */
	r = sd_bus_message_new_signal(bus->bus, &m, BUS_PATH, SOURCES_INTERFACE, "Asked");
	if (r >= 0)
		r = sd_bus_message_append(m, "tuts", vm->id, (uint32_t)vm->pid, vm->start_time,
					  vm->process.uuid);
	if (r >= 0)
		r = sd_bus_send_to(bus->bus, m, name, NULL);
	bus_check_sent(bus, r);
}
