# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For scenarios that run KVM's selftests, sourced as /selftests.sh after /lib.sh.  A
# verdict is the first word that nvmx-under prints; only what passes on the
# distribution's modules says something about ours.

# They bring the emulated machine to a stop, with the distribution's modules too.
selftests_hopeless="vmx_preemption_timer_test hyperv_ipi"

# Seconds of the machine's for one test; it runs more slowly while policies change, and on a
# debug kernel.
selftests_limit=4
selftests_limit_random=30
! debug_kernel || selftests_limit=100 selftests_limit_random=600
passing=

# under MODE TEST: runs it; $line is all that nvmx-under says, $verdict the verdict.
under() {
	case $1 in
	random:*) limit=$selftests_limit_random ;;
	*) limit=$selftests_limit ;;
	esac
	line=$(/tests/nvmx-under "$limit" "$1" "/selftests/$2")
	verdict=${line%% *}
}

# All but those named, which would take too long.
selftests_without() {
	for t in /selftests/*; do
		t=${t##*/}
		case " $* $selftests_hopeless " in
		*" $t "*) ;;
		*) echo "$t" ;;
		esac
	done
}

# stock_verdicts TEST...: $passing becomes those that pass on the distribution's modules.
stock_verdicts() {
	load_stock_modules; ok "the distribution's modules load"
	for t; do
		under untouched "$t"
		if [ "$verdict" = pass ]; then
			passing="$passing $t"
		else
			echo "# $t: $verdict on the distribution's modules, and so left out"
		fi
	done
	unload_modules; ok "and unload"
	echo "# compared:$passing"
}

# must_pass TEST...: those without which the rest would show nothing.
must_pass() {
	for t; do
		case " $passing " in
		*" $t "*) true ;;
		*) false ;;
		esac
		ok "$t passes on the distribution's modules"
	done
}

# passes_under MODE TEST; sums up what nvmx-under counts in $vms, $switches and $evmcs.
passes_under() {
	under "$1" "$2"
	[ "$verdict" = pass ]
	ok "$2 passes under $1" || { echo "# $line"; sed 's/^/#   /' /tmp/under.out | head -20; }
	for word in $line; do
		case $word in
		vms=*) vms=$((vms + ${word#*=})) ;;
		switches=*) switches=$((switches + ${word#*=})) ;;
		evmcs=*) evmcs=$((evmcs + ${word#*=})) ;;
		esac
	done
}

# under_every_policy: all that pass, under each policy that nvmx ships.
under_every_policy() {
	policies=$(/tests/nvmx-under --list)
	[ "$(echo "$policies" | wc -l)" -ge 4 ]; ok "the shipped policies are there" ||
		echo "# found: $policies"
	for policy in $policies; do
		vms=0
		for t in $passing; do
			passes_under "$policy" "$t"
		done
		[ "$vms" -ge 10 ]; ok "$policy was that of many VMs ($vms)"
	done
}

# under_random_policies SEED...: all that pass, each with policies that change all the time.
under_random_policies() {
	vms=0 switches=0 evmcs=0
	for seed; do
		for t in $passing; do
			passes_under "random:$seed" "$t"
		done
	done
	echo "# $switches switches on $vms VMs"
	[ "$switches" -ge 500 ]; ok "their vCPUs switched policies all the time"
}
