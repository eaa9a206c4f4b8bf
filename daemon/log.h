/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's log: one sentence a line, to the journal with the VM in fields of
 * its own if standard error is the journal's, to standard error otherwise.
 */
#ifndef NVMX_DAEMON_LOG_H
#define NVMX_DAEMON_LOG_H

#include <stdint.h>
#include <syslog.h>

#include "policy/util.h"

/*
 * vm_id and uuid become NVMX_VM_ID= and NVMX_DOMAIN_UUID=; 0 and NULL or "" leave
 * them out.  Thread-safe, and leaves errno alone.
 */
void log_message(int level, uint64_t vm_id, const char *uuid,
		 const char *format, ...) _printf_(4, 5);

#define log_error(...)		log_message(LOG_ERR, 0, NULL, __VA_ARGS__)
#define log_warning(...)	log_message(LOG_WARNING, 0, NULL, __VA_ARGS__)
#define log_notice(...)		log_message(LOG_NOTICE, 0, NULL, __VA_ARGS__)
#define log_info(...)		log_message(LOG_INFO, 0, NULL, __VA_ARGS__)

#define log_vm(vm, level, ...)	log_message(level, (vm)->id, (vm)->uuid, __VA_ARGS__)

#endif /* NVMX_DAEMON_LOG_H */
