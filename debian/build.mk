# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Debian's packages, of the tree as it is, in build/deb.

.PHONY: deb deb-next check-deb

deb:
	@tools/install-packages build deb
	@tools/make-deb $(BUILD)/deb

# The packages of a version to come, which take the place of this one's: but for its number it is
# the same.
deb-next:
	@DEB_BUILD_OPTIONS=nocheck tools/make-deb $(BUILD)/deb/next $(VERSION).1 >/dev/null

# What lintian finds is an error; what it is to overlook has a reason in debian/.
check-deb: deb deb-next $(B)/tests/bus/loopback-kernel
	@tests/deb/lintian $(BUILD)/deb
	@tests/deb/run $(BUILD)/deb $(BUILD)/deb/next $(B)/tests/bus

CHECK		+= check-deb

HELP		+= 'deb		Debian packages, in $(BUILD)/deb; apt install ./$(BUILD)/deb/*.deb'
