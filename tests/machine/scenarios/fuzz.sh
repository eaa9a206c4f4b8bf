# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Random calls on /dev/nvmx while VMs come and go.  nvmx_seed= gives the seed of an
# earlier run, nvmx_calls= how many.
. /lib.sh

calls=10000
! debug_kernel || calls=1000000

load_modules; ok "our modules load"
# shellcheck disable=SC2086
run /tests/nvmx-fuzz ${nvmx_calls:-$calls} ${nvmx_seed:-}
unload_modules; ok "our modules unload"
done_testing
