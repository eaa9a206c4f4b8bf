# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Allocations that fail, one after the other, on every path of ours that makes one;
# nvmx_ops=N,N,... are the numbers of those to run, of ops[] in guest/nvmx-nomem.c.
# For the debug kernel, which can make them fail: `make check` leaves it out.
. /lib.sh

# Only tasks that ask for it see failures, and the log tells of none: it would tell of
# thousands.
for kind in failslab fail_page_alloc; do
	cd /sys/kernel/debug/$kind && echo 100 >probability && echo -1 >times && echo Y >task-filter &&
		echo N >ignore-gfp-wait && echo 0 >verbose; ok "$kind is ready"
done
cd /sys/kernel/debug/fail_page_alloc && echo 0 >min-order && echo N >ignore-gfp-highmem
ok "for pages of any kind"
cd /

touch /tmp/allocations-fail
load_modules; ok "our modules load"
all=$(seq 0 $(($(/tests/nvmx-nomem count) - 1)))
for i in $(echo "${nvmx_ops:-$all}" | tr , ' '); do
	run /tests/nvmx-nomem "$i"
done
unload_modules; ok "our modules unload"
done_testing
