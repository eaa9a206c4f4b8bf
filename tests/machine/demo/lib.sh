# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sourced by demo, verbs and walk, in the machine: steps, what holds, and reading what the
# domains and nvmxctl say.  Lines for the person who looks on start with "DEMO " and the
# machine's uptime; the rest of the serial line is noise.

logs=/var/log/nvmx-demo
state=/run/nvmx-demo
ns='xmlns:nvmx="urn:nvmx:domain-policy:1"'
steps=()
step_number=0
mkdir -p "$state" "$logs"
chmod 1777 "$logs"

say() {
	local up

	read -r up _ </proc/uptime
	printf 'DEMO %s %s\n' "$up" "$*"
}

step() {
	[ "$step_number" -eq 0 ] || steps+=("holds")
	step_number=$((step_number + 1))
	titles[step_number]=$1
	say ""
	say "[$step_number] $1"
}

show() {	# TEXT on standard input
	sed 's/^/DEMO -       /'
}

saw() {
	say "    $*"
}

# holds WHAT COMMAND...: the demonstration ends at the first thing that does not hold.
holds() {
	local what=$1
	shift
	if "$@"; then
		say "    holds: $what"
		return
	fi
	say "    DOES NOT HOLD: $what"
	steps+=("DOES NOT HOLD")
	complain
	finish 1
}

# Everything that helps to see why.
complain() {
	{
		echo "---- nvmxd"
		systemctl status nvmxd --no-pager --lines=40 2>&1
		echo "---- kernel"
		dmesg | tail -n 30
		echo "---- libvirtd"
		journalctl --no-pager -n 20 -u libvirtd 2>&1
		tail -n 5 "$logs"/*.log /var/log/libvirt/qemu/*.log 2>/dev/null
	} | show
}

summary() {
	local i

	say ""
	say "$(printf '%-3s %-78s %s' "" STEP RESULT)"
	for i in "${!titles[@]}"; do
		say "$(printf '%-3s %-78s %s' "$i" "${titles[i]}" "${steps[i - 1]:-}")"
	done
}

finish() {
	summary
	echo "END-OF-DEMO status=$1"
	exit 0
}

# until_true POLLS COMMAND...: no time is tested, the number of polls is bounded.
until_true() {
	local polls=$1
	shift
	while ! "$@"; do
		polls=$((polls - 1))
		[ "$polls" -gt 0 ] || return 1
		sleep 0.1
	done
}

is_active() {
	[ "$(systemctl is-active nvmxd)" = active ]
}

# ---- domains -------------------------------------------------------------------

# make_domain NAME [METADATA-ELEMENT [CMDLINE]]
make_domain() {
	local metadata=${2:+<metadata>$2</metadata>}

	sed -e "s|@NAME@|$1|g" -e "s|@METADATA@|$metadata|" -e "s|@CMDLINE@|${3-}|" /usr/lib/nvmx-demo/domain.xml >"$state/$1.xml"
	virsh --quiet define "$state/$1.xml" && virsh --quiet start "$1"
}

rounds() {	# DOMAIN: how far L2 is
	sed -n 's/^L2-OK rounds=\([0-9]*\) checksum=[0-9a-f]\{8\}.*/\1/p' "$logs/$1.log" | tail -n 1
}

l2_runs() {	# DOMAIN
	[ "$(rounds "$1")" ]
}

l2_went_on() {	# DOMAIN ROUNDS: by so many since the snapshot
	[ $(($(rounds "$1") - $(<"$state/$1.rounds.0"))) -ge "$2" ]
}

l2_is_right() {
	! grep -H -E 'L2-BAD|L1-BAD' "$logs"/*.log
}

# Every L2 does the same; where two tell of the same round, they tell the same.
l2_agree() {
	cat "$logs"/*.log | tr -d '\r' | grep -E '^L2-OK rounds=[0-9]+ checksum=[0-9a-f]{8}$' | sort -u |
		awk '$2 in sum && sum[$2] != $3 { exit 1 } { sum[$2] = $3 }'
}

misc_bit_29() {	# DOMAIN: as L1 read it
	sed -n 's/^L1-VMX-MISC .*bit29=\([01]\).*/\1/p' "$logs/$1.log"
}

# ---- counters ------------------------------------------------------------------

# snapshot WHEN DOMAIN: rounds first, then counters, each time, so that the skew is
# about the same at both ends of a window.
snapshot() {
	rounds "$2" >"$state/$2.rounds.$1"
	nvmxctl --no-legend stats "$2" >"$state/$2.stats.$1"
}

# What became more between two snapshots, as lines "COUNTER BY" and "FIELD VMREADS
# VMWRITES".  awk on what people read: a JSON parser takes an emulated machine seconds.
deltas() {	# DOMAIN
	awk 'NF >= 2 && $1 ~ /^[0-9]+$/ {
		if (NR == FNR) total[$2] = $1
		else if ($1 != total[$2]) print $2, $1 - total[$2]
		next
	}
	NF == 4 {
		if (NR == FNR) { vmread[$1] = $2; vmwrite[$1] = $3 }
		else if ($2 != vmread[$1] || $3 != vmwrite[$1])
			print $1, $2 - vmread[$1], $3 - vmwrite[$1]
	}' "$state/$1.stats.0" "$state/$1.stats.1" >"$state/$1.deltas"
}

# window DOMAIN ROUNDS [OTHER...]: counts over so many rounds of DOMAIN's L2
window() {
	local domain=$1 enough=$2 d
	shift 2
	for d in "$domain" "$@"; do
		snapshot 0 "$d" || return 1
	done
	until_true 3000 l2_went_on "$domain" "$enough" || return 1
	for d in "$domain" "$@"; do
		snapshot 1 "$d" && deltas "$d" || return 1
	done
}

# by DOMAIN NAME: how much a counter, or the VMREADs of a field, became more by
by() {
	local name n rest

	while read -r name n rest; do
		if [ "$name" = "$2" ]; then
			echo "$n"
			return
		fi
	done <"$state/$1.deltas"
	echo 0
}

field_deltas() {	# DOMAIN
	awk 'NF == 3 { printf "%-32s VMREAD +%-6d VMWRITE +%d\n", $1, $2, $3 }' "$state/$1.deltas"
}

# Makes sure that there is something to read: a counter that is not there is not "0".
counters_are_there() {	# DOMAIN
	grep -q nested_entries "$state/$1.stats.0" && grep -q nested_entries "$state/$1.stats.1"
}

vmcalls() {	# DOMAIN: in the last window; l2.c makes so many a round
	echo $((($(<"$state/$1.rounds.1") - $(<"$state/$1.rounds.0")) * 16))
}

ar_exits() {	# DOMAIN: VMREADs of both AR_BYTES that exited in the last window
	echo $(($(by "$1" GUEST_CS_AR_BYTES) + $(by "$1" GUEST_SS_AR_BYTES)))
}

# L2 tells of each tenth round, so a window of 60 may have been one of 50 or 70.
about_two_per_vmcall() {	# DOMAIN
	local n calls

	n=$(ar_exits "$1") calls=$(vmcalls "$1")
	saw "$1: $n VMREADs of AR_BYTES exited in about $calls VMCALLs"
	[ "$calls" -gt 0 ] && [ $((n * 10 / calls)) -ge 17 ] && [ $((n * 10 / calls)) -le 27 ]
}

no_ar_exits() {	# DOMAIN
	local n

	n=$(ar_exits "$1")
	saw "$1: $n VMREADs of AR_BYTES exited in about $(vmcalls "$1") VMCALLs"
	counters_are_there "$1" && [ "$n" -eq 0 ]
}

policy_is() {	# DOMAIN POLICY SOURCE
	[ "$(nvmxctl show "$1" | sed -n 's/^ *\(Policy\|Source\): //p' | paste -sd/)" = "$2/$3" ]
}
