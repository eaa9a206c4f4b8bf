/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel link: how the daemon reaches the kernel.  There are two, chosen on
 * the command line: the device, /dev/nvmx, and the loopback, a stand-in for it
 * that tests run as a process of its own.  They differ in how a file is opened
 * and how an ioctl gets there; what is said is <linux/nvmx.h> for both.
 */
#ifndef NVMX_DAEMON_LINK_H
#define NVMX_DAEMON_LINK_H

#include <stddef.h>
#include <stdint.h>

#include <linux/nvmx.h>

#include "policy/util.h"

struct link;

struct link_ops {
	const char *name;	/* the KernelLink property */

	/*
	 * Opens the registry: *ret_fd for calls, *ret_event_fd for lifecycle records,
	 * which start with the opening.  They may be the same.  -ENOENT and the like:
	 * there is no kernel there now.
	 */
	int (*open)(const char *path, int *ret_fd, int *ret_event_fd);

	/* An ioctl of <linux/nvmx.h>: 0 or negative errno. */
	int (*call)(int fd, unsigned int request, void *arg);

	int (*open_vm)(const char *path, int fd, uint64_t id, int *ret_fd);
};

extern const struct link_ops link_device_ops, link_loopback_ops;

/* Owns its fds; closed while there is no kernel.  path is borrowed. */
struct link {
	const struct link_ops *ops;
	const char *path;	/* appears when the kernel does */
	int fd, event_fd;
};

#define LINK_DEVICE_PATH "/dev/nvmx"

void link_init(struct link *l, const struct link_ops *ops, const char *path);
int link_open(struct link *l);
void link_close(struct link *l);

/*
 * Calls fn for each record that is waiting.  1: there may be more; 0: none left;
 * negative: the kernel is gone.
 */
typedef void (*link_event_t)(const struct nvmx_event *event, void *userdata);
int link_read_events(struct link *l, link_event_t fn, void *userdata);

/* Arrays are the caller's to free. */
int link_get_info(struct link *l, struct nvmx_info *ret);
int link_get_fields(struct link *l, struct nvmx_field **ret, size_t *ret_n);
int link_list_vms(struct link *l, struct nvmx_vm_info **ret, size_t *ret_n);
int link_open_vm(struct link *l, uint64_t id, int *ret_fd);

/* fd: from link_open_vm(). */
int link_vm_get_info(struct link *l, int fd, struct nvmx_vm_info *ret);
/*
 * The path of what created the VM, as its creator saw it; "" if there is none, or of a
 * module that does not say.  The caller's to free.
 */
int link_vm_get_executable(struct link *l, int fd, char **ret);
int link_vm_get_policy(struct link *l, int fd, struct nvmx_policy *ret,
		       struct nvmx_policy_entry **ret_entries);
int link_vm_get_generation(struct link *l, int fd, uint64_t *ret);
/* *ret_bad_encoding is also set on -EINVAL and -EOPNOTSUPP. */
int link_vm_set_policy(struct link *l, int fd, uint32_t vmwrite_any_field, const char *label,
		       const struct nvmx_policy_entry *entries, size_t n,
		       uint32_t *ret_bad_encoding);
int link_vm_get_counters(struct link *l, int fd, int vcpu, struct nvmx_counters *ret,
			 struct nvmx_field_counters **ret_fields);
/* The profiling window belongs to the fd, and ends with it. */
int link_vm_start_window(struct link *l, int fd, uint32_t duration_ms);
int link_vm_end_window(struct link *l, int fd);

#endif /* NVMX_DAEMON_LINK_H */
