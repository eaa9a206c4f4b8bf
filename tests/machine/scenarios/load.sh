# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Our modules come and go, with the device, and the bare-metal L1 sees what it sees on
# the distribution's.
. /lib.sh

load_modules
ok "our modules load"
[ -c /dev/nvmx ]
ok "/dev/nvmx is there"
run /tests/l1-self
unload_modules
ok "our modules unload"
[ ! -e /dev/nvmx ]
ok "/dev/nvmx is gone"

done_testing
