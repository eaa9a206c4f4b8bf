# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Random calls on /dev/nvmx while VMs come and go.  nvmx_seed= gives the seed of an
# earlier run, nvmx_calls= how many, nvmx_rounds= how often, each with a seed of its own.
. /lib.sh

# A million and a tenth of each for warming up, in parts, of which each can be replayed.  Not
# in more: to empty KASAN's quarantine, before memory is looked at, takes as long as
# thousands of calls.
rounds=1 calls=10000
! debug_kernel || rounds=10 calls=91000

load_modules; ok "our modules load"
for i in $(seq "${nvmx_rounds:-$rounds}"); do
	# shellcheck disable=SC2086
	run /tests/nvmx-fuzz ${nvmx_calls:-$calls} ${nvmx_seed:+$((nvmx_seed + i - 1))}
done
unload_modules; ok "our modules unload"
done_testing
