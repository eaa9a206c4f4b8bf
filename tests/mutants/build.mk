# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests of the tests: each mutant is a change of the module, or of nvmxd or nvmxctl (service/), or
# of what makes the modules (kmod/), that breaks a rule, and the test that it names has to fail.
# MUTANTS="NAME..." takes these alone.

MUTANTS		?= $(basename $(notdir $(wildcard tests/mutants/*.patch)))
MUTANT_SETS	:= service kmod
$(foreach s,$(MUTANT_SETS),$(eval check-mutants-$s: MUTANTS := $(basename $(notdir $(wildcard tests/mutants/$s/*.patch)))))

.PHONY: check-mutants $(MUTANT_SETS:%=check-mutants-%)

check-mutants: machine-selftests
	@tests/mutants/run $(KERNEL) $(KMOD_B)/$(KERNEL)/tree '$(call kmod_headers,$(KERNEL))' \
		$(BUILD)/mutants $(MUTANTS)

check-mutants-kmod: $(BUILD)/machine/kernel/$(firstword $(OWN_KERNELS))/release
$(MUTANT_SETS:%=check-mutants-%): check-mutants-%:
	@tests/mutants/run-project $* $(BUILD)/mutants-$* $(MUTANTS)

LONG		+= check-mutants $(MUTANT_SETS:%=check-mutants-%)

HELP		+= 'check-mutants	modules that break a rule each: do the tests notice?' \
		   'check-mutants-service	the same of nvmxd and nvmxctl' \
		   'check-mutants-kmod	the same of what makes and installs the modules'
