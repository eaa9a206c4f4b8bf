/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What vm-dbus.c has in its vtable from vm-methods.c.  Nobody else includes this.
 */
#ifndef NVMX_DAEMON_VM_METHODS_H
#define NVMX_DAEMON_VM_METHODS_H

#include <systemd/sd-bus.h>

int vm_method_set_policy(sd_bus_message *call, void *userdata, sd_bus_error *error);
int vm_method_reset(sd_bus_message *call, void *userdata, sd_bus_error *error);
int vm_method_start_profile(sd_bus_message *call, void *userdata, sd_bus_error *error);
int vm_method_end_profile(sd_bus_message *call, void *userdata, sd_bus_error *error);

#endif /* NVMX_DAEMON_VM_METHODS_H */
