/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All policy files together: directories that override each other by file name,
 * names, matches, and what a chain of policies comes to on this kernel.
 * A set owns its policies.
 */
#include <fnmatch.h>

#include "policy/conf-files.h"
#include "policy/internal.h"

/* The longest chain of policies that extend each other. */
#define CHAIN_MAX	32

/* A file that could not be used, for those who ask for its policy. */
struct broken {
	char *name;		/* of the file, without .json */
	char *sentence;
};

struct policy_set {
	struct policy **policies;
	struct assignment **resolved;	/* of each policy, NULL: it cannot be; or NULL, of none */
	size_t n;
	struct broken *broken;
	size_t n_broken;
};

struct loader {
	struct policy_set *set;
	policy_set_error_t on_error;
	void *userdata;
};

const char *const policy_set_default_dirs[] = {
	"/usr/share/nvmx/policy.d",
	"/run/nvmx/policy.d",
	"/etc/nvmx/policy.d",
	NULL
};

static void report(const struct loader *l, const char *sentence)
{
	if (l->on_error)
		l->on_error(sentence ?: "Out of memory.", l->userdata);
}

/* Takes the policy over. */
static int add_policy(struct policy_set *set, struct policy *policy)
{
	_cleanup_policy_ struct policy *p = policy;
	struct policy **policies;

	policies = reallocarray(set->policies, set->n + 1, sizeof(*policies));
	if (!policies)
		return -ENOMEM;
	set->policies = policies;
	set->policies[set->n++] = steal_ptr(p);
	return 0;
}

/* Takes the sentence over. */
static int add_broken(struct loader *l, const struct conf_file *f, char *sentence)
{
	_cleanup_free_ char *s = sentence, *name = NULL;
	struct policy_set *set = l->set;
	struct broken *broken;

	report(l, s);
	name = strndup(f->name, strlen(f->name) - 5);
	broken = reallocarray(set->broken, set->n_broken + 1, sizeof(*broken));
	if (broken)
		set->broken = broken;
	if (!name || !broken || !s)
		return -ENOMEM;
	broken[set->n_broken++] = (struct broken) { steal_ptr(name), steal_ptr(s) };
	return 0;
}

static const struct policy *find(const struct policy_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (streq(set->policies[i]->name, name))
			return set->policies[i];
	return NULL;
}

/* -ENODATA, without a sentence: the file is masked. */
static int read_file(const struct conf_file *f, struct policy **ret, char **ret_error)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -EBADF;
	size_t size;
	int r;

	/* Who owns it, and what kind of file it is, is as yet of no account. */
	if (f->aside)
		return policy_read(f->path, ret, ret_error);
	fd = conf_files_open(f->path, ret_error);
	r = fd < 0 ? fd : conf_files_read(fd, f->path, &text, &size, ret_error);
	return r < 0 ? r : policy_parse(f->path, text, size, ret, ret_error);
}

static int load_file(struct loader *l, const struct conf_file *f)
{
	_cleanup_policy_ struct policy *p = NULL;
	const struct policy *other;
	char *sentence = NULL;
	int r;

	r = read_file(f, &p, &sentence);
	if (r == -ENODATA && !sentence)
		return 0;
	if (is_shortage(r)) {
		free(sentence);
		return r;
	}
	if (r < 0)
		return add_broken(l, f, sentence);

	other = find(l->set, p->name);
	if (other) {
		error_set(&sentence, 0, "%s: There is a policy %s already, in %s; rename one.",
			  f->path, p->name, other->path);
		return add_broken(l, f, sentence);
	}
	return add_policy(l->set, steal_ptr(p));
}

static int add_builtin(struct policy_set *set)
{
	_cleanup_policy_ struct policy *p = NULL;

	if (find(set, POLICY_DEFAULT))
		return 0;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->vmwrite_any_field = -1;
	p->name = strdup(POLICY_DEFAULT);
	p->description = strdup("The kernel's own list");
	p->extends = strdup(POLICY_EXTENDS_KERNEL);
	p->path = strdup("");
	if (!p->name || !p->description || !p->extends || !p->path)
		return -ENOMEM;
	return add_policy(set, steal_ptr(p));
}

static bool is_reserved(const char *extends)
{
	return streq(extends, POLICY_EXTENDS_KERNEL) || streq(extends, POLICY_EXTENDS_NONE);
}

/* What cannot be used here is heard of now, and not only then. */
static int resolve_all(const struct loader *l, const struct field_table *table)
{
	int r;

	l->set->resolved = calloc(l->set->n + 1, sizeof(*l->set->resolved));
	if (!l->set->resolved)
		return -ENOMEM;
	for (size_t i = 0; i < l->set->n; i++) {
		_cleanup_assignment_ struct assignment *base = NULL;
		_cleanup_free_ char *sentence = NULL;
		const struct policy *p = l->set->policies[i];

		r = policy_set_resolve(l->set, table, p->name, &l->set->resolved[i], &sentence);
		if (r >= 0)
			continue;
		if (r == -ENOMEM)
			return r;
		/* Said once, about the policy that is at fault. */
		if (!is_reserved(p->extends) && find(l->set, p->extends) &&
		    policy_set_resolve(l->set, table, p->extends, &base, NULL) == -EOPNOTSUPP)
			continue;
		report(l, sentence);
	}
	return 0;
}

static int add_more(const struct loader *l, const char *const *more, size_t n_more,
		    struct conf_file **files, size_t *n)
{
	int r = 0;

	for (size_t i = 0; i < n_more && r >= 0; i++) {
		_cleanup_free_ char *sentence = NULL;

		r = conf_files_add(files, n, more[i], ".json", &sentence);
		if (r == -EEXIST) {
			report(l, sentence);
			r = 0;
		}
	}
	return r;
}

int policy_set_load_with(const char *const *dirs, const char *const *more, size_t n_more,
			 const struct field_table *table, policy_set_error_t on_error, void *userdata,
			 struct policy_set **ret)
{
	_cleanup_policy_set_ struct policy_set *set = NULL;
	struct loader l = { .on_error = on_error, .userdata = userdata };
	struct conf_file *files;
	size_t n;
	int r;

	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	l.set = set;

	r = conf_files_list(dirs, NULL, ".json", on_error, userdata, &files, &n);
	if (r < 0)
		return r;
	r = add_more(&l, more, n_more, &files, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = load_file(&l, &files[i]);
	conf_files_free(files, n);
	if (r == 0)
		r = add_builtin(set);
	if (r == 0)
		r = resolve_all(&l, table);
	if (r < 0)
		return r;
	*ret = steal_ptr(set);
	return 0;
}

int policy_set_load(const char *const *dirs, const struct field_table *table,
		    policy_set_error_t on_error, void *userdata, struct policy_set **ret)
{
	return policy_set_load_with(dirs, NULL, 0, table, on_error, userdata, ret);
}

struct policy_set *policy_set_free(struct policy_set *set)
{
	if (!set)
		return NULL;

	policy_set_forget_resolved(set);
	for (size_t i = 0; i < set->n; i++)
		policy_free(set->policies[i]);
	free(set->policies);
	for (size_t i = 0; i < set->n_broken; i++) {
		free(set->broken[i].name);
		free(set->broken[i].sentence);
	}
	free(set->broken);
	free(set);
	return NULL;
}

const struct assignment *policy_set_resolved(const struct policy_set *set, const char *name)
{
	for (size_t i = 0; set->resolved && i < set->n; i++)
		if (streq(set->policies[i]->name, name))
			return set->resolved[i];
	return NULL;
}

void policy_set_forget_resolved(struct policy_set *set)
{
	for (size_t i = 0; set->resolved && i < set->n; i++)
		assignment_free(set->resolved[i]);
	free(steal_ptr(set->resolved));
}

const struct policy *policy_set_get(const struct policy_set *set, size_t i)
{
	return i < set->n ? set->policies[i] : NULL;
}

static int find_at(const struct policy_set *set, const char *place, const char *name,
		   const struct policy **ret, char **ret_error)
{
	const struct policy *p = find(set, name);
	struct nearest nearest = {};

	if (p) {
		*ret = p;
		return 0;
	}
	for (size_t i = 0; i < set->n_broken; i++)
		if (streq(set->broken[i].name, name))
			return error_set(ret_error, -ENOENT, "%sPolicy %s is not usable: %s",
					 place, name, set->broken[i].sentence);
	for (size_t i = 0; i < set->n; i++)
		nearest_try(&nearest, name, set->policies[i]->name);
	if (nearest.name)
		return error_set(ret_error, -ENOENT, "%sThere is no policy \"%.64s\"; did you mean "
				 "%s?  \"nvmxctl policy list\" shows those there are.", place, name,
				 nearest.name);
	return error_set(ret_error, -ENOENT, "%sThere is no policy \"%.64s\"; \"nvmxctl policy "
			 "list\" shows those there are.", place, name);
}

int policy_set_find(const struct policy_set *set, const char *name,
		    const struct policy **ret, char **ret_error)
{
	return find_at(set, "", name, ret, ret_error);
}

const char *policy_set_why_broken(const struct policy_set *set)
{
	return set->n_broken > 0 ? set->broken[0].sentence : NULL;
}

static bool glob_fits(const char *glob, const char *s, int flags)
{
	return !glob || (!isempty(s) && fnmatch(glob, s, flags) == 0);
}

static bool executable_fits(const char *glob, const char *path)
{
	const char *slash;

	if (!glob || isempty(path))
		return !glob;
	if (strchr(glob, '/'))
		return fnmatch(glob, path, FNM_PATHNAME) == 0;
	slash = strrchr(path, '/');
	return glob_fits(glob, slash ? slash + 1 : path, 0);
}

static bool match_fits(const struct policy_match *match, const struct policy_subject *subject)
{
	return glob_fits(match->domain, subject->domain, 0) &&
	       (!match->uuid || (subject->uuid && streq(match->uuid, subject->uuid))) &&
	       executable_fits(match->executable, subject->executable) &&
	       glob_fits(match->unit, subject->unit, 0);
}

const struct policy *policy_set_match(const struct policy_set *set,
				      const struct policy_subject *subject, size_t *ret_i)
{
	for (size_t i = 0; i < set->n; i++)
		for (size_t j = 0; j < set->policies[i]->n_match; j++)
			if (match_fits(&set->policies[i]->match[j], subject)) {
				if (ret_i)
					*ret_i = j;
				return set->policies[i];
			}
	return NULL;
}

/* The policies from the named one down; the last extends kernel or none. */
static int chain_of(const struct policy_set *set, const char *name,
		    const struct policy **chain, size_t *ret_n, char **ret_error)
{
	size_t n = 0;
	int r;

	for (;;) {
		const struct policy *previous = n > 0 ? chain[n - 1] : NULL;
		_cleanup_free_ char *place = NULL;

		if (previous && asprintf(&place, "%s:%u: .extends: ", previous->path,
					 previous->extends_line) < 0) {
			place = NULL;
			return -ENOMEM;
		}
		r = find_at(set, place ?: "", name, &chain[n], ret_error);
		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++)
			if (chain[i] == chain[n])
				return error_set(ret_error, -ELOOP, "%sPolicy %s extends itself%s; "
						 "let one of the chain extend kernel or none.",
						 place ?: "", name,
						 i + 1 < n ? " by way of others" : "");
		if (++n > CHAIN_MAX)
			return error_set(ret_error, -ELOOP, "%sMore than %d policies extend each "
					 "other.", place ?: "", CHAIN_MAX);
		name = chain[n - 1]->extends;
		if (is_reserved(name))
			break;
	}
	*ret_n = n;
	return 0;
}

/* Who gave a field its class: a policy on top may have put it right. */
struct origin {
	const struct policy *policy;
	const struct policy_field *field;
};

static int apply_policy(const struct policy *p, struct assignment *a, struct origin *origins,
			char **ret_error)
{
	for (size_t k = 0; k < p->n_fields; k++) {
		int i = field_find(a->table, p->fields[k].name);

		if (i < 0) {
			_cleanup_free_ char *place = NULL;

			if (field_is_elsewhere(a->table, p->fields[k].name))
				continue;
			place = policy_field_place(p, &p->fields[k]);
			return field_lookup(a->table, place ?: "", p->fields[k].name, ret_error);
		}
		a->classes[i] = p->fields[k].shadow_class;
		origins[i] = (struct origin) { p, &p->fields[k] };
	}
	if (p->vmwrite_any_field >= 0)
		a->vmwrite_any_field = p->vmwrite_any_field;
	return 0;
}

static int check_origins(const struct assignment *a, const struct policy *top,
			 const struct origin *origins, char **ret_error)
{
	_cleanup_free_ char *top_place = NULL;
	int r;

	for (size_t i = 0; i < a->table->n; i++) {
		_cleanup_free_ char *place = NULL;

		if (field_allows(&a->table->fields[i], a->classes[i]))
			continue;
		if (origins[i].policy)
			place = policy_field_place(origins[i].policy, origins[i].field);
		r = field_check_class(&a->table->fields[i], place ?: "", a->classes[i], ret_error);
		if (r < 0)
			return r;
	}

	if (asprintf(&top_place, "%s: ", isempty(top->path) ? top->name : top->path) < 0)
		top_place = NULL;
	return assignment_check_hide(a, top_place ?: "", ret_error);
}

/* What is set with NAME=VALUE, but for capitals and the like; NULL: it is not known. */
static const char *find_setting(const struct field_table *table, const char *name, const char **ret_kind)
{
	struct nearest n = {};
	const char *group;

	nearest_try(&n, name, VMWRITE_ANY_FIELD);
	*ret_kind = "a setting";
	for (size_t i = 0; (group = field_group_name(i)) && !(n.name && n.distance == 0); i++) {
		nearest_try(&n, name, group);
		*ret_kind = "a group of fields";
	}
	for (size_t i = 0; table && i < table->n && !(n.name && n.distance == 0); i++) {
		nearest_try(&n, name, table->fields[i].name);
		*ret_kind = "a field";
	}
	return n.distance == 0 ? n.name : NULL;
}

/* Somebody who gives a field where a policy belongs is not helped by a list of policies. */
static int check_is_no_field(const struct policy_set *set, const struct field_table *table, const char *name,
			     char **ret_error)
{
	const char *kind, *setting = !ret_error || find(set, name) ? NULL : find_setting(table, name, &kind);
	bool any = setting && streq(setting, VMWRITE_ANY_FIELD);

	if (!setting)
		return 0;
	return error_set(ret_error, -ENOENT, "%s is %s, not a policy; it is set with %s=%s, where %s.", setting,
			 kind, setting, any ? "VALUE" : "CLASS", any ? "VALUE is inherit or hide" :
			 "CLASS is intercept, read-only or read-write");
}

int policy_set_resolve(const struct policy_set *set, const struct field_table *table,
		       const char *name, struct assignment **ret, char **ret_error)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ struct origin *origins = NULL;
	const struct policy *chain[CHAIN_MAX + 1];
	size_t n = 0;
	int r;

	r = check_is_no_field(set, table, name, ret_error);
	if (r >= 0)
		r = chain_of(set, name, chain, &n, ret_error);
	if (r < 0)
		return r;
	if (!table) {
		*ret = NULL;
		return 0;
	}

	if (streq(chain[n - 1]->extends, POLICY_EXTENDS_KERNEL))
		r = assignment_new_kernel(table, &a);
	else
		r = assignment_new(table, &a);
	if (r < 0)
		return error_set(ret_error, r, "Out of memory.");
	origins = calloc(table->n + 1, sizeof(*origins));
	if (!origins)
		return error_set(ret_error, -ENOMEM, "Out of memory.");

	for (size_t i = n; i > 0; i--) {
		r = apply_policy(chain[i - 1], a, origins, ret_error);
		if (r < 0)
			return r;
	}
	r = check_origins(a, chain[0], origins, ret_error);
	if (r < 0)
		return r;

	*ret = steal_ptr(a);
	return 0;
}
