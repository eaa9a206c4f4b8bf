# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmx-libvirt: the one program of nvmx's that is linked with libvirt's library.

LIBS_libvirt	:= $(shell $(PKG_CONFIG) --libs libvirt)

NVMX_LIBVIRT_PARTS := $(addprefix $(B)/daemon/libvirt/,event.o pause.o socket.o connection.o domain.o nvmxd.o \
			registration.o source.o element.o writer.o stale.o statistics.o main.o)
NVMX_LIBVIRT_OBJS := $(NVMX_LIBVIRT_PARTS) $(addprefix $(B)/daemon/,config.o proc.o log.o)

ALL		+= $(B)/daemon/libvirt/nvmx-libvirt
INSTALL		+= install-nvmx-libvirt

$(NVMX_LIBVIRT_PARTS): CFLAGS_daemon += $(shell $(PKG_CONFIG) --cflags libvirt libxml-2.0)

$(B)/daemon/libvirt/nvmx-libvirt: $(NVMX_LIBVIRT_OBJS) $(B)/policy/libnvmxpolicy.a
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_daemon) $(LIBS_libvirt) $(LIBS_policy) $(LIBS_xdr)

.PHONY: install-nvmx-libvirt
install-nvmx-libvirt: $(B)/daemon/libvirt/nvmx-libvirt
	$(INSTALL_BIN) -D -m 755 $< $(DESTDIR)$(prefix)/sbin/nvmx-libvirt
