# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmxd with a real libvirtd and QEMU without KVM, in a namespace of their own.
# Needs root.

LIBVIRT_TESTS	:= source life statistics migrate nvmxctl
LIBVIRT_NEEDS	:= $(B)/daemon/nvmxd $(B)/daemon/libvirt/nvmx-libvirt $(B)/client/nvmxctl $(LOOPBACK_KERNEL) $(BUS_CALL)

# Those that leaks are looked for in run with ASan alone: it is the same tests, and more is seen.
LIBVIRT_ASAN	:= check-libvirt check-libvirt-source check-libvirt-statistics
CHECK		+= $(filter-out $(LIBVIRT_ASAN),$(LIBVIRT_TESTS:%=check-libvirt-%)) check-libvirt-asan

LONG		+= check-libvirt-valgrind

.PHONY: check-libvirt check-libvirt-asan check-libvirt-valgrind $(LIBVIRT_TESTS:%=check-libvirt-%)
check-libvirt: $(LIBVIRT_NEEDS)
	@tests/libvirt/run $(B)

$(LIBVIRT_TESTS:%=check-libvirt-%): check-libvirt-%: $(LIBVIRT_NEEDS)
	@tests/libvirt/$* $(B)

# nvmxd ends by SIGTERM, nvmx-libvirt by SIGINT: a leak is a failure.
check-libvirt-asan:
	@$(MAKE) --no-print-directory -k SANITIZE=address,undefined $(LIBVIRT_ASAN)

check-libvirt-valgrind:
	@VALGRIND=1 $(MAKE) --no-print-directory -k $(LIBVIRT_ASAN)
