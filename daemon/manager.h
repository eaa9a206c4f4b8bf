/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manager: owns all parts of nvmxd and hands the news of one to the others.  Layer 5:
 * wiring, and nothing else.
 */
#ifndef NVMX_DAEMON_MANAGER_H
#define NVMX_DAEMON_MANAGER_H

#include <systemd/sd-event.h>

#include "daemon/link.h"

struct manager_options {
	const struct link_ops *link;
	const char *link_path;
	bool no_sources;			/* whatever the configuration says */
	const char *const *policy_dirs;		/* ends with NULL */
	const char *const *config_dirs;		/* ends with NULL */
};

struct manager;

int manager_new(const struct manager_options *options, struct manager **ret);
struct manager *manager_free(struct manager *m);	/* NULL */
DEFINE_CLEANUP(struct manager *, manager_free)
#define _cleanup_manager_ _cleanup_(manager_freep)

sd_event *manager_event(const struct manager *m);

/*
 * Takes the name on the bus, then finds kernel and VMs.  -EADDRINUSE: the name is not to be
 * had, and another try would come to the same.
 */
int manager_start(struct manager *m);
/* Reads configuration and policy files again and applies them; as files_reload(). */
int manager_reload(struct manager *m, char **ret_error);
void manager_update_status(const struct manager *m);	/* what systemctl status shows */

#endif /* NVMX_DAEMON_MANAGER_H */
