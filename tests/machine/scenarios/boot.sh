# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The machine itself: the stock module loads, with nesting and VMCS shadowing.
. /lib.sh

load_stock_modules
ok "the stock modules load"
is "$(cat /sys/module/kvm_intel/parameters/nested)" Y "nested is on"
is "$(cat /sys/module/kvm_intel/parameters/enable_shadow_vmcs)" Y "VMCS shadowing is on"
unload_modules
ok "the stock modules unload"

done_testing
