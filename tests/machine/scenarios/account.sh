# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Where the time of vCPUs goes, by BPF on the distribution's own modules: counts are exact,
# times agree with other clocks.  The scheduler does not count its own switches as waiting: with more
# instructions in a second they are fewer in the same work.
#
# machine: --ips 200000000
. /lib.sh

load_stock_modules enable_shadow_vmcs=0; ok "the distribution's modules load"
run /tests/vm-account
unload_modules; ok "and unload"

# What it comes to, where KVM shadows.
load_stock_modules; ok "they load again"
run /tests/vm-causes
unload_modules; ok "and unload again"
done_testing
