// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes every nanosecond of every vCPU, on KVM as it is: in L1, in L2, outside, or in L0 for
 * (level it came from, exit reason, level it goes to).
 *
 * One binary for all kernels: the structs below have the few fields that are used, and are
 * relocated by the kernel's BTF when the program is loaded.  What is between kvm_entry and
 * kvm_exit counts as guest; the shortest such stay is kept, which is KVM's own part of it.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
typedef _Bool bool;
enum { false, true };
/* What libbpf's headers want of a kernel's. */
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u64 __be64;
typedef u16 __sum16;
typedef u32 __wsum;

/* include/uapi/linux/bpf.h */
enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2 };
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1 << 0, BPF_F_MMAPABLE = 1 << 10 };

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "slot.h"

/* arch/x86/include/uapi/asm/vmx.h */
#define EXIT_REASON_IO_INSTRUCTION	30
#define EXIT_REASON_MSR_READ		31
#define EXIT_REASON_MSR_WRITE		32

/* arch/x86/include/asm/kvm_host.h */
#define VCPU_REGS_RCX			1

#define CORE __attribute__((preserve_access_index))

struct kvm { int dummy; };

struct kvm_vcpu_stat_generic {
	u64 blocking;
} CORE;

struct kvm_vcpu_stat {
	struct kvm_vcpu_stat_generic generic;
} CORE;

struct kvm_vcpu_arch {
	unsigned long regs[17];
} CORE;

struct kvm_vcpu {
	struct kvm *kvm;
	int vcpu_id;
	bool preempted;
	struct kvm_vcpu_arch arch;
	struct kvm_vcpu_stat stat;
} CORE;

struct task_struct {
	u32 __state;
	struct task_struct *group_leader;
	u64 start_boottime;
} CORE;

struct vmcs;

struct loaded_vmcs {
	struct vmcs *vmcs;
} CORE;

struct nested_vmx {
	struct loaded_vmcs vmcs02;
} CORE;

union vmx_exit_reason {
	u32 full;
} CORE;

struct vcpu_vmx {
	union vmx_exit_reason exit_reason;
	struct nested_vmx nested;
	struct loaded_vmcs *loaded_vmcs;
} CORE;

/* The exit reason is here since 6.16. */
struct vcpu_vt {
	union vmx_exit_reason exit_reason;
} CORE;

struct vcpu_vmx___vt {
	struct vcpu_vt vt;
} CORE;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS_MAX);
	__type(key, u32);
	__type(value, struct slot);
} slots SEC(".maps");

/* By the address of the vCPU; of those that have no slot any more a number beyond the last. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VCPUS_MAX);
	__type(key, u64);
	__type(value, u32);
} slot_of_vcpu SEC(".maps");

/* The number of a VM by the address of its struct kvm, which another may have once it is gone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SLOTS_MAX);
	__type(key, u64);
	__type(value, u32);
} vm_of_kvm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SLOTS_MAX * DETAILS_PER_VCPU);
	__type(key, struct slot_detail);
	__type(value, struct slot_cell);
} details SEC(".maps");

/* The slot that was last used on a processor: nearly all events need no other. */
struct recent {
	u32 slot;
} __attribute__((aligned(64)));

/* look.c makes it as large as there are processors. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct recent);
} recents SEC(".maps");

u32 nr_slots;		/* made, and at SLOTS_MAX and beyond: wanted */
u32 nr_vms;

static __always_inline u32 level_of(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = (void *)vcpu;
	struct loaded_vmcs *loaded;

	bpf_probe_read_kernel(&loaded, sizeof(loaded), (void *)vmx + bpf_core_field_offset(vmx->loaded_vmcs));
	return (void *)loaded == (void *)vmx + bpf_core_field_offset(vmx->nested.vmcs02) ? SLOT_L2 : SLOT_L1;
}

static __always_inline u32 reason_of(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx___vt *vt = (void *)vcpu;
	struct vcpu_vmx *vmx = (void *)vcpu;
	u32 reason = 0, offset;

	if (bpf_core_field_exists(vmx->exit_reason))
		offset = bpf_core_field_offset(vmx->exit_reason.full);
	else
		offset = bpf_core_field_offset(vt->vt.exit_reason.full);
	bpf_probe_read_kernel(&reason, sizeof(reason), (void *)vcpu + offset);
	reason &= 0xffff;
	return reason < SLOT_REASONS ? reason : SLOT_REASONS - 1;
}

static __always_inline struct recent *recent_of_cpu(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&recents, &cpu);
}

static __always_inline u32 vm_of(struct kvm_vcpu *vcpu)
{
	u64 kvm = (u64)BPF_CORE_READ(vcpu, kvm);
	u32 *found, n;

	found = bpf_map_lookup_elem(&vm_of_kvm, &kvm);
	if (found)
		return *found;
	n = __sync_fetch_and_add(&nr_vms, 1) + 1;
	/* Two of its vCPUs may come at once: the first one's number counts. */
	if (!bpf_map_update_elem(&vm_of_kvm, &kvm, &n, BPF_NOEXIST))
		return n;
	found = bpf_map_lookup_elem(&vm_of_kvm, &kvm);
	return found ? *found : n;
}

/* Once a vCPU, so it is out of the way. */
static __noinline u32 slot_new(struct kvm_vcpu *vcpu, u64 now)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 key = (u64)vcpu;
	struct slot *s;
	u32 n;

	/* A vCPU is counted once, also where there is no room: its number is kept, or it has none. */
	n = __sync_fetch_and_add(&nr_slots, 1);
	if (bpf_map_update_elem(&slot_of_vcpu, &key, &n, BPF_ANY)) {
		if (n >= SLOTS_MAX)
			__sync_fetch_and_sub(&nr_slots, 1);
		return SLOTS_MAX;
	}
	s = bpf_map_lookup_elem(&slots, &n);
	if (!s)
		return n;
	s->vcpu = key;
	s->vm = vm_of(vcpu);
	s->index = BPF_CORE_READ(vcpu, vcpu_id);
	s->pid = bpf_get_current_pid_tgid() >> 32;
	s->started = BPF_CORE_READ(task, group_leader, start_boottime);
	s->first = s->last = now;
	return n;
}

/* make: of a vCPU that was not seen before as well. */
static __always_inline struct slot *slot_of(struct kvm_vcpu *vcpu, bool make, u64 now)
{
	struct recent *recent = recent_of_cpu();
	u64 key = (u64)vcpu;
	struct slot *s;
	u32 *found, n;

	if (!recent)
		return 0;
	n = recent->slot;
	s = bpf_map_lookup_elem(&slots, &n);
	/* Not by recent->vcpu: a vCPU that has gone may have left its address to another. */
	if (s && s->vcpu == key)
		return s;

	found = bpf_map_lookup_elem(&slot_of_vcpu, &key);
	if (found)
		n = *found;
	else if (make)
		n = slot_new(vcpu, now);
	else
		return 0;
	recent->slot = n;
	return bpf_map_lookup_elem(&slots, &n);
}

SEC("tp_btf/kvm_exit")
int BPF_PROG(on_exit, struct kvm_vcpu *vcpu)
{
	u64 now = bpf_ktime_get_ns(), ns;
	u32 level, reason;
	struct slot *s;

	if (!vcpu)	/* never, but the verifier of late 6.12 does not know */
		return 0;
	s = slot_of(vcpu, true, now);
	if (!s)
		return 0;

	level = s->level & 1;
	ns = now - s->last;
	if (s->state == SLOT_IN_GUEST) {
		if (ns < s->shortest[level] || !s->shortest[level])
			s->shortest[level] = ns;
		s->guest[level].ns += ns;
		s->guest[level].count++;
	} else if (s->state == SLOT_NEW) {
		level = level_of(vcpu);
		s->level = level;
		s->first = now;
	} else {
		s->lost++;
		s->guest[level].ns += ns;
	}
	reason = reason_of(vcpu);
	s->last = now;
	s->reason = reason;
	s->pending = 0;
	s->state = SLOT_IN_L0;
	s->what = reason == EXIT_REASON_MSR_READ || reason == EXIT_REASON_MSR_WRITE ?
		  (u32)vcpu->arch.regs[VCPU_REGS_RCX] | SLOT_HAS_WHAT : 0;
	return 0;
}

/* Not of each exit: of those for which it is worth a lookup. */
static __noinline int add_detail(struct slot *s, u32 to, u64 ns)
{
	struct slot_cell *cell, first = { 1, ns };
	struct recent *recent = recent_of_cpu();
	struct slot_detail key = {};

	if (!s || !recent)
		return 0;
	key.slot = recent->slot;
	key.what = s->what;
	key.reason = s->reason;
	key.from = s->level;
	key.to = to;
	cell = bpf_map_lookup_elem(&details, &key);
	if (cell) {
		/* A vCPU is on one processor at a time. */
		cell->count++;
		cell->ns += ns;
	} else if (s->details < DETAILS_PER_VCPU && !bpf_map_update_elem(&details, &key, &first, BPF_NOEXIST)) {
		s->details++;
	}
	return 0;
}

SEC("tp_btf/kvm_entry")
int BPF_PROG(on_entry, struct kvm_vcpu *vcpu)
{
	u64 now = bpf_ktime_get_ns(), ns;
	struct slot_cell *cell;
	u32 reason, level;
	struct slot *s;

	if (!vcpu)
		return 0;
	s = slot_of(vcpu, false, 0);
	if (!s)
		return 0;
	reason = s->reason;
	if (reason >= SLOT_REASONS)
		return 0;
	level = level_of(vcpu);
	ns = s->pending + now - s->last;
	cell = &s->exits[s->level & 1][reason][level];
	cell->ns += ns;
	cell->count++;
	if (s->state != SLOT_IN_L0)
		s->lost++;
	if (s->what)
		add_detail(s, level, ns);
	s->what = 0;
	s->pending = 0;
	s->level = level;
	s->last = now;
	s->state = SLOT_IN_GUEST;
	return 0;
}

SEC("fexit/kvm_arch_vcpu_put")
int BPF_PROG(on_put, struct kvm_vcpu *vcpu)
{
	u64 now = bpf_ktime_get_ns();
	struct slot *s = slot_of(vcpu, false, 0);

	if (!s)
		return 0;
	if (s->state != SLOT_IN_L0)
		s->lost++;
	s->pending += now - s->last;
	s->last = now;
	s->state = SLOT_IS_OUTSIDE;
	if (vcpu->preempted)
		s->outside = SLOT_PREEMPTED;
	else if (vcpu->stat.generic.blocking)
		s->outside = SLOT_HALTED;
	else if (bpf_get_current_task_btf()->__state)
		s->outside = SLOT_WAITING;
	else
		s->outside = SLOT_USER;
	return 0;
}

SEC("fentry/kvm_arch_vcpu_load")
int BPF_PROG(on_load, struct kvm_vcpu *vcpu)
{
	u64 now = bpf_ktime_get_ns();
	struct slot *s = slot_of(vcpu, false, 0);
	u32 outside;

	if (!s)
		return 0;
	outside = s->outside;
	if (outside >= SLOT_OUTSIDES)
		return 0;
	if (s->state != SLOT_IS_OUTSIDE)
		s->lost++;
	s->outsides[outside].ns += now - s->last;
	s->outsides[outside].count++;
	s->last = now;
	s->state = SLOT_IN_L0;
	return 0;
}

/* Its memory may become another vCPU, and its VM's another VM: vCPUs go when their VM does. */
SEC("fentry/kvm_arch_vcpu_destroy")
int BPF_PROG(on_destroy, struct kvm_vcpu *vcpu)
{
	u64 now = bpf_ktime_get_ns(), key = (u64)vcpu, kvm = (u64)BPF_CORE_READ(vcpu, kvm);
	struct slot *s;
	u32 *found;

	bpf_map_delete_elem(&vm_of_kvm, &kvm);
	found = bpf_map_lookup_elem(&slot_of_vcpu, &key);
	if (!found)
		return 0;
	s = bpf_map_lookup_elem(&slots, found);
	if (s) {
		s->pending += now - s->last;
		s->last = now;
		s->vcpu = 0;
	}
	bpf_map_delete_elem(&slot_of_vcpu, &key);
	return 0;
}

SEC("tp_btf/kvm_pio")
int BPF_PROG(on_pio, u32 write, u32 port)
{
	struct recent *recent = recent_of_cpu();
	struct slot *s;
	u32 n;

	if (!recent)
		return 0;
	n = recent->slot;
	s = bpf_map_lookup_elem(&slots, &n);
	if (s && s->state == SLOT_IN_L0 && s->reason == EXIT_REASON_IO_INSTRUCTION)
		s->what = port | SLOT_HAS_WHAT;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
