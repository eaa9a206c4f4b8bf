# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmxd with a real libvirtd and QEMU without KVM, in a namespace of their own.
# Needs root.

LIBVIRT_WATCH := $(B)/tests/libvirt/watch

$(LIBVIRT_WATCH): $(B)/tests/libvirt/watch.o $(B)/daemon/libvirt.o $(B)/daemon/libvirt-thread.o \
		$(B)/daemon/log.o
	$(CC) $(LDFLAGS) -o $@ $^ $(shell $(PKG_CONFIG) --libs libvirt libsystemd)
