/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sources of settings: who may tell nvmxd which VM is whose and what its settings are,
 * and whether they can just now.  Layer 3 of nvmxd, like the VMs that they tell of; how
 * they talk is for sources-dbus.c to know.  org.nvmx1(5) has the rules.
 */
#ifndef NVMX_DAEMON_SOURCES_H
#define NVMX_DAEMON_SOURCES_H

#include "daemon/vm-set.h"

/* So long a source that is ready may take to answer before it is said not to. */
#define SOURCE_ANSWER_USEC	(10 * UINT64_C(1000000))

enum source_state {
	SOURCE_ABSENT,		/* no connection is that source */
	SOURCE_NOT_READY,	/* one is, and cannot answer now: reason */
	SOURCE_SILENT,		/* it says that it can, and does not */
	SOURCE_READY,
};

struct source {
	struct sources *sources;
	unsigned int number;		/* its place, and its bit in a VM's awaited */
	char *name, *user;
	enum source_state state;
	char *reason;			/* its own sentence; NULL: none */
	char *missing;			/* what nvmxd has to do without, as a sentence; NULL: nothing */
	sd_event_source *timer;		/* on while an answer is awaited */
};

/* News of sources.c. */
struct source_ops {
	/* The source is to be asked who the VM is. */
	void (*ask)(const struct source *s, const struct vm *vm, void *userdata);
	/* Its state, or the reason for it, is another. */
	void (*changed)(const struct source *s, void *userdata);
};

struct sources {
	struct source list[CONFIG_SOURCES_MAX];
	size_t n;
	sd_event *event;		/* borrowed, as vms is */
	const struct vm_set *vms;
	const struct source_ops *ops;
	void *userdata;
};

/* Those of the configuration as it is now. */
int sources_init(struct sources *sources, sd_event *event, const struct vm_set *vms,
		 const struct config_sources *config, const struct source_ops *ops, void *userdata);
void sources_clear(struct sources *sources);

struct source *sources_find(struct sources *sources, const char *name);	/* NULL: there is none */
/* The bits of all: a new VM's awaited. */
unsigned int sources_all(const struct sources *sources);
void sources_ask(struct sources *sources, const struct vm *vm);
/* On whose answer the VM waits, as a sentence, the caller's; "": nobody's; NULL without memory. */
char *sources_pending(const struct sources *sources, const struct vm *vm);

/* reason: with SOURCE_NOT_READY; else NULL. */
int source_set_state(struct source *s, enum source_state state, const char *reason);
/* It has said something of a VM. */
void source_answered(struct source *s);
static inline bool source_is_connected(const struct source *s)
{
	return s->state == SOURCE_READY;
}

#endif /* NVMX_DAEMON_SOURCES_H */
