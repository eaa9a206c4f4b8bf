/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watchers are connections of the bus: each has a time, and goes when that is over, or the
 * connection is.
 */
#include <inttypes.h>

#include <sys/capability.h>

#include "daemon/account/look.h"
#include "daemon/account/watch.h"
#include "daemon/log.h"
#include "daemon/polkit.h"
#include "daemon/proc.h"
#include "policy/policy.h"

#define ACTION			"org.nvmx1.account"
#define ERROR(name)		"org.nvmx1.Error." name

struct watcher {
	struct watcher *next;
	struct watch *watch;
	char *sender;
	sd_bus_track *track;
	sd_event_source *timer;
};

struct watch {
	sd_event *event;
	sd_bus *bus;
	sd_bus_slot *slot;
	struct look *look;		/* from the first watcher on: it takes capabilities that are gone then */
	struct watcher *watchers;
	size_t n_watchers;
};

/* ---- watchers ---- */

static void watcher_free(struct watcher *x)
{
	struct watch *w = x->watch;

	for (struct watcher **at = &w->watchers; *at; at = &(*at)->next)
		if (*at == x) {
			*at = x->next;
			w->n_watchers--;
			break;
		}
	sd_bus_track_unref(x->track);
	sd_event_source_disable_unref(x->timer);
	free(x->sender);
	free(x);
}

DEFINE_CLEANUP(struct watcher *, watcher_free)

static int on_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	watcher_free(userdata);
	return 0;
}

/* Not 0: sd-bus would call this again at once, for ever. */
static int on_gone(sd_bus_track *track, void *userdata)
{
	watcher_free(userdata);
	return 1;
}

static struct watcher *find(const struct watch *w, const char *sender)
{
	for (struct watcher *x = w->watchers; x; x = x->next)
		if (streq(x->sender, sender))
			return x;
	return NULL;
}

static int watcher_new(struct watch *w, sd_bus_message *call, struct watcher **ret)
{
	_cleanup_(watcher_freep) struct watcher *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	x->watch = w;
	x->sender = strdup(sd_bus_message_get_sender(call));
	if (!x->sender)
		return -ENOMEM;
	r = sd_bus_track_new(w->bus, &x->track, on_gone, x);
	if (r >= 0)
		r = sd_bus_track_add_sender(x->track, call);
	if (r >= 0)
		r = sd_event_add_time_relative(w->event, &x->timer, CLOCK_MONOTONIC, WATCH_MAX_USEC, 0, on_over, x);
	if (r < 0)
		return r;
	x->next = w->watchers;
	w->watchers = x;
	w->n_watchers++;
	*ret = steal_ptr(x);
	return 0;
}

/* ---- the look ---- */

/* Reading takes none: what is left is a process that can read its own maps. */
static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int r = none && cap_set_proc(none) == 0 ? 0 : -errno;

	if (none)
		(void)cap_free(none);
	return r;
}

static int begin(struct watch *w, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;
	int r;

	if (w->look)
		return 0;
	r = look_new(&w->look, &sentence);
	if (r >= 0)
		r = drop_capabilities();
	if (r >= 0)
		return 0;
	w->look = look_free(w->look);
	if (r == -ENOMEM)
		return r;
	log_warning("%s", sentence ?: strerror(-r));
	return sd_bus_error_set(error, r == -EPERM ? SD_BUS_ERROR_ACCESS_DENIED : ERROR("NoKernelSupport"),
				sentence ?: strerror(-r));
}

/* ---- methods ---- */

static int watch_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct watch *w = userdata;
	struct watcher *x;
	uint64_t usec;
	int r;

	r = sd_bus_message_rewind(call, true);
	if (r >= 0)
		r = sd_bus_message_read(call, "t", &usec);
	if (r < 0)
		return r;
	x = find(w, sd_bus_message_get_sender(call));
	if (!x && w->n_watchers >= WATCHERS_MAX)
		return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
					 "%d programs look already: end one of them first.", WATCHERS_MAX);
	r = begin(w, error);
	if (r < 0)
		return r;
	if (!x) {
		r = watcher_new(w, call, &x);
		if (r < 0)
			return r;
	}
	r = sd_event_source_set_time_relative(x->timer, usec);
	if (r < 0)
		return r;
	return sd_bus_reply_method_return(call, NULL);
}

static int method_watch(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct watch *w = userdata;
	uint64_t usec;
	int r;

	r = sd_bus_message_read(call, "t", &usec);
	if (r < 0)
		return r;
	if (usec < WATCH_MIN_USEC || usec > WATCH_MAX_USEC)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "%" PRIu64 " microseconds are not a time to look; it is from %" PRIu64 " to %" PRIu64 ".",
					 usec, WATCH_MIN_USEC, WATCH_MAX_USEC);
	return polkit_authorize(call, ACTION, NULL, watch_authorized, w, error);
}

/* Of those that are still there; others have none. */
static int name_vms(struct account *a)
{
	for (size_t i = 0; i < a->n_vms; i++) {
		struct proc_identity id = {};
		struct account_vm *vm = &a->vms[i];
		int r = proc_identify(vm->pid, vm->start_time, &id);

		if (r == -ENOMEM)
			return r;
		vm->name = strdup(r < 0 ? "" : !isempty(id.name) ? id.name : id.comm);
		proc_identity_clear(&id);
		if (!vm->name)
			return -ENOMEM;
	}
	return 0;
}

static int method_read(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct watch *w = userdata;
	struct json_object *o = NULL;
	struct account a = {};
	int r;

	if (!find(w, sd_bus_message_get_sender(call)))
		return sd_bus_error_set(error, ERROR("NotWatching"),
					"There is nothing to read for who does not look: call Watch first.");
	r = look_read(w->look, &a);
	if (r >= 0)
		r = name_vms(&a);
	if (r >= 0) {
		o = account_to_json(&a);
		r = o ? sd_bus_reply_method_return(call, "s", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) :
			-ENOMEM;
	}
	json_object_put(o);
	account_clear(&a);
	return r;
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Watch", SD_BUS_ARGS("t", usec), SD_BUS_NO_RESULT, method_watch,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Read", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", account), method_read,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int watch_new(sd_event *event, sd_bus *bus, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->event = event;
	w->bus = bus;
	r = sd_bus_add_object_vtable(bus, &w->slot, ACCOUNT_BUS_PATH, ACCOUNT_INTERFACE, vtable, w);
	if (r < 0) {
		watch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	while (w->watchers)
		watcher_free(w->watchers);
	look_free(w->look);
	sd_bus_slot_unref(w->slot);
	free(w);
	return NULL;
}

bool watch_is_busy(const struct watch *w)
{
	return w->watchers || polkit_is_asked();
}
