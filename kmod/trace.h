/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints nvmx:*, for perf, trace-cmd and bpftrace.  The names of the fields
 * are part of their format, so that those tools decode them by themselves.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nvmx

#if !defined(_NVMX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _NVMX_TRACE_H

#include <linux/tracepoint.h>

#include "compat.h"
#include "policy.h"
#include "vm.h"
#include "vmcs12-fields.h"

#undef NVMX_TRACE_FIELD
#define NVMX_TRACE_FIELD(field)	TRACE_DEFINE_ENUM(field);
NVMX_VMCS12_FIELDS(NVMX_TRACE_FIELD)

#define NVMX_FIELD_SYMBOL(field)	{ field, #field },
#define nvmx_show_field(encoding)						\
	__print_symbolic(encoding, NVMX_VMCS12_FIELDS(NVMX_FIELD_SYMBOL)	\
			 { 0xffffffff, "unsupported" })

/* An access by L1 to its current VMCS that exited. */
DECLARE_EVENT_CLASS(nvmx_access_exit,
	TP_PROTO(struct kvm_vcpu *vcpu, unsigned long encoding, u32 full),
	TP_ARGS(vcpu, encoding, full),

	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u64, rip)
		__field(u64, encoding)
		/*
		 * That of the whole field, for the high half of a 64-bit one, or
		 * NVMX_NO_FIELD.  Unsigned: libtraceevent does not extend the sign.
		 */
		__field(u32, field)
		__field(unsigned int, vcpu)
	),

	TP_fast_assign(
		__entry->vm = to_vmx(vcpu)->nvmx.vm->name.id;
		__entry->vcpu = vcpu->vcpu_id;
		__entry->rip = kvm_rip_read(vcpu);
		__entry->encoding = encoding;
		__entry->field = full;
	),

	TP_printk("vm %llu vcpu %u rip 0x%llx encoding 0x%llx field %s",
		  __entry->vm, __entry->vcpu, __entry->rip, __entry->encoding,
		  nvmx_show_field(__entry->field))
);

DEFINE_EVENT(nvmx_access_exit, nvmx_vmread_exit,
	TP_PROTO(struct kvm_vcpu *vcpu, unsigned long encoding, u32 full),
	TP_ARGS(vcpu, encoding, full)
);

DEFINE_EVENT(nvmx_access_exit, nvmx_vmwrite_exit,
	TP_PROTO(struct kvm_vcpu *vcpu, unsigned long encoding, u32 full),
	TP_ARGS(vcpu, encoding, full)
);

/* A vCPU took up another policy. */
TRACE_EVENT(nvmx_policy_switch,
	TP_PROTO(struct kvm_vcpu *vcpu),
	TP_ARGS(vcpu),

	TP_STRUCT__entry(
		__field(u64, vm)
		__field(unsigned int, vcpu)
		__field(unsigned int, read_write)
		__field(unsigned int, read_only)
		__field(bool, in_vmx_operation)
	),

	TP_fast_assign(
		const struct nvmx_policy_obj *policy = to_vmx(vcpu)->nvmx.policy;

		__entry->vm = to_vmx(vcpu)->nvmx.vm->name.id;
		__entry->vcpu = vcpu->vcpu_id;
		__entry->read_write = policy->nr_read_write;
		__entry->read_only = policy->all.total - policy->nr_read_write;
		__entry->in_vmx_operation = to_vmx(vcpu)->nested.vmxon;
	),

	TP_printk("vm %llu vcpu %u read-write %u read-only %u vmxon %d",
		  __entry->vm, __entry->vcpu, __entry->read_write, __entry->read_only,
		  __entry->in_vmx_operation)
);

#endif /* _NVMX_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH nvmx
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

/* This part must be outside protection */
#include <trace/define_trace.h>
