# SPDX-License-Identifier: GPL-2.0-only
#
# What can be said of the kernel side without running it.

.PHONY: check-kmod check-dkms check-abi

check-kmod:
	@status=0; tests/kmod/layers || status=1; for release in $(foreach k,$(filter-out $(OTHER_KERNELS),$(CHECK_KERNELS)),'$(KREL_$(k))'); do \
		tests/kmod/prepare "$$release" || status=1; done; exit $$status

check-dkms: $(BUILD)/machine/kernel/$(firstword $(OWN_KERNELS))/release
	@tests/kmod/dkms '$(KREL_$(firstword $(OWN_KERNELS)))' $(<D)/root '$(VERSION)'

# The header of the ABI stands alone, in C and in C++.
check-abi:
	@tests/kmod/abi

CHECK		+= check-kmod check-dkms check-abi
