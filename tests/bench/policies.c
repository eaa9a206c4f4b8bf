// SPDX-License-Identifier: LGPL-2.1-or-later
/* See policies.h. */
#include <sys/ioctl.h>

#include "../machine/guest/tap.h"
#include "policies.h"

const char *const policy_names[NR_POLICIES] = {
	"untouched", "trimmed", "best", "legacy", "no-ar-bytes", "intercept-all", "window",
};

static bool is_among(const uint32_t *fields, unsigned int nr, uint32_t encoding)
{
	while (nr--)
		if (fields[nr] == encoding)
			return true;
	return false;
}

static unsigned int class_of(enum bench_policy which, const struct hypervisor *h,
			     const struct nvmx_field *f)
{
	bool reads = is_among(h->reads, h->nr_reads, f->encoding);
	bool writes = is_among(h->writes, h->nr_writes, f->encoding);

	if (which == UNTOUCHED)
		return f->stock_class;
	if (which == TRIMMED)
		return reads || writes ? f->stock_class : NVMX_CLASS_INTERCEPT;
	if (writes && dev_allows(f, NVMX_CLASS_READ_WRITE))
		return NVMX_CLASS_READ_WRITE;
	return reads && dev_allows(f, NVMX_CLASS_READ_ONLY) ?
		NVMX_CLASS_READ_ONLY : NVMX_CLASS_INTERCEPT;
}

void make_policy(enum bench_policy which, const struct hypervisor *h, struct policy *ret)
{
	unsigned int i;

	switch (which) {
	case LEGACY:
		dev_make_policy(POLICY_LEGACY, ret);
		break;
	case NO_AR_BYTES:
		dev_make_policy(POLICY_NO_AR_BYTES, ret);
		break;
	case INTERCEPT_ALL:
		dev_make_policy(POLICY_INTERCEPT_ALL, ret);
		break;
	default:
		dev_make_empty(policy_names[which], ret);
		for (i = 0; i < dev_nr_fields; i++)
			dev_set_class(ret, dev_fields[i].encoding,
				      class_of(which, h, &dev_fields[i]));
	}
}

void apply_policy(int vm_fd, enum bench_policy which, const struct hypervisor *h)
{
	struct nvmx_window window = { .size = sizeof(window), .duration_ms = NVMX_WINDOW_MAX_MS };
	static struct policy policy;

	if (which == WINDOW) {
		if (ioctl(vm_fd, NVMX_VM_START_WINDOW, &window) < 0)
			bail("NVMX_VM_START_WINDOW");
	} else if (which != UNTOUCHED) {
		make_policy(which, h, &policy);
		dev_must_set(vm_fd, &policy);
	}
}
