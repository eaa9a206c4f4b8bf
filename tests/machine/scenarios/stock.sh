# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The test of the tests: on the distribution's own modules, with nesting and VMCS
# shadowing, the bare-metal L1 works as on an Intel processor, so what fails elsewhere is
# ours.
. /lib.sh

load_stock_modules; ok "the distribution's modules load"
is "$(cat /sys/module/kvm_intel/parameters/nested)" Y "nested is on"
is "$(cat /sys/module/kvm_intel/parameters/enable_shadow_vmcs)" Y "VMCS shadowing is on"
run /tests/l1-self
unload_modules; ok "and unload"
done_testing
