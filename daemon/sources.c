/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sources of settings and their states.  A source that cannot answer changes no policy: VMs
 * that it has not told of wait, what it has told stays.  Owns the timers.
 */
#include <inttypes.h>
#include <time.h>

#include "daemon/log.h"
#include "daemon/sources.h"

/* Nobody waits for the exact moment. */
#define ACCURACY_USEC	UINT64_C(1000000)

static unsigned int bit(const struct source *s)
{
	return 1U << s->number;
}

struct source *sources_find(struct sources *sources, const char *name)
{
	for (size_t i = 0; i < sources->n; i++)
		if (streq(sources->list[i].name, name))
			return &sources->list[i];
	return NULL;
}

unsigned int sources_all(const struct sources *sources)
{
	return (1U << sources->n) - 1;
}

/* ---- states ---- */

#define UNTIL	"until it does, VMs that start get no policy of its settings or names."

static char *make_missing(const struct source *s)
{
	char *text = NULL;
	int r = 0;

	switch (s->state) {
	case SOURCE_ABSENT:
		r = asprintf(&text, "The source %s is not connected: until it is, VMs that start get no policy of its settings or names.", s->name);
		break;
	case SOURCE_NOT_READY:
		r = isempty(s->reason) ?
		    asprintf(&text, "The source %s cannot answer: " UNTIL, s->name) :
		    asprintf(&text, "%s", s->reason);
		break;
	case SOURCE_SILENT:
		r = asprintf(&text, "The source %s does not answer: " UNTIL, s->name);
		break;
	case SOURCE_READY:
		break;
	}

	return r < 0 ? NULL : text;
}

static void log_state(const struct source *s)
{
	if (s->state == SOURCE_READY)
		log_event(LOG_INFO, MESSAGE_SOURCE_CONNECTED, "Source %s is connected.", s->name);
	else
		log_event(s->state == SOURCE_SILENT ? LOG_WARNING : LOG_NOTICE, MESSAGE_SOURCE_LOST, "%s",
			  s->missing ?: "A source is not connected.");
}

static void arm(struct source *s);

static void ask(struct source *s, const struct vm *vm)
{
	s->sources->ops->ask(s, vm, s->sources->userdata);
	if (vm->awaited & bit(s))
		arm(s);
}

int source_set_state(struct source *s, enum source_state state, const char *reason)
{
	const struct sources *sources = s->sources;
	bool asks = state == SOURCE_READY && s->state != SOURCE_READY && s->state != SOURCE_SILENT;
	char *copy = NULL;

	if (s->state == state && streq(s->reason ?: "", reason ?: ""))
		return 0;
	if (!isempty(reason)) {
		copy = strdup(reason);
		if (!copy)
			return -ENOMEM;
	}

	free(s->reason);
	s->reason = copy;
	s->state = state;
	free(s->missing);
	s->missing = make_missing(s);
	if (state == SOURCE_ABSENT || state == SOURCE_NOT_READY)
		s->timer = sd_event_source_disable_unref(s->timer);
	log_state(s);
	sources->ops->changed(s, sources->userdata);

	/* What happened meanwhile it has not told, and may not know that it is asked for. */
	for (size_t i = 0; asks && i < sources->vms->n; i++)
		ask(s, sources->vms->vms[i]);
	return 0;
}

/* ---- answers ---- */

static bool is_awaited(const struct source *s)
{
	const struct vm_set *vms = s->sources->vms;

	for (size_t i = 0; i < vms->n; i++)
		if (vms->vms[i]->awaited & bit(s))
			return true;
	return false;
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct source *s = userdata;

	/* Without memory for a reason there is none to keep. */
	if (s->state == SOURCE_READY && is_awaited(s))
		(void)source_set_state(s, SOURCE_SILENT, NULL);
	return 0;
}

/* From the first question that is open on; an answer begins it anew. */
static void begin_timer(struct source *s)
{
	int r;

	if (s->timer) {
		r = sd_event_source_set_time_relative(s->timer, SOURCE_ANSWER_USEC);
		if (r >= 0)
			r = sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
	} else {
		r = sd_event_add_time_relative(s->sources->event, &s->timer, CLOCK_MONOTONIC,
					       SOURCE_ANSWER_USEC, ACCURACY_USEC, on_timer, s);
	}
	if (r < 0)
		log_warning("Whether source %s answers is not watched: %s.", s->name, strerror(-r));
}

static void arm(struct source *s)
{
	if (!s->timer || sd_event_source_get_enabled(s->timer, NULL) == 0)
		begin_timer(s);
}

/* Whether another answer is awaited is seen when the time is over: that is once, not each time. */
void source_answered(struct source *s)
{
	if (s->state == SOURCE_SILENT)
		(void)source_set_state(s, SOURCE_READY, NULL);
	if (s->state == SOURCE_READY && s->timer)
		begin_timer(s);
}

void sources_ask(struct sources *sources, const struct vm *vm)
{
	for (size_t i = 0; i < sources->n; i++)
		if (sources->list[i].state >= SOURCE_SILENT)
			ask(&sources->list[i], vm);
}

char *sources_pending(const struct sources *sources, const struct vm *vm)
{
	const struct source *s = NULL;
	char *text;
	int r;

	if (vm->state != VM_WAITING)
		return strdup("");
	for (size_t i = 0; i < sources->n && !s; i++)
		if (vm->awaited & bit(&sources->list[i]))
			s = &sources->list[i];
	if (!s)
		return strdup("");
	if (s->missing)
		r = asprintf(&text, "The policy stays as it is until source %s has answered. %s", s->name, s->missing);
	else
		r = asprintf(&text, "The policy stays as it is until source %s has answered.", s->name);
	return r < 0 ? NULL : text;
}

/* ---- the whole ---- */

int sources_init(struct sources *sources, sd_event *event, const struct vm_set *vms,
		 const struct config_sources *config, const struct source_ops *ops, void *userdata)
{
	*sources = (struct sources) {
		.event = event,
		.vms = vms,
		.ops = ops,
		.userdata = userdata,
	};
	for (size_t i = 0; i < config->n; i++) {
		struct source *s = &sources->list[i];

		*s = (struct source) {
			.sources = sources,
			.number = i,
			.name = strdup(config->list[i].name),
			.user = strdup(config->list[i].user),
		};
		sources->n++;
		if (s->name && s->user)
			s->missing = make_missing(s);
		if (!s->missing) {
			sources_clear(sources);
			return -ENOMEM;
		}
	}
	return 0;
}

void sources_clear(struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		struct source *s = &sources->list[i];

		sd_event_source_disable_unref(s->timer);
		free(s->name);
		free(s->user);
		free(s->reason);
		free(s->missing);
	}
	sources->n = 0;
}
