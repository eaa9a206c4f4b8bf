/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel as nvmxd sees it: the link to it while it is there, its table of fields, what
 * it supports and why not, and its lifecycle records.  Layer 1 of nvmxd: knows of no VM.
 * Nothing polls: while there is no kernel, inotify tells when its device appears.
 */
#ifndef NVMX_DAEMON_KERNEL_H
#define NVMX_DAEMON_KERNEL_H

#include <systemd/sd-event.h>

#include "daemon/link.h"
#include "daemon/retry.h"
#include "policy/policy.h"

enum kernel_support {
	KERNEL_NO_MODULE,	/* the device is not there; waiting for it */
	KERNEL_NO_NESTED,	/* the module is, with nested=0 */
	KERNEL_NO_SHADOW_VMCS,	/* ..., with nothing to shadow in */
	KERNEL_AVAILABLE,
};

/* What kernel_changed_t tells. */
enum kernel_news {
	KERNEL_FOUND,		/* it can be asked; negative errno: not used after all, and lost again */
	KERNEL_LOST,		/* about to be closed: nothing of its table may be kept */
	KERNEL_GONE,		/* is closed, and waited for */
	KERNEL_READY,		/* all of KERNEL_FOUND is done */
	KERNEL_SUPPORT,		/* kernel_support, or why not, is another */
	KERNEL_TSC,		/* tsc_khz is another */
	KERNEL_RECORD,		/* record: of VMs; only then not NULL */
};

typedef int (*kernel_changed_t)(enum kernel_news news, const struct nvmx_event *record,
				void *userdata);

struct kernel {
	struct link link;
	enum kernel_support support;
	uint32_t tsc_khz;		/* 0: no kernel */
	struct field_table table;	/* empty without a kernel; assignments borrow it */

	/* kernel.c's own */
	sd_event *event;		/* borrowed, as retry is */
	struct retry *retry;
	kernel_changed_t changed;
	void *userdata;
	struct nvmx_field *fields;	/* the table's */
	sd_event_source *records;	/* and EPOLLHUP, while the link is open */
	sd_event_source *watch;		/* inotify, while it is not */
	int error;			/* the last reason not to be open, said once */
};

void kernel_init(struct kernel *k, sd_event *event, struct retry *retry, const struct link_ops *ops,
		 const char *path, kernel_changed_t changed, void *userdata);
/* Without news. */
void kernel_clear(struct kernel *k);

/* Looks for the kernel, and waits for it if it is not there, which is no error. */
int kernel_start(struct kernel *k);
/* Once more, after a shortage; nothing happens if it is there. */
void kernel_try_again(struct kernel *k);

static inline bool kernel_is_open(const struct kernel *k)
{
	return k->link.fd >= 0;
}

const char *kernel_support_to_string(enum kernel_support support);
/* Why policies are not possible, as a sentence; NULL if they are. */
const char *kernel_why_unsupported(const struct kernel *k);

#endif /* NVMX_DAEMON_KERNEL_H */
