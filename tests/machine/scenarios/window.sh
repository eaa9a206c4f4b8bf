# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What looks into a VM while it runs: profiling windows, tracepoints, cost counters.
. /lib.sh

load_modules; ok "our modules load"
run /tests/nvmx-window
if debug_kernel; then
	run /tests/nvmx-costs 100
else
	run /tests/nvmx-costs
fi

mount -t tracefs tracefs /sys/kernel/tracing; ok "tracefs is there"
run /tests/nvmx-trace
trace-cmd record -q -e nvmx -o /tmp/trace.dat /tests/nvmx-trace load >/tmp/load 2>/tmp/record.err
ok "trace-cmd records" || sed 's/^/# /' /tmp/record.err
cat /tmp/load | sed 's/^/# /'
trace-cmd report -i /tmp/trace.dat >/tmp/report 2>/dev/null; ok "and reports"
sed -n '/nvmx_/{s/^/# /;p}' /tmp/report | head -n 2
eval "$(grep '^vmread=' /tmp/load)"
is "$(grep -c ' nvmx_vmread_exit: .* field [A-Z]' /tmp/report)" "$((${vmread:-0} - 1))" \
	"trace-cmd names the field of each VMREAD exit"
is "$(grep -c ' nvmx_vmwrite_exit: .* field [A-Z]' /tmp/report)" "${vmwrite:-0}" \
	"and of each VMWRITE exit"
is "$(grep -c ' nvmx_vmread_exit: .* field HOST_RSP$' /tmp/report)" 30 "by the right name"
is "$(grep -c ' nvmx_vmread_exit: .* field VM_EXIT_REASON$' /tmp/report)" "${reason:-0}" "all of them"
is "$(grep -c ' nvmx_vmread_exit: .* field unsupported$' /tmp/report)" 1 "and one that is no field"
is "$(grep -c ' nvmx_policy_switch: .* read-write 0 read-only 0 vmxon 1$' /tmp/report)" \
	"${switch:-0}" "and each switch"
umount /sys/kernel/tracing

unload_modules; ok "our modules unload"
done_testing
