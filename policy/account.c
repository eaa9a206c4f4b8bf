/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accounts as structs: what happened between two, sums, the order of lines.
 */
#include <limits.h>

#include <asm/vmx.h>

#include "policy/account.h"

/* KVM's own names, those that its tracepoints print. */
static const struct {
	uint32_t reason;
	const char *name;
} reasons[] = { VMX_EXIT_REASONS };

const char *account_reason_name(uint16_t reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	return NULL;
}

/* Of a reason that KVM's header has no name for the document has the number. */
int account_reason_parse(const char *name, uint16_t *ret)
{
	unsigned long n;
	char *end = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].reason <= ACCOUNT_REASON_MAX && streq(reasons[i].name, name)) {
			*ret = reasons[i].reason;
			return 0;
		}
	n = *name >= '0' && *name <= '9' ? strtoul(name, &end, 10) : ULONG_MAX;
	if (n > ACCOUNT_REASON_MAX || *end)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* ---- ownership ---- */

void account_vcpu_clear(struct account_vcpu *v)
{
	free(v->lines);
	*v = (struct account_vcpu) {};
}

static void vm_clear(struct account_vm *vm)
{
	for (size_t i = 0; i < vm->n_vcpus; i++)
		account_vcpu_clear(&vm->vcpus[i]);
	free(vm->vcpus);
	free(vm->name);
	*vm = (struct account_vm) {};
}

void account_clear(struct account *a)
{
	for (size_t i = 0; i < a->n_vms; i++)
		vm_clear(&a->vms[i]);
	free(a->vms);
	*a = (struct account) {};
}

int account_add(struct account_vcpu *v, const struct account_line *line)
{
	struct account_line *lines;

	/* Room doubles: at 0, 1, 2, 4, ... it is used up. */
	if ((v->n_lines & (v->n_lines - 1)) == 0) {
		lines = reallocarray(v->lines, v->n_lines ? 2 * v->n_lines : 1, sizeof(*lines));
		if (!lines)
			return -ENOMEM;
		v->lines = lines;
	}
	v->lines[v->n_lines++] = *line;
	return 0;
}

/* ---- lines ---- */

static bool same(const struct account_line *a, const struct account_line *b)
{
	return a->kind == b->kind && a->level == b->level && a->to == b->to && a->why == b->why &&
	       a->reason == b->reason && a->what == b->what;
}

/* Those of one vCPU come in the same order each time, so it is looked for where the last one was. */
static struct account_line *find(const struct account_vcpu *v, const struct account_line *line, size_t *hint)
{
	for (size_t i = 0; i < v->n_lines; i++) {
		size_t at = (*hint + i) % v->n_lines;

		if (!same(&v->lines[at], line))
			continue;
		*hint = at + 1;
		return &v->lines[at];
	}
	return NULL;
}

/* What an event that was under way then has become of may be less by the time that it had taken. */
static uint64_t less(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static void vcpu_subtract(struct account_vcpu *now, const struct account_vcpu *then)
{
	size_t hint = 0, n = 0;

	now->ns = less(now->ns, then->ns);
	for (size_t i = 0; i < now->n_lines; i++) {
		struct account_line *line = &now->lines[i];
		const struct account_line *before = find(then, line, &hint);

		if (before) {
			line->ns = less(line->ns, before->ns);
			line->count = less(line->count, before->count);
		}
		if (line->ns || line->count)
			now->lines[n++] = *line;
	}
	now->n_lines = n;
}

static const struct account_vm *find_vm(const struct account *a, const struct account_vm *vm)
{
	for (size_t i = 0; i < a->n_vms; i++)
		if (a->vms[i].pid == vm->pid && a->vms[i].start_time == vm->start_time &&
		    a->vms[i].number == vm->number)
			return &a->vms[i];
	return NULL;
}

static const struct account_vcpu *find_vcpu(const struct account_vm *vm, uint32_t index)
{
	for (size_t i = 0; vm && i < vm->n_vcpus; i++)
		if (vm->vcpus[i].index == index)
			return &vm->vcpus[i];
	return NULL;
}

/* Nothing can have happened in no time. */
static void vm_subtract(struct account_vm *now, const struct account_vm *then)
{
	size_t n = 0;

	for (size_t i = 0; i < now->n_vcpus; i++) {
		const struct account_vcpu *before = find_vcpu(then, now->vcpus[i].index);

		if (before)
			vcpu_subtract(&now->vcpus[i], before);
		if (now->vcpus[i].n_lines)
			now->vcpus[n++] = now->vcpus[i];
		else
			account_vcpu_clear(&now->vcpus[i]);
	}
	now->n_vcpus = n;
}

void account_subtract(struct account *now, const struct account *then)
{
	size_t n = 0;

	now->ns = less(now->ns, then->ns);
	now->lost = less(now->lost, then->lost);
	for (size_t i = 0; i < now->n_vms; i++) {
		vm_subtract(&now->vms[i], find_vm(then, &now->vms[i]));
		if (now->vms[i].n_vcpus)
			now->vms[n++] = now->vms[i];
		else
			vm_clear(&now->vms[i]);
	}
	now->n_vms = n;
}

int account_sum(const struct account_vm *vm, struct account_vcpu *ret)
{
	struct account_vcpu sum = { .index = UINT32_MAX };
	int r;

	for (size_t i = 0; i < vm->n_vcpus; i++) {
		const struct account_vcpu *v = &vm->vcpus[i];
		size_t hint = 0;

		sum.ns += v->ns;
		for (size_t k = 0; k < v->n_lines; k++) {
			const struct account_line *line = &v->lines[k];
			struct account_line *to = find(&sum, line, &hint);

			if (to) {
				to->count += line->count;
				to->ns += line->ns;
				if (line->shortest && (line->shortest < to->shortest || !to->shortest))
					to->shortest = line->shortest;
				continue;
			}
			r = account_add(&sum, line);
			if (r < 0) {
				account_vcpu_clear(&sum);
				return r;
			}
		}
	}
	*ret = sum;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct account_line *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? 1 : -1;
	return x->count < y->count ? 1 : -(x->count > y->count);
}

void account_sort(struct account_vcpu *v)
{
	if (v->n_lines)
		qsort(v->lines, v->n_lines, sizeof(*v->lines), compare);
}
