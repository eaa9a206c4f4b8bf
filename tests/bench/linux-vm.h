/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VM that boots Linux, on the raw KVM API: no firmware, no devices but KVM's own. */
#ifndef LINUX_VM_H
#define LINUX_VM_H

#include "../machine/guest/vm.h"

/*
 * A VM with @mem_size bytes of memory, and @reserved bytes after them that its Linux does
 * not touch but in which /dev/mem works; made from the boot disk (../machine/loader/boot.h)
 * in the file @disk.  vm_free() ends it.
 */
void linux_vm_new(struct vm *ret, const char *disk, size_t mem_size, size_t reserved);

/*
 * Runs it until it writes to @port.  Until then its first serial port is a console to which
 * it can write; that goes to standard error.  Of all other ports it reads ones.
 */
void linux_vm_run(struct vm *vm, uint16_t port);

#endif
