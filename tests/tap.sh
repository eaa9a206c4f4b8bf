# SPDX-License-Identifier: LGPL-2.1-or-later
#
# TAP for test scripts in bash, sourced.  A script ends with `finish`,
# which calls before_finish first if there is such a function.

tests=0 failed=0

ok() { tests=$((tests + 1)); echo "ok $tests - $1"; }

not_ok() {
	tests=$((tests + 1)) failed=$((failed + 1))
	echo "not ok $tests - $1"
	shift
	[[ $# -eq 0 ]] || printf '%s\n' "$@" | sed 's/^/#   /'
}

# is WHAT EXPECTED ACTUAL
is() {
	if [[ $2 == "$3" ]]; then ok "$1"; else not_ok "$1" "expected: $2" "got:      $3"; fi
}

# like WHAT PATTERN ACTUAL, an extended regular expression
like() {
	if [[ $3 =~ $2 ]]; then ok "$1"; else not_ok "$1" "expected: $2" "got:      $3"; fi
}

# holds WHAT COMMAND...: right away
holds() {
	local what=$1; shift
	if "$@"; then ok "$what"; else not_ok "$what" "failed: $*"; fi
}

# was WHAT: passes if the command before it succeeded (`cmd; was "cmd works"`)
was() {
	local status=$?
	if [[ $status == 0 ]]; then ok "$1"; else not_ok "$1"; fi
	return $status
}

finish() {
	if declare -F before_finish >/dev/null; then before_finish; fi
	echo "1..$tests"
	exit $((failed > 0))
}
