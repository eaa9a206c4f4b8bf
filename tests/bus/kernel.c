/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stand-in for the kernel.  Owns its VMs, for good: like the ids, the slots are
 * not used twice.
 */
#include <time.h>

#include "tests/bus/kernel.h"
#include "policy/policy.h"

/* encoding name width kind stock-class allowed-classes flags */
static int parse_field(const char *line, struct nvmx_field *ret)
{
	static const char *const widths[] = { "16", "64", "32", "natural" };
	static const char *const kinds[] = { "control", "exit-information", "guest-state", "host-state" };
	char name[NVMX_FIELD_NAME_LEN], width[16], kind[24], stock[16], allowed[64], flags[32];
	struct nvmx_field f = { 0 };
	char *state, *word;

	if (sscanf(line, "%x %39s %15s %23s %15s %63s %31s", &f.encoding, name, width, kind, stock,
		   allowed, flags) != 7)
		return -1;
	strcpy(f.name, name);

	/* Both follow from the encoding: what the table says must agree. */
	f.width = f.encoding >> 13 & 3;
	f.kind = f.encoding >> 10 & 3;
	if (!streq(width, widths[f.width]) || !streq(kind, kinds[f.kind]))
		return -1;

	if (class_from_string(stock) < 0)
		return -1;
	f.stock_class = class_from_string(stock);
	for (word = strtok_r(allowed, ",", &state); word; word = strtok_r(NULL, ",", &state)) {
		if (class_from_string(word) < 0)
			return -1;
		f.allowed_classes |= 1 << class_from_string(word);
	}
	for (word = strtok_r(flags, ",", &state); word; word = strtok_r(NULL, ",", &state)) {
		if (streq(word, "-"))
			continue;
		if (field_flag_from_string(word) < 0)
			return -1;
		f.flags |= 1U << field_flag_from_string(word);
	}

	*ret = f;
	return 0;
}

int kernel_read_fields(struct kernel *k, const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	unsigned int n = 0;
	char line[256];

	if (!f) {
		perror(path);
		return -1;
	}

	while (fgets(line, sizeof(line), f)) {
		n++;
		if (*line == '#' || *line == '\n')
			continue;
		if (k->n_fields == KERNEL_FIELDS_MAX || parse_field(line, &k->fields[k->n_fields]) < 0 ||
		    (k->n_fields > 0 && k->fields[k->n_fields].encoding <= k->fields[k->n_fields - 1].encoding)) {
			fprintf(stderr, "%s:%u: not a field, or not in order\n", path, n);
			return -1;
		}
		k->n_fields++;
	}

	return 0;
}

void kernel_keep_own_list(struct kernel *k)
{
	k->features &= ~NVMX_FEATURE_ALL_FIELDS;
	for (size_t i = 0; i < k->n_fields; i++) {
		if (k->fields[i].stock_class != NVMX_CLASS_INTERCEPT)
			continue;
		k->fields[i].allowed_classes = 1 << NVMX_CLASS_INTERCEPT;
		k->fields[i].flags |= NVMX_FIELD_ABSENT;
	}
}

int kernel_find_field(const struct kernel *k, const char *name)
{
	for (size_t i = 0; i < k->n_fields; i++)
		if (streq(k->fields[i].name, name))
			return i;
	return -1;
}

static int find_encoding(const struct kernel *k, uint32_t encoding)
{
	for (size_t i = 0; i < k->n_fields; i++)
		if (k->fields[i].encoding == encoding)
			return i;
	return -1;
}

struct kernel_vm *kernel_find_vm(struct kernel *k, uint64_t id)
{
	return id >= 1 && id <= k->n_vms && k->vms[id - 1]->alive ? k->vms[id - 1] : NULL;
}

struct kernel_vm *kernel_create_vm(struct kernel *k, pid_t pid, uint64_t start_time, unsigned int vcpus)
{
	struct kernel_vm *vm;

	if (k->n_vms == KERNEL_VMS_MAX || vcpus > KERNEL_VCPUS_MAX)
		return NULL;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return NULL;

	k->vms[k->n_vms++] = vm;
	vm->alive = true;
	vm->window_owner = KERNEL_NO_WINDOW;
	vm->info = (struct nvmx_vm_info) {
		.size = sizeof(vm->info),
		.id = k->n_vms,
		.pid = pid,
		.start_time = start_time,
		.nr_vcpus = vcpus,
	};
	for (size_t i = 0; i < k->n_fields; i++)
		vm->classes[i] = k->fields[i].stock_class;
	return vm;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000) + t.tv_nsec / 1000000;
}

static void open_window(struct kernel *k, struct kernel_vm *vm, int owner, uint64_t until)
{
	vm->window_owner = owner;
	vm->window_until = until;
	k->n_windows++;
	k->record(NVMX_EVENT_VM_STATE, vm);
}

void kernel_close_window(struct kernel *k, struct kernel_vm *vm)
{
	if (vm->window_owner == KERNEL_NO_WINDOW)
		return;
	vm->window_owner = KERNEL_NO_WINDOW;
	k->n_windows--;
	if (vm->alive)
		k->record(NVMX_EVENT_VM_STATE, vm);
}

void kernel_open_window(struct kernel *k, struct kernel_vm *vm)
{
	if (vm->window_owner == KERNEL_NO_WINDOW)
		open_window(k, vm, KERNEL_OTHERS_WINDOW, UINT64_MAX);
}

int kernel_end_windows(struct kernel *k)
{
	uint64_t now = now_ms(), next = UINT64_MAX;

	for (size_t i = 0; k->n_windows > 0 && i < k->n_vms; i++) {
		struct kernel_vm *vm = k->vms[i];

		if (vm->window_owner < 0)
			continue;
		if (now >= vm->window_until)
			kernel_close_window(k, vm);
		else if (vm->window_until < next)
			next = vm->window_until;
	}
	return next == UINT64_MAX ? -1 : (int)(next - now);
}

static int start_window(struct kernel *k, struct kernel_vm *vm, int fd, const struct nvmx_window *arg)
{
	if (arg->duration_ms == 0 || arg->duration_ms > NVMX_WINDOW_MAX_MS)
		return -EINVAL;
	if (~k->features & (NVMX_FEATURE_NESTED | NVMX_FEATURE_SHADOW_VMCS))
		return -EOPNOTSUPP;
	if (vm->window_owner != KERNEL_NO_WINDOW)
		return -EBUSY;

	open_window(k, vm, fd, now_ms() + arg->duration_ms);
	return 0;
}

static int end_window(struct kernel *k, struct kernel_vm *vm, int fd, const struct nvmx_window *arg)
{
	if (arg->duration_ms)
		return -EINVAL;
	if (vm->window_owner != fd)
		return -ENOENT;

	kernel_close_window(k, vm);
	return 0;
}

void kernel_release(struct kernel *k, struct kernel_vm *vm, int fd)
{
	if (vm->window_owner == fd)
		kernel_close_window(k, vm);
}

void kernel_end_vm(struct kernel *k, struct kernel_vm *vm)
{
	vm->alive = false;
	kernel_close_window(k, vm);
	k->record(NVMX_EVENT_VM_GONE, vm);
}

void kernel_set_evmcs(struct kernel *k, struct kernel_vm *vm, bool used)
{
	if (used == !!(vm->info.state & NVMX_VM_STATE_EVMCS))
		return;
	vm->info.state ^= NVMX_VM_STATE_EVMCS;
	k->record(NVMX_EVENT_VM_STATE, vm);
}

static void get_vm_info(const struct kernel_vm *vm, struct nvmx_vm_info *arg)
{
	*arg = vm->info;
	if (vm->window_owner != KERNEL_NO_WINDOW)
		arg->state |= NVMX_VM_STATE_WINDOW;
}

static int get_info(struct kernel *k, struct nvmx_info *arg)
{
	arg->abi_version = k->abi_version;
	arg->nr_fields = k->n_fields;
	arg->features = k->features;
	arg->tsc_khz = k->tsc_khz;
	arg->sample_every = 64;
	arg->nr_vms = 0;
	for (size_t i = 0; i < k->n_vms; i++)
		arg->nr_vms += k->vms[i]->alive;
	return 0;
}

static int get_fields(struct kernel *k, struct nvmx_get_fields *arg, struct nvmx_field *out)
{
	if (arg->entry_size != sizeof(*out))
		return -EINVAL;

	for (size_t i = 0; i < k->n_fields && i < arg->nr; i++)
		out[i] = k->fields[i];
	arg->nr = k->n_fields;
	return 0;
}

static int list_vms(struct kernel *k, struct nvmx_list_vms *arg, struct nvmx_vm_info *out)
{
	uint32_t n = 0;

	if (arg->entry_size != sizeof(*out))
		return -EINVAL;

	for (size_t i = 0; i < k->n_vms && n < arg->nr; i++)
		if (k->vms[i]->alive && k->vms[i]->info.id > arg->after)
			get_vm_info(k->vms[i], &out[n++]);
	arg->nr = n;
	return 0;
}

static int get_executable(const struct kernel *k, const struct kernel_vm *vm,
			  struct nvmx_executable *arg, char *out)
{
	const char *path = vm->executable ?: "";

	if (k->no_executable)
		return -ENOTTY;
	if (arg->nr > 0)
		snprintf(out, arg->nr, "%s", path);
	arg->nr = strlen(path) + 1;
	return 0;
}

static int get_policy(struct kernel *k, const struct kernel_vm *vm, struct nvmx_policy *arg,
		      struct nvmx_policy_entry *out)
{
	uint32_t n = 0;

	for (size_t i = 0; i < k->n_fields; i++) {
		if (vm->classes[i] == NVMX_CLASS_INTERCEPT)
			continue;
		if (n < arg->nr)
			out[n] = (struct nvmx_policy_entry) { k->fields[i].encoding, vm->classes[i] };
		n++;
	}

	arg->nr = n;
	arg->vmwrite_any_field = vm->vmwrite_any_field;
	arg->generation = vm->generation;
	memcpy(arg->label, vm->label, sizeof(arg->label));
	return 0;
}

/* The class of one entry, checked; on failure bad_encoding is the field. */
static int take_entry(const struct kernel *k, const struct nvmx_policy *arg,
		      const struct nvmx_policy_entry *e, uint8_t *classes, bool *seen)
{
	int i = find_encoding(k, e->encoding);

	if (e->shadow_class >= NVMX_NR_CLASSES)
		return -EINVAL;
	if (i < 0)
		return -EOPNOTSUPP;
	if (seen[i])
		return -EINVAL;
	if (!(k->fields[i].allowed_classes & 1 << e->shadow_class))
		return -EOPNOTSUPP;
	if (arg->vmwrite_any_field == NVMX_VMWRITE_ANY_HIDE &&
	    k->fields[i].kind == NVMX_KIND_READ_ONLY_DATA && e->shadow_class == NVMX_CLASS_READ_WRITE)
		return -EOPNOTSUPP;

	seen[i] = true;
	classes[i] = e->shadow_class;
	return 0;
}

static int set_policy(struct kernel *k, struct kernel_vm *vm, struct nvmx_policy *arg,
		      const struct nvmx_policy_entry *in)
{
	uint8_t classes[KERNEL_FIELDS_MAX] = { 0 };
	bool seen[KERNEL_FIELDS_MAX] = { false };
	int r;

	if (k->fail_set) {
		r = -k->fail_set;
		k->fail_set = 0;
		return r;
	}

	arg->bad_encoding = NVMX_NO_FIELD;
	if (arg->vmwrite_any_field > NVMX_VMWRITE_ANY_HIDE || arg->nr > NVMX_MAX_ENTRIES ||
	    !memchr(arg->label, 0, sizeof(arg->label)))
		return -EINVAL;
	if (~k->features & (NVMX_FEATURE_NESTED | NVMX_FEATURE_SHADOW_VMCS))
		return -EOPNOTSUPP;

	for (uint32_t i = 0; i < arg->nr; i++) {
		r = take_entry(k, arg, &in[i], classes, seen);
		if (r < 0) {
			arg->bad_encoding = in[i].encoding;
			return r;
		}
	}
	if (arg->vmwrite_any_field != vm->vmwrite_any_field && (vm->info.state & NVMX_VM_STATE_VMXON))
		return -EBUSY;

	memcpy(vm->classes, classes, sizeof(classes));
	vm->vmwrite_any_field = arg->vmwrite_any_field;
	memcpy(vm->label, arg->label, sizeof(vm->label));
	arg->generation = ++vm->generation;
	k->record(NVMX_EVENT_VM_POLICY, vm);
	return 0;
}

static void add_totals(struct nvmx_counters *sum, const struct nvmx_counters *c)
{
	/* All of them, in the order of the struct. */
	__u64 *to = &sum->nested_entries;
	const __u64 *from = &c->nested_entries;

	for (size_t i = 0; i <= (size_t)(&sum->slow_path_cycles - to); i++)
		to[i] += from[i];
}

/* What one copy takes, in ticks per field; fixed, so that tests know what comes out. */
#define TICKS_TO_VMCS12	11
#define TICKS_TO_SHADOW	9

/* L1 runs L2 a number of times on vCPU 0, with the classes that are in force now. */
static void run_l1(struct kernel *k, struct kernel_vm *vm)
{
	struct nvmx_counters *c = &vm->vcpus[0].totals;
	uint64_t read_write = 0, shadowed = 0;
	bool lazy = false;

	for (size_t i = 0; i < k->n_fields; i++) {
		uint8_t class = vm->window_owner != KERNEL_NO_WINDOW ? NVMX_CLASS_INTERCEPT : vm->classes[i];
		uint64_t reads = vm->reads[i] * vm->runs / 100;
		uint64_t writes = vm->writes[i] * vm->runs / 100;

		read_write += class == NVMX_CLASS_READ_WRITE;
		shadowed += class != NVMX_CLASS_INTERCEPT;
		if (k->fields[i].flags & NVMX_FIELD_LAZY)
			lazy = lazy || class != NVMX_CLASS_INTERCEPT || reads > 0 || writes > 0;
		if (class == NVMX_CLASS_INTERCEPT)
			vm->vcpus[0].vmread[i] += reads;
		if (class != NVMX_CLASS_READ_WRITE)
			vm->vcpus[0].vmwrite[i] += writes;
		if (class == NVMX_CLASS_READ_ONLY)
			c->vmwrite_propagated += writes;
	}

	c->nested_entries += vm->runs;
	c->nested_exits_reflected += vm->runs;
	c->shadow_to_vmcs12 += vm->runs;
	c->vmcs12_to_shadow += vm->runs;
	c->fields_to_vmcs12 += vm->runs * read_write;
	c->fields_to_shadow += vm->runs * shadowed;
	c->rare_syncs += lazy ? vm->runs : 0;
	if (vm->runs > 0 && !vm->untimed) {
		c->to_vmcs12_timed++;
		c->to_vmcs12_cycles += TICKS_TO_VMCS12 * read_write;
		c->to_shadow_timed++;
		c->to_shadow_cycles += TICKS_TO_SHADOW * shadowed;
	}
}

static int get_counters(struct kernel *k, const struct kernel_vm *vm, struct nvmx_counters *arg,
			struct nvmx_field_counters *out)
{
	struct nvmx_counters sum = *arg;
	uint32_t n = 0;

	if (arg->vcpu < NVMX_ALL_VCPUS || arg->vcpu >= (int)vm->info.nr_vcpus)
		return -ENOENT;

	for (int v = 0; v < (int)vm->info.nr_vcpus; v++)
		if (arg->vcpu < 0 || v == arg->vcpu)
			add_totals(&sum, &vm->vcpus[v].totals);

	for (size_t i = 0; i <= k->n_fields; i++) {
		struct nvmx_field_counters c = {
			.encoding = i < k->n_fields ? k->fields[i].encoding : NVMX_NO_FIELD,
		};
		/* "other" is kept at a fixed place. */
		size_t at = i < k->n_fields ? i : KERNEL_FIELDS_MAX;

		for (int v = 0; v < (int)vm->info.nr_vcpus; v++) {
			if (arg->vcpu >= 0 && v != arg->vcpu)
				continue;
			c.vmread_exits += vm->vcpus[v].vmread[at];
			c.vmwrite_exits += vm->vcpus[v].vmwrite[at];
		}
		if (c.vmread_exits == 0 && c.vmwrite_exits == 0)
			continue;
		sum.vmread_exits += c.vmread_exits;
		sum.vmwrite_exits += c.vmwrite_exits;
		if (n < arg->nr)
			out[n] = c;
		n++;
	}

	sum.nr = n;
	*arg = sum;
	return 0;
}

static int registry_call(struct kernel *k, uint32_t request, void *arg, void *array)
{
	switch (request) {
	case NVMX_GET_INFO:
		return get_info(k, arg);
	case NVMX_GET_FIELDS:
		return get_fields(k, arg, array);
	case NVMX_LIST_VMS:
		return list_vms(k, arg, array);
	}
	return -ENOTTY;
}

int kernel_call(struct kernel *k, struct kernel_vm *vm, int fd, uint32_t request, void *arg,
		void *array)
{
	if (!vm)
		return registry_call(k, request, arg, array);
	if (!vm->alive)
		return -ENODEV;
	(void)kernel_end_windows(k);

	switch (request) {
	case NVMX_VM_GET_INFO:
		get_vm_info(vm, arg);
		return 0;
	case NVMX_VM_GET_EXECUTABLE:
		return get_executable(k, vm, arg, array);
	case NVMX_VM_GET_POLICY:
		return get_policy(k, vm, arg, array);
	case NVMX_VM_SET_POLICY:
		return set_policy(k, vm, arg, array);
	case NVMX_VM_START_WINDOW:
		return start_window(k, vm, fd, arg);
	case NVMX_VM_END_WINDOW:
		return end_window(k, vm, fd, arg);
	case NVMX_VM_GET_COUNTERS:
		run_l1(k, vm);
		return get_counters(k, vm, arg, array);
	}
	return -ENOTTY;
}
