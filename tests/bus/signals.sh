# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests/bus/run and service, sourced after lib.sh: what org.nvmx1 says on the bus, what the
# kernel has been told.

UUID1=6d5f0c0e-61b2-4a3b-9f4b-8f0a5f3b7a01

# Every signal from now on is a line of $T/signals.
start_monitor() {
	busctl monitor --json=short org.nvmx1 >>"$T/signals" 2>"$T/monitor.log" &
	soon grep -q Monitoring "$T/monitor.log"
}

# signal MEMBER PATTERN...: one line of the monitor has them all
signal() {
	local lines; lines=$(grep "\"member\":\"$1\"" "$T/signals") || return
	shift
	for p; do lines=$(grep -F -- "$p" <<<"$lines") || return; done
}

no_signal() { ! signal "$@"; }

forget_signals() { : >"$T/signals"; }

kernel_class() { kernel policy "$1" | sed -n "s/^$2=//p"; }
kernel_head() { kernel policy "$1" | head -n1; }
