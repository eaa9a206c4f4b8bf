/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.freedesktop.PolicyKit1.Authority.CheckAuthorization, asynchronously.  Each
 * question owns its method call until it is answered.
 *
 * root may do everything, as with systemd, and is not asked about: whatever others have
 * polkit ask, root is not kept waiting, nor refused.  If there is no polkit at all,
 * everybody else is refused.
 */
#include <inttypes.h>

#include "daemon/polkit.h"
#include "policy/bus.h"
#include "policy/util.h"

#define POLKIT_NAME			"org.freedesktop.PolicyKit1"
#define POLKIT_ALLOW_USER_INTERACTION	1

/* polkit comes or goes: D-Bus starts it when it is asked, so that only its coming is news. */
#define POLKIT_OWNER_CHANGED							\
	"type='signal',sender='org.freedesktop.DBus',"				\
	"path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"	\
	"member='NameOwnerChanged',arg0='" POLKIT_NAME "'"

#define WHO_MAY BUS_WHO_MAY "; see nvmxd(8)."

/* Less than sd-bus waits by default, so that whoever called hears what is wrong. */
#define TIMEOUT_USEC			(20 * UINT64_C(1000000))

struct question {
	struct question *next;		/* in the list of open ones */
	sd_bus_message *call;
	sd_bus_slot *slot;		/* of the call to polkit; owns the question */
	sd_bus_track *caller;
	uid_t uid;			/* of who called */
	char *action;
	bool interactive;
	polkit_authorized_t authorized;
	void *userdata;
};

/* One for the process: everything here runs in the event loop. */
static struct {
	struct question *open;
	polkit_state_t on_state;
	void *userdata;
} polkit;

static void question_free(void *p)
{
	struct question *q = p, **at;

	if (!q)
		return;
	for (at = &polkit.open; *at; at = &(*at)->next)
		if (*at == q) {
			*at = q->next;
			break;
		}
	sd_bus_track_unref(q->caller);
	sd_bus_message_unref(q->call);
	free(q->action);
	free(q);
}

static inline void question_freep(struct question **q)
{
	question_free(*q);
}

static bool polkit_is_absent(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
	       (error->name && strncmp(error->name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0) ||
	       sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit") ||
	       sd_bus_error_has_name(error, "org.freedesktop.systemd1.UnitMasked");
}

static void set_state(bool missing)
{
	if (polkit.on_state)
		polkit.on_state(missing, polkit.userdata);
}

/* 0: allowed. */
static int decide(const struct question *q, sd_bus_message *reply, sd_bus_error *error)
{
	int authorized, challenge, r;

	if (sd_bus_message_is_method_error(reply, NULL)) {
		const sd_bus_error *e = sd_bus_message_get_error(reply);

		if (polkit_is_absent(e)) {
			set_state(true);
			return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
						 "%s is allowed to root only, because polkit is not available: use sudo, or install polkitd.",
						 q->action);
		}
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "polkit could not decide on %s (%s): " WHO_MAY, q->action,
					 isempty(e->message) ? e->name : e->message);
	}

	set_state(false);
	r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
	if (r >= 0)
		r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
	if (r < 0)
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "polkit's answer on %s could not be read: " WHO_MAY, q->action);

	if (authorized)
		return 0;
	if (challenge && !q->interactive)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
					 "%s needs a password, and the caller did not allow to ask for one: " WHO_MAY,
					 q->action);
	if (challenge)
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "%s needs a password, and uid %u has no polkit agent that could ask for one (pkttyagent does on a terminal): " WHO_MAY,
					 q->action, q->uid);
	return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
				 "polkit does not allow uid %u %s, by a rule or for lack of the right password: " WHO_MAY,
				 q->uid, q->action);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	struct question *q = userdata;
	int r;

	r = decide(q, reply, &error);
	if (r >= 0)
		r = q->authorized(q->call, q->userdata, &error);
	if (r < 0 || sd_bus_error_is_set(&error))
		sd_bus_reply_method_errno(q->call, r, &error);

	sd_bus_slot_unref(q->slot);	/* and with it the question */
	return 0;
}

/* Nobody waits for the answer any more; polkit may ask a person for long. */
static int on_caller_gone(sd_bus_track *track, void *userdata)
{
	struct question *q = userdata;

	sd_bus_slot_unref(q->slot);
	return 0;
}

/* What a caller has not been answered yet is kept, so it must not be without end. */
static int check_limits(uid_t uid, sd_bus_error *error)
{
	size_t n = 0, n_uid = 0;

	for (const struct question *q = polkit.open; q; q = q->next) {
		n++;
		n_uid += q->uid == uid;
	}
	if (n_uid >= POLKIT_QUESTIONS_PER_UID)
		return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
					 "%d calls of uid %u wait for polkit already: answer or end them first.",
					 POLKIT_QUESTIONS_PER_UID, uid);
	if (n >= POLKIT_QUESTIONS_MAX)
		return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
					 "%d calls wait for polkit already: try again later, or as root.",
					 POLKIT_QUESTIONS_MAX);
	return 0;
}

/* The bus's word for who has sent it, not the message's. */
static int get_uid(sd_bus_message *call, uid_t *ret)
{
	_cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
	int r;

	r = sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds);
	if (r < 0)
		return r;
	return sd_bus_creds_get_euid(creds, ret);
}

static int append_question(sd_bus_message *m, const struct question *q, const char *const *details)
{
	int r;

	r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s",
				  sd_bus_message_get_sender(q->call), q->action);
	if (r < 0)
		return r;

	r = sd_bus_message_open_container(m, 'a', "{ss}");
	if (r < 0)
		return r;
	for (; details && details[0]; details += 2) {
		r = sd_bus_message_append(m, "{ss}", details[0], details[1]);
		if (r < 0)
			return r;
	}
	r = sd_bus_message_close_container(m);
	if (r < 0)
		return r;

	return sd_bus_message_append(m, "us", q->interactive ? POLKIT_ALLOW_USER_INTERACTION : 0, "");
}

/* The bus keeps the call until the answer, the call the question, and the caller both. */
static int ask(sd_bus *bus, sd_bus_message *m, struct question *question)
{
	_cleanup_(question_freep) struct question *q = question;
	int r;

	r = sd_bus_track_new(bus, &q->caller, on_caller_gone, q);
	if (r < 0)
		return r;
	r = sd_bus_track_add_sender(q->caller, q->call);
	if (r < 0)
		return r;
	r = sd_bus_call_async(bus, &q->slot, m, on_answer, q,
			      q->interactive ? BUS_PASSWORD_USEC : TIMEOUT_USEC);
	if (r < 0)
		return r;

	sd_bus_slot_set_destroy_callback(q->slot, question_free);
	q->next = polkit.open;
	polkit.open = steal_ptr(q);
	return 1;
}

int polkit_authorize(sd_bus_message *call, const char *action, const char *const *details,
		     polkit_authorized_t authorized, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	_cleanup_(question_freep) struct question *q = NULL;
	sd_bus *bus = sd_bus_message_get_bus(call);
	uid_t uid;
	int r;

	r = get_uid(call, &uid);
	if (r < 0)
		return sd_bus_error_set_errnof(error, r, "The bus does not say who asks for %s: %s.",
					       action, strerror(-r));
	if (uid == 0)
		return authorized(call, userdata, error);
	r = check_limits(uid, error);
	if (r < 0)
		return r;

	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->call = sd_bus_message_ref(call);
	q->uid = uid;
	q->interactive = sd_bus_message_get_allow_interactive_authorization(call) > 0;
	q->authorized = authorized;
	q->userdata = userdata;
	q->action = strdup(action);
	if (!q->action)
		return -ENOMEM;

	r = sd_bus_message_new_method_call(bus, &m, POLKIT_NAME, "/org/freedesktop/PolicyKit1/Authority",
					   "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
	if (r < 0)
		return r;
	r = append_question(m, q, details);
	if (r < 0)
		return r;
	return ask(bus, m, steal_ptr(q));
}

static int on_ping(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	/* One that is slow, or does not like the question, is there. */
	set_state(sd_bus_message_is_method_error(reply, NULL) &&
		  polkit_is_absent(sd_bus_message_get_error(reply)));
	return 0;
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error)
{
	const char *owner;

	if (sd_bus_message_read(signal, "sss", NULL, NULL, &owner) >= 0 && !isempty(owner))
		set_state(false);
	return 0;
}

int polkit_watch(sd_bus *bus, polkit_state_t on_state, void *userdata)
{
	int r;

	polkit.on_state = on_state;
	polkit.userdata = userdata;
	r = sd_bus_add_match_async(bus, NULL, POLKIT_OWNER_CHANGED, on_owner_changed, NULL, NULL);
	if (r < 0)
		return r;
	return sd_bus_call_method_async(bus, NULL, POLKIT_NAME, "/", "org.freedesktop.DBus.Peer",
					"Ping", on_ping, NULL, "");
}

bool polkit_is_asked(void)
{
	return polkit.open;
}

void polkit_stop(void)
{
	while (polkit.open)
		sd_bus_slot_unref(polkit.open->slot);
	polkit.on_state = NULL;
}
