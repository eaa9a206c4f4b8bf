# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The other Debians: what is for them is built, and user space tested, in a root of each,
# build/suite/SUITE; what is made there of user space is in build/SUITE.

OTHER_SUITES	:= $(filter-out $(HOST_SUITE),$(sort $(foreach k,$(DEBIAN_KERNELS),$(SUITE_$k))))
SUITE_SECTIONS	:= build kernels backports deb test
SUITE_TESTS	:= check-unit check-bus check-libvirt
in_suite	= tests/suite/in $(SUITE_B)/$(1) make --no-print-directory BUILD=$(BUILD)/$(1)

.PHONY: suite-programs $(OTHER_SUITES:%=check-suite-%) FORCE

# Brought up to date whenever something is made in one.
$(SUITE_B)/%.stamp: FORCE
	@mkdir -p $(@D)
	@flock $(SUITE_B) tests/suite/root $* $(SUITE_B)/$* $(SUITE_SECTIONS)
	@touch $@

suite-programs: $(OTHER_SUITES:%=$(SUITE_B)/%.stamp)
	@$(foreach s,$(OTHER_SUITES),$(call in_suite,$s) -j$$(nproc) test-programs &&) true

$(OTHER_SUITES:%=check-suite-%): check-suite-%:
	@tools/logged $(BUILD)/check-suite-build.log $(MAKE) --no-print-directory suite-programs
	@$(call in_suite,$*) -k $(SUITE_TESTS)

CHECK		+= $(OTHER_SUITES:%=check-suite-%)
HELP		+= 'check-suite-NAME	unit, bus and libvirt tests on another Debian: $(OTHER_SUITES)'
