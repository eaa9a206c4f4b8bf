/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvmxctl policy check FILE...: would nvmxd use these files, beside those that there are?
 * "policy edit" asks the same before it installs one.
 */
#include "client/nvmxctl.h"

struct check {
	struct client *client;
	const struct field_table *table;	/* NULL: it is not known */
	const char *const *files;
	size_t n;
};

static void put_error(const char *sentence)
{
	fprintf(stderr, "nvmxctl: %s\n", sentence ?: "Out of memory.");
}

static void on_error(const char *sentence, void *userdata)
{
	(void)userdata;
	put_error(sentence);
}

static void put_good(const struct check *c, const char *file, const struct policy *p)
{
	FILE *f = pager_out(c->client);
	size_t left_out = 0;

	if (c->client->args->quiet)
		return;

	fprintf(f, "%s: policy %s, %s", file, p->name, c->table ?
		"with fields and classes that this kernel has" :
		"as far as can be told without a kernel");
	for (size_t i = 0; i < p->n_fields && c->table; i++)
		if (field_is_elsewhere(c->table, p->fields[i].name))
			fprintf(f, "%s%s", left_out++ ? ", " : ", without ", p->fields[i].name);
	if (left_out > 0)
		fprintf(f, ", which this processor or kernel lacks");
	fprintf(f, ".\n");
}

static bool is_usable(const struct check *c, const struct policy_set *set, const struct policy *p)
{
	_cleanup_assignment_ struct assignment *a = NULL;

	return policy_set_resolve(set, c->table, p->name, &a, NULL) >= 0;
}

static int check_here(const struct check *c, bool say_good)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	const struct policy *p;
	int r;

	r = policy_set_check(policy_set_default_dirs, c->files, c->n, c->table, on_error, NULL, &set);
	if (r < 0) {
		fprintf(stderr, "nvmxctl: The policy files cannot be read: %s.\n", strerror(-r));
		return STATUS_FAILED;
	}
	for (size_t i = 0; i < c->n && say_good; i++)
		for (size_t k = 0; (p = policy_set_get(set, k)); k++)
			if (streq(p->path, c->files[i]) && is_usable(c, set, p))
				put_good(c, c->files[i], p);
	return r > 0 ? STATUS_FAILED : STATUS_DONE;
}

static int check_for_other(const struct check *c)
{
	int status = STATUS_DONE;

	for (size_t i = 0; i < c->n; i++) {
		_cleanup_policy_ struct policy *p = NULL;
		_cleanup_free_ char *sentence = NULL;

		if (policy_read(c->files[i], &p, &sentence) >= 0 &&
		    (!c->table || policy_check(p, c->table, &sentence) >= 0)) {
			put_good(c, c->files[i], p);
			continue;
		}
		put_error(sentence);
		status = STATUS_FAILED;
	}
	return status;
}

int policy_check_files(struct client *c, const char *const *files, size_t n, bool say_good)
{
	_cleanup_free_ struct nvmx_field *fields = NULL;
	struct field_table table = {};
	struct check check = { .client = c, .files = files, .n = n };
	int r;

	(void)client_reach(c);
	r = vm_ask_field_table(c, &fields, &table.n);
	if (r != STATUS_DONE)
		return r;
	table.fields = fields;
	if (table.n > 0)
		check.table = &table;
	return c->args->host || c->args->machine ? check_for_other(&check) : check_here(&check, say_good);
}
