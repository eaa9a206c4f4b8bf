# SPDX-License-Identifier: LGPL-2.1-or-later
#
# TAP for test scripts in bash, sourced.  A script ends with `done_testing`.

tap_count=0
tap_failed=0

# ok WHAT: passes if the command before it did (`cmd; ok "cmd works"`).
ok() {
	local status=$?

	tap_count=$((tap_count + 1))
	if [ "$status" -eq 0 ]; then
		echo "ok $tap_count - $1"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count - $1"
	fi
	return "$status"
}

# is GOT WANTED WHAT
is() {
	[ "$1" = "$2" ]
	ok "$3" || printf '# got    %q\n# wanted %q\n' "$1" "$2"
}

# like GOT PATTERN WHAT: an extended regular expression
like() {
	[[ $1 =~ $2 ]]
	ok "$3" || printf '# got %q\n# which does not match %q\n' "$1" "$2"
}

done_testing() {
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
}
