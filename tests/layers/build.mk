# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Calls go down: tests/layers/order says what that is.

CHECK	+= check-layers
HELP	+= 'check-layers	no file includes or calls what is above it'

.PHONY: check-layers
check-layers: $(B)/daemon/libvirt/nvmx-libvirt $(B)/daemon/nvmxd $(B)/client/nvmxctl
	@tests/layers/check $(B)
