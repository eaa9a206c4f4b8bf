/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What both kernel links share: filling in the structs of <linux/nvmx.h> and
 * growing the arrays they point to.  Owns the fds of struct link.
 */
#include "daemon/link.h"

/* A policy, or a VM's counters, name at most each field once; few paths are longer. */
#define ROOM_FIRST	256

void link_init(struct link *l, const struct link_ops *ops, const char *path)
{
	*l = (struct link) {
		.ops = ops,
		.path = path,
		.fd = -EBADF,
		.event_fd = -EBADF,
	};
}

int link_open(struct link *l)
{
	return l->ops->open(l->path, &l->fd, &l->event_fd);
}

void link_close(struct link *l)
{
	if (l->event_fd >= 0 && l->event_fd != l->fd)
		close(l->event_fd);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = l->event_fd = -EBADF;
}

int link_read_events(struct link *l, link_event_t fn, void *userdata)
{
	_Alignas(struct nvmx_event) uint8_t buffer[32 * sizeof(struct nvmx_event)];
	size_t size;
	ssize_t k;

	k = read(l->event_fd, buffer, sizeof(buffer));
	if (k < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (k == 0)
		return -ENODEV;

	/* A newer module's records may be longer than ours, at their ends. */
	for (size_t at = 0; at + sizeof(struct nvmx_event) <= (size_t)k; at += size) {
		struct nvmx_event event;

		memcpy(&event, buffer + at, sizeof(event));
		size = event.size;
		if (size < sizeof(event))
			return -EBADMSG;
		fn(&event, userdata);
		if (l->event_fd < 0)	/* closed by what fn did */
			return -ENODEV;
	}

	return 1;
}

int link_get_info(struct link *l, struct nvmx_info *ret)
{
	struct nvmx_info info = { .size = sizeof(info) };
	int r;

	r = l->ops->call(l->fd, NVMX_GET_INFO, &info);
	if (r < 0)
		return r;

	*ret = info;
	return 0;
}

int link_get_fields(struct link *l, struct nvmx_field **ret, size_t *ret_n)
{
	for (size_t room = ROOM_FIRST;;) {
		_cleanup_free_ struct nvmx_field *fields = calloc(room, sizeof(*fields));
		struct nvmx_get_fields arg = {
			.size = sizeof(arg),
			.nr = room,
			.entry_size = sizeof(*fields),
			.fields = (uintptr_t)fields,
		};
		int r;

		if (!fields)
			return -ENOMEM;
		r = l->ops->call(l->fd, NVMX_GET_FIELDS, &arg);
		if (r < 0)
			return r;
		if (arg.nr > room) {
			room = arg.nr;
			continue;
		}

		for (size_t i = 0; i < arg.nr; i++)
			fields[i].name[NVMX_FIELD_NAME_LEN - 1] = 0;
		*ret = steal_ptr(fields);
		*ret_n = arg.nr;
		return 0;
	}
}

int link_list_vms(struct link *l, struct nvmx_vm_info **ret, size_t *ret_n)
{
	_cleanup_free_ struct nvmx_vm_info *vms = NULL;
	size_t n = 0;

	for (;;) {
		struct nvmx_vm_info *p = realloc(vms, (n + ROOM_FIRST) * sizeof(*p));
		struct nvmx_list_vms arg;
		int r;

		if (!p)
			return -ENOMEM;
		vms = p;
		arg = (struct nvmx_list_vms) {
			.size = sizeof(arg),
			.nr = ROOM_FIRST,
			.entry_size = sizeof(*vms),
			.after = n > 0 ? vms[n - 1].id : 0,
			.vms = (uintptr_t)(vms + n),
		};
		r = l->ops->call(l->fd, NVMX_LIST_VMS, &arg);
		if (r < 0)
			return r;
		n += arg.nr;
		if (arg.nr < ROOM_FIRST)
			break;
	}

	*ret = steal_ptr(vms);
	*ret_n = n;
	return 0;
}

int link_open_vm(struct link *l, uint64_t id, int *ret_fd)
{
	return l->ops->open_vm(l->path, l->fd, id, ret_fd);
}

int link_vm_get_info(struct link *l, int fd, struct nvmx_vm_info *ret)
{
	struct nvmx_vm_info info = { .size = sizeof(info) };
	int r;

	r = l->ops->call(fd, NVMX_VM_GET_INFO, &info);
	if (r < 0)
		return r;

	*ret = info;
	return 0;
}

int link_vm_get_executable(struct link *l, int fd, char **ret)
{
	for (size_t room = ROOM_FIRST;;) {
		_cleanup_free_ char *path = calloc(room, 1);
		struct nvmx_executable arg = {
			.size = sizeof(arg),
			.nr = room,
			.path = (uintptr_t)path,
		};
		int r;

		if (!path)
			return -ENOMEM;
		r = l->ops->call(fd, NVMX_VM_GET_EXECUTABLE, &arg);
		if (r < 0 && r != -ENOTTY)
			return r;
		if (r >= 0 && arg.nr > room) {
			room = arg.nr;
			continue;
		}

		path[room - 1] = 0;
		*ret = steal_ptr(path);
		return 0;
	}
}

int link_vm_get_policy(struct link *l, int fd, struct nvmx_policy *ret,
		       struct nvmx_policy_entry **ret_entries)
{
	for (size_t room = ROOM_FIRST;;) {
		_cleanup_free_ struct nvmx_policy_entry *entries = calloc(room, sizeof(*entries));
		struct nvmx_policy arg = {
			.size = sizeof(arg),
			.nr = room,
			.entries = (uintptr_t)entries,
		};
		int r;

		if (!entries)
			return -ENOMEM;
		r = l->ops->call(fd, NVMX_VM_GET_POLICY, &arg);
		if (r < 0)
			return r;
		if (arg.nr > room) {
			room = arg.nr;
			continue;
		}

		arg.label[NVMX_LABEL_LEN - 1] = 0;
		*ret = arg;
		*ret_entries = steal_ptr(entries);
		return 0;
	}
}

int link_vm_get_generation(struct link *l, int fd, uint64_t *ret)
{
	struct nvmx_policy arg = { .size = sizeof(arg) };
	int r;

	r = l->ops->call(fd, NVMX_VM_GET_POLICY, &arg);
	if (r < 0)
		return r;

	*ret = arg.generation;
	return 0;
}

int link_vm_set_policy(struct link *l, int fd, uint32_t vmwrite_any_field, const char *label,
		       const struct nvmx_policy_entry *entries, size_t n,
		       uint32_t *ret_bad_encoding)
{
	struct nvmx_policy arg = {
		.size = sizeof(arg),
		.vmwrite_any_field = vmwrite_any_field,
		.nr = n,
		.entries = (uintptr_t)entries,
		.bad_encoding = NVMX_NO_FIELD,
	};
	int r;

	if (strlen(label) >= sizeof(arg.label))
		return -EINVAL;
	strcpy(arg.label, label);

	r = l->ops->call(fd, NVMX_VM_SET_POLICY, &arg);
	*ret_bad_encoding = arg.bad_encoding;
	return r;
}

int link_vm_get_counters(struct link *l, int fd, int vcpu, struct nvmx_counters *ret,
			 struct nvmx_field_counters **ret_fields)
{
	for (size_t room = ROOM_FIRST;;) {
		_cleanup_free_ struct nvmx_field_counters *fields = calloc(room, sizeof(*fields));
		struct nvmx_counters arg = {
			.size = sizeof(arg),
			.vcpu = vcpu,
			.nr = room,
			.fields = (uintptr_t)fields,
		};
		int r;

		if (!fields)
			return -ENOMEM;
		r = l->ops->call(fd, NVMX_VM_GET_COUNTERS, &arg);
		if (r < 0)
			return r;
		if (arg.nr > room) {
			room = arg.nr;
			continue;
		}

		*ret = arg;
		*ret_fields = steal_ptr(fields);
		return 0;
	}
}

int link_vm_start_window(struct link *l, int fd, uint32_t duration_ms)
{
	struct nvmx_window arg = { .size = sizeof(arg), .duration_ms = duration_ms };

	return l->ops->call(fd, NVMX_VM_START_WINDOW, &arg);
}

int link_vm_end_window(struct link *l, int fd)
{
	struct nvmx_window arg = { .size = sizeof(arg) };

	return l->ops->call(fd, NVMX_VM_END_WINDOW, &arg);
}
