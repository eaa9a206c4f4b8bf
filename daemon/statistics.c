/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Statistics in domains' metadata.  The kernel does not say when a counter changes, so
 * this is the one thing that looks again and again: every interval, and only while there is
 * a running domain whose L1 has used VMX.  What has not changed is not written.  Owns
 * the timer; writing is libvirt's second thread's business.
 */
#include <inttypes.h>
#include <time.h>

#include "daemon/counters.h"
#include "daemon/libvirt.h"
#include "daemon/log.h"
#include "daemon/statistics.h"
#include "daemon/vm.h"

#define USEC_PER_SEC	1000000ULL
#define NSEC_PER_SEC	1000000000LL
/* Nobody waits for it, so it may go with other wake-ups. */
#define ACCURACY_USEC	USEC_PER_SEC

static bool enabled(const struct manager *m)
{
	return m->libvirt && m->config.statistics_interval > 0 && !m->statistics.refused;
}

static bool wanted(const struct vm *vm)
{
	return vm->vmxon && vm->domain == VM_DOMAIN_KNOWN && vm->statistics.domain_id >= 0;
}

void statistics_vm_clear(struct vm_statistics *s)
{
	free(s->text);
	free(s->since);
	free(s->error);
	*s = (struct vm_statistics) { .domain_id = -1 };
}

/* ---- the element ---- */

static char *format_time(time_t t)
{
	char text[32];
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return NULL;
	return strdup(text);
}

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/*
 * From the start time of the VM's process, in ticks since the host's boot.  Of whole seconds
 * alone the next nvmxd would make another second.
 */
static char *format_since(const struct vm *vm)
{
	int64_t booted = nanoseconds(CLOCK_REALTIME) - nanoseconds(CLOCK_BOOTTIME);
	int64_t tick = NSEC_PER_SEC / sysconf(_SC_CLK_TCK);

	return format_time((booted + (int64_t)vm->start_time * tick) / NSEC_PER_SEC);
}

static uint64_t exits(const struct nvmx_field_counters *f)
{
	return f->vmread_exits + f->vmwrite_exits;
}

/* Most exits first; they come sorted by encoding, which decides between equals. */
static int compare_fields(const void *a, const void *b)
{
	const struct nvmx_field_counters *x = a, *y = b;

	if (exits(x) != exits(y))
		return exits(x) < exits(y) ? 1 : -1;
	return x->encoding < y->encoding ? -1 : x->encoding > y->encoding;
}

static void put_contents(FILE *f, const struct vm *vm, const struct nvmx_counters *c,
			 struct nvmx_field_counters *fields)
{
	const struct field_table *table = &vm->manager->table;

	/* A policy's name has nothing in it that XML would take for markup. */
	fprintf(f, "policy=\"%s\" policy-source=\"%s\">", vm->policy.base,
		policy_source_to_string(vm->policy.source));
	for (size_t i = 0; i < COUNTERS_N; i++)
		fprintf(f, "<total name=\"%s\" value=\"%" PRIu64 "\"/>", counters_all[i].name,
			(uint64_t)*counter_of(c, &counters_all[i]));

	qsort(fields, c->nr, sizeof(*fields), compare_fields);
	for (size_t i = 0; i < c->nr && i < STATISTICS_FIELDS; i++) {
		int k = field_find_encoding(table, fields[i].encoding);

		fprintf(f, "<field name=\"%s\" vmread-exits=\"%" PRIu64 "\" vmwrite-exits=\"%" PRIu64 "\"/>",
			k >= 0 ? table->fields[k].name : "other",
			(uint64_t)fields[i].vmread_exits, (uint64_t)fields[i].vmwrite_exits);
	}
	fputs("</statistics>", f);
}

/* All but the times: what tells whether anything changed. */
static int format_contents(const struct vm *vm, char **ret)
{
	_cleanup_free_ struct nvmx_field_counters *fields = NULL;
	_cleanup_free_ char *text = NULL;
	struct nvmx_counters counters;
	size_t size;
	FILE *f;
	int r;

	r = link_vm_get_counters(&vm->manager->link, vm->fd, NVMX_ALL_VCPUS, &counters, &fields);
	if (r < 0)
		return r;
	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	put_contents(f, vm, &counters, fields);
	if (fclose(f) != 0)
		return -ENOMEM;

	*ret = steal_ptr(text);
	return 0;
}

/* ---- writing ---- */

static int send_element(struct vm *vm, const char *contents)
{
	_cleanup_free_ char *updated = format_time(time(NULL)), *element = NULL;

	if (!vm->statistics.since)
		vm->statistics.since = format_since(vm);
	if (!updated || !vm->statistics.since)
		return -ENOMEM;
	if (asprintf(&element, "<statistics since=\"%s\" updated=\"%s\" %s",
		     vm->statistics.since, updated, contents) < 0) {
		element = NULL;
		return -ENOMEM;
	}
	return libvirt_write_statistics(vm->manager->libvirt, vm->uuid, vm->statistics.domain_id,
					element);
}

static uint64_t now_usec(const struct manager *m)
{
	uint64_t now = 0;

	(void)sd_event_now(m->event, CLOCK_MONOTONIC, &now);
	return now;
}

/* Of what fails here nothing is kept, so that the next time it is tried again. */
static void update(struct vm *vm)
{
	struct vm_statistics *s = &vm->statistics;
	_cleanup_free_ char *text = NULL;
	int r;

	r = format_contents(vm, &text);
	if (r >= 0 && s->text && streq(s->text, text))
		return;
	if (r >= 0)
		r = send_element(vm, text);
	if (r == -ENODEV)
		return;		/* EPOLLHUP is on its way */
	if (r < 0) {
		log_vm(vm, LOG_WARNING, "Statistics of domain %s were not written this time: %s.",
		       vm->name, strerror(-r));
		return;
	}

	free(s->text);
	s->text = steal_ptr(text);
	s->written = now_usec(vm->manager);
}

/* Another host's, or another daemon's, may be there without us having written it. */
static void take_away(struct vm *vm)
{
	struct vm_statistics *s = &vm->statistics;
	int r;

	if (s->domain_id < 0)
		return;
	r = libvirt_write_statistics(vm->manager->libvirt, vm->uuid, s->domain_id, NULL);
	if (r < 0)
		log_vm(vm, LOG_WARNING, "Statistics of domain %s were not updated: %s.",
		       vm->name, strerror(-r));
	free(steal_ptr(s->text));
}

/* ---- when ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct manager *m)
{
	uint64_t interval = m->config.statistics_interval * USEC_PER_SEC;
	int r;

	if (!m->statistics.timer) {
		r = sd_event_add_time_relative(m->event, &m->statistics.timer, CLOCK_MONOTONIC,
					       interval, ACCURACY_USEC, on_timer, m);
	} else {
		r = sd_event_source_get_enabled(m->statistics.timer, NULL);
		if (r > 0)
			return;
		r = sd_event_source_set_time_relative(m->statistics.timer, interval);
		if (r >= 0)
			r = sd_event_source_set_enabled(m->statistics.timer, SD_EVENT_ONESHOT);
	}
	if (r < 0)
		log_warning("Statistics are not written to libvirt for now: %s.", strerror(-r));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;
	uint64_t interval = m->config.statistics_interval * USEC_PER_SEC;
	bool any = false;

	if (!enabled(m))
		return 0;

	for (size_t i = 0; i < m->n_vms; i++) {
		struct vm *vm = m->vms[i];

		if (!wanted(vm))
			continue;
		any = true;
		/* One that came in between is not due yet. */
		if (m->libvirt_connected &&
		    (!vm->statistics.written || now_usec(m) - vm->statistics.written >= interval))
			update(vm);
	}
	if (any)
		arm(m);
	return 0;
}

void statistics_check(struct vm *vm)
{
	if (enabled(vm->manager) && wanted(vm))
		arm(vm->manager);
}

void statistics_on_domain(struct vm *vm, const struct domain_info *info)
{
	struct vm_statistics *s = &vm->statistics;
	bool stale = info->has_statistics && !s->text;

	s->domain_id = info->id;
	if (!enabled(vm->manager))
		return;

	/* Left by a daemon before us, or come along with a saved or migrated domain. */
	if (stale && wanted(vm))
		update(vm);
	else if (stale)
		take_away(vm);
	statistics_check(vm);
}

void statistics_on_connected(struct manager *m)
{
	m->statistics.refused = false;
	for (size_t i = 0; i < m->n_vms; i++)
		statistics_check(m->vms[i]);
}

static struct vm *find_domain(struct manager *m, const char *uuid, int id)
{
	for (size_t i = 0; i < m->n_vms; i++)
		if (m->vms[i]->domain == VM_DOMAIN_KNOWN && streq(m->vms[i]->uuid, uuid) &&
		    m->vms[i]->statistics.domain_id == id)
			return m->vms[i];
	return NULL;
}

void statistics_on_written(struct manager *m, const struct statistics_result *result)
{
	struct vm *vm = find_domain(m, result->uuid, result->id);
	const char *text = result->error_text ?: "out of memory";
	struct vm_statistics *s;

	if (result->error == -EACCES) {
		if (!m->statistics.refused)
			log_warning("Statistics are not written to libvirt, because it refuses nvmxd its read-write socket: %s.  Allow it, or turn statistics off, as nvmxd(8) says.",
				    text);
		m->statistics.refused = true;
	}
	if (!vm)
		return;

	s = &vm->statistics;
	if (result->error == 0) {
		free(steal_ptr(s->error));
		return;
	}
	/* It is not there, so the next time it is written even if nothing changed. */
	free(steal_ptr(s->text));
	if (result->error == -EACCES || (s->error && streq(s->error, text)))
		return;
	log_vm(vm, LOG_NOTICE, "Statistics of domain %s could not be written, will try again: %s",
	       vm->name, text);
	free(s->error);
	s->error = strdup(text);
}

void statistics_configure(struct manager *m)
{
	m->statistics.timer = sd_event_source_disable_unref(m->statistics.timer);
	if (m->config.statistics_interval == 0)
		statistics_stop(m);
	for (size_t i = 0; i < m->n_vms; i++)
		statistics_check(m->vms[i]);
}

void statistics_stop(struct manager *m)
{
	m->statistics.timer = sd_event_source_disable_unref(m->statistics.timer);
	if (!m->libvirt || !m->libvirt_connected)
		return;
	for (size_t i = 0; i < m->n_vms; i++)
		if (m->vms[i]->statistics.text)
			take_away(m->vms[i]);
}
