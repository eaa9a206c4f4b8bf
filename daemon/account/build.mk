# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmx-account: where the time of vCPUs goes, by BPF.

BPF_CLANG	?= clang
BPFTOOL		?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
LIBS_bpf	:= $(shell $(PKG_CONFIG) --libs libbpf)
ACCOUNT_B	:= $(B)/daemon/account

# One for all kernels, and of no kernel's headers.
$(ACCOUNT_B)/account.bpf.o: daemon/account/account.bpf.c daemon/account/slot.h
	@mkdir -p $(@D)
	$(call say,BPF)$(BPF_CLANG) -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -O2 -g -Wall -Wextra -Wno-unused-parameter -c -o $@ $<

$(ACCOUNT_B)/account.skel.h: $(ACCOUNT_B)/account.bpf.o
	$(call say,SKEL)$(BPFTOOL) gen skeleton $< name account_bpf >$@

$(ACCOUNT_B)/look.o: $(ACCOUNT_B)/account.skel.h
$(ACCOUNT_B)/look.o: CFLAGS_daemon += -I$(B)

LIBS_account	:= $(LIBS_daemon) $(LIBS_policy) $(LIBS_bpf) $(shell $(PKG_CONFIG) --libs libcap)
# Without look.o, of which the tests have one that needs no KVM.
ACCOUNT_PARTS	:= $(addprefix $(ACCOUNT_B)/,watch.o main.o) $(addprefix $(B)/daemon/,polkit.o proc.o log.o)

ALL		+= $(ACCOUNT_B)/nvmx-account
INSTALL		+= install-nvmx-account

$(ACCOUNT_B)/nvmx-account: $(ACCOUNT_PARTS) $(ACCOUNT_B)/look.o $(B)/policy/libnvmxpolicy.a
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_account) $(LIBS_xdr)

.PHONY: install-nvmx-account
install-nvmx-account: $(ACCOUNT_B)/nvmx-account
	$(INSTALL_BIN) -D -m 755 $< $(DESTDIR)$(prefix)/sbin/nvmx-account
	$(INSTALL_BIN) -D -m 644 daemon/account/org.nvmx1.Account.xml \
		$(DESTDIR)$(prefix)/share/dbus-1/interfaces/org.nvmx1.Account.xml
