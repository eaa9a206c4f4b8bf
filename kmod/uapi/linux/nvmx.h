/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ABI of /dev/nvmx: per-VM shadow-VMCS policy and exit counters of KVM's
 * nested VMX.  This header is the manual of the device; nvmx(4) tells the same
 * as a page.
 *
 * One open of /dev/nvmx is the registry: information, the default policy, the
 * list of VMs, and lifecycle records by read(2) and poll(2).  NVMX_OPEN_VM
 * gives one more fd per VM: policy, counters, and EPOLLHUP once the VM is gone.
 *
 * Every ioctl takes a pointer to a struct that starts with
 *
 *	__u32 size	sizeof() the struct as the caller was compiled;
 *	__u32 flags	must be zero, unless the struct names flags.
 *
 * "reserved" members must be zero.  A struct may grow at its end: a smaller
 * one is filled up with zeroes, a larger one is accepted if the kernel would
 * not miss anything, that is, if what it does not know is zero.
 *
 * Errors common to all of them:
 *	ENOTTY		no such ioctl on this fd
 *	EINVAL		size too small for the first version of the struct,
 *			flags or reserved not zero, or as the struct says
 *	E2BIG		the struct is larger than the kernel's and what it does
 *			not know is not zero, or larger than a page
 *	EFAULT		a pointer does not point to memory of the caller
 *	ENOMEM		no memory
 *	ENODEV		(fd of a VM) the VM is gone
 *
 * An ioctl that fails has changed nothing, but for what "written back" says.
 */
#ifndef _UAPI_LINUX_NVMX_H
#define _UAPI_LINUX_NVMX_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Raised when a change cannot be made by growing a struct. */
#define NVMX_ABI_VERSION	1

/* Not in Documentation/userspace-api/ioctl/ioctl-number.rst of Linux 6.1. */
#define NVMX_IOC_TYPE		0xBD

/*
 * Shadow classes: what L1's access to a field of its current VMCS does.
 *
 *	class		VMREAD	VMWRITE
 *	INTERCEPT	exits	exits
 *	READ_ONLY	free	exits; emulated, propagated to the shadow VMCS
 *	READ_WRITE	free	free
 */
#define NVMX_CLASS_INTERCEPT	0
#define NVMX_CLASS_READ_ONLY	1
#define NVMX_CLASS_READ_WRITE	2
#define NVMX_NR_CLASSES		3

/* vmwrite_any_field of struct nvmx_policy: IA32_VMX_MISC bit 29 as L1 sees it. */
#define NVMX_VMWRITE_ANY_INHERIT	0	/* as user space (QEMU) set it */
#define NVMX_VMWRITE_ANY_HIDE		1	/* reads as 0 */

/* "No field", where an encoding is expected; no VMCS field has it. */
#define NVMX_NO_FIELD		0xffffffffU

/*
 * Registries that one user (the real uid, root among them) may have open at a time;
 * one more, and open(2) fails with EMFILE.  fds of VMs do not count.
 */
#define NVMX_MAX_OPENS		128

/* ---- ioctls of the registry --------------------------------------------- */

/* features of struct nvmx_info */
#define NVMX_FEATURE_NESTED		(1ULL << 0)	/* kvm_intel.nested=1 */
#define NVMX_FEATURE_SHADOW_VMCS	(1ULL << 1)	/* in the processor, and enable_shadow_vmcs=1 */
#define NVMX_FEATURE_ALL_FIELDS		(1ULL << 2)	/* not only the kernel's own list is shadowed */
#define NVMX_FEATURE_WINDOW		(1ULL << 3)	/* NVMX_VM_START_WINDOW */
/*
 * Without either of the two every policy is inert: NVMX_SET_DEFAULT_POLICY and
 * NVMX_VM_SET_POLICY fail with EOPNOTSUPP (bad_encoding NVMX_NO_FIELD).
 * Counters work with NVMX_FEATURE_NESTED alone.
 */

/**
 * struct nvmx_info - NVMX_GET_INFO
 * @size: in; sizeof(struct nvmx_info)
 * @flags: in; zero
 * @abi_version: out; NVMX_ABI_VERSION of the module
 * @nr_fields: out; number of fields that NVMX_GET_FIELDS gives
 * @features: out; NVMX_FEATURE_*
 * @nr_vms: out; VMs alive now
 * @reserved: in; zero
 * @tsc_khz: out; TSC ticks per millisecond, for the cycles in struct nvmx_counters
 * @sample_every: out; one in so many copies and slow-path entries is timed
 */
struct nvmx_info {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 nr_fields;
	__u64 features;
	__u32 nr_vms;
	__u32 reserved;
	__u32 tsc_khz;
	__u32 sample_every;
};

#define NVMX_FIELD_NAME_LEN	40

/* kind of struct nvmx_field: bits 11:10 of the encoding (SDM vol. 3, 25.11.2) */
#define NVMX_KIND_CONTROL	0
#define NVMX_KIND_READ_ONLY_DATA 1	/* exit information */
#define NVMX_KIND_GUEST_STATE	2
#define NVMX_KIND_HOST_STATE	3

/* width of struct nvmx_field: bits 14:13 of the encoding (SDM vol. 3, 25.11.2) */
#define NVMX_WIDTH_16		0
#define NVMX_WIDTH_64		1
#define NVMX_WIDTH_32		2
#define NVMX_WIDTH_NATURAL	3

/*
 * flags of struct nvmx_field: what it costs that L2 has the field, too.  None of
 * the first three: the field is not in vmcs02 (host state, exit information).
 */
#define NVMX_FIELD_EAGER	(1U << 0)	/* written to vmcs02 at every entry */
#define NVMX_FIELD_SLOW		(1U << 1)	/* a change by L1 sends the next entry the slow path */
#define NVMX_FIELD_LAZY		(1U << 2)	/* fetched from vmcs02 when L1 asks; if shadowed, at every exit */
#define NVMX_FIELD_ABSENT	(1U << 3)	/* this processor does not have it: INTERCEPT only */
#define NVMX_FIELD_LOSSY	(1U << 4)	/* it does not keep all its bits: INTERCEPT only */

/**
 * struct nvmx_field - one field that this kernel's vmcs12 has on this processor
 * @encoding: field encoding (SDM vol. 3, appendix B); for a 64-bit field that
 *	of the full field, which stands for its high half too
 * @width: NVMX_WIDTH_*
 * @kind: NVMX_KIND_*
 * @stock_class: class in the kernel's own list (its policy "stock") on this
 *	processor
 * @allowed_classes: bit (1 << NVMX_CLASS_*) set for each class a policy may
 *	give the field; NVMX_CLASS_INTERCEPT is always allowed.  Never more than
 *	that: VM_INSTRUCTION_ERROR, which L0 writes while L1 runs, and fields that
 *	are absent or lossy: a VMCS of some CPU of the host does not give back each
 *	value that was written to it, which L1 would see by the class.  READ_WRITE
 *	never: AR_BYTES, of which an emulated VMWRITE drops the reserved bits, and a
 *	shadow VMCS may not.
 * @flags: NVMX_FIELD_*
 * @reserved: zero
 * @name: the kernel's name, as in arch/x86/include/asm/vmx.h; NUL-terminated
 */
struct nvmx_field {
	__u32 encoding;
	__u8 width;
	__u8 kind;
	__u8 stock_class;
	__u8 allowed_classes;
	__u32 flags;
	__u32 reserved;
	char name[NVMX_FIELD_NAME_LEN];
};

/**
 * struct nvmx_get_fields - NVMX_GET_FIELDS
 * @size: in; sizeof(struct nvmx_get_fields)
 * @flags: in; zero
 * @nr: in: room at @fields, in elements; out: number of fields there are.
 *	If the room is smaller, as many as fit are written.
 * @entry_size: in; sizeof(struct nvmx_field)
 * @fields: in; struct nvmx_field[], sorted by encoding
 *
 * Without NVMX_FEATURE_NESTED, those of any processor.
 *
 * EINVAL: entry_size is not one that the kernel knows.
 */
struct nvmx_get_fields {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 entry_size;
	__aligned_u64 fields;
};

/* state of struct nvmx_vm_info */
#define NVMX_VM_STATE_VMXON	(1U << 0)	/* a vCPU has executed VMXON, ever */
#define NVMX_VM_STATE_EVMCS	(1U << 1)	/* one uses an enlightened VMCS: policy inert */
#define NVMX_VM_STATE_WINDOW	(1U << 2)	/* a profiling window is open */

/**
 * struct nvmx_vm_info - a VM, in NVMX_LIST_VMS and NVMX_VM_GET_INFO
 * @size: out in a list; in with NVMX_VM_GET_INFO; sizeof(struct nvmx_vm_info)
 * @flags: in; zero
 * @id: out; from 1, never reused as long as kvm_intel is loaded, and so as long as
 *	anybody has the registry open, which keeps it loaded.  kvm_intel loaded anew
 *	begins at 1 again; who has noted an id beyond that compares @pid and @start_time.
 * @start_time: out; the owner's start time as field 22 of /proc/PID/stat,
 *	clock ticks after boot
 * @pid: out; the process that created the VM, in the caller's pid namespace,
 *	0 if it is not visible there
 * @nr_vcpus: out; vCPUs created
 * @nr_pending: out; vCPUs that have not entered L1 since the last change of
 *	policy, or since a profiling window began or ended, and so still hold an
 *	older one.  A vCPU that sleeps may stay so.
 * @state: out; NVMX_VM_STATE_*
 */
struct nvmx_vm_info {
	__u32 size;
	__u32 flags;
	__u64 id;
	__u64 start_time;
	__s32 pid;
	__u32 nr_vcpus;
	__u32 nr_pending;
	__u32 state;
};

/**
 * struct nvmx_list_vms - NVMX_LIST_VMS
 * @size: in; sizeof(struct nvmx_list_vms)
 * @flags: in; zero
 * @nr: in: room at @vms, in elements; out: elements written
 * @entry_size: in; sizeof(struct nvmx_vm_info)
 * @after: in; list VMs with an id above this one, 0 for all
 * @vms: in; struct nvmx_vm_info[], sorted by id.  A list that filled the room
 *	may go on: call again with @after = the last id.
 */
struct nvmx_list_vms {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 entry_size;
	__u64 after;
	__aligned_u64 vms;
};

/**
 * struct nvmx_open_vm - NVMX_OPEN_VM
 * @size: in; sizeof(struct nvmx_open_vm)
 * @flags: in; zero
 * @id: in; the VM
 * @fd: out; fd of the VM, close-on-exec.  It does not keep the VM alive.
 * @reserved: in; zero
 *
 * ENOENT: no VM has that id now.
 */
struct nvmx_open_vm {
	__u32 size;
	__u32 flags;
	__u64 id;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct nvmx_executable - NVMX_VM_GET_EXECUTABLE
 * @size: in; sizeof(struct nvmx_executable)
 * @flags: in; zero
 * @nr: in: room at @path, in bytes; out: bytes there are, the NUL included.  If
 *	the room is smaller, as many as fit are written, the last of them a NUL.
 * @reserved: in; zero
 * @path: in; char[]
 *
 * The program that the VM's owner ran when it created the VM: what /proc/PID/exe
 * was at that moment, so neither argv[0] nor a link or script that names it.  It
 * is as the owner saw it, in its own root and mount namespace, which may be those of a
 * container; and stays as it was then, whatever becomes of file and owner.  Empty
 * (@nr is 1) if there was no such path, or none of less than 4096 bytes.
 */
struct nvmx_executable {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 reserved;
	__aligned_u64 path;
};

/* ---- policy -------------------------------------------------------------- */

/* Entries in one policy at most; more is EINVAL. */
#define NVMX_MAX_ENTRIES	1024

/* Bytes of a policy's label, its NUL included. */
#define NVMX_LABEL_LEN		128

/**
 * struct nvmx_policy_entry - the class of one field
 * @encoding: the field (the full field's encoding for a 64-bit field)
 * @shadow_class: NVMX_CLASS_*
 */
struct nvmx_policy_entry {
	__u32 encoding;
	__u32 shadow_class;
};

/**
 * struct nvmx_policy - NVMX_{GET,SET}_DEFAULT_POLICY, NVMX_VM_{GET,SET}_POLICY
 * @size: in; sizeof(struct nvmx_policy)
 * @flags: in; zero
 * @vmwrite_any_field: set: in, get: out; NVMX_VMWRITE_ANY_*
 * @nr: set: in, elements of @entries; get: in: room at @entries, out: number of
 *	entries there are (if the room is smaller, as many as fit are written)
 * @entries: in; struct nvmx_policy_entry[].  A field that is not named gets
 *	NVMX_CLASS_INTERCEPT; get gives the fields of the other classes, sorted by
 *	encoding.
 * @generation: get: out, set: out; counts the policies set on this VM (or as
 *	default); 0 is the one it was born with
 * @bad_encoding: set: out, written back on EINVAL and EOPNOTSUPP; the field
 *	that is at fault, or NVMX_NO_FIELD
 * @reserved: in; zero
 * @label: set: in, get: out; a text of user space's own that stays with the
 *	policy, NUL-terminated; the kernel only keeps it
 *
 * Set takes effect at each vCPU's next entry into L1 and does not wait for it.
 * All or nothing; nothing that L1 or L2 can observe changes, but for
 * vmwrite_any_field.
 *
 * Errors of set:
 *	EINVAL		unknown class or vmwrite_any_field, a field twice, label
 *			without NUL, too many entries
 *	EOPNOTSUPP	the field is not one of this kernel's vmcs12, or the class is
 *			not among its allowed_classes, or it is a READ_WRITE
 *			exit-information field and vmwrite_any_field is HIDE, or
 *			the policy would be inert (see NVMX_FEATURE_*)
 *	EBUSY		(VM) vmwrite_any_field would change, and L1 may know what it was:
 *			a vCPU has executed VMXON or read IA32_VMX_MISC, or is in VMX
 *			operation by KVM_SET_NESTED_STATE.  So on the target of a migration
 *			it has to be set before the vCPUs' state is, or as the default before
 *			the VM is created.
 *	EPERM		the fd was not opened for writing
 */
struct nvmx_policy {
	__u32 size;
	__u32 flags;
	__u32 vmwrite_any_field;
	__u32 nr;
	__aligned_u64 entries;
	__u64 generation;
	__u32 bad_encoding;
	__u32 reserved;
	char label[NVMX_LABEL_LEN];
};

/* ---- profiling window ---------------------------------------------------- */

/* The longest profiling window, in milliseconds. */
#define NVMX_WINDOW_MAX_MS	60000U

/**
 * struct nvmx_window - NVMX_VM_START_WINDOW, NVMX_VM_END_WINDOW
 * @size: in; sizeof(struct nvmx_window)
 * @flags: in; zero
 * @duration_ms: in; start: 1 to NVMX_WINDOW_MAX_MS; end: zero
 * @reserved: in; zero
 *
 * While a window is open every field of the VM is INTERCEPT, so that the counters
 * show what L1 accesses; vmwrite_any_field stays.  Nothing that L1 or L2 can
 * observe changes.  The window ends after @duration_ms, with NVMX_VM_END_WINDOW,
 * or when the fd that started it is closed, whichever comes first; then the
 * policy set last is in force, be it set before or during the window.
 * NVMX_VM_GET_POLICY gives that one all the time.
 *
 * Errors:
 *	EINVAL		duration_ms out of range
 *	EBUSY		(start) a window is open, by this fd or another
 *	ENOENT		(end) this fd has no window open
 *	EOPNOTSUPP	(start) every policy is inert (see NVMX_FEATURE_*)
 *	EPERM		the fd was not opened for writing
 */
struct nvmx_window {
	__u32 size;
	__u32 flags;
	__u32 duration_ms;
	__u32 reserved;
};

/* ---- counters ------------------------------------------------------------ */

/**
 * struct nvmx_field_counters - exits that one field caused
 * @encoding: the field; NVMX_NO_FIELD for all encodings that vmcs12 does not
 *	have together
 * @reserved: zero
 * @vmread_exits: VMREADs of its current VMCS by L1 that exited to L0
 * @vmwrite_exits: VMWRITEs to its current VMCS by L1 that exited to L0
 */
struct nvmx_field_counters {
	__u32 encoding;
	__u32 reserved;
	__u64 vmread_exits;
	__u64 vmwrite_exits;
};

#define NVMX_ALL_VCPUS	(-1)

/**
 * struct nvmx_counters - NVMX_VM_GET_COUNTERS
 * @size: in; sizeof(struct nvmx_counters)
 * @flags: in; zero
 * @vcpu: in; vCPU index (the order of creation), or NVMX_ALL_VCPUS for the sum
 * @nr: in: room at @fields, in elements; out: number of elements there are (if
 *	the room is smaller, as many as fit are written)
 * @fields: in; struct nvmx_field_counters[], only fields that exited at least
 *	once, sorted by encoding
 * @nested_entries: out; VM entries of L1 into L2
 * @nested_exits_reflected: out; exits of L2 reflected to L1
 * @vmread_exits: out; sum of the fields'
 * @vmwrite_exits: out; sum of the fields'
 * @vmwrite_propagated: out; emulated VMWRITEs also written to the shadow VMCS
 * @shadow_to_vmcs12: out; copies of the shadow VMCS into vmcs12
 * @vmcs12_to_shadow: out; copies of vmcs12 into the shadow VMCS
 * @fields_to_vmcs12: out; fields copied into vmcs12
 * @fields_to_shadow: out; fields copied into the shadow VMCS
 * @rare_syncs: out; times the lazily fetched guest state was copied from vmcs02
 * @policy_switches: out; times a vCPU took up another policy
 * @slow_path_entries: out; entries for which all of vmcs02 was written, because
 *	L1 had changed a field that is NVMX_FIELD_SLOW or its current VMCS
 * @to_vmcs12_timed: out; copies into vmcs12 that were timed ...
 * @to_vmcs12_cycles: out; ... and the TSC ticks they took together
 * @to_shadow_timed: out; the same for copies into the shadow VMCS
 * @to_shadow_cycles: out; likewise
 * @slow_path_timed: out; the same for what the slow path adds to an entry
 * @slow_path_cycles: out; likewise
 *
 * The ticks of a sample include interrupts that came meanwhile.
 * Counters start at the vCPU's creation and are never reset.  They are read
 * without stopping the vCPU, so they may be of slightly different moments.
 *
 * ENOENT: the VM has no such vCPU.
 */
struct nvmx_counters {
	__u32 size;
	__u32 flags;
	__s32 vcpu;
	__u32 nr;
	__aligned_u64 fields;
	__u64 nested_entries;
	__u64 nested_exits_reflected;
	__u64 vmread_exits;
	__u64 vmwrite_exits;
	__u64 vmwrite_propagated;
	__u64 shadow_to_vmcs12;
	__u64 vmcs12_to_shadow;
	__u64 fields_to_vmcs12;
	__u64 fields_to_shadow;
	__u64 rare_syncs;
	__u64 policy_switches;
	__u64 slow_path_entries;
	__u64 to_vmcs12_timed;
	__u64 to_vmcs12_cycles;
	__u64 to_shadow_timed;
	__u64 to_shadow_cycles;
	__u64 slow_path_timed;
	__u64 slow_path_cycles;
};

/* ---- lifecycle records: read(2) on the registry -------------------------- */

#define NVMX_EVENT_VM_CREATED	1
#define NVMX_EVENT_VM_VMXON	2	/* a vCPU of the VM executed VMXON for the first time */
#define NVMX_EVENT_VM_GONE	3
#define NVMX_EVENT_OVERFLOW	4	/* @lost records were dropped: list again */
#define NVMX_EVENT_VM_POLICY	5	/* somebody set its policy: NVMX_VM_GET_POLICY */
#define NVMX_EVENT_VM_STATE	6	/* its state is another: NVMX_VM_GET_INFO */

/* Records kept for a reader that does not read; then one OVERFLOW comes. */
#define NVMX_EVENT_BACKLOG	256

/**
 * struct nvmx_event - a record
 * @size: sizeof(struct nvmx_event), as the module was compiled
 * @type: NVMX_EVENT_*
 * @id: the VM, 0 for OVERFLOW
 * @start_time: of the VM's owner, as in struct nvmx_vm_info
 * @pid: of the VM's owner, as in struct nvmx_vm_info
 * @lost: records dropped, only with OVERFLOW
 *
 * Records begin with the open(2); what was there before is in NVMX_LIST_VMS.
 * A module may know more types than its reader, who ignores them.
 *
 * VM_POLICY comes with every NVMX_VM_SET_POLICY that succeeds, also to the reader
 * who made it; the generation tells whether it was another's.  It does not say that
 * vCPUs have taken the policy up.
 *
 * VM_STATE comes when NVMX_VM_STATE_WINDOW or NVMX_VM_STATE_EVMCS has changed
 * (NVMX_VM_STATE_VMXON has its own record, VM_VMXON).  A window: at once, when it
 * begins and when it ends, whatever ends it, but for the end of the VM.  An
 * enlightened VMCS, which a guest may take up and drop as often as it likes: within
 * about a second, at most once a second, and not if the state is by then again what
 * readers were told and have seen.
 *
 * read(2) gives whole records, as many as fit; it blocks while there is none,
 * or fails with EAGAIN (O_NONBLOCK).  EINVAL: room for less than one.
 */
struct nvmx_event {
	__u32 size;
	__u32 type;
	__u64 id;
	__u64 start_time;
	__s32 pid;
	__u32 lost;
};

/*
 * The size of the argument is in the argument, not in the number: a struct that
 * grows keeps its ioctl.
 */

/* registry */
#define NVMX_GET_INFO		_IO(NVMX_IOC_TYPE, 0x00)
#define NVMX_GET_FIELDS		_IO(NVMX_IOC_TYPE, 0x01)
#define NVMX_LIST_VMS		_IO(NVMX_IOC_TYPE, 0x02)
#define NVMX_OPEN_VM		_IO(NVMX_IOC_TYPE, 0x03)
#define NVMX_GET_DEFAULT_POLICY	_IO(NVMX_IOC_TYPE, 0x04)
#define NVMX_SET_DEFAULT_POLICY	_IO(NVMX_IOC_TYPE, 0x05)

/* fd of a VM */
#define NVMX_VM_GET_INFO	_IO(NVMX_IOC_TYPE, 0x20)
#define NVMX_VM_GET_POLICY	_IO(NVMX_IOC_TYPE, 0x21)
#define NVMX_VM_SET_POLICY	_IO(NVMX_IOC_TYPE, 0x22)
#define NVMX_VM_GET_COUNTERS	_IO(NVMX_IOC_TYPE, 0x23)
#define NVMX_VM_START_WINDOW	_IO(NVMX_IOC_TYPE, 0x24)
#define NVMX_VM_END_WINDOW	_IO(NVMX_IOC_TYPE, 0x25)
#define NVMX_VM_GET_EXECUTABLE	_IO(NVMX_IOC_TYPE, 0x26)

#endif /* _UAPI_LINUX_NVMX_H */
