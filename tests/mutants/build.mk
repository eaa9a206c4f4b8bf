# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests of the tests: each mutant is a change of the module, or (service/) of nvmxd or nvmxctl,
# that breaks a rule, and the test that it names has to fail.  MUTANTS="NAME..." takes these
# alone.

MUTANTS		?= $(basename $(notdir $(wildcard tests/mutants/*.patch)))
check-mutants-service: MUTANTS := $(basename $(notdir $(wildcard tests/mutants/service/*.patch)))

.PHONY: check-mutants check-mutants-service

check-mutants: machine-selftests
	@tests/mutants/run $(KERNEL) $(KMOD_B)/$(KERNEL)/tree '$(call kmod_headers,$(KERNEL))' \
		$(BUILD)/mutants $(MUTANTS)

check-mutants-service:
	@tests/mutants/run-service $(BUILD)/mutants-service $(MUTANTS)

LONG		+= check-mutants check-mutants-service

HELP		+= 'check-mutants	modules that break a rule each: do the tests notice?' \
		   'check-mutants-service	the same of nvmxd and nvmxctl'
