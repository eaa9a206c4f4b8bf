/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log of nvmxd and nvmx-libvirt: one sentence a line, to the journal with the VM in fields of
 * its own if standard error is the journal's, to standard error otherwise.
 */
#ifndef NVMX_DAEMON_LOG_H
#define NVMX_DAEMON_LOG_H

#include <stdint.h>
#include <syslog.h>

#include "daemon/messages.h"
#include "policy/util.h"

/*
 * message_id, one of messages.h, vm_id and uuid become MESSAGE_ID=, NVMX_VM= and
 * NVMX_DOMAIN_UUID=; NULL, 0 and NULL or "" leave them out.  Thread-safe, and leaves errno
 * alone.
 */
void log_message(int level, const char *message_id, uint64_t vm_id, const char *uuid,
		 const char *format, ...) _printf_(5, 6);

#define log_error(...)		log_message(LOG_ERR, NULL, 0, NULL, __VA_ARGS__)
#define log_warning(...)	log_message(LOG_WARNING, NULL, 0, NULL, __VA_ARGS__)
#define log_notice(...)		log_message(LOG_NOTICE, NULL, 0, NULL, __VA_ARGS__)
#define log_info(...)		log_message(LOG_INFO, NULL, 0, NULL, __VA_ARGS__)
#define log_event(level, message_id, ...) \
	log_message(level, message_id, 0, NULL, __VA_ARGS__)

#endif /* NVMX_DAEMON_LOG_H */
