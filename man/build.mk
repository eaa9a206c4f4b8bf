# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manual pages, whoever's they are.

MAN_PAGES	:= $(wildcard man/*.[1-8])

INSTALL		+= install-man
CHECK		+= check-man

.PHONY: install-man check-man
install-man: $(MAN_PAGES)
	set -e; for page in $^; do \
		$(INSTALL_BIN) -D -m 644 $$page $(DESTDIR)$(prefix)/share/man/man$${page##*.}/$${page##*/}; \
	done

check-man: $(MAN_PAGES)
	@man/check $^
	@man/facts
