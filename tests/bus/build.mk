# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon on a bus of its own, with polkit on it and a stand-in for the kernel.
# Needs root.

LOOPBACK_KERNEL	:= $(B)/tests/bus/loopback-kernel
BUS_CALL	:= $(B)/tests/bus/call
BUS_LISTEN	:= $(B)/tests/bus/listen
BUS_SOURCE	:= $(B)/tests/bus/source
TEST_PROGRAMS	+= $(LOOPBACK_KERNEL) $(BUS_CALL) $(BUS_SOURCE) $(BUS_LISTEN) $(B)/tests/bus/old-daemon $(B)/tests/bus/nvmx-account-recorded $(B)/daemon/nvmxd $(B)/client/nvmxctl
# What is installed is tested by the others; with ASan it is the same tests, and more is seen.
CHECK		+= check-bus-asan
LONG		+= check-bus-valgrind

$(LOOPBACK_KERNEL): $(addprefix $(B)/tests/bus/,loopback-kernel.o kernel.o) \
		$(B)/daemon/proc.o $(B)/policy/libnvmxpolicy.a
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_daemon) $(LIBS_policy)

$(BUS_CALL): $(B)/tests/bus/call.o
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

$(BUS_SOURCE): $(B)/tests/bus/source.o
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

$(BUS_LISTEN): $(B)/tests/bus/listen.o
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^

$(B)/tests/bus/old-daemon: $(B)/tests/bus/old-daemon.o
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

# nvmx-account, without what looks at KVM.
$(B)/tests/bus/nvmx-account-recorded: $(ACCOUNT_PARTS) $(B)/tests/bus/look-recorded.o $(B)/policy/libnvmxpolicy.a
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_account)

.PHONY: check-bus check-bus-asan check-bus-valgrind
check-bus: $(B)/daemon/nvmxd $(B)/client/nvmxctl $(LOOPBACK_KERNEL) $(BUS_CALL) $(BUS_SOURCE) $(BUS_LISTEN)
	@tests/bus/run $(B)
	@tests/bus/sources $(B)
	@tests/bus/odd $(B)
	@tests/bus/service $(B)

# A leak in the daemon is a failure too: it leaves by SIGTERM, with status 0.
check-bus-asan:
	@$(MAKE) --no-print-directory SANITIZE=address,undefined check-bus

check-bus-valgrind:
	@VALGRIND=1 $(MAKE) --no-print-directory check-bus
