/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM's policy: which one is decided, how it gets into the kernel, and what is
 * in force.
 *
 * The kernel's copy is the only truth.  What the daemon wants to find again after a
 * restart, the source and the name of the base, is in the label that the kernel
 * keeps with the policy; what was changed on top is the difference.
 */
#include <inttypes.h>

#include "daemon/vm.h"

static const char *const source_names[] = {
	[POLICY_SOURCE_DEFAULT]		= "default",
	[POLICY_SOURCE_MATCH]		= "match",
	[POLICY_SOURCE_METADATA]	= "metadata",
	[POLICY_SOURCE_RUNTIME]		= "runtime",
};

const char *policy_source_to_string(enum policy_source source)
{
	return source_names[source];
}

void vm_policy_clear(struct vm_policy *p)
{
	assignment_free(p->assignment);
	free(p->base);
	*p = (struct vm_policy) { 0 };
}

/* "SOURCE:NAME" */
static bool parse_label(const char *label, enum policy_source *ret_source, const char **ret_name)
{
	for (size_t i = 0; i < ARRAY_SIZE(source_names); i++) {
		size_t n = strlen(source_names[i]);

		if (strncmp(label, source_names[i], n) != 0 || label[n] != ':')
			continue;
		if (!label[n + 1])
			return false;
		*ret_source = i;
		*ret_name = label + n + 1;
		return true;
	}

	return false;
}

static int read_policy(struct vm *vm, struct vm_policy *ret)
{
	_cleanup_free_ struct nvmx_policy_entry *entries = NULL;
	_cleanup_free_ char *sentence = NULL;
	enum policy_source source;
	struct nvmx_policy policy;
	const char *name;
	bool labelled;
	int r;

	r = link_vm_get_policy(&vm->manager->link, vm->fd, &policy, &entries);
	if (r < 0)
		return r;

	labelled = parse_label(policy.label, &source, &name);
	if (!labelled) {
		/* Not ours: the one it was born with, or some other program's choice. */
		source = policy.generation == 0 ? POLICY_SOURCE_DEFAULT : POLICY_SOURCE_RUNTIME;
		name = POLICY_DEFAULT;
	}

	*ret = (struct vm_policy) { .source = source, .labelled = labelled };
	ret->base = strdup(name);
	if (!ret->base)
		return -ENOMEM;

	r = assignment_from_entries(&vm->manager->table, entries, policy.nr,
				    policy.vmwrite_any_field, &ret->assignment, &sentence);
	if (r == -ENOMEM) {
		vm_policy_clear(ret);
		return r;
	}
	if (r < 0)
		log_vm(vm, LOG_ERR, "The kernel's policy of VM %" PRIu64 " is not valid: %s",
		       vm->id, sentence ? sentence : strerror(-r));
	return 0;
}

static bool assignments_same(const struct assignment *a, const struct assignment *b)
{
	return a && b ? assignment_equal(a, b) : a == b;
}

int vm_policy_refresh(struct vm *vm)
{
	struct vm_policy old = vm->policy, new;
	const char *changed[6];
	size_t n = 0;
	int r;

	r = read_policy(vm, &new);
	vm->stale = is_shortage(r);
	manager_try_again(vm->manager, r);
	if (r < 0)
		return r;
	vm->policy = new;

	if (vm->announced) {
		bool base = !streq(old.base, new.base);
		bool classes = !assignments_same(old.assignment, new.assignment);

		if (base)
			changed[n++] = "Policy";
		if (old.source != new.source)
			changed[n++] = "PolicySource";
		if (base || classes)
			changed[n++] = "Overrides";
		if (classes)
			changed[n++] = "Fields";
		if (old.assignment && new.assignment &&
		    old.assignment->vmwrite_any_field != new.assignment->vmwrite_any_field)
			changed[n++] = "VMWriteAnyField";
		changed[n] = NULL;
		vm_bus_changed(vm, changed);
		if (n > 0)
			manager_bus_policy_changed(vm->manager, vm);
	}

	vm_policy_clear(&old);
	return 0;
}

/* The kernel said no; why, for a person. */
static int explain_refusal(const struct vm *vm, int r, uint32_t bad_encoding, char **ret_error)
{
	const struct field_table *table = &vm->manager->table;
	int i = bad_encoding == NVMX_NO_FIELD ? -1 : field_find_encoding(table, bad_encoding);

	switch (r) {
	case -EBUSY:
		return error_set(ret_error, r,
				 "vmwrite-any-field of %s cannot be changed any more, because its guest has executed VMXON; set it in the domain's metadata and restart the domain.",
				 vm->name);
	case -ENODEV:
		return error_set(ret_error, r, "VM %" PRIu64 " (%s) is gone.", vm->id, vm->name);
	case -EOPNOTSUPP:
	case -EINVAL:
		if (i >= 0)
			return error_set(ret_error, r,
					 "The kernel refuses this class for %s on %s; \"nvmxctl fields\" lists the classes it can have.",
					 table->fields[i].name, vm->name);
		if (bad_encoding != NVMX_NO_FIELD)
			return error_set(ret_error, r,
					 "The kernel has no field 0x%04x, or refuses this class for it, on %s.",
					 bad_encoding, vm->name);
		break;
	}

	return error_set(ret_error, r, "The kernel refuses the policy for %s: %s.",
			 vm->name, strerror(-r));
}

static bool in_force(const struct vm *vm, const struct assignment *a, const char *base,
		     enum policy_source source)
{
	const struct vm_policy *p = &vm->policy;

	return assignments_same(p->assignment, a) && streq(p->base, base) && p->source == source;
}

/* All or nothing, and nothing at all if the kernel has it already. */
static int apply(struct vm *vm, const struct assignment *a, const char *base,
		 enum policy_source source, char **ret_error)
{
	_cleanup_free_ struct nvmx_policy_entry *entries = NULL;
	const char *why = manager_why_unsupported(vm->manager);
	uint32_t bad_encoding = NVMX_NO_FIELD;
	char label[NVMX_LABEL_LEN];
	size_t n;
	int r;

	if (!vm->stale && in_force(vm, a, base, source))
		return 0;
	if (why)
		return error_set(ret_error, -ENOTCONN, "%s", why);

	r = assignment_to_entries(a, &entries, &n);
	if (r < 0)
		return r;
	r = snprintf(label, sizeof(label), "%s:%s", policy_source_to_string(source), base);
	if (r < 0 || (size_t)r >= sizeof(label))
		return error_set(ret_error, -EINVAL, "The name of policy %s is too long.", base);

	r = link_vm_set_policy(&vm->manager->link, vm->fd, a->vmwrite_any_field, label,
			       entries, n, &bad_encoding);
	if (r < 0)
		return explain_refusal(vm, r, bad_encoding, ret_error);

	log_vm_event(vm, LOG_INFO, MESSAGE_POLICY_SET, "VM %" PRIu64 " (%s) has policy %s now (%s).",
		     vm->id, vm->name, base, policy_source_to_string(source));
	r = vm_policy_refresh(vm);
	return vm->stale ? 0 : r;	/* it is in force, and soon shown */
}

static const struct policy *find_match(const struct vm *vm, size_t *ret_i)
{
	const struct policy_subject subject = {
		.domain = vm->domain == VM_DOMAIN_KNOWN ? vm->name : NULL,
		.uuid = vm->false_uuid ? NULL : vm->uuid,
		.executable = vm->executable,
		.unit = vm->unit,
	};

	return policy_set_match(vm->manager->policies, &subject, ret_i);
}

/*
 * A policy that came from a match, and whose file may be one of those that cannot be read
 * now: nothing else is put in its place until they can.
 */
static const char *why_undecided(const struct vm *vm)
{
	const struct policy_set *policies = vm->manager->policies;
	const struct vm_policy *p = &vm->policy;
	const struct policy *base;

	if (!p->labelled || p->source != POLICY_SOURCE_MATCH ||
	    policy_set_find(policies, p->base, &base, NULL) >= 0)
		return NULL;
	return policy_set_why_broken(policies);
}

/* The first of metadata, match and default. */
static int decide(const struct vm *vm, struct assignment **ret, const char **ret_base,
		  enum policy_source *ret_source, char **ret_error)
{
	const struct manager *m = vm->manager;
	const char *base = m->config.default_policy;
	enum policy_source source = POLICY_SOURCE_DEFAULT;
	_cleanup_free_ char *sentence = NULL;
	const struct policy *match;
	const char *why;
	int r;

	if (vm->metadata_error)
		return error_set(ret_error, -EBADMSG, "%s", vm->metadata_error);

	why = vm->metadata ? NULL : why_undecided(vm);
	if (why)
		return error_set(ret_error, -EBADMSG, "There is no policy %s, possibly for this "
				 "reason: %s", vm->policy.base, why);

	match = find_match(vm, NULL);
	if (match) {
		base = match->name;
		source = POLICY_SOURCE_MATCH;
	}

	if (isempty(base) && !(vm->metadata && vm->metadata->name))
		return error_set(ret_error, -EBADMSG, "The default policy is not known: %s",
				 m->config_error ?: "the configuration is broken.");

	if (vm->metadata) {
		r = metadata_resolve(vm->metadata, m->policies, &m->table, base, ret, ret_error);
		if (vm->metadata->name)
			base = vm->metadata->name;
		source = POLICY_SOURCE_METADATA;
	} else {
		r = policy_set_resolve(m->policies, &m->table, base, ret, &sentence);
		if (r < 0)
			error_set(ret_error, r, "%s%s", source == POLICY_SOURCE_DEFAULT ?
				  m->config.default_policy_place : "", sentence ?: strerror(-r));
	}
	if (r < 0)
		return r;

	*ret_base = base;
	*ret_source = source;
	return 0;
}

/* Takes the sentence. */
static void set_error(struct vm *vm, char *sentence)
{
	bool same = vm->error && sentence ? streq(vm->error, sentence) : vm->error == sentence;

	free(vm->error);
	vm->error = sentence;
	if (!same)
		vm_bus_changed(vm, (const char *const[]) { "PolicyError", NULL });
}

void vm_policy_settle(struct vm *vm, bool supersede_runtime)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ char *sentence = NULL;
	enum policy_source source = POLICY_SOURCE_DEFAULT;
	const char *base;
	int r;

	/* Whether it is one set at run time must be known. */
	if (vm->stale && vm_policy_refresh(vm) < 0) {
		vm->undecided = true;
		vm->supersede |= supersede_runtime;
		return;
	}
	vm->undecided = vm->supersede = false;
	if (vm->domain == VM_DOMAIN_ASKED)
		return;
	if (vm->policy.source == POLICY_SOURCE_RUNTIME && !supersede_runtime)
		return;

	r = decide(vm, &a, &base, &source, &sentence);
	if (r >= 0)
		r = apply(vm, a, base, source, &sentence);
	if (r == -ENODEV)
		return;		/* EPOLLHUP is on its way */
	/* Without kernel support nothing was asked for in vain, unless somebody asked. */
	if (r == -ENOTCONN && source <= POLICY_SOURCE_MATCH)
		return;
	if (r >= 0) {
		set_error(vm, NULL);
		return;
	}
	if (is_shortage(r)) {
		vm->undecided = true;
		vm->supersede = supersede_runtime;
		manager_try_again(vm->manager, r);
	}

	if (!sentence)
		sentence = strdup(strerror(-r));
	if (!vm->error || !sentence || !streq(vm->error, sentence))
		log_vm_event(vm, LOG_ERR, MESSAGE_POLICY_KEPT, "VM %" PRIu64 " (%s) keeps policy %s: %s", vm->id, vm->name,
			     vm->policy.base, sentence ? sentence : "out of memory.");
	set_error(vm, steal_ptr(sentence));
}

int vm_policy_compute(struct vm *vm, const char *name, const struct policy_change *changes,
		      size_t n, struct assignment **ret, char **ret_base, char **ret_error)
{
	_cleanup_assignment_ struct assignment *base = NULL, *a = NULL;
	_cleanup_free_ char *base_name = NULL;
	const char *why = manager_why_unsupported(vm->manager);
	int r;

	if (why)
		return error_set(ret_error, -ENOTCONN, "%s", why);
	if (isempty(name) && n == 0)
		return error_set(ret_error, -EINVAL,
				 "There is nothing to set; give a policy, or a change such as HOST_RSP=read-write.");

	if (!isempty(name))
		r = policy_set_resolve(vm->manager->policies, &vm->manager->table, name,
				       &base, ret_error);
	else if (vm->policy.assignment)
		r = assignment_copy(vm->policy.assignment, &base);
	else
		r = error_set(ret_error, -EINVAL,
			      "nvmxd does not know the policy in force on %s; give the name of a policy to start from.",
			      vm->name);
	if (r < 0)
		return r;

	r = assignment_apply(base, changes, n, &a, ret_error);
	if (r < 0)
		return r;
	base_name = strdup(isempty(name) ? vm->policy.base : name);
	if (!base_name)
		return -ENOMEM;

	*ret = steal_ptr(a);
	*ret_base = steal_ptr(base_name);
	return 0;
}

int vm_policy_set(struct vm *vm, const struct assignment *a, const char *base, char **ret_error)
{
	int r;

	r = apply(vm, a, base, POLICY_SOURCE_RUNTIME, ret_error);
	if (r < 0)
		return r;

	/* The last writer wins over what is still to be tried. */
	vm->undecided = vm->supersede = false;
	set_error(vm, NULL);
	return 0;
}

int vm_policy_reset(struct vm *vm, char **ret_error)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	const char *why = manager_why_unsupported(vm->manager);
	enum policy_source source;
	const char *base;
	int r;

	if (why)
		return error_set(ret_error, -ENOTCONN, "%s", why);

	r = decide(vm, &a, &base, &source, ret_error);
	if (r < 0)
		return r;
	r = apply(vm, a, base, source, ret_error);
	if (r < 0)
		return r;

	set_error(vm, NULL);
	return 0;
}

char *vm_policy_reason(const struct vm *vm)
{
	const struct vm_policy *p = &vm->policy;
	const struct policy *match;
	char *s = NULL;
	size_t i;
	int r = 0;

	switch (p->source) {
	case POLICY_SOURCE_RUNTIME:
		r = asprintf(&s, p->labelled ? "It was set at run time, and stays until it is reset or the VM ends." :
			     "It was set in the kernel, by a program other than nvmxd.");
		break;
	case POLICY_SOURCE_METADATA:
		r = asprintf(&s, "It is set in the metadata of domain %s.", vm->name);
		break;
	case POLICY_SOURCE_MATCH:
		match = find_match(vm, &i);
		if (match && streq(match->name, p->base))
			r = asprintf(&s, "%s:%u: .match[%zu] matches.", match->path, match->match[i].line, i);
		else
			r = asprintf(&s, "It was set by a match that no policy file has any more.");
		break;
	case POLICY_SOURCE_DEFAULT:
		r = asprintf(&s, "%sThis is the default: nothing is set at run time or in metadata, and no policy file matches.", vm->manager->config.default_policy_place);
		break;
	}

	return r < 0 ? NULL : s;
}

/*
 * Of a base that is not there any more, everything that is shadowed is a change.  *ret_own: what
 * *ret is if the policy set does not have it.
 */
static int get_base(const struct vm *vm, struct assignment **ret_own, const struct assignment **ret)
{
	const struct manager *m = vm->manager;
	int r = 0;

	*ret = policy_set_resolved(m->policies, vm->policy.base);
	if (*ret)
		return 0;
	r = policy_set_resolve(m->policies, &m->table, vm->policy.base, ret_own, NULL);
	if (r < 0)
		r = assignment_new(&m->table, ret_own);
	*ret = *ret_own;
	return r;
}

int vm_policy_overrides(const struct vm *vm, struct policy_change **ret, size_t *ret_n)
{
	_cleanup_assignment_ struct assignment *own = NULL;
	const struct assignment *base;
	int r;

	if (!vm->policy.assignment) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	r = get_base(vm, &own, &base);
	return r < 0 ? r : assignment_diff(vm->policy.assignment, base, ret, ret_n);
}

int vm_policy_is_changed(const struct vm *vm)
{
	_cleanup_assignment_ struct assignment *own = NULL;
	const struct assignment *base;
	int r;

	if (!vm->policy.assignment)
		return false;
	r = get_base(vm, &own, &base);
	return r < 0 ? r : !assignment_equal(vm->policy.assignment, base);
}
