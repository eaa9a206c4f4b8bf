/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a profiling window says: how often L1 accesses each field per exit of L2,
 * what that costs with the class the field has, what it would cost with the others,
 * and which is the cheapest.
 *
 * Costs are ticks of the TSC, per exit of L2 that is reflected to L1 and the entry that
 * follows it:
 *
 *	intercept	each access exits
 *	read-only	VMREADs are free; each VMWRITE exits and is propagated; one copy
 *			to the shadow VMCS
 *	read-write	both are free; one copy each way
 *
 * and once for all lazily fetched fields together: if one of them is shadowed they
 * are fetched at each exit, else when L1 asks for one.  That a change of a slow
 * field sends the next entry the slow path is the same for each class.
 */
#include "client/nvmxctl.h"
#include "client/profile.h"

/* With these a figure of which nobody knows better is filled in; profile.h has why. */
const struct profile_costs profile_default_costs = {
	.intercepted = PROFILE_INTERCEPTED,
	.propagated = PROFILE_PROPAGATED,
	.free = PROFILE_FREE,
	.to_vmcs12 = PROFILE_COPY,
	.to_shadow = PROFILE_COPY,
	.slow_path = PROFILE_SLOW_PATH,
};

/* Ticks of one copy by fields of one copy. */
static bool sampled(struct json_object *s, const char *way, const char *copies, const char *fields,
		    double *ret)
{
	double n_fields = statistics_total(s, fields), n_copies = statistics_total(s, copies);
	char timed[24], cycles[24];

	snprintf(timed, sizeof(timed), "%s_timed", way);
	snprintf(cycles, sizeof(cycles), "%s_cycles", way);
	if (statistics_total(s, timed) == 0 || n_fields < 1 || n_copies < 1)
		return false;
	*ret = (double)statistics_total(s, cycles) / statistics_total(s, timed) /
	       (n_fields / n_copies);
	return true;
}

void profile_costs_from(struct json_object *statistics, struct profile_costs *ret)
{
	uint64_t timed = statistics_total(statistics, "slow_path_timed");

	*ret = profile_default_costs;
	ret->to_vmcs12_sampled = sampled(statistics, "to_vmcs12", "shadow_to_vmcs12",
					 "fields_to_vmcs12", &ret->to_vmcs12);
	ret->to_shadow_sampled = sampled(statistics, "to_shadow", "vmcs12_to_shadow",
					 "fields_to_shadow", &ret->to_shadow);
	ret->slow_path_sampled = timed > 0;
	if (timed > 0)
		ret->slow_path = (double)statistics_total(statistics, "slow_path_cycles") / timed;
}

double profile_class_cost(const struct profile_costs *c, unsigned int class, double reads,
			  double writes)
{
	switch (class) {
	case NVMX_CLASS_INTERCEPT:
		return (reads + writes) * c->intercepted;
	case NVMX_CLASS_READ_ONLY:
		return reads * c->free + writes * (c->intercepted + c->propagated) + c->to_shadow;
	default:
		return (reads + writes) * c->free + c->to_shadow + c->to_vmcs12;
	}
}

/* Exits that the accesses are. */
static double class_exits(unsigned int class, double reads, double writes)
{
	return class == NVMX_CLASS_INTERCEPT ? reads + writes :
	       class == NVMX_CLASS_READ_ONLY ? writes : 0;
}

/* One field of the table, and what becomes of it. */
struct row {
	const char *name;
	uint64_t encoding;
	struct json_object *flags;	/* borrowed */
	bool allowed[NVMX_NR_CLASSES];
	bool lazy;
	double reads, writes;		/* per exit of L2 */
	unsigned int class, best;
	double costs[NVMX_NR_CLASSES];
};

static bool has_word(struct json_object *words, const char *word)
{
	for (size_t i = 0; i < json_length(words); i++)
		if (streq(json_object_get_string(json_at(words, i)) ?: "", word))
			return true;
	return false;
}

static void fill_row(struct row *row, struct json_object *field, struct json_object *vm)
{
	int class = class_from_string(json_get_text(json_get(vm, "fields"),
						    json_get_text(field, "name")));
	bool hide = streq(json_get_text(vm, "vmwrite_any_field"), "hide");

	row->name = json_get_text(field, "name");
	row->encoding = json_get_count(field, "encoding");
	row->flags = json_get(field, "flags");
	row->lazy = has_word(row->flags, "lazy") && !has_word(row->flags, "absent");
	row->class = class >= 0 ? class : NVMX_CLASS_INTERCEPT;
	for (unsigned int i = 0; i < NVMX_NR_CLASSES; i++)
		row->allowed[i] = i == NVMX_CLASS_INTERCEPT ||
				  has_word(json_get(field, "allowed"), class_to_string(i)) ||
				  streq(json_get_text(field, "stock"), class_to_string(i));
	if (hide && streq(json_get_text(field, "kind"), "exit-information"))
		row->allowed[NVMX_CLASS_READ_WRITE] = false;
}

static void find_best(struct row *row, const struct profile_costs *c)
{
	row->best = NVMX_CLASS_INTERCEPT;
	for (unsigned int i = 0; i < NVMX_NR_CLASSES; i++) {
		row->costs[i] = profile_class_cost(c, i, row->reads, row->writes);
		if (row->allowed[i] && row->costs[i] < row->costs[row->best])
			row->best = i;
	}
}

/* What is not a matter of one field. */
struct whole {
	struct row *rows;
	size_t n;
	double fetch, fetches;		/* of the lazy ones: cost, and how often L1 asks for it */
	double entries;			/* per exit of L2: one more exit from L1 each */
};

static double cost_of(const struct whole *w, bool best)
{
	double cost = 0;
	bool lazy = false;

	for (size_t i = 0; i < w->n; i++) {
		const struct row *row = &w->rows[i];
		unsigned int class = best ? row->best : row->class;

		/* Who is not accessed, and not shadowed, costs nothing. */
		cost += row->costs[class];
		lazy = lazy || (row->lazy && class != NVMX_CLASS_INTERCEPT);
	}
	return cost + (lazy ? w->fetch : w->fetches * w->fetch);
}

/* To shadow a lazy field has all of them fetched at each exit: worth it together, or not. */
static void settle_lazy(const struct whole *w)
{
	double saved = 0;

	for (size_t i = 0; i < w->n; i++)
		if (w->rows[i].lazy)
			saved += w->rows[i].costs[NVMX_CLASS_INTERCEPT] -
				 w->rows[i].costs[w->rows[i].best];
	if (saved > (1 - w->fetches) * w->fetch)
		return;
	for (size_t i = 0; i < w->n; i++)
		if (w->rows[i].lazy)
			w->rows[i].best = NVMX_CLASS_INTERCEPT;
}

static struct json_object *row_json(const struct row *row, bool advise)
{
	struct json_object *o = json_object_new_object(), *costs = json_object_new_object();

	json_add_text(o, "name", row->name);
	json_add_count(o, "encoding", row->encoding);
	json_object_object_add(o, "flags", json_object_get(row->flags));
	json_add_number(o, "vmreads", row->reads, 3);
	json_add_number(o, "vmwrites", row->writes, 3);
	json_add_text(o, "class", class_to_string(row->class));
	json_add_number(o, "cost", row->costs[row->class], 1);
	for (unsigned int i = 0; i < NVMX_NR_CLASSES; i++) {
		if (row->allowed[i])
			json_add_number(costs, class_to_string(i), row->costs[i], 1);
		else
			json_object_object_add(costs, class_to_string(i), NULL);
	}
	json_object_object_add(o, "costs", costs);
	if (!advise)
		return o;
	json_add_text(o, "best", class_to_string(row->best));
	json_add_number(o, "best_cost", row->costs[row->best], 1);
	json_add_number(o, "saves", row->costs[row->class] - row->costs[row->best], 1);
	return o;
}

static struct json_object *total_json(const struct whole *w, bool best)
{
	struct json_object *o = json_object_new_object();
	double exits = w->entries;
	size_t idle = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct row *row = &w->rows[i];
		unsigned int class = best ? row->best : row->class;

		exits += class_exits(class, row->reads, row->writes);
		idle += class != NVMX_CLASS_INTERCEPT && row->reads + row->writes == 0;
	}
	json_add_number(o, "exits", exits, 2);
	json_add_number(o, "cost", cost_of(w, best), 0);
	json_add_count(o, "copied_unused", idle);
	return o;
}

static struct json_object *costs_json(const struct profile_costs *c)
{
	struct json_object *o = json_object_new_object();
	const struct { const char *key; double value; bool sampled; } costs[] = {
		{ "intercepted", c->intercepted, false },
		{ "propagated", c->propagated, false },
		{ "free", c->free, false },
		{ "copy_to_vmcs12", c->to_vmcs12, c->to_vmcs12_sampled },
		{ "copy_to_shadow", c->to_shadow, c->to_shadow_sampled },
		{ "slow_path", c->slow_path, c->slow_path_sampled },
	};

	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		struct json_object *cost = json_object_new_object();

		json_add_number(cost, "ticks", costs[i].value, 1);
		json_object_object_add(cost, "sampled", json_object_new_boolean(costs[i].sampled));
		json_object_object_add(o, costs[i].key, cost);
	}
	return o;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	double i = x->costs[x->class] - x->costs[x->best], j = y->costs[y->class] - y->costs[y->best];

	if (i != j)
		return i < j ? 1 : -1;
	i = x->reads + x->writes;
	j = y->reads + y->writes;
	if (i != j)
		return i < j ? 1 : -1;
	return (x->encoding > y->encoding) - (x->encoding < y->encoding);
}

/* The accesses of a window, by field of the table. */
static void count_accesses(struct whole *w, struct json_object *since, double exits)
{
	for (size_t i = 0; i < json_length(since); i++) {
		struct json_object *field = json_at(since, i);

		for (size_t k = 0; k < w->n; k++)
			if (w->rows[k].encoding == json_get_count(field, "encoding")) {
				w->rows[k].reads = json_get_count(field, "vmread") / exits;
				w->rows[k].writes = json_get_count(field, "vmwrite") / exits;
			}
	}
}

static void fill_whole(struct whole *w, struct json_object *vm, struct json_object *fields,
		       struct json_object *then, struct json_object *now,
		       const struct profile_costs *costs)
{
	double exits = statistics_since(then, now, "nested_exits_reflected");
	_cleanup_json_ struct json_object *since = statistics_fields_since(then, now);
	size_t lazy = 0;

	for (size_t i = 0; i < w->n; i++) {
		fill_row(&w->rows[i], json_at(fields, i), vm);
		lazy += w->rows[i].lazy;
	}
	count_accesses(w, since, exits);
	w->entries = statistics_since(then, now, "nested_entries") / exits;
	w->fetches = statistics_since(then, now, "rare_syncs") / exits;
	if (w->fetches > 1)
		w->fetches = 1;
	/* A fetch reads each from vmcs02 and writes it to vmcs12, as a copy does. */
	w->fetch = lazy * costs->to_vmcs12;
	for (size_t i = 0; i < w->n; i++)
		find_best(&w->rows[i], costs);
	settle_lazy(w);
}

/* Too few to advise: how long it would take to see enough. */
static void add_advice(struct json_object *o, uint64_t exits, double seconds)
{
	bool enough = exits >= PROFILE_ADVICE_EXITS;

	json_object_object_add(o, "advice", json_object_new_boolean(enough));
	json_add_count(o, "advice_exits", PROFILE_ADVICE_EXITS);
	if (!enough)
		json_add_number(o, "advice_seconds", seconds * PROFILE_ADVICE_EXITS *
				PROFILE_ADVICE_RESERVE / exits, 1);
}

bool profile_is_advice(struct json_object *profile)
{
	return json_object_get_boolean(json_get(profile, "advice"));
}

int profile_compute(struct json_object *vm, struct json_object *fields, struct json_object *then,
		    struct json_object *now, double seconds, const struct profile_costs *costs,
		    struct json_object **ret)
{
	uint64_t exits = statistics_since(then, now, "nested_exits_reflected");
	bool advise = exits >= PROFILE_ADVICE_EXITS;
	struct whole w = { .n = json_length(fields) };
	_cleanup_free_ struct row *rows = calloc(w.n + 1, sizeof(*rows));
	struct json_object *o, *list;

	if (!rows)
		return -ENOMEM;
	if (exits == 0)
		return -ENODATA;
	w.rows = rows;
	fill_whole(&w, vm, fields, then, now, costs);
	qsort(rows, w.n, sizeof(*rows), compare_rows);

	o = json_object_new_object();
	json_object_object_add(o, "id", json_object_get(json_get(vm, "id")));
	json_add_text(o, "name", json_get_text(vm, "name"));
	json_add_text(o, "policy", json_get_text(vm, "policy"));
	json_add_text(o, "vmwrite_any_field", json_get_text(vm, "vmwrite_any_field"));
	json_add_count(o, "l2_exits", exits);
	json_add_number(o, "seconds", seconds, 1);
	add_advice(o, exits, seconds);
	json_add_number(o, "slow_path_entries", (double)statistics_since(then, now,
			"slow_path_entries") / exits, 3);
	json_object_object_add(o, "costs", costs_json(costs));
	json_object_object_add(o, "now", total_json(&w, false));
	if (advise)
		json_object_object_add(o, "best", total_json(&w, true));

	list = json_object_new_array();
	for (size_t i = 0; i < w.n; i++)
		if (rows[i].reads + rows[i].writes > 0)
			json_object_array_add(list, row_json(&rows[i], advise));
	json_object_object_add(o, "fields", list);
	*ret = o;
	return 0;
}

static struct json_object *find_row(struct json_object *rows, const char *name)
{
	for (size_t i = 0; i < json_length(rows); i++)
		if (streq(json_get_text(json_at(rows, i), "name"), name))
			return json_at(rows, i);
	return NULL;
}

/* What a policy has to say that has the best classes and extends one with base's. */
static struct json_object *changes_to(struct json_object *base, struct json_object *profile,
				      struct json_object *fields)
{
	struct json_object *changes = json_object_new_object(), *rows = json_get(profile, "fields");
	const char *intercept = class_to_string(NVMX_CLASS_INTERCEPT);

	for (size_t i = 0; i < json_length(fields); i++) {
		const char *name = json_get_text(json_at(fields, i), "name");
		const char *best = json_get_text(find_row(rows, name), "best");
		const char *is = json_get_text(base, name);

		/* What L1 does not access is not shadowed. */
		if (isempty(best))
			best = intercept;
		if (!streq(best, isempty(is) ? intercept : is))
			json_add_text(changes, name, best);
	}
	return changes;
}

struct json_object *profile_policy(struct json_object *profile, struct json_object *fields,
				   struct json_object *stock, const char *stock_any,
				   const char *name, const char *description)
{
	struct json_object *policy = json_object_new_object();
	struct json_object *changes = changes_to(NULL, profile, fields);
	struct json_object *fewer = stock ? changes_to(stock, profile, fields) : NULL;
	const char *extends = POLICY_EXTENDS_NONE, *any = vmwrite_any_to_string(NVMX_VMWRITE_ANY_INHERIT);
	const char *is = json_get_text(profile, "vmwrite_any_field");

	if (fewer && json_length(fewer) < json_length(changes)) {
		struct json_object *more = changes;

		changes = fewer;
		fewer = more;
		extends = POLICY_DEFAULT;
		any = stock_any;
	}
	json_object_put(fewer);
	json_add_text(policy, "name", name);
	json_add_text(policy, "description", description);
	json_add_text(policy, "extends", extends);
	/* It cannot change once L1 uses VMX: the policy asks for what is there. */
	if (!isempty(is) && !streq(is, any))
		json_add_text(policy, VMWRITE_ANY_FIELD, is);
	json_object_object_add(policy, "fields", changes);
	return policy;
}
