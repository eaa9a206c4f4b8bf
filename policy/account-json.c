/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The document of an account:
 *
 *	{ "ns": 2000000000, "beyond": 0, "lost": 0,
 *	  "vms": [ { "pid": 4711, "start_time": 8122, "number": 0, "name": "ci",
 *	    "vcpus": [ { "vcpu": 0, "ns": 2000000000, "lines": [
 *	      { "in": "L2", "count": 9, "ns": 81, "shortest": 7 },
 *	      { "outside": "halted", "count": 1, "ns": 70 },
 *	      { "from": "L1", "reason": "VMREAD", "to": "L1", "count": 5, "ns": 40 },
 *	      { "from": "L1", "reason": "MSR_WRITE", "to": "L1", "what": 1760, "count": 3, "ns": 9 } ] } ] } ] }
 *
 * A line with "what" is part of the one without.  nvmx-account(8) tells what each is.
 */
#include "policy/account.h"
#include "policy/policy.h"

static const char *const levels[] = { [ACCOUNT_L1] = "L1", [ACCOUNT_L2] = "L2" };

static const char *const whys[] = {
	[ACCOUNT_USER]		= "user",
	[ACCOUNT_HALTED]	= "halted",
	[ACCOUNT_PREEMPTED]	= "preempted",
	[ACCOUNT_WAITING]	= "waiting",
};

/* ---- writing ---- */

/* False without memory. */
static bool put(struct json_object *o, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(o, key, value) == 0)
		return true;
	json_object_put(value);
	return false;
}

static bool put_count(struct json_object *o, const char *key, uint64_t value)
{
	return put(o, key, json_object_new_uint64(value));
}

static bool put_text(struct json_object *o, const char *key, const char *value)
{
	return put(o, key, json_object_new_string(value));
}

static bool put_reason(struct json_object *o, uint16_t reason)
{
	const char *name = account_reason_name(reason);
	char number[8];

	snprintf(number, sizeof(number), "%u", reason);
	return put_text(o, "reason", name ?: number);
}

static bool put_key(struct json_object *o, const struct account_line *line)
{
	if (line->kind == ACCOUNT_GUEST)
		return put_text(o, "in", levels[line->level]);
	if (line->kind == ACCOUNT_OUTSIDE)
		return put_text(o, "outside", whys[line->why]);
	return put_text(o, "from", levels[line->level]) && put_reason(o, line->reason) &&
	       put_text(o, "to", levels[line->to]) &&
	       (line->kind == ACCOUNT_EXIT || put_count(o, "what", line->what));
}

static struct json_object *line_to_json(const struct account_line *line)
{
	struct json_object *o = json_object_new_object();

	if (o && put_key(o, line) && put_count(o, "count", line->count) && put_count(o, "ns", line->ns) &&
	    (!line->shortest || put_count(o, "shortest", line->shortest)))
		return o;
	json_object_put(o);
	return NULL;
}

/* Each of n elements, by make(); NULL without memory. */
#define ARRAY_OF(n, make)								\
	({										\
		struct json_object *_array = json_object_new_array(), *_o;		\
											\
		for (size_t i = 0; _array && i < (n); i++) {				\
			_o = (make);							\
			if (!_o || json_object_array_add(_array, _o) < 0) {		\
				json_object_put(_o);					\
				json_object_put(_array);				\
				_array = NULL;						\
			}								\
		}									\
		_array;									\
	})

static struct json_object *vcpu_to_json(const struct account_vcpu *v)
{
	struct json_object *o = json_object_new_object();

	if (o && put_count(o, "vcpu", v->index) && put_count(o, "ns", v->ns) &&
	    put(o, "lines", ARRAY_OF(v->n_lines, line_to_json(&v->lines[i]))))
		return o;
	json_object_put(o);
	return NULL;
}

static struct json_object *vm_to_json(const struct account_vm *vm)
{
	struct json_object *o = json_object_new_object();

	if (o && put_count(o, "pid", vm->pid) && put_count(o, "start_time", vm->start_time) &&
	    put_count(o, "number", vm->number) && put_text(o, "name", vm->name ?: "") &&
	    put(o, "vcpus", ARRAY_OF(vm->n_vcpus, vcpu_to_json(&vm->vcpus[i]))))
		return o;
	json_object_put(o);
	return NULL;
}

struct json_object *account_to_json(const struct account *a)
{
	struct json_object *o = json_object_new_object();

	if (o && put_count(o, "ns", a->ns) && put_count(o, "beyond", a->beyond) && put_count(o, "lost", a->lost) &&
	    put(o, "vms", ARRAY_OF(a->n_vms, vm_to_json(&a->vms[i]))))
		return o;
	json_object_put(o);
	return NULL;
}

/* ---- reading ---- */

/* What is missing is 0; false: it is there, and no count. */
static bool get_count(struct json_object *o, const char *key, uint64_t max, uint64_t *ret)
{
	struct json_object *value;

	*ret = 0;
	if (!json_object_object_get_ex(o, key, &value))
		return true;
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return false;
	*ret = json_object_get_uint64(value);
	return *ret <= max;
}

/* Which of the names the text under key is; -1: it is not there, -EINVAL: it is none of them. */
static int get_name(struct json_object *o, const char *key, const char *const *names, size_t n)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return -1;
	for (size_t i = 0; json_object_is_type(value, json_type_string) && i < n; i++)
		if (streq(json_object_get_string(value), names[i]))
			return i;
	return -EINVAL;
}

static bool get_exit(struct json_object *o, struct account_line *line)
{
	int from = get_name(o, "from", levels, ARRAY_SIZE(levels)), to = get_name(o, "to", levels, ARRAY_SIZE(levels));
	struct json_object *reason;
	uint64_t what;

	if (from < 0 || to < 0 || !json_object_object_get_ex(o, "reason", &reason) ||
	    account_reason_parse(json_object_get_string(reason) ?: "", &line->reason) < 0 ||
	    !get_count(o, "what", UINT32_MAX, &what))
		return false;
	line->level = from;
	line->to = to;
	line->what = what;
	line->kind = json_object_object_get_ex(o, "what", NULL) ? ACCOUNT_DETAIL : ACCOUNT_EXIT;
	return true;
}

static bool get_key(struct json_object *o, struct account_line *line)
{
	int in = get_name(o, "in", levels, ARRAY_SIZE(levels)), outside = get_name(o, "outside", whys, ARRAY_SIZE(whys));

	if (in >= 0) {
		line->kind = ACCOUNT_GUEST;
		line->level = in;
		return true;
	}
	if (outside >= 0) {
		line->kind = ACCOUNT_OUTSIDE;
		line->why = outside;
		return true;
	}
	return in == -1 && outside == -1 && get_exit(o, line);
}

static int line_from_json(struct json_object *o, struct account_vcpu *v)
{
	struct account_line line = {};

	if (!get_key(o, &line) || !get_count(o, "count", UINT64_MAX, &line.count) ||
	    !get_count(o, "ns", UINT64_MAX, &line.ns) || !get_count(o, "shortest", UINT64_MAX, &line.shortest))
		return -EBADMSG;
	return account_add(v, &line);
}

static int vcpu_from_json(struct json_object *o, struct account_vcpu *ret)
{
	struct json_object *lines;
	uint64_t index;
	int r = 0;

	if (!get_count(o, "vcpu", UINT32_MAX, &index) || !get_count(o, "ns", UINT64_MAX, &ret->ns) ||
	    !json_object_object_get_ex(o, "lines", &lines) || !json_object_is_type(lines, json_type_array))
		return -EBADMSG;
	ret->index = index;
	for (size_t i = 0; r >= 0 && i < json_object_array_length(lines); i++)
		r = line_from_json(json_object_array_get_idx(lines, i), ret);
	return r;
}

/* What was read until an error is the caller's to clear. */
static int vm_from_json(struct json_object *o, struct account_vm *ret)
{
	struct json_object *vcpus, *name = NULL;
	uint64_t pid, number;
	int r = 0;

	if (!get_count(o, "pid", UINT32_MAX, &pid) || !get_count(o, "start_time", UINT64_MAX, &ret->start_time) ||
	    !get_count(o, "number", UINT32_MAX, &number) ||
	    !json_object_object_get_ex(o, "vcpus", &vcpus) || !json_object_is_type(vcpus, json_type_array))
		return -EBADMSG;
	(void)json_object_object_get_ex(o, "name", &name);	/* it may have none */
	ret->pid = pid;
	ret->number = number;
	ret->name = strdup(json_object_get_string(name) ?: "");
	ret->vcpus = calloc(json_object_array_length(vcpus) ?: 1, sizeof(*ret->vcpus));
	if (!ret->name || !ret->vcpus)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < json_object_array_length(vcpus); i++) {
		ret->n_vcpus = i + 1;
		r = vcpu_from_json(json_object_array_get_idx(vcpus, i), &ret->vcpus[i]);
	}
	return r;
}

int account_from_json(struct json_object *o, struct account *ret, char **ret_error)
{
	struct account a = {};
	struct json_object *vms;
	int r = 0;

	if (!get_count(o, "ns", UINT64_MAX, &a.ns) || !get_count(o, "beyond", UINT64_MAX, &a.beyond) ||
	    !get_count(o, "lost", UINT64_MAX, &a.lost) ||
	    !json_object_object_get_ex(o, "vms", &vms) || !json_object_is_type(vms, json_type_array))
		return error_set(ret_error, -EBADMSG, "This is no account: it needs \"ns\" and \"vms\".");
	a.vms = calloc(json_object_array_length(vms) ?: 1, sizeof(*a.vms));
	if (!a.vms)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < json_object_array_length(vms); i++) {
		a.n_vms = i + 1;
		r = vm_from_json(json_object_array_get_idx(vms, i), &a.vms[i]);
		if (r == -EBADMSG)
			r = error_set(ret_error, r, "This is no account: element %zu of \"vms\" is not a VM with its vCPUs and their lines.",
				      i);
	}
	if (r < 0) {
		account_clear(&a);
		return r;
	}
	*ret = a;
	return 0;
}
