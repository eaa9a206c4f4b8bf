# SPDX-License-Identifier: GPL-2.0-only
#
# kvm.ko, kvm-intel.ko and, where the kernel has it, kvm-amd.ko, for any of several
# kernels: build/kmod/KERNEL/.  KERNEL is one of KERNELS, by default the first; what is
# installed is for it.  To each belong:
#
#   KREL_name		its release
#   HEADERS_name	what to build modules against, default: Debian's headers of KREL_name
#   FLAVOUR_name	of Debian's: linux-headers-FLAVOUR and linux-image-FLAVOUR depend on it
#   SUITE_name		the Debian it is of
#
# A kernel of another Debian than this is, or of backports that this has not, is built in
# a root that tests/suite/root makes, by the same makefiles: KERNEL_IN_name.
#
# KREL=RELEASE takes another kernel instead, whose headers are there.

DEBIAN_KERNELS	:= 6.1 6.12 trixie-6.12 7.3
FLAVOUR_6.1	:= amd64
SUITE_6.1	:= bookworm
FLAVOUR_6.12	:= 6.12-cloud-amd64
SUITE_6.12	:= bookworm
FLAVOUR_trixie-6.12 := cloud-amd64
SUITE_trixie-6.12 := trixie
FLAVOUR_7.3	:= cloud-amd64/backports
SUITE_7.3	:= trixie
KERNELS		:= $(DEBIAN_KERNELS) $(DEBUG_KERNEL)

HOST_SUITE	:= $(shell . /etc/os-release && echo $$VERSION_CODENAME)
release_of	= $(shell dpkg-query -W -f '$${Depends}' linux-headers-$(1) 2>/dev/null | \
		    sed -n 's/.*linux-headers-\([^ ,]*\).*/\1/p')
# The metapackage of backports is not installed, what it depends on is.
release_of_backports = $(shell dpkg-query -W -f '$${Version} $${Package}\n' 'linux-headers-[0-9]*-$(1)' 2>/dev/null | \
		    sed -n '/~bpo/s/ linux-headers-/ /p' | sort -V | tail -n 1 | cut -d' ' -f2)
release_of_flavour = $(if $(filter %/backports,$(1)),$(call release_of_backports,$(1:%/backports=%)),$(call release_of,$(1)))
own_kernel	= $(and $(filter $(HOST_SUITE),$(SUITE_$(1))),$(or $(filter-out %/backports,$(FLAVOUR_$(1))),$(KREL_$(1))))
$(foreach k,$(DEBIAN_KERNELS),$(if $(filter $(HOST_SUITE),$(SUITE_$k)),$(eval KREL_$k := $(call release_of_flavour,$(FLAVOUR_$k)))))
OWN_KERNELS	:= $(foreach k,$(DEBIAN_KERNELS),$(if $(call own_kernel,$k),$k))
OTHER_KERNELS	:= $(filter-out $(OWN_KERNELS),$(DEBIAN_KERNELS))

SUITE_B		:= $(BUILD)/suite
$(foreach k,$(OTHER_KERNELS),$(eval KERNEL_IN_$k := tests/suite/in $(SUITE_B)/$(SUITE_$k)))

# What is tested: the kernel that is asked for, or all of Debian's.
CHECK_KERNELS	= $(DEBIAN_KERNELS)
ifneq ($(KERNEL)$(KREL),)
CHECK_KERNELS	= $(KERNEL)
endif

ifdef KREL
ifndef KERNEL
KERNEL		:= $(shell echo '$(KREL)' | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
endif
KREL_$(KERNEL)	:= $(KREL)
KERNELS		:= $(sort $(KERNELS) $(KERNEL))
endif
KERNEL		?= $(firstword $(OWN_KERNELS) $(KERNELS))
KREL		?= $(KREL_$(KERNEL))

KMOD_B		:= $(BUILD)/kmod
KMOD_OWN	:= $(wildcard kmod/*.c kmod/*.h) kmod/uapi/linux/nvmx.h
kmod_kos	= $(1:%=$(KMOD_B)/%/kvm.ko) $(1:%=$(KMOD_B)/%/kvm-intel.ko)
kmod_headers	= $(or $(HEADERS_$(1)),/usr/src/linux-headers-$(KREL_$(1)))
KMOD_KOS	:= $(call kmod_kos,$(KERNEL))

HELP		+= 'module		kvm.ko, kvm-intel.ko and kvm-amd.ko for kernel KREL=$(KREL)'

.PHONY: module install-module install-header FORCE

module: $(KMOD_KOS)

# prepare knows what it depends on, the installed kernel packages among it, and leaves
# the tree alone if nothing changed.
$(filter-out $(OTHER_KERNELS:%=$(KMOD_B)/%/tree/.prepared),$(KERNELS:%=$(KMOD_B)/%/tree/.prepared)): \
		$(KMOD_B)/%/tree/.prepared: FORCE
	@mkdir -p $(KMOD_B)/$*
	@[ '$(KREL_$*)' ] || { echo 'no headers of kernel $*; install $(FLAVOUR_$*:%=linux-headers-%)' >&2; exit 1; }
	@kmod/prepare --quiet --kernel '$(KREL_$*)' --headers '$(call kmod_headers,$*)' \
		--version '$(VERSION)' --out $(KMOD_B)/$*/tree

$(KMOD_B)/%/kvm.ko $(KMOD_B)/%/kvm-intel.ko: $(KMOD_B)/%/tree/.prepared $(KMOD_OWN)
	@mkdir -p $(KMOD_B)/$*/tree/nvmx/uapi/linux
	cp -u $(wildcard kmod/*.c kmod/*.h) $(KMOD_B)/$*/tree/nvmx/
	cp -u kmod/uapi/linux/nvmx.h $(KMOD_B)/$*/tree/nvmx/uapi/linux/
	$(MAKE) -C $(call kmod_headers,$*) M=$(abspath $(KMOD_B)/$*/tree) modules
	for module in $(KMOD_B)/$*/tree/*.ko; do strip -g -o $(KMOD_B)/$*/$${module##*/} $$module; done

# Those of another Debian are as old as what this very make makes there.
$(OTHER_KERNELS:%=$(KMOD_B)/%/kvm.ko): $(KMOD_B)/%/kvm.ko: FORCE
	@$(MAKE) --no-print-directory $(SUITE_B)/$(SUITE_$*).stamp
	@$(KERNEL_IN_$*) make --no-print-directory $(if $(V),,-s) -j$$(nproc) module KERNEL=$*

$(OTHER_KERNELS:%=$(KMOD_B)/%/kvm-intel.ko): %/kvm-intel.ko: %/kvm.ko
	@:

# Two that nobody can choose between would be in updates/.
install-module: $(KMOD_KOS)
	@[ -n '$(DESTDIR)' ] || ! ls /lib/modules/$(KREL)/updates/dkms/kvm-intel.ko* >/dev/null 2>&1 || \
		{ echo 'DKMS has the modules for $(KREL); renew them with make dkms-install, or run' \
			'make dkms-uninstall first' >&2; exit 1; }
	@[ -n '$(DESTDIR)' ] || kmod/check-host '$(KREL)'
	@[ -n '$(DESTDIR)' ] || kmod/check-vermagic '$(KREL)' $(KMOD_B)/$(KERNEL)/*.ko
	install -d $(DESTDIR)/lib/modules/$(KREL)/updates/nvmx
	install -m 644 $(KMOD_B)/$(KERNEL)/*.ko $(DESTDIR)/lib/modules/$(KREL)/updates/nvmx/

# Where DKMS looks for it, with all that a build on the host needs.
DKMS_SRC	:= /usr/src/nvmx-$(VERSION)
# Their name is between those of DKMS and of initramfs-tools, which is also their order.
KERNEL_HOOKS	:= /etc/kernel/postinst.d/dkms-nvmx /etc/kernel/header_postinst.d/dkms-nvmx

.PHONY: dkms-install dkms-uninstall

# Nothing of this make is for those that DKMS runs.
dkms_setup	= env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL kmod/dkms-setup

dkms-install:
	rm -rf '$(DESTDIR)$(DKMS_SRC)'
	install -d '$(DESTDIR)$(DKMS_SRC)'
	tar -C kmod -c --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=build.mk --exclude=dkms.conf.in \
		--exclude=dkms-setup --exclude=kernel-hook . | tar -C '$(DESTDIR)$(DKMS_SRC)' -x --no-overwrite-dir
	sed 's/@VERSION@/$(VERSION)/' kmod/dkms.conf.in >'$(DESTDIR)$(DKMS_SRC)/dkms.conf'
	$(foreach hook,$(KERNEL_HOOKS),install -D kmod/kernel-hook '$(DESTDIR)$(hook)' &&) true
ifeq ($(DESTDIR),)
	@$(dkms_setup) install '$(VERSION)' '$(KREL)'
endif

dkms-uninstall:
ifeq ($(DESTDIR),)
	@$(dkms_setup) uninstall
else
	rm -rf '$(DESTDIR)$(DKMS_SRC)' $(KERNEL_HOOKS:%='$(DESTDIR)%')
endif

install-header:
	install -d $(DESTDIR)/usr/include/linux
	install -m 644 kmod/uapi/linux/nvmx.h $(DESTDIR)/usr/include/linux/

HELP		+= 'dkms-install	have DKMS build, sign and install the modules, also for kernels to come' \
		   'dkms-uninstall	have DKMS forget them; the kernel loads its own again'

ALL		+= module
INSTALL		+= install-module install-header
