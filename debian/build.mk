# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Debian's packages, of the tree as it is, in build/deb.

.PHONY: deb check-deb

deb:
	@tools/install-packages build deb
	@tools/make-deb $(BUILD)/deb

# What lintian finds is an error; what it is to overlook has a reason in debian/.
check-deb: deb
	@tests/deb/lintian $(BUILD)/deb

CHECK		+= check-deb

HELP		+= 'deb		Debian packages, in $(BUILD)/deb; apt install ./$(BUILD)/deb/*.deb'
