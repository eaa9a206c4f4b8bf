# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The debug kernel: one more kernel to build modules for and to boot, which is made here,
# of the distribution's source and the configuration beside this file.  Read before
# kmod/build.mk, which lists the kernels there are.

DEBUG_KERNEL	:= debug-6.1
DEBUG_DIR	:= $(BUILD)/machine/kernel/$(DEBUG_KERNEL)

# Known once it is built.
KREL_$(DEBUG_KERNEL) = $(shell cat $(DEBUG_DIR)/release 2>/dev/null)
HEADERS_$(DEBUG_KERNEL) := $(abspath $(DEBUG_DIR)/tree)

.PHONY: machine-debug FORCE

$(DEBUG_DIR)/release: FORCE
	@mkdir -p $(dir $(DEBUG_DIR))
	@PATH=$$PATH:/sbin:/usr/sbin tests/machine/debug/make-kernel $(DEBUG_KERNEL:debug-%=%) $(DEBUG_DIR)

$(BUILD)/kmod/$(DEBUG_KERNEL)/tree/.prepared: $(DEBUG_DIR)/release

machine-debug: $(DEBUG_DIR)/release
	@$(MAKE) --no-print-directory machine-selftests KERNEL=$(DEBUG_KERNEL)

# What runs on it, the longest first: with kmemleak, which takes minutes to look for what
# nobody refers to, whatever comes by every allocation of ours; and modules that do what
# such a kernel has to notice.
DEBUG_LEAKS	:= fuzz nomem differential lifecycle
DEBUG_SCENARIOS	:= selftests differential-smp harm policy switch window ioctl inert
DEBUG_MUTANTS	:= $(patsubst tests/mutants/%.patch,%,$(wildcard tests/mutants/debug/*.patch))

.PHONY: check-debug-kernel check-debug-leaks check-debug-scenarios check-debug-mutants

check-debug-leaks: machine-debug
	@$(TM)/check --kernel $(DEBUG_KERNEL) --timeout 14400 --set nvmx_kmemleak=1 \
		$(DEBUG_LEAKS:%=$(TM)/scenarios/%.sh)

check-debug-scenarios: machine-debug
	@$(TM)/check --kernel $(DEBUG_KERNEL) --timeout 14400 $(DEBUG_SCENARIOS:%=$(TM)/scenarios/%.sh)

check-debug-mutants: machine-debug
	@$(MAKE) --no-print-directory check-mutants KERNEL=$(DEBUG_KERNEL) MUTANTS='$(DEBUG_MUTANTS)'

check-debug-kernel:
	@tools/install-packages build machine
	@tools/logged $(BUILD)/check-debug-build.log $(MAKE) --no-print-directory machine-debug
	@MAKE='$(MAKE)' tests/run check-debug-leaks check-debug-scenarios check-debug-mutants

HELP		+= 'machine-debug	a kernel with KASAN, lockdep, kmemleak, UBSAN; run NAME --kernel $(DEBUG_KERNEL)' \
		   'check-debug-kernel	scenarios, random calls and failing allocations on it: no splat, no leak'
