/* SPDX-License-Identifier: GPL-2.0-only */
/* Lifecycle records, and who reads them. */
#ifndef _NVMX_EVENT_H
#define _NVMX_EVENT_H

#include <linux/nvmx.h>

struct file;
struct pid;
struct pid_namespace;
struct poll_table_struct;

/* By what a record names a VM. */
struct nvmx_vm_name {
	u64 id;
	u64 start_time;
	struct pid *owner;
};

/* Never sleeps; NVMX_EVENT_VM_*. */
void nvmx_event(u32 type, const struct nvmx_vm_name *vm);

struct nvmx_reader;

/* -ENOMEM, -EMFILE */
struct nvmx_reader *nvmx_reader_new(struct pid_namespace *ns);
void nvmx_reader_free(struct nvmx_reader *reader);
ssize_t nvmx_reader_read(struct nvmx_reader *reader, char __user *buf, size_t len,
			 bool nonblock);
__poll_t nvmx_reader_poll(struct nvmx_reader *reader, struct file *file,
			  struct poll_table_struct *wait);

#endif /* _NVMX_EVENT_H */
