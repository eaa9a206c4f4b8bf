# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmxd.

CFLAGS_daemon	:= $(shell $(PKG_CONFIG) --cflags libsystemd libvirt json-c) -pthread
LIBS_daemon	:= $(shell $(PKG_CONFIG) --libs libsystemd) -pthread

# Without main() and what needs it, for the unit tests too.
DAEMON_PARTS	:= $(addprefix $(B)/daemon/,config.o proc.o)
DAEMON_OBJS	:= $(DAEMON_PARTS) $(addprefix $(B)/daemon/,main.o manager.o manager-files.o manager-dbus.o \
			vm.o vm-policy.o vm-profile.o vm-dbus.o describe.o polkit.o log.o \
			retry.o link.o link-device.o link-loopback.o libvirt.o libvirt-thread.o \
			libvirt-domain.o libvirt-socket.o libvirt-writer.o statistics.o)

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
