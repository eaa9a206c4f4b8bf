# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmxd.

CFLAGS_daemon	:= $(shell $(PKG_CONFIG) --cflags libsystemd json-c)
LIBS_daemon	:= $(shell $(PKG_CONFIG) --libs libsystemd)

# Without main() and what needs it, for the unit tests too.
DAEMON_PARTS	:= $(addprefix $(B)/daemon/,config.o proc.o)
DAEMON_OBJS	:= $(DAEMON_PARTS) $(addprefix $(B)/daemon/,main.o manager.o bus.o manager-dbus.o vm-dbus.o \
			vm-methods.o sources-dbus.o property.o polkit.o sources.o vm-set.o vm.o vm-policy.o \
			vm-profile.o files.o kernel.o link.o link-device.o link-loopback.o retry.o log.o)

ALL		+= $(B)/daemon/nvmxd
INSTALL		+= install-daemon

$(B)/daemon/nvmxd: $(DAEMON_OBJS) $(B)/policy/libnvmxpolicy.a
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_daemon) $(LIBS_policy) $(LIBS_xdr)

.PHONY: daemon install-daemon
daemon: $(B)/daemon/nvmxd

install-daemon: $(B)/daemon/nvmxd
	$(INSTALL_BIN) -D -m 755 $< $(DESTDIR)$(prefix)/sbin/nvmxd
	$(INSTALL_BIN) -D -m 644 daemon/org.nvmx1.xml \
		$(DESTDIR)$(prefix)/share/dbus-1/interfaces/org.nvmx1.xml
	$(INSTALL_BIN) -D -m 644 daemon/nvmxd.conf.schema.json \
		$(DESTDIR)$(prefix)/share/nvmx/nvmxd.conf.schema.json
