# SPDX-License-Identifier: GPL-2.0-only
#
# What can be said of the kernel side without running it.

.PHONY: check-kmod check-prepare check-crcs check-dkms check-abi

check-crcs: $(CHECK_KERNELS:%=check-crcs-%)

$(DEBIAN_KERNELS:%=check-crcs-%): check-crcs-%: $(BUILD)/machine/kernel/%/release $(KMOD_B)/%/kvm.ko
	@tests/kmod/crcs '$*' "$$(cat $<)" $(<D)/root $(KMOD_B)/$*

check-kmod:
	@$(if $(filter $(OTHER_KERNELS),$(CHECK_KERNELS)),$(MAKE) --no-print-directory $(sort $(foreach k,$(filter $(OTHER_KERNELS),$(CHECK_KERNELS)),$(SUITE_B)/$(SUITE_$k).stamp)))
	@status=0; tests/kmod/layers || status=1; $(foreach k,$(CHECK_KERNELS),$(if $(KERNEL_IN_$k),\
		$(KERNEL_IN_$k) make --no-print-directory -s check-prepare KERNEL=$k,tests/kmod/prepare '$(KREL_$k)') || status=1;) exit $$status

check-prepare:
	@tests/kmod/prepare '$(KREL)'

check-dkms: $(BUILD)/machine/kernel/$(firstword $(OWN_KERNELS))/release
	@tests/kmod/dkms '$(KREL_$(firstword $(OWN_KERNELS)))' $(<D)/root '$(VERSION)'

# The header of the ABI stands alone, in C and in C++.
check-abi:
	@tests/kmod/abi

CHECK		+= check-kmod check-crcs check-dkms check-abi
