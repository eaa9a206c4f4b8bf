# SPDX-License-Identifier: GPL-2.0-only
#
# kvm.ko and kvm-intel.ko.  KREL is the kernel they are for: what Debian's
# linux-headers-amd64 depends on, unless you say.

KREL		?= $(shell dpkg-query -W -f '$${Depends}' linux-headers-amd64 2>/dev/null | \
		     sed -n 's/.*linux-headers-\([^ ,]*\).*/\1/p')
KMOD_TREE	:= $(BUILD)/kmod/tree
KMOD_OWN	:= $(wildcard kmod/*.c kmod/*.h) kmod/uapi/linux/nvmx.h
KMOD_KOS	:= $(BUILD)/kmod/kvm.ko $(BUILD)/kmod/kvm-intel.ko

HELP		+= 'module		kvm.ko and kvm-intel.ko for kernel KREL=$(KREL)'

.PHONY: module install-module install-header FORCE

module: $(KMOD_KOS)

# prepare knows what it depends on, the installed kernel packages among it, and leaves
# the tree alone if nothing changed.
$(KMOD_TREE)/.prepared: FORCE
	@mkdir -p $(BUILD)/kmod
	@kmod/prepare --quiet --kernel '$(KREL)' --out $(KMOD_TREE)

$(KMOD_KOS) &: $(KMOD_TREE)/.prepared $(KMOD_OWN)
	@mkdir -p $(KMOD_TREE)/nvmx/uapi/linux
	cp -u $(wildcard kmod/*.c kmod/*.h) $(KMOD_TREE)/nvmx/
	cp -u kmod/uapi/linux/nvmx.h $(KMOD_TREE)/nvmx/uapi/linux/
	$(MAKE) -C /usr/src/linux-headers-$(KREL) M=$(abspath $(KMOD_TREE)) modules
	strip -g -o $(BUILD)/kmod/kvm.ko $(KMOD_TREE)/kvm.ko
	strip -g -o $(BUILD)/kmod/kvm-intel.ko $(KMOD_TREE)/kvm-intel.ko

install-module: $(KMOD_KOS)
	install -d $(DESTDIR)/lib/modules/$(KREL)/updates/nvmx
	install -m 644 $(KMOD_KOS) $(DESTDIR)/lib/modules/$(KREL)/updates/nvmx/

install-header:
	install -d $(DESTDIR)/usr/include/linux
	install -m 644 kmod/uapi/linux/nvmx.h $(DESTDIR)/usr/include/linux/

ALL		+= module
INSTALL		+= install-module install-header
