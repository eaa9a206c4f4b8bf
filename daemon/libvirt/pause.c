/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pause before another try.  Owns its timer, which is made when there is memory.
 */
#include "daemon/libvirt/pause.h"

#include <time.h>

#include "daemon/log.h"
#include "policy/util.h"

#define USEC_PER_MSEC	1000ULL
/* Nobody waits for the exact moment. */
#define ACCURACY_USEC	(50 * USEC_PER_MSEC)

struct pause {
	sd_event_source *timer;
	pause_t fn;
	void *userdata;
	uint64_t next_ms;
	bool lasts;
};

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct pause *p = userdata;

	p->lasts = false;
	p->fn(p->userdata);
	return 0;
}

int pause_new(sd_event *event, pause_t fn, void *userdata, struct pause **ret)
{
	struct pause *p;
	int r;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct pause) { .fn = fn, .userdata = userdata, .next_ms = PAUSE_MIN_MS };

	r = sd_event_add_time(event, &p->timer, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_timer, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
	if (r < 0) {
		pause_free(p);
		return r;
	}

	*ret = p;
	return 0;
}

struct pause *pause_free(struct pause *p)
{
	if (!p)
		return NULL;
	sd_event_source_disable_unref(p->timer);
	free(p);
	return NULL;
}

void pause_start(struct pause *p)
{
	int r;

	if (p->lasts)
		return;
	r = sd_event_source_set_time_relative(p->timer, p->next_ms * USEC_PER_MSEC);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
	if (r < 0) {
		/* Without this nobody would come back to it, but a new process does. */
		log_error("What failed cannot be tried again (%s); exiting, to be restarted.",
			  strerror(-r));
		sd_event_exit(sd_event_source_get_event(p->timer), r);
		return;
	}
	p->lasts = true;
	p->next_ms = p->next_ms * 2 < PAUSE_MAX_MS ? p->next_ms * 2 : PAUSE_MAX_MS;
}

void pause_start_anew(struct pause *p)
{
	pause_reset(p);
	pause_start(p);
}

void pause_reset(struct pause *p)
{
	p->lasts = false;
	p->next_ms = PAUSE_MIN_MS;
	/* Turning a timer off cannot fail. */
	(void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
}
