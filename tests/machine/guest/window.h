/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Profiling windows for the tests, and what L1's accesses tell of the policy in force. */
#ifndef WINDOW_H
#define WINDOW_H

#include "dev.h"
#include "vm.h"

/* NVMX_VM_START_WINDOW, NVMX_VM_END_WINDOW: errno, 0 if it succeeds. */
int window_start(int vm_fd, uint32_t duration_ms);
int window_end(int vm_fd);

/* NVMX_VM_GET_INFO */
struct nvmx_vm_info window_info(int vm_fd);
bool window_is_open(int vm_fd);

/*
 * Has L1 read every field once, and write what it read; checks with expect_is() that
 * those exit and no other which do under @p, or all if it is NULL.  A VMCS is current.
 */
void window_check(struct vm *vm, int vm_fd, const struct policy *p, const char *when);

#endif
