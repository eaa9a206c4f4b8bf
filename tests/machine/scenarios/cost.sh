# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A VM whose policy nobody touched costs no more instructions per round trip L2 -> L1 ->
# L2 than on the distribution's modules, counters on.
. /lib.sh

load_stock_modules; ok "the distribution's modules load"
stock=$(/tests/vmx-cost)
[ "${stock:-0}" -gt 1000 ]
ok "a round trip on the distribution's modules is measured"
unload_modules

load_modules; ok "our modules load"
ours=$(/tests/vmx-cost)
[ "${ours:-0}" -gt 1000 ]
ok "a round trip on ours is measured"
unload_modules

echo "# instructions per round trip: distribution $stock, ours $ours"
[ "${ours:-0}" -gt 0 ] && [ "$ours" -le "$stock" ]
ok "ours is not above the distribution's"

done_testing
