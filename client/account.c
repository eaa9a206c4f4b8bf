/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmx-account's end of nvmxctl.  What it counts never goes back, so what happened meanwhile is
 * the difference of two readings.
 */
#include <inttypes.h>

#include "client/account.h"

/* Longer than the wait, so that it ends with us and not before. */
#define MARGIN_USEC	(60 * UINT64_C(1000000))

static int call_watch(struct client *c, uint64_t usec)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(c->bus, &m, ACCOUNT_BUS_NAME, ACCOUNT_BUS_PATH, ACCOUNT_INTERFACE, "Watch");
	if (r >= 0)
		r = sd_bus_message_set_allow_interactive_authorization(m, !c->args->no_ask_password);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", usec);
	if (r >= 0)
		r = client_try_change(c, m, &error);
	if (r >= 0)
		return STATUS_DONE;
	if (client_is_unavailable(&error)) {
		fprintf(stderr, "nvmxctl: nvmx-account cannot be reached: %s; see \"systemctl status nvmx-account\".\n",
			isempty(error.message) ? strerror(-r) : error.message);
		return STATUS_FAILED;
	}
	return client_fail(&error, r);
}

static int parse(const char *text, struct account *ret)
{
	_cleanup_free_ char *error = NULL;
	_cleanup_json_ struct json_object *o = json_tokener_parse(text);
	int r = account_from_json(o, ret, &error);

	if (r >= 0)
		return STATUS_DONE;
	fprintf(stderr, "nvmxctl: What nvmx-account says cannot be read: %s\n", error ?: strerror(-r));
	return STATUS_FAILED;
}

static int call_read(struct client *c, struct account *ret)
{
	_cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *text;
	int r;

	r = sd_bus_call_method(c->bus, ACCOUNT_BUS_NAME, ACCOUNT_BUS_PATH, ACCOUNT_INTERFACE, "Read", &error, &reply, "");
	if (r >= 0)
		r = sd_bus_message_read(reply, "s", &text);
	return r < 0 ? client_fail(&error, r) : parse(text, ret);
}

int account_measure(struct client *c, uint64_t usec, struct account *ret)
{
	struct account then = {}, now = {};
	int r;

	r = client_open(c);
	if (r == STATUS_DONE)
		r = call_watch(c, usec + MARGIN_USEC);
	if (r == STATUS_DONE)
		r = call_read(c, &then);
	if (r == STATUS_DONE)
		r = progress_wait(c, "Looking", usec, NULL, NULL);
	if (r == STATUS_DONE)
		r = call_read(c, &now);
	if (r == STATUS_DONE) {
		account_subtract(&now, &then);
		*ret = now;
	}
	account_clear(&then);
	return r;
}

void account_note(struct client *c, const struct account *a)
{
	if (c->args->quiet)
		return;
	if (a->beyond)
		fprintf(stderr, "nvmxctl: Note: %" PRIu64 " vCPUs more than can be told apart were not looked at.\n",
			a->beyond);
	if (a->lost)
		fprintf(stderr, "nvmxctl: Note: %" PRIu64 " events were missed; times near them may be told wrongly.\n",
			a->lost);
}

/* ---- which VM ---- */

/* The process that nvmxd knows by that name; 0: none, or there is no nvmxd. */
static uint32_t ask_pid(struct client *c, const char *name)
{
	_cleanup_json_ struct json_object *vm = NULL;
	_cleanup_free_ char *path = NULL;

	if (!client_reach(c) || !find_vm_quietly(c, name, &path) || vm_get(c, path, &vm) != STATUS_DONE)
		return 0;
	return json_get_count(vm, "pid");
}

/* By the process, of nvmxd's name or as given, or by QEMU's -name; NULL: none, or several. */
static const struct account_vm *find(struct client *c, const struct account *a, const char *name, size_t *ret_n)
{
	uint32_t pid = ask_pid(c, name);
	const struct account_vm *found = NULL;
	char number[16];

	*ret_n = 0;
	for (size_t i = 0; i < a->n_vms; i++) {
		const struct account_vm *vm = &a->vms[i];

		snprintf(number, sizeof(number), "%u", vm->pid);
		if (pid ? vm->pid != pid : !streq(name, vm->name) && !streq(name, number))
			continue;
		found = vm;
		++*ret_n;
	}
	return *ret_n == 1 ? found : NULL;
}

int account_pick(struct client *c, const struct account *a, const struct account_vm **ret)
{
	const char *name = c->args->parameters[0];
	size_t n;

	*ret = find(c, a, name, &n);
	if (*ret)
		return STATUS_DONE;
	if (n > 1)
		fprintf(stderr, "nvmxctl: %zu VMs that ran are called \"%s\"; give the process id.\n", n, name);
	else
		fprintf(stderr, "nvmxctl: No VM called \"%s\" ran in %.1f s; \"nvmxctl account\" lists those that did.\n", name,
			a->ns / 1e9);
	return STATUS_NO_VM;
}
