# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manual pages, whoever's they are.

MAN_PAGES	:= $(wildcard man/*.[1-8])

INSTALL		+= install-man
CHECK		+= check-man

HELP		+= 'pictures		the pictures of the README, in man/pictures'

.PHONY: install-man check-man pictures
install-man: $(MAN_PAGES)
	set -e; for page in $^; do \
		to=$(DESTDIR)$(prefix)/share/man/man$${page##*.}/$${page##*/}; \
		$(INSTALL_BIN) -d $${to%/*}; \
		sed '/^\.TH /s/@VERSION@/$(VERSION)/' $$page >$$to; \
		chmod 644 $$to; \
	done

check-man: $(MAN_PAGES)
	@man/check $^
	@man/facts

pictures: $(B)/client/nvmxctl $(B)/daemon/nvmxd $(B)/tests/bus/loopback-kernel $(B)/tests/bus/call
	@tools/pictures $(B) man/pictures
