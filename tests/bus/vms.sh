# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sourced after lib.sh: VMs whose processes have names, and L1s that access what others do.

# make_vm NAME [ARG...]: its id is in $made
make_vm() {
	local name=$1; shift
	[[ -e $T/bin/$name ]] || cp "$T/bin/qemu-system-x86_64" "$T/bin/$name"
	"$T/bin/$name" -c "read -r _ <'$T/never'" "$@" &
	# Until it has become that program, it has this one's command line.
	soon grep -q "$T/never" "/proc/$!/cmdline"
	made=$(kernel create $! 1)
}

# becomes_l1 ID FIELD READS WRITES...: per 100 exits of L2
becomes_l1() {
	local id=$1; shift
	kernel vmxon "$id" >/dev/null
	while (($#)); do
		kernel accesses "$id" "$1" "$2" "$3"
		shift 3
	done
}

# bench_l1 NAME: "FIELD READS WRITES" per 100 exits of L2, of one of the bench's
bench_l1() {
	sed 's/SEGMENT_READS(\(..\))/GUEST_\1_SELECTOR, GUEST_\1_LIMIT, GUEST_\1_BASE/g' "$SOURCE/tests/bench/hypervisors.c" |
		awk -v name="\"$1\"," '
		$1 == ".name" { here = $3 == name }
		/= {/ { kind = $1 }
		{ ends = /}/ }
		here && kind ~ /^\.(reads|writes)$/ {
			gsub(/[^A-Z0-9_]/, " ")
			for (i = 1; i <= NF; i++) if ($i ~ /^[A-Z]/) { count[$i, kind] = 100; fields[$i] }
		}
		ends { kind = "" }
		END { for (f in fields) print f, count[f, ".reads"] + 0, count[f, ".writes"] + 0 }' | sort
}
