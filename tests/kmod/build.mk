# SPDX-License-Identifier: GPL-2.0-only
#
# What can be said of the kernel side without running it.

.PHONY: check-kmod check-abi

check-kmod:
	@tests/kmod/prepare '$(KREL)'

# The header of the ABI stands alone, in C and in C++.
check-abi:
	@tests/kmod/abi

CHECK		+= check-kmod check-abi
