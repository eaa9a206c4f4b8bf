// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters.  Totals that KVM's binary stats show are in vcpu->stat and nowhere
 * else; per-field counts are the vCPU's own.  Only the vCPU's thread writes, so
 * plain increments do, and reading takes no vCPU out of the guest.
 */
#include "fields.h"
#include "stats.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* The encoding of the whole field that @field, perhaps its high half, belongs to. */
static u32 nvmx_full_encoding(unsigned long field)
{
	unsigned int index = nvmx_field_index(field);

	return index < nvmx_nr_fields ? nvmx_fields[index].encoding : NVMX_NO_FIELD;
}

void nvmx_trace_vmread(struct kvm_vcpu *vcpu, unsigned long field)
{
	trace_nvmx_vmread_exit(vcpu, field, nvmx_full_encoding(field));
}

void nvmx_trace_vmwrite(struct kvm_vcpu *vcpu, unsigned long field)
{
	trace_nvmx_vmwrite_exit(vcpu, field, nvmx_full_encoding(field));
}

static void nvmx_add_count(struct nvmx_field_count *sum, const struct nvmx_field_count *count)
{
	sum->vmread += READ_ONCE(count->vmread);
	sum->vmwrite += READ_ONCE(count->vmwrite);
}

static void nvmx_add_counts(struct nvmx_field_count *sums, const struct nvmx_field_count *slots)
{
	unsigned int i;

	for (i = 0; i < nvmx_nr_fields; i++) {
		unsigned int slot = nvmx_count_slot(nvmx_fields[i].offset);

		nvmx_add_count(&sums[i], &slots[slot]);
		if (nvmx_is_u64_field(nvmx_fields[i].encoding))
			nvmx_add_count(&sums[i], &slots[slot + sizeof(u32) / sizeof(u16)]);
	}
	nvmx_add_count(&sums[nvmx_nr_fields], &slots[NVMX_NO_FIELD_SLOT]);
}

static void nvmx_add_cost(const struct nvmx_cost *cost, u64 *timed, u64 *cycles)
{
	*timed += READ_ONCE(cost->timed);
	*cycles += READ_ONCE(cost->cycles);
}

static void nvmx_add_vcpu(struct kvm_vcpu *vcpu, struct nvmx_counters *sum,
			  struct nvmx_field_count *counts)
{
	const struct nvmx_vcpu *nvmx = &to_vmx(vcpu)->nvmx;
	/* Pairs with nvmx_alloc_counts(). */
	const struct nvmx_field_count *slots = smp_load_acquire(&nvmx->counts);
	const struct kvm_vcpu_stat *stat = &vcpu->stat;

	sum->nested_entries += READ_ONCE(stat->nested_run);
	sum->nested_exits_reflected += READ_ONCE(stat->nested_exits_reflected);
	sum->vmread_exits += READ_ONCE(stat->nested_vmread_exits);
	sum->vmwrite_exits += READ_ONCE(stat->nested_vmwrite_exits);
	sum->vmwrite_propagated += READ_ONCE(stat->nested_vmwrite_propagated);
	sum->shadow_to_vmcs12 += READ_ONCE(nvmx->shadow_to_vmcs12);
	sum->vmcs12_to_shadow += READ_ONCE(stat->nested_shadow_syncs);
	sum->fields_to_vmcs12 += READ_ONCE(nvmx->fields_to_vmcs12);
	sum->fields_to_shadow += READ_ONCE(nvmx->fields_to_shadow);
	sum->rare_syncs += READ_ONCE(stat->nested_rare_syncs);
	sum->policy_switches += READ_ONCE(stat->nested_policy_switches);
	sum->slow_path_entries += READ_ONCE(nvmx->slow_path_entries);
	nvmx_add_cost(&nvmx->to_vmcs12, &sum->to_vmcs12_timed, &sum->to_vmcs12_cycles);
	nvmx_add_cost(&nvmx->to_shadow, &sum->to_shadow_timed, &sum->to_shadow_cycles);
	nvmx_add_cost(&nvmx->slow_path, &sum->slow_path_timed, &sum->slow_path_cycles);

	if (slots)
		nvmx_add_counts(counts, slots);
}

int nvmx_vm_counters(struct nvmx_vm *vm, struct nvmx_counters *counters,
		     struct nvmx_field_count *counts)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int r = 0;

	mutex_lock(&vm->lock);
	if (!vm->kvm) {
		r = -ENODEV;
	} else if (counters->vcpu == NVMX_ALL_VCPUS) {
		kvm_for_each_vcpu(i, vcpu, vm->kvm)
			nvmx_add_vcpu(vcpu, counters, counts);
	} else {
		vcpu = nvmx_get_vcpu(vm->kvm, counters->vcpu);
		if (vcpu)
			nvmx_add_vcpu(vcpu, counters, counts);
		else
			r = -ENOENT;
	}
	mutex_unlock(&vm->lock);

	return r;
}
