/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stand-in for daemon/account/look.c where there is no KVM: its readings are of the account
 * in the file $NVMX_RECORDED, the first as it is there, the second twice that, and so on.
 * With $NVMX_RECORDED_ERROR there is no look, for that reason.
 */
#include "daemon/account/look.h"
#include "policy/policy.h"

struct look {
	struct account account;
	uint64_t readings;
};

int look_new(struct look **ret, char **ret_error)
{
	const char *error = getenv("NVMX_RECORDED_ERROR");
	struct json_object *o = NULL;
	struct look *l;
	int r;

	if (error)
		return error_set(ret_error, -EOPNOTSUPP, "%s", error);
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	o = json_object_from_file(getenv("NVMX_RECORDED") ?: "");
	r = o ? account_from_json(o, &l->account, ret_error) : -ENOENT;
	json_object_put(o);
	if (r < 0) {
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct look *look_free(struct look *l)
{
	if (l) {
		account_clear(&l->account);
		free(l);
	}
	return NULL;
}

static int copy_vm(struct account_vm *to, const struct account_vm *from, uint64_t times)
{
	int r = 0;

	*to = *from;
	to->name = NULL;
	to->n_vcpus = 0;
	to->vcpus = calloc(from->n_vcpus ?: 1, sizeof(*to->vcpus));
	if (!to->vcpus)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_vcpus; i++) {
		struct account_vcpu *v = &to->vcpus[to->n_vcpus++];

		v->index = from->vcpus[i].index;
		v->ns = from->vcpus[i].ns * times;
		for (size_t k = 0; r >= 0 && k < from->vcpus[i].n_lines; k++) {
			struct account_line line = from->vcpus[i].lines[k];

			line.count *= times;
			line.ns *= times;
			r = account_add(v, &line);
		}
	}
	return r;
}

int look_read(struct look *l, struct account *ret)
{
	struct account a = l->account;
	int r = 0;

	l->readings++;
	a.ns *= l->readings;
	a.n_vms = 0;
	a.vms = calloc(l->account.n_vms ?: 1, sizeof(*a.vms));
	if (!a.vms)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < l->account.n_vms; i++)
		r = copy_vm(&a.vms[a.n_vms++], &l->account.vms[i], l->readings);
	if (r < 0)
		account_clear(&a);
	else
		*ret = a;
	return r;
}
