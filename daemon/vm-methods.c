/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The methods of org.nvmx1.VM that change something.  Owns nothing: a call that waits for
 * polkit is polkit.c's, and the VM may be gone by then.
 */
#include <inttypes.h>

#include "daemon/bus.h"
#include "daemon/bus-error.h"
#include "daemon/polkit.h"
#include "daemon/vm-methods.h"

#define ACTION_SET_POLICY	"org.nvmx1.set-policy"

/* ---- SetPolicy, Reset ---- */

static int read_changes(sd_bus_message *call, struct policy_change **ret, size_t *ret_n)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	const char *name, *value;
	size_t n = 0;
	int r;

	r = sd_bus_message_enter_container(call, 'a', "{ss}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_read(call, "{ss}", &name, &value)) > 0) {
		struct policy_change *p = realloc(changes, (n + 1) * sizeof(*p));

		if (!p)
			return -ENOMEM;
		changes = p;
		changes[n++] = (struct policy_change) { name, value };
	}
	if (r < 0)
		return r;
	r = sd_bus_message_exit_container(call);
	if (r < 0)
		return r;

	*ret = steal_ptr(changes);
	*ret_n = n;
	return 0;
}

/* From the start of the call's arguments: it is read before polkit and after. */
static int read_set_policy(sd_bus_message *call, const char **ret_name,
			   struct policy_change **ret_changes, size_t *ret_n)
{
	int r;

	r = sd_bus_message_rewind(call, true);
	if (r < 0)
		return r;
	r = sd_bus_message_read(call, "s", ret_name);
	if (r < 0)
		return r;
	return read_changes(call, ret_changes, ret_n);
}

static int compute(struct vm *vm, sd_bus_message *call, struct assignment **ret, char **ret_base,
		   sd_bus_error *error)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	_cleanup_free_ char *sentence = NULL;
	const char *name;
	size_t n;
	int r;

	r = read_set_policy(call, &name, &changes, &n);
	if (r < 0)
		return r;

	r = vm_policy_compute(vm, name, changes, n, ret, ret_base, &sentence);
	return r < 0 ? bus_error_set(error, r, sentence) : 0;
}

/* After polkit: the VM may have gone meanwhile. */
static int find_again(const struct bus *bus, sd_bus_message *call, struct vm **ret, sd_bus_error *error)
{
	const char *id_text = strrchr(sd_bus_message_get_path(call), '/') + 1;
	struct vm *vm;
	uint64_t id;

	vm = vm_bus_parse_id(id_text, &id) ? vm_set_find(bus->vms, id) : NULL;
	if (!vm)
		return sd_bus_error_setf(error, NVMX_ERROR("VMGone"), "VM %s is gone.", id_text);
	*ret = vm;
	return 0;
}

static int set_policy_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ char *base = NULL, *sentence = NULL;
	struct vm *vm;
	int r;

	r = find_again(userdata, call, &vm, error);
	if (r < 0)
		return r;
	r = compute(vm, call, &a, &base, error);
	if (r < 0)
		return r;
	r = vm_policy_set(vm, a, base, &sentence);
	if (r < 0)
		return bus_error_set(error, r, sentence);

	return sd_bus_reply_method_return(call, NULL);
}

/* As nvmxctl set takes them; NULL if there are none. */
static int format_changes(sd_bus_message *call, char **ret)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	_cleanup_free_ char *text = NULL;
	const char *name;
	size_t n, size;
	FILE *f;
	int r;

	r = read_set_policy(call, &name, &changes, &n);
	if (r < 0)
		return r;
	*ret = NULL;
	if (n == 0)
		return 0;

	f = open_memstream(&text, &size);
	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%s=%s", i > 0 ? " " : "", changes[i].name, changes[i].value);
	if (fclose(f) != 0)
		return -ENOMEM;
	*ret = steal_ptr(text);
	return 0;
}

/*
 * The details are what a rule of polkit's may go by, so none is a thing that the owner of the
 * VM's process chooses: its name and uuid are told if they are a source's word.  policy and
 * changes: what is to be set; NULL: nothing.
 */
static int authorize(struct vm *vm, sd_bus_message *call, const char *policy, const char *changes,
		     polkit_authorized_t authorized, sd_bus_error *error)
{
	bool vouched = vm_is_vouched(vm);
	char id[24];
	const char *const all[][2] = {
		{ "id", id },
		{ "vm", vouched ? vm_name(vm) : NULL },
		{ "uuid", vouched ? vm_uuid(vm) : NULL },
		{ "policy", policy },
		{ "changes", changes },
	};
	const char *details[2 * ARRAY_SIZE(all) + 1];
	size_t n = 0;

	snprintf(id, sizeof(id), "%" PRIu64, vm->id);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i][1]) {
			details[n++] = all[i][0];
			details[n++] = all[i][1];
		}
	details[n] = NULL;
	return polkit_authorize(call, ACTION_SET_POLICY, details, authorized, (void *)vm_bus_get(), error);
}

int vm_method_set_policy(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *base = NULL, *changes = NULL;
	_cleanup_assignment_ struct assignment *a = NULL;
	struct vm *vm = userdata;
	int r;

	/* What cannot be done is refused before anybody is asked for a password. */
	r = compute(vm, call, &a, &base, error);
	if (r < 0)
		return r;
	r = format_changes(call, &changes);
	if (r < 0)
		return r;

	return authorize(vm, call, base, changes, set_policy_authorized, error);
}

static int reset_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;
	struct vm *vm;
	int r;

	r = find_again(userdata, call, &vm, error);
	if (r < 0)
		return r;
	r = vm_policy_reset(vm, &sentence);
	if (r < 0)
		return bus_error_set(error, r, sentence);

	return sd_bus_reply_method_return(call, NULL);
}

int vm_method_reset(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	return authorize(userdata, call, NULL, NULL, reset_authorized, error);
}

/* ---- StartProfile, EndProfile ---- */

static int read_duration(sd_bus_message *call, uint32_t *ret_ms, sd_bus_error *error)
{
	uint64_t usec;
	int r;

	r = sd_bus_message_rewind(call, true);
	if (r < 0)
		return r;
	r = sd_bus_message_read(call, "t", &usec);
	if (r < 0)
		return r;
	if (usec == 0 || usec > NVMX_WINDOW_MAX_MS * UINT64_C(1000))
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "A VM can be profiled for 1 to %" PRIu64 " microseconds, not for %" PRIu64 ".",
					 NVMX_WINDOW_MAX_MS * UINT64_C(1000), usec);

	*ret_ms = (usec + 999) / 1000;
	return 0;
}

/* A window is the connection's that started it, and goes when that leaves the bus. */
static int on_owner_gone(sd_bus_track *track, void *userdata)
{
	vm_profile_close(userdata);
	return 1;
}

static void release_owner(void *owner)
{
	sd_bus_track_unref(owner);
}

static int profile_error(sd_bus_error *error, int r, const char *sentence)
{
	if (r == -EBUSY && sentence)
		return sd_bus_error_set(error, NVMX_ERROR("ProfileBusy"), sentence);
	return bus_error_set(error, r, sentence);
}

static int start_profile_authorized(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_(sd_bus_track_unrefp) sd_bus_track *owner = NULL;
	_cleanup_free_ char *sentence = NULL;
	const struct bus *bus = userdata;
	uint32_t duration_ms;
	struct vm *vm;
	int r;

	r = find_again(bus, call, &vm, error);
	if (r < 0)
		return r;
	r = read_duration(call, &duration_ms, error);
	if (r < 0)
		return r;

	/* First the owner: one who left while polkit was asked gets nothing. */
	r = sd_bus_track_new(bus->bus, &owner, on_owner_gone, vm);
	if (r < 0)
		return r;
	r = sd_bus_track_add_sender(owner, call);
	if (r < 0)
		return r;
	r = vm_profile_start(vm, duration_ms, owner, release_owner, &sentence);
	if (r < 0)
		return profile_error(error, r, sentence);

	steal_ptr(owner);
	return sd_bus_reply_method_return(call, NULL);
}

int vm_method_start_profile(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	uint32_t duration_ms;
	int r;

	r = read_duration(call, &duration_ms, error);
	if (r < 0)
		return r;

	return authorize(userdata, call, NULL, NULL, start_profile_authorized, error);
}

/* Of the caller's own: nobody else's can be ended, so polkit is not asked. */
int vm_method_end_profile(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *sentence = NULL;
	struct vm *vm = userdata;
	int r = -ENOENT;

	if (vm->profile_owner &&
	    sd_bus_track_contains(vm->profile_owner, sd_bus_message_get_sender(call)))
		r = vm_profile_end(vm, &sentence);
	if (r == -ENOENT)
		return sd_bus_error_setf(error, NVMX_ERROR("NoProfile"),
					 "The caller has no profiling window of VM %" PRIu64 " (%s) open, or it has ended by itself.",
					 vm->id, vm_name(vm));
	if (r < 0)
		return profile_error(error, r, sentence);

	return sd_bus_reply_method_return(call, NULL);
}
