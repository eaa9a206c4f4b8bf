# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One Makefile for the tree: every folder has a build.mk that adds its targets
# here.  Everything that is made goes to $(B).
#
#   make help	says what there is

# Of everything: programs, modules, packages.
VERSION		:= $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
SANITIZE	?=
BUILD		?= build
B		:= $(BUILD)$(if $(SANITIZE),/asan)

CC		?= gcc
PKG_CONFIG	?= pkg-config
# Not yet there when `make check` is about to install it.
ifeq ($(shell command -v $(PKG_CONFIG)),)
PKG_CONFIG	:= :
endif
INSTALL_BIN	?= install
CFLAGS		?= -O2 -g
CFLAGS		+= -std=gnu11 -D_GNU_SOURCE -DNVMX_VERSION='"$(VERSION)"' \
		   -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes -Wstrict-prototypes \
		   -Wshadow -Wformat=2 -Werror=implicit-function-declaration \
		   -fno-strict-aliasing -I. -Ikmod/uapi -MMD -MP
ifneq ($(SANITIZE),)
CFLAGS		+= -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS		+= -fsanitize=$(SANITIZE)
endif

prefix		?= /usr
DESTDIR		?=

# A line for each thing made; V=1 shows the commands.
say		= $(if $(V),,@printf '  %-8s%s\n' '$(1)' '$@' &&)

# Filled by the fragments: what `make all` builds, the install-* targets, what tests need
# beyond that, and the tests, each a phony target that prints TAP; LONG has those that take
# too long for CHECK.
ALL		:=
INSTALL		:=
TEST_PROGRAMS	:=
CHECK		:=
LONG		:=
HELP		:=

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

include $(wildcard debian/build.mk policy/build.mk daemon/build.mk daemon/libvirt/build.mk daemon/account/build.mk client/build.mk units/build.mk man/build.mk \
	tests/machine/debug/build.mk kmod/build.mk tests/unit/build.mk \
	tests/fuzz/build.mk tests/bus/build.mk tests/libvirt/build.mk tests/faults/build.mk tests/metrics/build.mk \
	tests/machine/guest/build.mk tests/machine/build.mk tests/bench/build.mk tests/mutants/build.mk tests/kmod/build.mk tests/install/build.mk tests/drift/build.mk tests/layers/build.mk tests/suite/build.mk)

.PHONY: all programs test-programs install install-programs clean help

all: $(ALL)

# Without the modules, which DKMS builds for whom has the packages.
programs: $(filter-out module,$(ALL))

test-programs: $(TEST_PROGRAMS)

install: $(INSTALL)

install-programs: $(filter-out install-module,$(INSTALL))

clean:
	rm -rf $(BUILD)

HELP		+= 'all		everything that is installed' \
		   'programs	the same without the kernel modules' \
		   'install		install it, under DESTDIR if that is set' \
		   'clean		remove $(BUILD)'

help:
	@printf 'Targets:\n'
	@printf '  %s\n' $(HELP) | sort
	@printf 'Variables:\n'
	@printf '  SANITIZE=address,undefined	build with sanitizers, in $(BUILD)/asan\n'
	@printf '  KERNEL=NAME			the kernel that the modules and the machine are for: $(KERNELS)\n'
	@printf '  KREL=RELEASE			the same, by its release\n'
	@printf '  DESTDIR=DIR			where install puts things\n'
	@printf '  V=1				show the commands\n'

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$(firstword $(subst /, ,$*))) -c -o $@ $<

$(patsubst %.c,$(B)/%.o,$(shell grep -l NVMX_VERSION */*.c */*/*.c)): debian/changelog

# Not in the roots, where services and the like have such names, nor in a kernel's source; nor
# where another make may just be writing them.
-include $(shell find $(B) \( -path $(B)/machine/full -o -path $(B)/machine/dkms -o \
	-path $(B)/machine/kernel -o -path $(B)/suite -o -path $(B)/kmod \
	$(OTHER_SUITES:%=-o -path $(B)/%) \) -prune -o -type f -name '*.d' -print 2>/dev/null)
