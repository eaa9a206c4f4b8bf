/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another try, later.  Owns its timer, which is off while nothing is to be tried.
 */
#include <time.h>

#include "daemon/log.h"
#include "daemon/retry.h"

#define USEC_PER_MSEC	1000ULL
/* Nobody waits for the exact moment. */
#define ACCURACY_USEC	(50 * USEC_PER_MSEC)

struct retry {
	sd_event_source *timer;
	retry_t fn;
	void *userdata;
	uint64_t pause_ms;	/* before the next try */
	bool waiting;
};

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct retry *t = userdata;

	t->waiting = false;
	t->fn(t->userdata);
	if (!t->waiting) {
		t->pause_ms = RETRY_MIN_MS;
		log_notice("What had failed for lack of memory or file descriptors is done.");
	}
	return 0;
}

int retry_new(sd_event *event, retry_t fn, void *userdata, struct retry **ret)
{
	struct retry *t;
	int r;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct retry) { .fn = fn, .userdata = userdata, .pause_ms = RETRY_MIN_MS };

	r = sd_event_add_time(event, &t->timer, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_timer, t);
	if (r >= 0)
		r = sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
	if (r < 0) {
		retry_free(t);
		return r;
	}

	*ret = t;
	return 0;
}

struct retry *retry_free(struct retry *t)
{
	if (!t)
		return NULL;
	sd_event_source_disable_unref(t->timer);
	free(t);
	return NULL;
}

void retry_soon(struct retry *t)
{
	int r;

	if (t->waiting)
		return;

	r = sd_event_source_set_time_relative(t->timer, t->pause_ms * USEC_PER_MSEC);
	if (r >= 0)
		r = sd_event_source_set_enabled(t->timer, SD_EVENT_ONESHOT);
	if (r < 0) {
		/* Without this nobody would come back to it, but a new nvmxd does. */
		log_error("What failed cannot be tried again (%s); exiting, to be restarted.",
			  strerror(-r));
		sd_event_exit(sd_event_source_get_event(t->timer), r);
		return;
	}
	t->waiting = true;
	log_warning("Something failed for lack of memory or file descriptors; trying again in %u ms.",
		    (unsigned int)t->pause_ms);
	t->pause_ms = t->pause_ms * 2 < RETRY_MAX_MS ? t->pause_ms * 2 : RETRY_MAX_MS;
}
