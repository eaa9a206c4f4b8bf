# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests of nvmxctl, sourced after lib.sh.

# ctl ARG...: output in $out, the rest in $err, status in $status
ctl() {
	out=$("$B/client/nvmxctl" "$@" 2>"$T/err")
	status=$?
	err=$(<"$T/err")
}

# fails STATUS WHAT PATTERN ARG...: one sentence, and nothing on standard output
fails() {
	local expected=$1 what=$2 pattern=$3; shift 3
	ctl "$@"
	is "$what: status $expected" "$expected" "$status"
	like "$what: says so" "$pattern" "$err"
	is "$what: in one line, and no output" 1: "$(wc -l <"$T/err"):$out"
}

# Policy files where the daemon's user can read them.
make_policies() {
	mkdir "$T/policy"
	cp "$SOURCE"/policy/*.json "$T/policy"
}
