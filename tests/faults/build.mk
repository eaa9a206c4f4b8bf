# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmxd while things die, hang, fill up and run out.  Needs root.

FAULT_TESTS	:= death memory libvirt json
FAULT_NEEDS	:= $(B)/daemon/nvmxd $(B)/daemon/libvirt/nvmx-libvirt $(B)/client/nvmxctl $(LOOPBACK_KERNEL) $(BUS_CALL) $(B)/tests/faults/faults.so

TEST_PROGRAMS	+= $(B)/tests/faults/faults.so
CHECK		+= $(FAULT_TESTS:%=check-faults-%)
LONG		+= $(FAULT_TESTS:%=check-faults-%-long)
HELP		+= 'check-faults-NAME	a short form of what check-faults-NAME-long does: $(FAULT_TESTS)'

# Put before nvmxd's libraries, so without sanitizers whatever nvmxd is built with.
$(B)/tests/faults/faults.so: tests/faults/faults.c
	@mkdir -p $(@D)
	$(call say,LD)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -fPIC -shared -I. -o $@ $< -ldl

.PHONY: $(FAULT_TESTS:%=check-faults-%) $(FAULT_TESTS:%=check-faults-%-long)
$(FAULT_TESTS:%=check-faults-%): check-faults-%: $(FAULT_NEEDS)
	@tests/faults/$* $(B)

$(FAULT_TESTS:%=check-faults-%-long): check-faults-%-long: $(FAULT_NEEDS)
	@tests/faults/$* $(B) long
