/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Statistics in domains' metadata.  nvmxd does not say when a counter changes, so this is the
 * one thing that looks again and again: every interval, and only while there is a running domain
 * whose L1 has used VMX.  What has not changed is not written.  Owns the list of what is written
 * where, and the writer.
 */
#include "daemon/libvirt/statistics.h"

#include <inttypes.h>
#include <time.h>

#include "daemon/libvirt/domain.h"
#include "daemon/libvirt/element.h"
#include "daemon/libvirt/stale.h"
#include "daemon/libvirt/writer.h"
#include "daemon/log.h"
#include "policy/util.h"

#define USEC_PER_SEC	1000000ULL
/* Nobody waits for it, so it may go with other wake-ups. */
#define ACCURACY_USEC	USEC_PER_SEC

#define log_vm(vm, level, ...)	log_message(level, NULL, (vm)->id, (vm)->uuid, __VA_ARGS__)

/* A VM whose domain has, or is to have, an element. */
struct vm {
	uint64_t id, start_time;
	pid_t pid;
	char uuid[VIR_UUID_STRING_BUFLEN];
	char *name;
	bool listed;		/* by nvmxd, in this round; ... */
	bool wanted;		/* ... as one to write for */
	char *text;		/* what is there, or is being written, without its times; NULL: nothing */
	uint64_t due;		/* not before; CLOCK_MONOTONIC, us */
	bool in_flight;		/* a job of the writer's */
	bool take_away;		/* once that is done */
	unsigned int failures;	/* in a row */
	char *error;		/* why, as it was logged */
};

struct statistics {
	sd_event *event;
	struct nvmxd *nvmxd;
	struct connection *connection;
	struct writer *writer;
	struct stale *stale;
	char *source;
	uint64_t interval;	/* us; 0: off */
	bool connected;
	bool refused;		/* libvirt does not let us write; until it is connected anew */
	bool stopping;
	sd_event_source *timer, *stop_timer;

	sd_bus_slot *listing;	/* a round is under way: ListStatistics has been called */
	bool list_again;	/* and another one is wanted after it */

	struct vm *vms;		/* by id */
	size_t n_vms;
};

static void list(struct statistics *s);

static bool is_enabled(const struct statistics *s)
{
	return s->interval > 0 && !s->refused && !s->stopping;
}

static uint64_t now(const struct statistics *s)
{
	uint64_t usec = 0;

	(void)sd_event_now(s->event, CLOCK_MONOTONIC, &usec);
	return usec;
}

/* ---- the VMs ---- */

/* Of the first with that id, or a higher one. */
static size_t place(const struct statistics *s, uint64_t id)
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

static struct vm *find(const struct statistics *s, uint64_t id)
{
	size_t i = place(s, id);

	return i < s->n_vms && s->vms[i].id == id ? &s->vms[i] : NULL;
}

static struct vm *add(struct statistics *s, const struct element *e)
{
	_cleanup_free_ char *name = strdup(e->name);
	size_t i = place(s, e->id);
	struct vm *p;

	p = name ? reallocarray(s->vms, s->n_vms + 1, sizeof(*p)) : NULL;
	if (!p)
		return NULL;
	s->vms = p;
	p += i;
	memmove(p + 1, p, (s->n_vms++ - i) * sizeof(*p));
	*p = (struct vm) { .id = e->id, .pid = e->pid, .start_time = e->start_time, .name = steal_ptr(name) };
	snprintf(p->uuid, sizeof(p->uuid), "%s", e->uuid);
	return p;
}

static void vm_clear(struct vm *vm)
{
	free(vm->name);
	free(vm->text);
	free(vm->error);
}

static void drop_unlisted(struct statistics *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i].listed || s->vms[i].in_flight)
			s->vms[n++] = s->vms[i];
		else
			vm_clear(&s->vms[i]);
	s->n_vms = n;
}

/* ---- writing ---- */

/* text: NULL takes away.  It is the job's then, also if that fails. */
static int write_vm(struct statistics *s, struct vm *vm, char *text)
{
	struct writer_job *job;
	int r;

	job = calloc(1, sizeof(*job));
	if (!job) {
		free(text);
		return -ENOMEM;
	}
	job->vm = vm->id;
	job->pid = vm->pid;
	job->start_time = vm->start_time;
	memcpy(job->uuid, vm->uuid, sizeof(job->uuid));
	job->text = text;
	job->doubtful = vm->failures > 0;
	r = writer_add(s->writer, job);
	if (r < 0) {
		writer_job_free(job);
		return r;
	}
	vm->in_flight = true;
	return 0;
}

/* Of what fails here nothing is kept, so that the next time it is tried again. */
static int update(struct statistics *s, struct vm *vm, const struct element *e)
{
	_cleanup_free_ char *contents = NULL, *since = NULL, *updated = NULL;
	char *text;
	int r;

	if (vm->in_flight || now(s) < vm->due)
		return 0;
	r = element_format(e, NULL, NULL, &contents);
	if (r < 0)
		return r;
	if (vm->text && streq(vm->text, contents))
		return 0;
	since = element_format_since(e->start_time);
	updated = element_format_time(time(NULL));
	if (!since || !updated)
		return -ENOMEM;
	r = element_format(e, since, updated, &text);
	if (r >= 0)
		r = write_vm(s, vm, text);
	if (r < 0)
		return r;

	free(vm->text);
	vm->text = steal_ptr(contents);
	vm->due = now(s) + s->interval;
	return 0;
}

static void take_away(struct statistics *s, struct vm *vm)
{
	int r;

	vm->take_away = vm->in_flight;
	if (vm->in_flight || !vm->text)
		return;
	free(steal_ptr(vm->text));
	r = write_vm(s, vm, NULL);
	if (r < 0)
		log_vm(vm, LOG_WARNING, "Statistics of domain %s were not taken away: %s.", vm->name, strerror(-r));
}

static void end_if_done(struct statistics *s)
{
	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i].in_flight)
			return;
	sd_event_exit(s->event, 0);
}

/* ---- elements of nobody's ---- */

static bool is_written(const char *uuid, void *userdata)
{
	const struct statistics *s = userdata;

	for (size_t i = 0; i < s->n_vms; i++) {
		const struct vm *vm = &s->vms[i];

		if (vm->wanted && streq(vm->uuid, uuid) &&
		    domain_is_process(connection_pid_dir(s->connection), vm->name, vm->pid, vm->start_time, NULL) != 0)
			return true;
	}
	return false;
}

static void take_away_stale(const char *uuid, int id, void *userdata)
{
	struct statistics *s = userdata;
	struct writer_job *job = calloc(1, sizeof(*job));
	int r = -ENOMEM;

	if (job) {
		snprintf(job->uuid, sizeof(job->uuid), "%s", uuid);
		job->id = id;
		job->doubtful = true;	/* the last one who wrote it is not there to ask */
		r = writer_add(s->writer, job);
	}
	if (r < 0) {
		writer_job_free(job);
		log_warning("Old statistics of domain %s were not taken away: %s.", uuid, strerror(-r));
	}
}

static void list_now(void *userdata)
{
	list(userdata);
}

static const struct stale_ops stale_ops = {
	.found = list_now,
	.is_written = is_written,
	.take_away = take_away_stale,
};

/* ---- what became of it ---- */

static void say_refused(struct statistics *s, const char *text)
{
	if (!s->refused)
		log_warning("Statistics are not written to libvirt, because it refuses nvmx-libvirt its read-write socket: %s.  Allow it, or disable nvmx-libvirt-statistics.service, as nvmx-libvirt(8) says.",
			    text);
	s->refused = true;
}

static void on_failed(struct statistics *s, struct vm *vm, const struct writer_job *job)
{
	const char *text = job->error_text ?: "out of memory";
	uint64_t intervals = 1;

	/* It is not there, so another time it is written even if nothing changed. */
	free(steal_ptr(vm->text));
	vm->failures++;
	for (unsigned int i = 0; i < vm->failures && intervals < STATISTICS_BACKOFF_MAX; i++)
		intervals *= 2;
	vm->due = now(s) + intervals * s->interval;
	if (job->error == -EACCES || (vm->error && streq(vm->error, text)))
		return;
	log_vm(vm, LOG_NOTICE, "Statistics of domain %s could not be written, will try again: %s", vm->name, text);
	free(vm->error);
	vm->error = strdup(text);
}

static void on_done(const struct writer_job *job, void *userdata)
{
	struct statistics *s = userdata;
	struct vm *vm = job->vm > 0 ? find(s, job->vm) : NULL;

	if (job->error == -EACCES)
		say_refused(s, job->error_text ?: "out of memory");
	if (job->vm == 0 && job->error == -EIO)
		stale_doubt_later(s->stale, job->uuid);
	if (vm) {
		vm->in_flight = false;
		if (job->error) {
			on_failed(s, vm, job);
		} else {
			vm->failures = 0;
			free(steal_ptr(vm->error));
		}
		if (vm->take_away)
			take_away(s, vm);
	}
	if (s->stopping)
		end_if_done(s);
}

/* ---- a round ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	list(userdata);
	return 0;
}

/* Without an effect if it is on. */
static void arm(struct statistics *s)
{
	int r;

	if (!is_enabled(s))
		return;
	if (!s->timer) {
		r = sd_event_add_time_relative(s->event, &s->timer, CLOCK_MONOTONIC, s->interval,
					       ACCURACY_USEC, on_timer, s);
	} else {
		r = sd_event_source_get_enabled(s->timer, NULL);
		if (r > 0)
			return;
		r = sd_event_source_set_time_relative(s->timer, s->interval);
		if (r >= 0)
			r = sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
	}
	if (r < 0)
		log_warning("Statistics are not written to libvirt for now: %s.", strerror(-r));
}

static int take_element(struct statistics *s, const struct element *e)
{
	struct vm *vm = find(s, e->id);
	bool wanted = e->vmxon && streq(e->source, s->source);

	if (!vm && !wanted)
		return 0;
	vm = vm ?: add(s, e);
	if (!vm)
		return -ENOMEM;
	vm->listed = true;
	/* Of an nvmxd that has just started no source may have told yet: what is there stays. */
	vm->wanted = wanted;
	return wanted ? update(s, vm, e) : 0;
}

static int take_page(struct statistics *s, sd_bus_message *m, uint64_t *ret_last)
{
	struct element e;
	int r;

	r = sd_bus_message_read(m, "t", ret_last);
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "(ta{sv}a{st}a(sutt))");
	if (r < 0)
		return r;
	while ((r = element_read(m, &e)) > 0) {
		int k = take_element(s, &e);

		if (k < 0)
			log_message(LOG_WARNING, NULL, e.id, e.uuid, "Statistics of domain %s were not written this time: %s.",
				    e.name, strerror(-k));
		element_clear(&e);
	}
	return r;
}

static void end_round(struct statistics *s)
{
	drop_unlisted(s);
	stale_settle(s->stale);
	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i].wanted) {
			arm(s);
			break;
		}
	if (s->list_again)
		list(s);
}

static int ask(struct statistics *s, uint64_t after);

static int on_listed(sd_bus_message *m, void *userdata, sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(m);
	struct statistics *s = userdata;
	uint64_t last;
	int r;

	s->listing = sd_bus_slot_unref(s->listing);
	if (!is_enabled(s))
		return 0;
	if (error) {
		/* As while there is no module: then there is no VM either. */
		if (!sd_bus_error_has_name(error, NVMXD_ERROR("NoKernelSupport"))) {
			log_warning("nvmxd does not tell its statistics: %s", error->message ?: error->name);
			arm(s);
		}
		return 0;
	}
	r = take_page(s, m, &last);
	if (r >= 0 && last > 0)
		r = ask(s, last);
	if (r < 0) {
		log_warning("What nvmxd tells as statistics could not be used: %s.", strerror(-r));
		arm(s);
	} else if (last == 0) {
		end_round(s);
	}
	return 0;
}

static int ask(struct statistics *s, uint64_t after)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r;

	r = nvmxd_prepare(s->nvmxd, NVMXD_MANAGER, "ListStatistics", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", after);
	return r < 0 ? r : nvmxd_send(s->nvmxd, m, on_listed, s, NULL, &s->listing);
}

static void list(struct statistics *s)
{
	int r;

	if (!is_enabled(s) || !s->connected || !nvmxd_is_there(s->nvmxd))
		return;		/* what is missing brings it about */
	s->list_again = s->listing;
	if (s->listing)
		return;
	for (size_t i = 0; i < s->n_vms; i++)
		s->vms[i].listed = s->vms[i].wanted = false;
	r = ask(s, 0);
	if (r < 0) {
		log_warning("nvmxd could not be asked for statistics: %s.", strerror(-r));
		arm(s);
	}
}

/* ---- news ---- */

static int on_vmx_started(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	arm(userdata);
	return 0;
}

/* A VM may have become one to write for when a source has told of it. */
static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *text;
	int r;

	r = sd_bus_message_read(m, "s", &text);
	if (r < 0 || !streq(text, NVMXD_VM))
		return 0;
	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read(m, "s", &text);
		if (r >= 0 && streq(text, "Source"))
			arm(userdata);
		if (r >= 0)
			r = sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return 0;
}

void statistics_on_nvmxd(struct statistics *s, bool there)
{
	s->listing = sd_bus_slot_unref(s->listing);
	s->list_again = false;
	list(s);
}

void statistics_on_libvirt(struct statistics *s, bool connected)
{
	s->connected = connected;
	if (!connected)
		return;
	s->refused = false;
	for (size_t i = 0; i < s->n_vms; i++)
		if (!s->vms[i].text)
			s->vms[i].due = 0;
	stale_doubt_all(s->stale);
	list(s);
}

void statistics_on_domain(struct statistics *s, const char *uuid)
{
	stale_doubt(s->stale, uuid);
}

/* ---- the whole ---- */

void statistics_set_interval(struct statistics *s, int interval)
{
	s->interval = interval * USEC_PER_SEC;
	s->refused = false;
	s->timer = sd_event_source_disable_unref(s->timer);
	for (size_t i = 0; interval == 0 && i < s->n_vms; i++)
		take_away(s, &s->vms[i]);
	list(s);
}

static int on_stop_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	log_warning("libvirt does not reply; not waiting for it any longer.");
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

void statistics_stop(struct statistics *s)
{
	int r;

	s->stopping = true;
	s->timer = sd_event_source_disable_unref(s->timer);
	s->listing = sd_bus_slot_unref(s->listing);
	for (size_t i = 0; s->connected && i < s->n_vms; i++)
		take_away(s, &s->vms[i]);
	r = sd_event_add_time_relative(s->event, &s->stop_timer, CLOCK_MONOTONIC,
				       STATISTICS_STOP_SECONDS * USEC_PER_SEC, 0, on_stop_timer, NULL);
	if (r < 0)
		sd_event_exit(s->event, 0);
	end_if_done(s);
}

bool statistics_is_stuck(struct statistics *s)
{
	return writer_stop(s->writer);
}

int statistics_new(sd_event *event, struct nvmxd *nvmxd, struct connection *connection,
		   const char *source, const char *uri, int interval, struct statistics **ret)
{
	struct statistics *s;
	int r;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->event = sd_event_ref(event);
	s->nvmxd = nvmxd;
	s->connection = connection;
	s->interval = interval * USEC_PER_SEC;
	s->source = strdup(source);
	r = s->source ? writer_new(event, uri, on_done, s, &s->writer) : -ENOMEM;
	if (r >= 0)
		r = stale_new(event, connection, &stale_ops, s, &s->stale);
	if (r >= 0)
		r = nvmxd_listen(nvmxd, NVMXD_MANAGER, "VMXStarted", on_vmx_started, s);
	if (r >= 0)
		r = nvmxd_listen(nvmxd, "org.freedesktop.DBus.Properties", "PropertiesChanged", on_properties, s);
	if (r < 0) {
		statistics_free(s);
		return r;
	}

	*ret = s;
	return 0;
}

struct statistics *statistics_free(struct statistics *s)
{
	if (!s)
		return NULL;
	writer_free(s->writer);
	stale_free(s->stale);
	sd_bus_slot_unref(s->listing);
	sd_event_source_disable_unref(s->timer);
	sd_event_source_disable_unref(s->stop_timer);
	for (size_t i = 0; i < s->n_vms; i++)
		vm_clear(&s->vms[i]);
	free(s->vms);
	free(s->source);
	sd_event_unref(s->event);
	free(s);
	return NULL;
}
