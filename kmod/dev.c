// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/nvmx and the fds of VMs: takes arguments in, checks them, and hands them
 * to those who know.  The header of the ABI says what each ioctl does.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "event.h"
#include "fields.h"
#include "hooks.h"
#include "policy.h"
#include "stats.h"
#include "vm.h"

/* An open of the device, or of a VM by it. */
struct nvmx_file {
	struct pid_namespace *ns;
	/* The registry's only. */
	struct nvmx_reader *reader;
	/* A VM's only. */
	struct nvmx_vm *vm;
};

union nvmx_arg {
	struct {
		__u32 size;
		__u32 flags;
	};
	struct nvmx_info info;
	struct nvmx_get_fields get_fields;
	struct nvmx_list_vms list_vms;
	struct nvmx_open_vm open_vm;
	struct nvmx_policy policy;
	struct nvmx_vm_info vm_info;
	struct nvmx_counters counters;
	struct nvmx_window window;
	struct nvmx_executable executable;
};

struct nvmx_ioctl {
	unsigned int cmd;
	/* Of the struct's first version, and of today's. */
	size_t min_size;
	size_t size;
	/* The caller has to have opened the device for writing. */
	bool writes;
	/* Also on an error @arg is written back, for bad_encoding. */
	bool write_back_always;
	int (*fn)(struct file *file, union nvmx_arg *arg);
};

#define NVMX_IOCTL(_cmd, _fn, _type, _last, ...) {			\
	.cmd = _cmd, .fn = _fn, .size = sizeof(_type),			\
	.min_size = offsetofend(_type, _last), ##__VA_ARGS__ }

static void nvmx_put_entry(struct nvmx_policy_entry __user *to, u32 *n, u32 room,
			   struct nvmx_policy_entry entry, int *r)
{
	if (*n < room && copy_to_user(&to[*n], &entry, sizeof(entry)))
		*r = -EFAULT;
	(*n)++;
}

static int nvmx_get_policy(struct nvmx_policy_slot *slot, struct nvmx_policy *arg)
{
	struct nvmx_policy_obj *policy;
	u32 n = 0;
	unsigned int i;
	int r = 0;

	if (arg->reserved)
		return -EINVAL;

	policy = nvmx_slot_get(slot, &arg->generation);
	for (i = 0; i < nvmx_nr_fields; i++) {
		struct nvmx_policy_entry entry = {
			.encoding = nvmx_fields[i].encoding,
			.shadow_class = nvmx_policy_class(policy, i),
		};

		if (entry.shadow_class != NVMX_CLASS_INTERCEPT)
			nvmx_put_entry(u64_to_user_ptr(arg->entries), &n, arg->nr, entry, &r);
	}

	arg->nr = n;
	arg->vmwrite_any_field = policy->vmwrite_any_field;
	arg->bad_encoding = NVMX_NO_FIELD;
	memcpy(arg->label, policy->label, sizeof(arg->label));
	nvmx_policy_put(policy);

	return r;
}

static int nvmx_take_entries(struct nvmx_policy *arg, struct nvmx_classes *classes)
{
	DECLARE_BITMAP(seen, 256) = {};
	struct nvmx_policy_entry *entries;
	unsigned int i;
	int r = 0;

	entries = memdup_user(u64_to_user_ptr(arg->entries),
			      array_size(arg->nr, sizeof(*entries)));
	if (IS_ERR(entries))
		return PTR_ERR(entries);

	for (i = 0; i < arg->nr && !r; i++) {
		unsigned int index = nvmx_field_index(entries[i].encoding);

		arg->bad_encoding = entries[i].encoding;
		if (index == nvmx_nr_fields || nvmx_fields[index].encoding != entries[i].encoding)
			r = -EOPNOTSUPP;
		else if (entries[i].shadow_class >= NVMX_NR_CLASSES ||
			 __test_and_set_bit(index, seen))
			r = -EINVAL;
		else
			classes->class[index] = entries[i].shadow_class;
	}
	kfree(entries);

	if (!r)
		arg->bad_encoding = NVMX_NO_FIELD;
	return r;
}

/* Checks what user space gave and makes classes of it; free with kfree(). */
static struct nvmx_classes *nvmx_take_policy(struct nvmx_policy *arg)
{
	struct nvmx_classes *classes;
	int r;

	arg->bad_encoding = NVMX_NO_FIELD;
	if (arg->reserved || arg->vmwrite_any_field > NVMX_VMWRITE_ANY_HIDE ||
	    arg->nr > NVMX_MAX_ENTRIES || !memchr(arg->label, '\0', sizeof(arg->label)))
		return ERR_PTR(-EINVAL);

	classes = nvmx_classes_alloc();
	if (!classes)
		return ERR_PTR(-ENOMEM);

	classes->vmwrite_any_field = arg->vmwrite_any_field;
	strscpy_pad(classes->label, arg->label, sizeof(classes->label));

	r = arg->nr ? nvmx_take_entries(arg, classes) : 0;
	if (r) {
		kfree(classes);
		return ERR_PTR(r);
	}

	return classes;
}

/* ---- the registry -------------------------------------------------------- */

static int nvmx_ioctl_get_info(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_info *info = &arg->info;

	if (info->reserved)
		return -EINVAL;

	info->abi_version = NVMX_ABI_VERSION;
	info->nr_fields = nvmx_nr_fields;
	info->features = 0;
	if (nvmx_nested)
		info->features |= NVMX_FEATURE_NESTED;
	if (nvmx_can_shadow())
		info->features |= NVMX_FEATURE_SHADOW_VMCS;
	if (nvmx_knows_all_fields)
		info->features |= NVMX_FEATURE_ALL_FIELDS;
	if (nvmx_can_shadow())
		info->features |= NVMX_FEATURE_WINDOW;
	info->nr_vms = nvmx_vm_count();
	info->tsc_khz = tsc_khz;
	info->sample_every = NVMX_SAMPLE_EVERY;

	return 0;
}

static int nvmx_ioctl_get_fields(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_get_fields *get = &arg->get_fields;
	struct nvmx_field __user *to = u64_to_user_ptr(get->fields);
	unsigned int i, nr = min(get->nr, nvmx_nr_fields);

	if (get->entry_size != sizeof(struct nvmx_field))
		return -EINVAL;

	for (i = 0; i < nr; i++) {
		const struct nvmx_field_desc *desc = &nvmx_fields[i];
		struct nvmx_field field = {
			.encoding = desc->encoding,
			.width = vmcs_field_width(desc->encoding),
			.kind = nvmx_field_kind(desc->encoding),
			.stock_class = desc->stock_class,
			.allowed_classes = desc->allowed_classes,
			.flags = desc->flags,
		};

		strscpy(field.name, desc->name, sizeof(field.name));
		if (copy_to_user(&to[i], &field, sizeof(field)))
			return -EFAULT;
	}

	get->nr = nvmx_nr_fields;
	return 0;
}

static int nvmx_ioctl_list_vms(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_list_vms *list = &arg->list_vms;
	struct nvmx_file *nfile = file->private_data;
	struct nvmx_vm_info *infos;
	unsigned int nr;
	int r = 0;

	if (list->entry_size != sizeof(*infos))
		return -EINVAL;

	/* No more memory than there are VMs, whatever the caller says. */
	nr = min(list->nr, nvmx_vm_count());
	infos = kvcalloc(max(nr, 1U), sizeof(*infos), GFP_KERNEL_ACCOUNT);
	if (!infos)
		return -ENOMEM;

	nr = nvmx_vm_list(list->after, infos, nr, nfile->ns);
	if (copy_to_user(u64_to_user_ptr(list->vms), infos, array_size(nr, sizeof(*infos))))
		r = -EFAULT;
	kvfree(infos);

	list->nr = nr;
	return r;
}

static int nvmx_ioctl_open_vm(struct file *file, union nvmx_arg *arg);

static int nvmx_ioctl_get_default(struct file *file, union nvmx_arg *arg)
{
	return nvmx_get_policy(&nvmx_default_policy, &arg->policy);
}

static int nvmx_ioctl_set_default(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_policy_obj *policy;
	struct nvmx_classes *classes;
	int r;

	classes = nvmx_take_policy(&arg->policy);
	if (IS_ERR(classes))
		return PTR_ERR(classes);

	r = nvmx_classes_check(classes, &arg->policy.bad_encoding);
	if (!r) {
		policy = nvmx_policy_create(classes);
		if (policy)
			arg->policy.generation = nvmx_slot_publish(&nvmx_default_policy, policy);
		else
			r = -ENOMEM;
	}
	kfree(classes);

	return r;
}

static const struct nvmx_ioctl nvmx_registry_ioctls[] = {
	NVMX_IOCTL(NVMX_GET_INFO, nvmx_ioctl_get_info, struct nvmx_info, reserved),
	NVMX_IOCTL(NVMX_GET_FIELDS, nvmx_ioctl_get_fields, struct nvmx_get_fields, fields),
	NVMX_IOCTL(NVMX_LIST_VMS, nvmx_ioctl_list_vms, struct nvmx_list_vms, vms),
	NVMX_IOCTL(NVMX_OPEN_VM, nvmx_ioctl_open_vm, struct nvmx_open_vm, reserved),
	NVMX_IOCTL(NVMX_GET_DEFAULT_POLICY, nvmx_ioctl_get_default, struct nvmx_policy, label),
	NVMX_IOCTL(NVMX_SET_DEFAULT_POLICY, nvmx_ioctl_set_default, struct nvmx_policy, label,
		   .writes = true, .write_back_always = true),
};

/* ---- a VM ---------------------------------------------------------------- */

static struct nvmx_vm *nvmx_file_vm(struct file *file)
{
	struct nvmx_file *nfile = file->private_data;

	return nfile->vm;
}

static int nvmx_ioctl_vm_info(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_file *nfile = file->private_data;

	return nvmx_vm_info(nfile->vm, &arg->vm_info, nfile->ns);
}

static int nvmx_ioctl_vm_get_policy(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_vm *vm = nvmx_file_vm(file);

	if (!READ_ONCE(vm->kvm))
		return -ENODEV;

	return nvmx_get_policy(&vm->slot, &arg->policy);
}

static int nvmx_ioctl_vm_set_policy(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_classes *classes;
	int r;

	classes = nvmx_take_policy(&arg->policy);
	if (IS_ERR(classes))
		return PTR_ERR(classes);

	r = nvmx_vm_set_policy(nvmx_file_vm(file), classes, &arg->policy.generation,
			       &arg->policy.bad_encoding);
	kfree(classes);

	return r;
}

static int nvmx_put_counts(struct nvmx_counters *arg, const struct nvmx_field_count *counts)
{
	struct nvmx_field_counters __user *to = u64_to_user_ptr(arg->fields);
	unsigned int i;
	u32 n = 0;

	for (i = 0; i <= nvmx_nr_fields; i++) {
		struct nvmx_field_counters field = {
			.encoding = i < nvmx_nr_fields ? nvmx_fields[i].encoding : NVMX_NO_FIELD,
			.vmread_exits = counts[i].vmread,
			.vmwrite_exits = counts[i].vmwrite,
		};

		if (!field.vmread_exits && !field.vmwrite_exits)
			continue;
		if (n < arg->nr && copy_to_user(&to[n], &field, sizeof(field)))
			return -EFAULT;
		n++;
	}

	arg->nr = n;
	return 0;
}

static int nvmx_ioctl_vm_counters(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_counters *counters = &arg->counters;
	struct nvmx_field_count *counts;
	int r;

	counts = kvcalloc(nvmx_nr_fields + 1, sizeof(*counts), GFP_KERNEL_ACCOUNT);
	if (!counts)
		return -ENOMEM;

	memset_startat(counters, 0, nested_entries);
	r = nvmx_vm_counters(nvmx_file_vm(file), counters, counts);
	if (!r)
		r = nvmx_put_counts(counters, counts);
	kvfree(counts);

	return r;
}

static int nvmx_ioctl_vm_start_window(struct file *file, union nvmx_arg *arg)
{
	const struct nvmx_window *window = &arg->window;

	if (window->reserved || !window->duration_ms || window->duration_ms > NVMX_WINDOW_MAX_MS)
		return -EINVAL;

	return nvmx_window_start(nvmx_file_vm(file), file->private_data, window->duration_ms);
}

static int nvmx_ioctl_vm_end_window(struct file *file, union nvmx_arg *arg)
{
	const struct nvmx_window *window = &arg->window;

	if (window->reserved || window->duration_ms)
		return -EINVAL;

	return nvmx_window_end(nvmx_file_vm(file), file->private_data);
}

static int nvmx_ioctl_vm_get_executable(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_executable *get = &arg->executable;
	struct nvmx_vm *vm = nvmx_file_vm(file);
	char __user *to = u64_to_user_ptr(get->path);
	u32 there = strlen(vm->executable) + 1, nr = min(get->nr, there);

	if (!READ_ONCE(vm->kvm))
		return -ENODEV;
	if (get->reserved)
		return -EINVAL;
	if (nr && (copy_to_user(to, vm->executable, nr - 1) || put_user('\0', &to[nr - 1])))
		return -EFAULT;

	get->nr = there;
	return 0;
}

static const struct nvmx_ioctl nvmx_vm_ioctls[] = {
	NVMX_IOCTL(NVMX_VM_GET_INFO, nvmx_ioctl_vm_info, struct nvmx_vm_info, state),
	NVMX_IOCTL(NVMX_VM_GET_POLICY, nvmx_ioctl_vm_get_policy, struct nvmx_policy, label),
	NVMX_IOCTL(NVMX_VM_SET_POLICY, nvmx_ioctl_vm_set_policy, struct nvmx_policy, label,
		   .writes = true, .write_back_always = true),
	NVMX_IOCTL(NVMX_VM_GET_COUNTERS, nvmx_ioctl_vm_counters, struct nvmx_counters,
		   policy_switches),
	NVMX_IOCTL(NVMX_VM_START_WINDOW, nvmx_ioctl_vm_start_window, struct nvmx_window, reserved,
		   .writes = true),
	NVMX_IOCTL(NVMX_VM_END_WINDOW, nvmx_ioctl_vm_end_window, struct nvmx_window, reserved,
		   .writes = true),
	NVMX_IOCTL(NVMX_VM_GET_EXECUTABLE, nvmx_ioctl_vm_get_executable, struct nvmx_executable,
		   path),
};

/* ---- files --------------------------------------------------------------- */

static long nvmx_ioctl(struct file *file, const struct nvmx_ioctl *table, size_t nr,
		       unsigned int cmd, unsigned long arg_)
{
	void __user *uarg = (void __user *)arg_;
	const struct nvmx_ioctl *op = NULL;
	union nvmx_arg arg;
	u32 size;
	size_t i;
	int r;

	for (i = 0; i < nr && !op; i++)
		if (table[i].cmd == cmd)
			op = &table[i];
	if (!op)
		return -ENOTTY;

	if (get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	if (size < op->min_size)
		return -EINVAL;
	/* As openat2() does: nobody has the kernel read gigabytes of zeroes. */
	if (size > PAGE_SIZE)
		return -E2BIG;

	r = copy_struct_from_user(&arg, op->size, uarg, size);
	if (r)
		return r;
	if (arg.flags)
		return -EINVAL;
	if (op->writes && !(file->f_mode & FMODE_WRITE))
		return -EPERM;

	/* What could not be told must not be done: the arguments back as they came. */
	if (copy_to_user(uarg, &arg, min_t(size_t, size, op->size)))
		return -EFAULT;

	r = op->fn(file, &arg);
	if (r && !op->write_back_always)
		return r;

	/* The caller's size stays: it says how much of the struct is his. */
	arg.size = size;
	if (copy_to_user(uarg, &arg, min_t(size_t, size, op->size)))
		return -EFAULT;

	return r;
}

static struct nvmx_file *nvmx_file_new(struct pid_namespace *ns)
{
	struct nvmx_file *nfile;

	nfile = kzalloc(sizeof(*nfile), GFP_KERNEL_ACCOUNT);
	if (nfile)
		nfile->ns = get_pid_ns(ns);

	return nfile;
}

static void nvmx_file_free(struct nvmx_file *nfile)
{
	if (nfile->reader)
		nvmx_reader_free(nfile->reader);
	if (nfile->vm) {
		/* Ignoring that it may have none open, or that the VM is gone. */
		(void)nvmx_window_end(nfile->vm, nfile);
		nvmx_vm_put(nfile->vm);
	}
	put_pid_ns(nfile->ns);
	kfree(nfile);
}

static int nvmx_file_release(struct inode *inode, struct file *file)
{
	nvmx_file_free(file->private_data);
	return 0;
}

static long nvmx_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return nvmx_ioctl(file, nvmx_vm_ioctls, ARRAY_SIZE(nvmx_vm_ioctls), cmd, arg);
}

static __poll_t nvmx_vm_poll(struct file *file, struct poll_table_struct *wait)
{
	struct nvmx_vm *vm = nvmx_file_vm(file);

	poll_wait(file, &vm->gone, wait);

	return READ_ONCE(vm->kvm) ? 0 : EPOLLHUP;
}

static const struct file_operations nvmx_vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = nvmx_vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = nvmx_vm_poll,
	.release = nvmx_file_release,
	.llseek = noop_llseek,
};

static int nvmx_ioctl_open_vm(struct file *file, union nvmx_arg *arg)
{
	struct nvmx_open_vm *open = &arg->open_vm;
	struct nvmx_file *registry = file->private_data;
	struct nvmx_file *nfile;
	int fd;

	if (open->reserved)
		return -EINVAL;

	nfile = nvmx_file_new(registry->ns);
	if (!nfile)
		return -ENOMEM;

	nfile->vm = nvmx_vm_find(open->id);
	if (!nfile->vm) {
		nvmx_file_free(nfile);
		return -ENOENT;
	}

	/* Whoever may only read here may only read there. */
	fd = anon_inode_getfd("[nvmx-vm]", &nvmx_vm_fops, nfile,
			      (file->f_mode & FMODE_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0) {
		nvmx_file_free(nfile);
		return fd;
	}

	open->fd = fd;
	return 0;
}

static int nvmx_dev_open(struct inode *inode, struct file *file)
{
	struct nvmx_reader *reader;
	struct nvmx_file *nfile;

	nfile = nvmx_file_new(task_active_pid_ns(current));
	if (!nfile)
		return -ENOMEM;

	reader = nvmx_reader_new(nfile->ns);
	if (IS_ERR(reader)) {
		nvmx_file_free(nfile);
		return PTR_ERR(reader);
	}

	nfile->reader = reader;
	file->private_data = nfile;
	return stream_open(inode, file);
}

static ssize_t nvmx_dev_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct nvmx_file *nfile = file->private_data;

	return nvmx_reader_read(nfile->reader, buf, len, file->f_flags & O_NONBLOCK);
}

static __poll_t nvmx_dev_poll(struct file *file, struct poll_table_struct *wait)
{
	struct nvmx_file *nfile = file->private_data;

	return nvmx_reader_poll(nfile->reader, file, wait);
}

static long nvmx_dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return nvmx_ioctl(file, nvmx_registry_ioctls, ARRAY_SIZE(nvmx_registry_ioctls), cmd, arg);
}

static const struct file_operations nvmx_dev_fops = {
	.owner = THIS_MODULE,
	.open = nvmx_dev_open,
	.release = nvmx_file_release,
	.read = nvmx_dev_read,
	.poll = nvmx_dev_poll,
	.unlocked_ioctl = nvmx_dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice nvmx_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvmx",
	.fops = &nvmx_dev_fops,
	/* The group is udev's to set. */
	.mode = 0660,
};

static bool nvmx_dev_registered;

/* KVM is usable by now, so it stays, with nvmx out of reach. */
void __init nvmx_dev_init(void)
{
	int r = misc_register(&nvmx_dev);

	if (r)
		pr_err("nvmx: cannot register /dev/nvmx: %d\n", r);
	nvmx_dev_registered = !r;
}

void nvmx_dev_exit(void)
{
	if (nvmx_dev_registered)
		misc_deregister(&nvmx_dev);
}
