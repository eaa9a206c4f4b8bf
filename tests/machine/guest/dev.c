// SPDX-License-Identifier: LGPL-2.1-or-later
/* /dev/nvmx for the tests: see dev.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dev.h"
#include "l1.h"
#include "tap.h"

struct nvmx_field dev_fields[DEV_MAX_FIELDS];
unsigned int dev_nr_fields;
int dev_fd = -1;

bool dev_try_open(void)
{
	struct nvmx_get_fields get = {
		.size = sizeof(get), .nr = DEV_MAX_FIELDS, .entry_size = sizeof(dev_fields[0]),
		.fields = (uintptr_t)dev_fields,
	};

	dev_fd = open("/dev/nvmx", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (dev_fd < 0)
		return false;
	if (ioctl(dev_fd, NVMX_GET_FIELDS, &get) < 0)
		bail("NVMX_GET_FIELDS");
	if (get.nr > DEV_MAX_FIELDS)
		bail("%u fields are more than this program has room for", get.nr);
	dev_nr_fields = get.nr;
	return true;
}

void dev_open(void)
{
	if (!dev_try_open())
		bail("/dev/nvmx");
}

uint64_t dev_features(void)
{
	struct nvmx_info info = { .size = sizeof(info) };

	if (ioctl(dev_fd, NVMX_GET_INFO, &info) < 0)
		bail("NVMX_GET_INFO");
	return info.features;
}

const struct nvmx_field *dev_field(uint32_t encoding)
{
	unsigned int i;

	for (i = 0; i < dev_nr_fields; i++)
		if (dev_fields[i].encoding == encoding)
			return &dev_fields[i];
	return NULL;
}

const char *dev_name(uint32_t encoding)
{
	const struct nvmx_field *f = dev_field(encoding);

	return f ? f->name : encoding == NVMX_NO_FIELD ? "no field" : "?";
}

bool dev_is_unspecified(uint32_t encoding)
{
	return encoding == GUEST_LINEAR_ADDRESS;
}

uint64_t dev_kept(uint32_t encoding, uint64_t value)
{
	static const uint64_t masks[] = {
		[NVMX_WIDTH_16] = 0xffff, [NVMX_WIDTH_32] = 0xffffffff,
		[NVMX_WIDTH_64] = ~0ULL, [NVMX_WIDTH_NATURAL] = ~0ULL,
	};

	/* KVM drops the reserved bits, as some processors do */
	if (encoding >= GUEST_ES_AR_BYTES && encoding <= GUEST_TR_AR_BYTES)
		return value & 0x1f0ff;
	return value & masks[encoding >> 13 & 3];
}

bool dev_allows(const struct nvmx_field *f, unsigned int shadow_class)
{
	return f->allowed_classes & 1U << shadow_class;
}

uint64_t dev_newest_vm(void)
{
	struct nvmx_vm_info vms[64];
	struct nvmx_list_vms list = {
		.size = sizeof(list), .entry_size = sizeof(vms[0]), .vms = (uintptr_t)vms,
	};
	uint64_t id = 0;
	unsigned int i;

	if (dev_fd < 0)
		return 0;
	do {
		list.nr = 64;
		if (ioctl(dev_fd, NVMX_LIST_VMS, &list) < 0)
			bail("NVMX_LIST_VMS");
		for (i = 0; i < list.nr; i++) {
			list.after = vms[i].id;
			if (vms[i].pid == getpid())
				id = vms[i].id;
		}
	} while (list.nr == 64);
	errno = 0;
	if (!id)
		bail("NVMX_LIST_VMS does not show the VM that this process has just created");
	return id;
}

int dev_open_vm(uint64_t id)
{
	struct nvmx_open_vm o = { .size = sizeof(o), .id = id };

	if (ioctl(dev_fd, NVMX_OPEN_VM, &o) < 0)
		bail("NVMX_OPEN_VM of %llu", (unsigned long long)id);
	return o.fd;
}

uint32_t dev_executable(int vm_fd, char *ret, uint32_t room)
{
	struct nvmx_executable get = { .size = sizeof(get), .nr = room, .path = (uintptr_t)ret };

	if (ioctl(vm_fd, NVMX_VM_GET_EXECUTABLE, &get) < 0)
		bail("NVMX_VM_GET_EXECUTABLE");
	return get.nr;
}

/* ---- policies ------------------------------------------------------------ */

static unsigned int freest(const struct nvmx_field *f)
{
	unsigned int c = NVMX_CLASS_READ_WRITE;

	while (c && !dev_allows(f, c))
		c--;
	return c;
}

static bool is_ar_bytes(uint32_t encoding)
{
	return encoding == GUEST_CS_AR_BYTES || encoding == GUEST_SS_AR_BYTES;
}

static unsigned int policy_class(enum dev_policy which, const struct nvmx_field *f, unsigned int i)
{
	switch (which) {
	case POLICY_STOCK:
		return f->stock_class;
	case POLICY_LEGACY:
		return f->kind == NVMX_KIND_READ_ONLY_DATA && f->stock_class != NVMX_CLASS_INTERCEPT ?
			NVMX_CLASS_READ_WRITE : f->stock_class;
	case POLICY_NO_AR_BYTES:
		return is_ar_bytes(f->encoding) ? NVMX_CLASS_INTERCEPT : f->stock_class;
	case POLICY_MOST:
		return freest(f);
	case POLICY_READ_ONLY:
		return dev_allows(f, NVMX_CLASS_READ_ONLY) ?
			NVMX_CLASS_READ_ONLY : NVMX_CLASS_INTERCEPT;
	case POLICY_HALF:
		return i & 1 ? freest(f) : NVMX_CLASS_INTERCEPT;
	case POLICY_OTHER_HALF:
		return i & 1 ? NVMX_CLASS_INTERCEPT : freest(f);
	case POLICY_HOST_RSP:
		return f->encoding == HOST_RSP ? freest(f) : NVMX_CLASS_INTERCEPT;
	default:
		return NVMX_CLASS_INTERCEPT;
	}
}

void dev_make_empty(const char *name, struct policy *ret)
{
	ret->name = name;
	ret->any = NVMX_VMWRITE_ANY_INHERIT;
	ret->nr = 0;
}

void dev_make_policy(enum dev_policy which, struct policy *ret)
{
	static const char *const names[] = {
		"stock", "legacy", "no-ar-bytes", "intercept-all", "most", "read-only", "half",
		"other-half", "host-rsp",
	};
	unsigned int i, free_fields = 0;

	dev_make_empty(names[which], ret);
	for (i = 0; i < dev_nr_fields; i++) {
		/* halves of what can be shadowed at all */
		free_fields += freest(&dev_fields[i]) != NVMX_CLASS_INTERCEPT;
		dev_set_class(ret, dev_fields[i].encoding,
			      policy_class(which, &dev_fields[i], free_fields));
	}
}

void dev_set_class(struct policy *p, uint32_t encoding, unsigned int shadow_class)
{
	unsigned int i;

	for (i = 0; i < p->nr && p->entries[i].encoding != encoding; i++)
		;
	if (i < p->nr) {
		p->entries[i].shadow_class = shadow_class;
		return;
	}
	if (shadow_class == NVMX_CLASS_INTERCEPT)
		return;
	p->entries[p->nr++] = (struct nvmx_policy_entry){ encoding, shadow_class };
}

unsigned int dev_class(const struct policy *p, uint32_t encoding)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		if (p->entries[i].encoding == encoding)
			return p->entries[i].shadow_class;
	return NVMX_CLASS_INTERCEPT;
}

int dev_set(int vm_fd, const struct policy *p)
{
	struct nvmx_policy set = {
		.size = sizeof(set), .vmwrite_any_field = p->any, .nr = p->nr,
		.entries = (uintptr_t)p->entries,
	};

	snprintf(set.label, sizeof(set.label), "%s", p->name);
	return ioctl(vm_fd, NVMX_VM_SET_POLICY, &set) < 0 ? -errno : 0;
}

void dev_must_set(int vm_fd, const struct policy *p)
{
	int r = dev_set(vm_fd, p);

	if (r < 0) {
		errno = -r;
		bail("NVMX_VM_SET_POLICY of \"%s\"", p->name);
	}
}

void dev_get(int vm_fd, struct policy *ret, char *ret_label, uint64_t *ret_generation)
{
	struct nvmx_policy get = {
		.size = sizeof(get), .nr = DEV_MAX_FIELDS, .entries = (uintptr_t)ret->entries,
	};

	if (ioctl(vm_fd, NVMX_VM_GET_POLICY, &get) < 0)
		bail("NVMX_VM_GET_POLICY");
	ret->name = "in force";
	ret->any = get.vmwrite_any_field;
	ret->nr = get.nr;
	if (ret_label)
		memcpy(ret_label, get.label, NVMX_LABEL_LEN);
	if (ret_generation)
		*ret_generation = get.generation;
}

bool dev_same(const struct policy *a, const struct policy *b)
{
	unsigned int i;

	if (a->any != b->any)
		return false;
	for (i = 0; i < a->nr; i++)
		if (dev_class(b, a->entries[i].encoding) != a->entries[i].shadow_class)
			return false;
	for (i = 0; i < b->nr; i++)
		if (dev_class(a, b->entries[i].encoding) != b->entries[i].shadow_class)
			return false;
	return true;
}

/* ---- counters ------------------------------------------------------------ */

void dev_counters(int vm_fd, struct counters *ret)
{
	ret->total = (struct nvmx_counters){
		.size = sizeof(ret->total), .vcpu = NVMX_ALL_VCPUS, .nr = DEV_MAX_FIELDS,
		.fields = (uintptr_t)ret->fields,
	};
	if (ioctl(vm_fd, NVMX_VM_GET_COUNTERS, &ret->total) < 0)
		bail("NVMX_VM_GET_COUNTERS");
	ret->nr = ret->total.nr;
}

uint64_t dev_reads(const struct counters *c, uint32_t encoding)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->fields[i].encoding == encoding)
			return c->fields[i].vmread_exits;
	return 0;
}

uint64_t dev_writes(const struct counters *c, uint32_t encoding)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->fields[i].encoding == encoding)
			return c->fields[i].vmwrite_exits;
	return 0;
}

void dev_test_unused(void)
{
	struct nvmx_info info = { .size = sizeof(info) };
	char text[20] = "";
	FILE *f;

	is(ioctl(dev_fd, NVMX_GET_INFO, &info), 0, "NVMX_GET_INFO");
	is(info.nr_vms, 0, "no VM is left");
	close(dev_fd);
	dev_fd = -1;
	f = fopen("/sys/module/kvm_intel/refcnt", "re");
	if (!f || !fgets(text, sizeof(text), f))
		bail("refcnt");
	fclose(f);
	is(strtoul(text, NULL, 10), 0, "nobody holds kvm_intel");
}
