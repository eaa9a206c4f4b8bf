# SPDX-License-Identifier: LGPL-2.1-or-later
#
# VMs come and go, and so does the module.  nvmx_lives= gives the number of VMs over which
# memory is counted.
. /lib.sh

# Memory is counted over so many lives; a debug kernel, on which one takes seconds, says
# itself what leaks.
lives=1000
! debug_kernel || lives=200

load_modules; ok "our modules load"
run /tests/vm-lifecycle "${nvmx_lives:-$lives}"
run /tests/nvmx-records

exec 3<>/dev/nvmx
! rmmod kvm_intel 2>/dev/null; ok "an open /dev/nvmx holds the module"
exec 3>&-
is "$(cat /sys/module/kvm_intel/refcnt)" 0 "nobody holds it after that"
for i in 1 2 3; do
	unload_modules; ok "the modules unload ($i)"
	[ ! -e /dev/nvmx ]; ok "/dev/nvmx is gone with them ($i)"
	load_modules; ok "they load again ($i)"
	run /tests/l1-self
done
unload_modules; ok "and unload for good"
done_testing
