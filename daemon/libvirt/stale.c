/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Elements that nobody writes any more.  Owns the list of the domains that may have one.
 */
#include "daemon/libvirt/stale.h"

#include "daemon/libvirt/domain.h"
#include "daemon/libvirt/pause.h"
#include "daemon/log.h"
#include "policy/util.h"

typedef char uuid_text[VIR_UUID_STRING_BUFLEN];

struct stale {
	struct connection *connection;
	const struct stale_ops *ops;
	void *userdata;
	sd_event_source *turn;	/* on while there are some to be looked at */
	struct pause *pause;	/* before those are that could not be taken away */
	uuid_text *doubted;
	size_t n;
};

static void add(const char *uuid, void *userdata)
{
	struct stale *st = userdata;
	uuid_text *p;

	for (size_t i = 0; i < st->n; i++)
		if (streq(st->doubted[i], uuid))
			return;
	p = reallocarray(st->doubted, st->n + 1, sizeof(*p));
	if (!p) {
		log_warning("What statistics domain %s may have had before stay, for lack of memory.", uuid);
		return;
	}
	st->doubted = p;
	snprintf(p[st->n++], sizeof(*p), "%s", uuid);
}

static void look_soon(struct stale *st)
{
	/* Of a source that is there already it cannot fail. */
	(void)sd_event_source_set_enabled(st->turn, SD_EVENT_ONESHOT);
}

/*
 * Of each doubted domain that has an element: shall it be doubted further?  Of the others none.
 * What libvirt did not tell is doubted further, too; a lost connection has all doubted anew.
 */
static void sift(struct stale *st, bool (*keep)(struct stale *st, const char *uuid, int id))
{
	virConnectPtr conn = connection_get(st->connection);
	size_t n = 0;

	if (!conn)
		return;
	for (size_t i = 0; i < st->n; i++) {
		int id = domain_find_statistics(conn, st->doubted[i]);

		if (id == -EIO && connection_is_lost(st->connection))
			return;
		if (id == -ENOENT || (id >= 0 && !keep(st, st->doubted[i], id)))
			continue;
		memmove(st->doubted[n++], st->doubted[i], sizeof(*st->doubted));
	}
	st->n = n;
}

static bool keep_all(struct stale *st, const char *uuid, int id)
{
	return true;
}

static bool take_away(struct stale *st, const char *uuid, int id)
{
	if (!st->ops->is_written(uuid, st->userdata))
		st->ops->take_away(uuid, id, st->userdata);
	return false;
}

/* Most have none, and that is the end of it. */
static int on_turn(sd_event_source *source, void *userdata)
{
	struct stale *st = userdata;

	sift(st, keep_all);
	if (st->n > 0)
		st->ops->found(st->userdata);
	return 0;
}

static void on_pause(void *userdata)
{
	look_soon(userdata);
}

void stale_doubt(struct stale *st, const char *uuid)
{
	add(uuid, st);
	look_soon(st);
}

void stale_doubt_later(struct stale *st, const char *uuid)
{
	add(uuid, st);
	pause_start(st->pause);
}

void stale_doubt_all(struct stale *st)
{
	if (domain_for_each_running(connection_get(st->connection), add, st) < 0 &&
	    !connection_is_lost(st->connection))
		log_warning("libvirt's domains could not be listed, so old statistics of theirs stay: %s.",
			    connection_error());
	look_soon(st);
}

void stale_settle(struct stale *st)
{
	sift(st, take_away);
}

int stale_new(sd_event *event, struct connection *connection, const struct stale_ops *ops, void *userdata,
	      struct stale **ret)
{
	struct stale *st;
	int r;

	st = calloc(1, sizeof(*st));
	if (!st)
		return -ENOMEM;
	*st = (struct stale) { .connection = connection, .ops = ops, .userdata = userdata };
	r = pause_new(event, on_pause, st, &st->pause);
	if (r >= 0)
		r = sd_event_add_defer(event, &st->turn, on_turn, st);
	if (r >= 0)
		r = sd_event_source_set_enabled(st->turn, SD_EVENT_OFF);
	if (r < 0) {
		stale_free(st);
		return r;
	}

	*ret = st;
	return 0;
}

struct stale *stale_free(struct stale *st)
{
	if (!st)
		return NULL;
	sd_event_source_disable_unref(st->turn);
	pause_free(st->pause);
	free(st->doubted);
	free(st);
	return NULL;
}
