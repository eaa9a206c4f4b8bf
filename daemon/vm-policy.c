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

	r = link_vm_get_policy(&vm->context->kernel->link, vm->fd, &policy, &entries);
	if (r < 0)
		return r;

	labelled = parse_label(policy.label, &source, &name);
	if (!labelled) {
		/* Not ours: the one it was born with, or some other program's choice. */
		source = policy.generation == 0 ? POLICY_SOURCE_DEFAULT : POLICY_SOURCE_RUNTIME;
		name = POLICY_DEFAULT;
	}

	*ret = (struct vm_policy) {
		.source = source,
		.labelled = labelled,
		.generation = policy.generation,
	};
	ret->base = strdup(name);
	if (!ret->base)
		return -ENOMEM;

	r = assignment_from_entries(&vm->context->kernel->table, entries, policy.nr,
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

static unsigned int compare(const struct vm_policy *old, const struct vm_policy *new)
{
	unsigned int changed = 0;

	if (!old->base || !streq(old->base, new->base))
		changed |= VM_CHANGED_BASE;
	if (old->source != new->source)
		changed |= VM_CHANGED_SOURCE;
	if (!assignments_same(old->assignment, new->assignment))
		changed |= VM_CHANGED_CLASSES;
	if (old->assignment && new->assignment &&
	    old->assignment->vmwrite_any_field != new->assignment->vmwrite_any_field)
		changed |= VM_CHANGED_VMWRITE_ANY;
	return changed;
}

/* What the kernel has it tells for the asking; what it had is known by its generation. */
static int is_current(const struct vm *vm)
{
	uint64_t generation;
	int r;

	if (vm->owed == VM_OWES_REFRESH)
		return false;
	r = link_vm_get_generation(&vm->context->kernel->link, vm->fd, &generation);
	return r < 0 ? r : generation == vm->policy.generation;
}

int vm_policy_refresh(struct vm *vm)
{
	struct vm_policy old = vm->policy, new;
	unsigned int changed;
	int r;

	r = is_current(vm);
	if (r > 0)
		return 0;
	if (r >= 0)
		r = read_policy(vm, &new);
	if (r < 0) {
		if (is_shortage(r))
			vm_owe(vm, VM_OWES_REFRESH, r);
		return r;
	}
	if (vm->owed == VM_OWES_REFRESH)
		vm->owed = VM_OWES_NOTHING;

	vm->policy = new;
	changed = compare(&old, &new) | vm_policy_compare_overrides(vm);
	if (old.base)	/* else it was born just now */
		vm_changed(vm, changed);
	vm_policy_clear(&old);
	return 0;
}

/* The kernel said no to a policy of that source; why, for a person. */
static int explain_refusal(const struct vm *vm, int r, enum policy_source source,
			   uint32_t bad_encoding, char **ret_error)
{
	const struct field_table *table = &vm->context->kernel->table;
	int i = bad_encoding == NVMX_NO_FIELD ? -1 : field_find_encoding(table, bad_encoding);

	switch (r) {
	case -EBUSY:
		/* What the metadata or a policy file say is there already: it came too late. */
		return error_set(ret_error, r,
				 "vmwrite-any-field of %s cannot be changed any more, because its guest has executed VMXON or read IA32_VMX_MISC, or was restored with VMX in use; %sshut it down and start it anew, for a reboot does not do.",
				 vm_name(vm), source == POLICY_SOURCE_RUNTIME ? "set it in its metadata, " : "");
	case -ENODEV:
		return error_set(ret_error, r, "VM %" PRIu64 " (%s) is gone.", vm->id, vm_name(vm));
	case -EOPNOTSUPP:
	case -EINVAL:
		if (i >= 0)
			return error_set(ret_error, r,
					 "The kernel refuses this class for %s on %s; \"nvmxctl fields\" lists the classes it can have.",
					 table->fields[i].name, vm_name(vm));
		if (bad_encoding != NVMX_NO_FIELD)
			return error_set(ret_error, r,
					 "The kernel has no field 0x%04x, or refuses this class for it, on %s.",
					 bad_encoding, vm_name(vm));
		break;
	}

	return error_set(ret_error, r, "The kernel refuses the policy for %s: %s.",
			 vm_name(vm), strerror(-r));
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
	const char *why = kernel_why_unsupported(vm->context->kernel);
	uint32_t bad_encoding = NVMX_NO_FIELD;
	char label[NVMX_LABEL_LEN];
	size_t n;
	int r;

	/* Another program may have set one: what is known is compared when it is true. */
	r = vm_policy_refresh(vm);
	if (r < 0)
		return r;
	if (in_force(vm, a, base, source))
		return 0;
	if (why)
		return error_set(ret_error, -ENOTCONN, "%s", why);

	r = assignment_to_entries(a, &entries, &n);
	if (r < 0)
		return r;
	r = snprintf(label, sizeof(label), "%s:%s", policy_source_to_string(source), base);
	if (r < 0 || (size_t)r >= sizeof(label))
		return error_set(ret_error, -EINVAL, "The name of policy %s is too long.", base);

	r = link_vm_set_policy(&vm->context->kernel->link, vm->fd, a->vmwrite_any_field, label,
			       entries, n, &bad_encoding);
	if (r < 0)
		return explain_refusal(vm, r, source, bad_encoding, ret_error);

	log_vm_event(vm, LOG_INFO, MESSAGE_POLICY_SET, "VM %" PRIu64 " (%s) has policy %s now (%s).",
		     vm->id, vm_name(vm), base, policy_source_to_string(source));
	r = vm_policy_refresh(vm);
	return is_shortage(r) ? 0 : r;	/* it is in force, and soon shown */
}

static const struct policy *find_match(const struct vm *vm, size_t *ret_i)
{
	const struct policy_subject subject = {
		.domain = vm->name,
		.uuid = vm->false_uuid ? NULL : vm_uuid(vm),
		.executable = vm->executable,
		.unit = vm->process.unit,
	};

	return policy_set_match(vm->context->files->policies, &subject, ret_i);
}

/*
 * A policy that came from a match, and whose file may be one of those that cannot be read
 * now: nothing else is put in its place until they can.
 */
static const char *why_undecided(const struct vm *vm)
{
	const struct policy_set *policies = vm->context->files->policies;
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
	const struct field_table *table = &vm->context->kernel->table;
	const struct files *files = vm->context->files;
	const char *base = files->config.default_policy;
	enum policy_source source = POLICY_SOURCE_DEFAULT;
	_cleanup_free_ char *sentence = NULL;
	const struct policy *match;
	const char *why;
	int r;

	if (vm->state == VM_BROKEN)
		return error_set(ret_error, -EBADMSG, "%s", vm->settings_error ?: "Out of memory.");

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
				 files->config_error ?: "the configuration is broken.");

	if (vm->metadata) {
		r = metadata_resolve(vm->metadata, files->policies, table, base, ret, ret_error);
		if (vm->metadata->name)
			base = vm->metadata->name;
		source = POLICY_SOURCE_METADATA;
	} else {
		r = policy_set_resolve(files->policies, table, base, ret, &sentence);
		if (r < 0)
			error_set(ret_error, r, "%s%s", source == POLICY_SOURCE_DEFAULT ?
				  files->config.default_policy_place : "", sentence ?: strerror(-r));
	}
	if (r < 0)
		return r;

	*ret_base = base;
	*ret_source = source;
	return 0;
}

/* What was asked for was not done: the VM says why, and the log if it is another reason. */
static void keep(struct vm *vm, char *sentence)
{
	if (vm_set_error(vm, sentence))
		log_vm_event(vm, LOG_ERR, MESSAGE_POLICY_KEPT, "VM %" PRIu64 " (%s) keeps policy %s: %s", vm->id, vm_name(vm),
			     vm->policy.base, sentence ?: "out of memory.");
}

void vm_policy_settle(struct vm *vm, bool supersede_runtime)
{
	enum vm_owed owed = supersede_runtime ? VM_OWES_SUPERSEDE : VM_OWES_SETTLE;
	_cleanup_assignment_ struct assignment *a = NULL;
	enum policy_source source = POLICY_SOURCE_DEFAULT;
	char *sentence = NULL;
	const char *base;
	int r;

	/* Whether it is one set at run time must be known. */
	r = vm_policy_refresh(vm);
	if (is_shortage(r)) {
		vm_owe(vm, owed, r);
		return;
	}
	if (r < 0)
		return;		/* EPOLLHUP is on its way */
	vm->owed = VM_OWES_NOTHING;
	if (vm->state == VM_WAITING)
		return;
	if (vm->policy.source == POLICY_SOURCE_RUNTIME && !supersede_runtime) {
		if (vm->state != VM_BROKEN)
			vm_set_error(vm, NULL);
		return;
	}

	r = decide(vm, &a, &base, &source, &sentence);
	if (r >= 0)
		r = apply(vm, a, base, source, &sentence);
	if (r >= 0) {
		free(sentence);
		vm_set_error(vm, NULL);
		return;
	}
	/* Without kernel support nothing was asked for in vain, unless somebody asked. */
	if (r == -ENODEV || (r == -ENOTCONN && source <= POLICY_SOURCE_MATCH)) {
		free(sentence);
		return;
	}

	vm_owe(vm, owed, r);
	keep(vm, sentence ?: strdup(strerror(-r)));
}

int vm_policy_compute(struct vm *vm, const char *name, const struct policy_change *changes,
		      size_t n, struct assignment **ret, char **ret_base, char **ret_error)
{
	_cleanup_assignment_ struct assignment *base = NULL, *a = NULL;
	_cleanup_free_ char *base_name = NULL;
	const char *why = kernel_why_unsupported(vm->context->kernel);
	int r;

	if (why)
		return error_set(ret_error, -ENOTCONN, "%s", why);
	if (isempty(name) && n == 0)
		return error_set(ret_error, -EINVAL,
				 "There is nothing to set; give a policy, or a change such as HOST_RSP=read-write.");

	if (!isempty(name))
		r = policy_set_resolve(vm->context->files->policies, &vm->context->kernel->table, name,
				       &base, ret_error);
	else if (vm->policy.assignment)
		r = assignment_copy(vm->policy.assignment, &base);
	else
		r = error_set(ret_error, -EINVAL,
			      "nvmxd does not know the policy in force on %s; give the name of a policy to start from.",
			      vm_name(vm));
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
	if (vm->owed > VM_OWES_REFRESH)
		vm->owed = VM_OWES_NOTHING;
	vm_set_error(vm, NULL);
	return 0;
}

int vm_policy_reset(struct vm *vm, char **ret_error)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	const char *why = kernel_why_unsupported(vm->context->kernel);
	enum policy_source source;
	const char *base;
	int r;

	if (why)
		return error_set(ret_error, -ENOTCONN, "%s", why);
	if (vm->state == VM_WAITING)
		return error_set(ret_error, -EAGAIN,
				 "What %s would be reset to is not known until its source of settings answers; \"nvmxctl show %" PRIu64 "\" says which.",
				 vm_name(vm), vm->id);

	r = decide(vm, &a, &base, &source, ret_error);
	if (r < 0)
		return r;
	r = apply(vm, a, base, source, ret_error);
	if (r < 0)
		return r;

	if (vm->owed > VM_OWES_REFRESH)
		vm->owed = VM_OWES_NOTHING;
	vm_set_error(vm, NULL);
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
		r = asprintf(&s, "It is set in the metadata of %s%s%s.", vm_name(vm),
			     vm->source_name ? ", as told by source " : "", vm->source_name ?: "");
		break;
	case POLICY_SOURCE_MATCH:
		match = find_match(vm, &i);
		if (match && streq(match->name, p->base))
			r = asprintf(&s, "%s:%u: .match[%zu] matches.", match->path, match->match[i].line, i);
		else
			r = asprintf(&s, "It was set by a match that no policy file has any more.");
		break;
	case POLICY_SOURCE_DEFAULT:
		r = asprintf(&s, "%sThis is the default: nothing is set at run time or in metadata, and no policy file matches.", vm->context->files->config.default_policy_place);
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
	const struct policy_set *policies = vm->context->files->policies;
	const struct field_table *table = &vm->context->kernel->table;
	int r = 0;

	*ret = policy_set_resolved(policies, vm->policy.base);
	if (*ret)
		return 0;
	r = policy_set_resolve(policies, table, vm->policy.base, ret_own, NULL);
	if (r < 0)
		r = assignment_new(table, ret_own);
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

/* FNV-1a, 64 bits: whoever makes two of these alike harms himself. */
static void digest(uint64_t *d, const char *s)
{
	do {
		*d ^= (unsigned char)*s;
		*d *= 0x100000001b3;
	} while (*s++);
}

unsigned int vm_policy_compare_overrides(struct vm *vm)
{
	_cleanup_free_ struct policy_change *changes = NULL;
	uint64_t d = 0xcbf29ce484222325;
	size_t n;

	/* Without memory to look they are taken to be others. */
	if (vm_policy_overrides(vm, &changes, &n) < 0)
		return VM_CHANGED_OVERRIDES;
	for (size_t i = 0; i < n; i++) {
		digest(&d, changes[i].name);
		digest(&d, changes[i].value);
	}
	if (d == vm->overrides)
		return 0;
	vm->overrides = d;
	return VM_CHANGED_OVERRIDES;
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
