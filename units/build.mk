# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units, rules and configuration: nothing to make, each file goes where Debian 12
# looks for it.

INSTALL += install-units
CHECK	+= check-units

UNIT_FILES := \
	units/nvmxd.service:/lib/systemd/system/nvmxd.service \
	units/nvmx-libvirt.service:/lib/systemd/system/nvmx-libvirt.service \
	units/nvmx-libvirt@.service:/lib/systemd/system/nvmx-libvirt@.service \
	units/nvmx-libvirt-statistics.service:/lib/systemd/system/nvmx-libvirt-statistics.service \
	units/nvmx-account.service:/lib/systemd/system/nvmx-account.service \
	units/nvmx-device.service:/lib/systemd/system/nvmx-device.service \
	units/nvmx-metrics.service:/lib/systemd/system/nvmx-metrics.service \
	units/nvmx-metrics.timer:/lib/systemd/system/nvmx-metrics.timer \
	units/grafana-dashboard.json:/usr/share/nvmx/grafana-dashboard.json \
	units/60-nvmx.rules:/lib/udev/rules.d/60-nvmx.rules \
	units/modprobe.conf:/lib/modprobe.d/00-nvmx.conf \
	units/sysusers.conf:/usr/lib/sysusers.d/nvmx.conf \
	units/sysusers-metrics.conf:/usr/lib/sysusers.d/nvmx-metrics.conf \
	units/sysusers-account.conf:/usr/lib/sysusers.d/nvmx-account.conf \
	units/tmpfiles.conf:/usr/lib/tmpfiles.d/nvmx.conf \
	units/org.nvmx1.conf:/usr/share/dbus-1/system.d/org.nvmx1.conf \
	units/org.nvmx1.service:/usr/share/dbus-1/system-services/org.nvmx1.service \
	units/org.nvmx1.Account.conf:/usr/share/dbus-1/system.d/org.nvmx1.Account.conf \
	units/org.nvmx1.Account.service:/usr/share/dbus-1/system-services/org.nvmx1.Account.service \
	units/org.nvmx1.Account.policy:/usr/share/polkit-1/actions/org.nvmx1.Account.policy \
	units/org.nvmx1.policy:/usr/share/polkit-1/actions/org.nvmx1.policy \
	units/nvmx.catalog:/usr/lib/systemd/catalog/nvmx.catalog \
	units/libvirt.rules:/usr/share/polkit-1/rules.d/60-nvmx-libvirt.rules

.PHONY: install-units
install-units:
	$(foreach f,$(UNIT_FILES),$(INSTALL_BIN) -D -m 644 \
		$(firstword $(subst :, ,$f)) $(DESTDIR)$(lastword $(subst :, ,$f)) &&) true

.PHONY: check-units
check-units: $(B)/daemon/nvmxd $(B)/daemon/libvirt/nvmx-libvirt $(B)/daemon/account/nvmx-account $(B)/client/nvmxctl
	@units/check
	@tests/units/run
