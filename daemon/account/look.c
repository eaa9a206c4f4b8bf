/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loads account.bpf.c, attaches it, and makes an account of what it has counted.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "daemon/account/look.h"
#include "policy/policy.h"

typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
#include "daemon/account/slot.h"

#include "daemon/account/account.skel.h"

/* A slot is read while it is written: until nothing came in between. */
#define READS_MAX	100

#define SLOT_SIZE(n)	((n) * sizeof(struct slot))

struct look {
	struct account_bpf *bpf;
	const struct slot *slots;	/* of SLOTS_MAX, mapped */
	int kvm;			/* its module stays while this is open */
	uint64_t began;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* ---- beginning ---- */

/* What libbpf says is for who develops this: NVMX_ACCOUNT_DEBUG=1. */
static int on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	return getenv("NVMX_ACCOUNT_DEBUG") ? vfprintf(stderr, format, args) : 0;
}

/* The kernel's types have to be there before anything can be said about the fields. */
static int check_btf(char **ret_error)
{
	static const char *const paths[] = { "/sys/kernel/btf/vmlinux", "/sys/kernel/btf/kvm", "/sys/kernel/btf/kvm_intel" };

	if (access("/sys/module/kvm_intel", F_OK) < 0)
		return error_set(ret_error, -ENODEV, "kvm_intel is not loaded, so there is no VM whose time could be told; "
				 "modprobe kvm_intel.");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (access(paths[i], F_OK) < 0)
			return error_set(ret_error, -EOPNOTSUPP, "%s is not there: this kernel, or its KVM, was built "
					 "without BTF (CONFIG_DEBUG_INFO_BTF_MODULES), which BPF needs.", paths[i]);
	return 0;
}

/* Which of the fields that account.bpf.c reads are not there, by the kernel's own types. */
static const struct {
	const char *type, *field, *or_field;
} needed[] = {
	{ "kvm_vcpu",			"kvm",		NULL },
	{ "kvm_vcpu",			"vcpu_id",	NULL },
	{ "kvm_vcpu",			"preempted",	NULL },
	{ "kvm_vcpu",			"arch",		NULL },
	{ "kvm_vcpu",			"stat",		NULL },
	{ "kvm_vcpu_arch",		"regs",		NULL },
	{ "kvm_vcpu_stat",		"generic",	NULL },
	{ "kvm_vcpu_stat_generic",	"blocking",	NULL },
	{ "vcpu_vmx",			"nested",	NULL },
	{ "vcpu_vmx",			"loaded_vmcs",	NULL },
	{ "vcpu_vmx",			"exit_reason",	"vt" },
	{ "nested_vmx",			"vmcs02",	NULL },
};

static bool has_field(const struct btf *btf, const char *type, const char *field)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(btf, id);
	const struct btf_member *m = t ? btf_members(t) : NULL;

	for (size_t i = 0; t && i < btf_vlen(t); i++)
		if (streq(btf__name_by_offset(btf, m[i].name_off), field))
			return true;
	return false;
}

static int check_fields(char **ret_error)
{
	struct btf *vmlinux = btf__load_vmlinux_btf(), *kvm, *kvm_intel;
	int r = 0;

	kvm = vmlinux ? btf__load_module_btf("kvm", vmlinux) : NULL;
	kvm_intel = vmlinux ? btf__load_module_btf("kvm_intel", vmlinux) : NULL;
	if (!vmlinux || !kvm || !kvm_intel)
		r = error_set(ret_error, -EOPNOTSUPP, "The types of this kernel's KVM (/sys/kernel/btf) cannot be read: %s.",
			      strerror(errno));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(needed); i++) {
		const struct btf *btf = streq(needed[i].type, "vcpu_vmx") || streq(needed[i].type, "nested_vmx") ?
					kvm_intel : kvm;

		if (!has_field(btf, needed[i].type, needed[i].field) &&
		    !(needed[i].or_field && has_field(btf, needed[i].type, needed[i].or_field)))
			r = error_set(ret_error, -EOPNOTSUPP, "This kernel's KVM has no %s in its struct %s, so where "
				      "time goes cannot be told by this version of nvmx.", needed[i].field,
				      needed[i].type);
	}
	btf__free(kvm_intel);
	btf__free(kvm);
	btf__free(vmlinux);
	return r;
}

static int load_error(int r, const char *what, char **ret_error)
{
	if (r == -ENOMEM)
		return r;
	if (r == -EPERM || r == -EACCES)
		return error_set(ret_error, -EPERM, "BPF is not allowed here (%s: %s): it takes CAP_BPF, CAP_PERFMON and "
				 "CAP_SYS_ADMIN, and a kernel that is not locked down for confidentiality.", what,
				 strerror(-r));
	return error_set(ret_error, -EOPNOTSUPP, "This kernel does not take the program that looks at KVM (%s: %s).", what,
			 strerror(-r));
}

static int load(struct look *l, char **ret_error)
{
	int cpus = libbpf_num_possible_cpus(), r;

	libbpf_set_print(on_libbpf);
	l->bpf = account_bpf__open();
	if (!l->bpf)
		return load_error(-errno, "open", ret_error);
	r = cpus < 0 ? cpus : bpf_map__set_max_entries(l->bpf->maps.recents, cpus);
	if (r >= 0)
		r = account_bpf__load(l->bpf);
	return r < 0 ? load_error(r, "load", ret_error) : 0;
}

/* kvm_exit comes last: it makes slots, and what it has seen the others have to follow. */
static int attach(struct look *l, char **ret_error)
{
	struct {
		struct bpf_program *program;
		struct bpf_link **link;
	} programs[] = {
		{ l->bpf->progs.on_destroy,	&l->bpf->links.on_destroy },
		{ l->bpf->progs.on_put,		&l->bpf->links.on_put },
		{ l->bpf->progs.on_load,	&l->bpf->links.on_load },
		{ l->bpf->progs.on_entry,	&l->bpf->links.on_entry },
		{ l->bpf->progs.on_pio,		&l->bpf->links.on_pio },
		{ l->bpf->progs.on_exit,	&l->bpf->links.on_exit },
	};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		*programs[i].link = bpf_program__attach(programs[i].program);
		if (!*programs[i].link)
			return load_error(-errno, bpf_program__section_name(programs[i].program), ret_error);
	}
	return 0;
}

int look_new(struct look **ret, char **ret_error)
{
	_cleanup_(look_freep) struct look *l = NULL;
	_cleanup_free_ char *missing = NULL;
	void *slots;
	int r;

	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->kvm = -EBADF;
	r = check_btf(ret_error);
	if (r < 0)
		return r;
	/* The kernel lets a module go under an attached program. */
	l->kvm = open("/dev/kvm", O_RDONLY | O_CLOEXEC);
	if (l->kvm < 0)
		return error_set(ret_error, -errno, "/dev/kvm cannot be opened: %s.", strerror(errno));
	r = load(l, ret_error);
	/* By name, if that is why. */
	if (r == -EOPNOTSUPP && check_fields(&missing) < 0 && missing) {
		free(*ret_error);
		*ret_error = steal_ptr(missing);
	}
	if (r < 0)
		return r;
	slots = mmap(NULL, SLOT_SIZE(SLOTS_MAX), PROT_READ, MAP_SHARED, bpf_map__fd(l->bpf->maps.slots), 0);
	if (slots == MAP_FAILED)
		return -errno;
	l->slots = slots;
	l->began = now_ns();
	r = attach(l, ret_error);
	if (r < 0)
		return r;
	*ret = steal_ptr(l);
	return 0;
}

struct look *look_free(struct look *l)
{
	if (!l)
		return NULL;
	if (l->slots)
		(void)munmap((void *)l->slots, SLOT_SIZE(SLOTS_MAX));
	account_bpf__destroy(l->bpf);
	if (l->kvm >= 0)
		close(l->kvm);
	free(l);
	return NULL;
}

/* ---- reading ---- */

/* As it was at one moment, *ret_now; after so many tries it may be off by an event. */
static void copy_slot(const struct slot *from, struct slot *ret, uint64_t *ret_now)
{
	for (int i = 0; i < READS_MAX; i++) {
		u64 before = __atomic_load_n(&from->last, __ATOMIC_ACQUIRE);

		*ret_now = now_ns();
		memcpy(ret, from, sizeof(*ret));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&from->last, __ATOMIC_ACQUIRE) == before && ret->last == before)
			break;
	}
	if (*ret_now < ret->last)
		*ret_now = ret->last;
}

/* What has lasted since the last event goes where it will be counted when it ends. */
static void add_open(struct slot *s, uint64_t ns)
{
	if (s->state == SLOT_IN_GUEST)
		s->guest[s->level & 1].ns += ns;
	else if (s->state == SLOT_IS_OUTSIDE && s->outside < SLOT_OUTSIDES)
		s->outsides[s->outside].ns += ns;
	else if (s->state == SLOT_IN_L0)
		s->pending += ns;
	/* An exit that is not over is taken to go back to where it came from. */
	if (s->reason < SLOT_REASONS)
		s->exits[s->level & 1][s->reason][s->level & 1].ns += s->pending;
}

static int add_line(struct account_vcpu *v, struct account_line line, const struct slot_cell *cell)
{
	if (!cell->count && !cell->ns)
		return 0;
	line.count = cell->count;
	line.ns = cell->ns;
	return account_add(v, &line);
}

static int add_lines(const struct slot *s, struct account_vcpu *v)
{
	int r = 0;

	for (unsigned int i = 0; r >= 0 && i < SLOT_LEVELS; i++)
		r = add_line(v, (struct account_line) { .kind = ACCOUNT_GUEST, .level = i, .shortest = s->shortest[i] },
			     &s->guest[i]);
	for (unsigned int i = 0; r >= 0 && i < SLOT_OUTSIDES; i++)
		r = add_line(v, (struct account_line) { .kind = ACCOUNT_OUTSIDE, .why = i }, &s->outsides[i]);
	for (unsigned int from = 0; from < SLOT_LEVELS; from++)
		for (unsigned int reason = 0; reason < SLOT_REASONS; reason++)
			for (unsigned int to = 0; r >= 0 && to < SLOT_LEVELS; to++)
				r = add_line(v, (struct account_line) { .kind = ACCOUNT_EXIT, .level = from,
									.reason = reason, .to = to },
					     &s->exits[from][reason][to]);
	return r;
}

/* USER_HZ, in which proc(5) has times. */
static uint64_t to_clock_ticks(uint64_t ns)
{
	long hz = sysconf(_SC_CLK_TCK);

	return ns / (UINT64_C(1000000000) / hz);
}

/* The VMs of the slots so far, by the numbers that those have. */
struct reading {
	struct account account;
	uint32_t numbers[SLOTS_MAX];
	struct { size_t vm, vcpu; } of_slot[SLOTS_MAX];
};

static void find_vm(struct reading *x, const struct slot *s, size_t *ret)
{
	uint64_t start_time = to_clock_ticks(s->started);
	struct account *a = &x->account;
	uint32_t number = 0;

	for (size_t i = 0; i < a->n_vms; i++) {
		if (a->vms[i].pid != s->pid || a->vms[i].start_time != start_time)
			continue;
		if (x->numbers[i] == s->vm) {
			*ret = i;
			return;
		}
		number++;
	}
	x->numbers[a->n_vms] = s->vm;
	a->vms[a->n_vms] = (struct account_vm) { .pid = s->pid, .start_time = start_time, .number = number };
	*ret = a->n_vms++;
}

static int add_slot(struct reading *x, size_t n, const struct slot *from)
{
	struct account_vcpu *vcpus;
	struct account_vm *vm;
	struct slot s;
	uint64_t now;
	size_t at;

	copy_slot(from, &s, &now);
	if (s.state == SLOT_NEW)
		return 0;
	find_vm(x, &s, &at);
	vm = &x->account.vms[at];
	vcpus = reallocarray(vm->vcpus, vm->n_vcpus + 1, sizeof(*vcpus));
	if (!vcpus)
		return -ENOMEM;
	vm->vcpus = vcpus;
	x->of_slot[n].vm = at;
	x->of_slot[n].vcpu = vm->n_vcpus + 1;
	vm->vcpus[vm->n_vcpus] = (struct account_vcpu) { .index = s.index, .ns = (s.vcpu ? now : s.last) - s.first };
	if (s.vcpu)
		add_open(&s, now - s.last);
	x->account.lost += s.lost;
	return add_lines(&s, &vm->vcpus[vm->n_vcpus++]);
}

static int add_details(struct look *l, struct reading *x)
{
	int fd = bpf_map__fd(l->bpf->maps.details), r = 0;
	struct slot_detail key, *before = NULL;
	struct slot_cell cell;

	/* One that comes or goes meanwhile may be missed, or seen again; none goes. */
	for (size_t i = 0; i < SLOTS_MAX * DETAILS_PER_VCPU && bpf_map_get_next_key(fd, before, &key) == 0; i++) {
		before = &key;
		if (bpf_map_lookup_elem(fd, &key, &cell) < 0 || key.slot >= SLOTS_MAX || !x->of_slot[key.slot].vcpu)
			continue;
		r = add_line(&x->account.vms[x->of_slot[key.slot].vm].vcpus[x->of_slot[key.slot].vcpu - 1],
			     (struct account_line) { .kind = ACCOUNT_DETAIL, .level = key.from, .reason = key.reason,
						     .to = key.to, .what = key.what }, &cell);
		if (r < 0)
			return r;
	}
	return 0;
}

int look_read(struct look *l, struct account *ret)
{
	_cleanup_free_ struct reading *x = calloc(1, sizeof(*x));
	uint32_t n = l->bpf->bss->nr_slots;
	int r = 0;

	if (!x)
		return -ENOMEM;
	x->account.ns = now_ns() - l->began;
	x->account.beyond = n > SLOTS_MAX ? n - SLOTS_MAX : 0;
	n -= x->account.beyond;
	x->account.vms = calloc(n ?: 1, sizeof(*x->account.vms));
	if (!x->account.vms)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = add_slot(x, i, &l->slots[i]);
	if (r >= 0)
		r = add_details(l, x);
	if (r < 0) {
		account_clear(&x->account);
		return r;
	}
	*ret = x->account;
	return 0;
}
