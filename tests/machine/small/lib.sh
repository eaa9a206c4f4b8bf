# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For scenarios (busybox sh), sourced as /lib.sh: TAP, and loading the modules.
# A scenario ends with `done_testing`, which prints the plan.  One that another scenario
# sources goes on counting.

tap_count=${tap_count:-0}
tap_failed=${tap_failed:-0}

# ok WHAT: passes if the command before it did (`cmd; ok "cmd works"`).
ok() {
	tap_status=$?
	tap_count=$((tap_count + 1))
	if [ "$tap_status" -eq 0 ]; then
		echo "ok $tap_count - $1"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count - $1"
	fi
	return "$tap_status"
}

# is GOT WANTED WHAT
is() {
	[ "$1" = "$2" ]
	ok "$3" || echo "# got '$1', wanted '$2'"
}

# run PROGRAM [ARGS]: a test program that prints TAP itself; its lines are numbered
# anew so that a scenario can run several.
run() {
	"$@" >/tmp/run.out 2>&1
	run_status=$?
	run_plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' /tmp/run.out)
	run_seen=0
	while IFS= read -r run_line; do
		case $run_line in
		"ok "*)
			run_seen=$((run_seen + 1))
			true; ok "$1: ${run_line#ok * - }" ;;
		"not ok "*)
			run_seen=$((run_seen + 1))
			false; ok "$1: ${run_line#not ok * - }" ;;
		1..*) ;;
		*) echo "$run_line" ;;
		esac
	done </tmp/run.out
	[ "$run_status" -eq 0 ] && [ "$run_plan" = "$run_seen" ]
	ok "$*: ends well (status $run_status, $run_seen of ${run_plan:-no plan} tests)"
}

# load_modules [PARAMETER=VALUE...]: ours; parameters are kvm_intel's, as are those of
# nvmx_kvm_intel, which are for each time that they are loaded.
load_modules() {
	insmod /mods/irqbypass.ko 2>/dev/null
	insmod /mods/kvm.ko && insmod /mods/kvm-intel.ko $nvmx_kvm_intel "$@"
}

load_stock_modules() {
	insmod /mods/irqbypass.ko 2>/dev/null
	insmod /mods/stock/kvm.ko && insmod /mods/stock/kvm-intel.ko $nvmx_kvm_intel "$@"
}

# Does the kernel check itself, and so is slow?
debug_kernel() {
	[ -e /sys/kernel/debug/kmemleak ]
}

unload_modules() {
	rmmod kvm_intel && rmmod kvm
}

done_testing() {
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
}
