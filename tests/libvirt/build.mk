# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmxd with a real libvirtd and QEMU without KVM, in a namespace of their own.
# Needs root.

CHECK		+= check-libvirt check-libvirt-asan

.PHONY: check-libvirt check-libvirt-asan
check-libvirt: $(B)/daemon/nvmxd $(LOOPBACK_KERNEL) $(BUS_CALL)
	@tests/libvirt/run $(B)
	@tests/libvirt/statistics $(B)

# nvmxd ends by SIGTERM, with libvirt's thread joined: a leak is a failure.
check-libvirt-asan:
	@$(MAKE) --no-print-directory SANITIZE=address,undefined check-libvirt
