# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does what is said of a thing, in help, man pages and completion, name what the
# source has?

CHECK		+= check-drift

.PHONY: check-drift
check-drift: $(B)/client/nvmxctl $(B)/daemon/nvmxd $(B)/daemon/libvirt/nvmx-libvirt
	@tests/drift/check $(B)
