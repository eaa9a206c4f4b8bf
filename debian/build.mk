# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Debian's packages, of the tree as it is, in build/deb.

.PHONY: deb check-deb

deb:
	@tools/install-packages build deb
	@tools/make-deb $(BUILD)/deb

# The packages of the version before, for those of this one to take their place: but for its
# number it is the same.
DEB_BEFORE	:= 0.0.1

# What lintian finds is an error; what it is to overlook has a reason in debian/.
check-deb: deb $(B)/tests/bus/loopback-kernel
	@DEB_BUILD_OPTIONS=nocheck tools/make-deb $(BUILD)/deb/before $(DEB_BEFORE)
	@tests/deb/lintian $(BUILD)/deb
	@tests/deb/run $(BUILD)/deb/before $(BUILD)/deb $(B)/tests/bus

CHECK		+= check-deb

HELP		+= 'deb		Debian packages, in $(BUILD)/deb; apt install ./$(BUILD)/deb/*.deb'
