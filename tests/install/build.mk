# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `make install` leaves behind.

.PHONY: check-install

check-install: all
	@rm -rf $(B)/install && $(MAKE) -s install DESTDIR=$(abspath $(B))/install >/dev/null
	@tests/install/check $(B)/install '$(KREL)'

CHECK		+= check-install
