/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl monitor: VMs that come and go, first use of VMX, and policies that change,
 * one line or one JSON object each, as nvmxd signals them, until Ctrl-C.
 */
#include <signal.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "client/nvmxctl.h"

struct monitor {
	struct client *client;
	sd_event *event;
	struct json_object *vms;	/* by id: what was last known */
	int status;
};

static const char *const watched[] = {
	"name", "vmxon", "policy", "policy_source", "overrides", "vmwrite_any_field", "policy_error",
};

static struct json_object *new_record(const char *event)
{
	struct json_object *record = json_object_new_object();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_add_count(record, "time_usec", now.tv_sec * UINT64_C(1000000) + now.tv_nsec / 1000);
	json_add_text(record, "event", event);
	return record;
}

static void add_vm(struct json_object *record, struct json_object *vm)
{
	json_object_object_add(record, "id", json_object_get(json_get(vm, "id")));
	json_add_text(record, "name", json_get_text(vm, "name"));
	json_add_text(record, "uuid", json_get_text(vm, "uuid"));
}

static void put_value(FILE *f, struct json_object *value)
{
	_cleanup_free_ char *safe = NULL;
	const char *separator = "";

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, key, inner) {
			fprintf(f, "%s%s=%s", separator, key, json_object_get_string(inner));
			separator = ",";
		}
		if (!*separator)
			fputc('-', f);
		return;
	}
	safe = text_safe(json_object_get_string(value) ?: "");
	fputs(isempty(safe) ? "-" : safe, f);
}

static void put_line(FILE *f, struct json_object *record)
{
	time_t seconds = json_get_count(record, "time_usec") / 1000000;
	_cleanup_free_ char *name = text_safe(json_get_text(record, "name"));
	char when[32] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(f, "%s %s", when, json_get_text(record, "event"));
	if (json_get(record, "id"))
		fprintf(f, " %s %s", json_get_text(record, "id"), name ?: "");
	if (json_get(record, "changes")) {
		json_object_object_foreach(json_get(record, "changes"), key, value) {
			fprintf(f, " %s:", key);
			put_value(f, value);
		}
	}
	fputc('\n', f);
}

/* Takes the record over. */
static void put_record(struct monitor *m, struct json_object *record)
{
	if (m->client->args->json != JSON_OFF)
		render_json(stdout, record, m->client->args->json);
	else
		put_line(stdout, record);
	json_object_put(record);
	/* Once it has failed, what is on its way yet is not said again. */
	if (pager_flush(stdout) < 0 && m->status == STATUS_DONE) {
		fprintf(stderr, "nvmxctl: The output could not be written.\n");
		m->status = STATUS_FAILED;
		sd_event_exit(m->event, 0);
	}
}

static void put_event(struct monitor *m, const char *event, struct json_object *vm)
{
	struct json_object *record = new_record(event);

	if (vm)
		add_vm(record, vm);
	put_record(m, record);
}

/* The number at the end of a VM's path. */
static const char *id_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : "";
}

/* What is known becomes what it is now; says what of it is new. */
static void take_properties(struct monitor *m, struct json_object *known, struct json_object *vm)
{
	struct json_object *changes = json_object_new_object(), *record;

	for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
		struct json_object *value = json_get(vm, watched[i]);

		if (!value || json_object_equal(value, json_get(known, watched[i])))
			continue;
		json_object_object_add(changes, watched[i], json_object_get(value));
		json_object_object_add(known, watched[i], json_object_get(value));
	}
	if (json_length(changes) == 0) {
		json_object_put(changes);
		return;
	}
	record = new_record("changed");
	add_vm(record, known);
	json_object_object_add(record, "changes", changes);
	put_record(m, record);
}

static int on_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	const char *id = id_of(sd_bus_message_get_path(message)), *interface;
	struct json_object *vm, *known;
	struct monitor *m = userdata;

	if (sd_bus_message_read(message, "s", &interface) < 0 || !streq(interface, NVMX_BUS_VM) ||
	    vm_read(message, &vm) < 0)
		return 0;
	known = json_get(m->vms, id);
	if (known)
		take_properties(m, known, vm);
	json_object_put(vm);
	return 0;
}

static int on_new(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct json_object *vm = NULL;
	struct monitor *m = userdata;
	const char *path;
	uint64_t id;

	if (sd_bus_message_read(message, "to", &id, &path) < 0 || json_get(m->vms, id_of(path)))
		return 0;
	/* One that is gone again already has been there all the same. */
	if (!client_has_object(m->client, path) || vm_get(m->client, path, &vm) != STATUS_DONE) {
		vm = json_object_new_object();
		json_add_count(vm, "id", id);
	}
	put_event(m, "new", vm);
	json_object_object_add(m->vms, id_of(path), vm);
	return 0;
}

static int on_removed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct monitor *m = userdata;
	const char *path;
	uint64_t id;

	if (sd_bus_message_read(message, "to", &id, &path) < 0 || !json_get(m->vms, id_of(path)))
		return 0;
	put_event(m, "gone", json_get(m->vms, id_of(path)));
	json_object_object_del(m->vms, id_of(path));
	return 0;
}

/* What is there, without saying so, at first; the difference, after nvmxd was away. */
static int take_stock(struct monitor *m, bool say)
{
	_cleanup_json_ struct json_object *list = NULL, *now = json_object_new_object();
	int r;

	r = vm_list(m->client, &list);
	if (r != STATUS_DONE)
		return r;
	for (size_t i = 0; i < json_length(list); i++) {
		struct json_object *vm = json_at(list, i);

		json_object_object_add(now, json_get_text(vm, "id"), json_object_get(vm));
	}
	if (say) {
		json_object_object_foreach(m->vms, id, known)
			if (!json_get(now, id))
				put_event(m, "gone", known);
		json_object_object_foreach(now, key, vm) {
			struct json_object *old = json_get(m->vms, key);

			if (old)
				take_properties(m, old, vm);
			else
				put_event(m, "new", vm);
		}
	}
	json_object_put(m->vms);
	m->vms = steal_ptr(now);
	return STATUS_DONE;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	const char *name, *before, *after;
	struct monitor *m = userdata;

	if (sd_bus_message_read(message, "sss", &name, &before, &after) < 0 ||
	    !streq(name, NVMX_BUS_NAME))
		return 0;
	put_event(m, isempty(after) ? "nvmxd-stopped" : "nvmxd-started", NULL);
	if (!isempty(after))
		take_stock(m, true);
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* Matches first, then what is there: nothing falls between. */
static int subscribe(struct monitor *m)
{
	sd_bus *bus = m->client->bus;
	int r;

	r = sd_bus_match_signal(bus, NULL, NVMX_BUS_NAME, NULL, "org.freedesktop.DBus.Properties",
				"PropertiesChanged", on_changed, m);
	if (r >= 0)
		r = sd_bus_match_signal(bus, NULL, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER,
					"VMNew", on_new, m);
	if (r >= 0)
		r = sd_bus_match_signal(bus, NULL, NVMX_BUS_NAME, NVMX_BUS_PATH, NVMX_BUS_MANAGER,
					"VMRemoved", on_removed, m);
	if (r >= 0)
		r = sd_bus_add_match(bus, NULL, "type='signal',sender='org.freedesktop.DBus',"
				     "member='NameOwnerChanged',arg0='" NVMX_BUS_NAME "'", on_owner, m);
	return r;
}

static int watch(struct monitor *m)
{
	static const int signals[] = { SIGINT, SIGTERM };
	sigset_t set;
	int r;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);

	r = sd_event_new(&m->event);
	for (size_t i = 0; i < ARRAY_SIZE(signals) && r >= 0; i++)
		r = sd_event_add_signal(m->event, NULL, signals[i], on_signal, NULL);
	if (r >= 0)
		r = sd_bus_attach_event(m->client->bus, m->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(m->client->bus, true);
	return r < 0 ? r : sd_event_loop(m->event);
}

int verb_monitor(struct client *c)
{
	struct monitor m = { .client = c };
	int r;

	r = client_connect(c, NEED_MODULE);
	if (r != STATUS_DONE)
		return r;
	r = subscribe(&m);
	if (r >= 0) {
		m.status = take_stock(&m, false);
		if (m.status == STATUS_DONE)
			r = watch(&m);
	}
	if (r < 0) {
		fprintf(stderr, "nvmxctl: The signals of nvmxd cannot be received: %s.\n", strerror(-r));
		m.status = STATUS_FAILED;
	} else if (r > 0 && m.status == STATUS_DONE) {
		fprintf(stderr, "nvmxctl: The connection to the bus is lost.\n");
		m.status = STATUS_FAILED;
	}
	json_object_put(m.vms);
	sd_bus_detach_event(c->bus);
	sd_event_unref(m.event);
	return m.status;
}
