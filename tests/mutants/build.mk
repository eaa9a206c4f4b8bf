# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests of the tests: each mutant is a change of the module that breaks a rule, and the
# scenario that it names has to fail.  MUTANTS="NAME..." takes these alone.

MUTANTS		?= $(basename $(notdir $(wildcard tests/mutants/*.patch)))

.PHONY: check-mutants

check-mutants: machine-selftests
	@tests/mutants/run $(KERNEL) $(KMOD_B)/$(KERNEL)/tree '$(call kmod_headers,$(KERNEL))' \
		$(BUILD)/mutants $(MUTANTS)

LONG		+= check-mutants

HELP		+= 'check-mutants	modules that break a rule each: do the tests notice?'
