# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests of what nvmxd loses when something fails: sourced after tests/bus/lib.sh.
#
#   LONG  "long" or nothing: the form of the test

# long_or_short LONG SHORT
long_or_short() { if [[ $LONG ]]; then echo "$1"; else echo "$2"; fi; }

# Bash's RANDOM from a seed that can be given again.
choose_seed() {
	seed=${SEED-$RANDOM}
	RANDOM=$seed
	echo "# SEED=$seed"
}

a_moment() { sleep "0.$(printf '%03d' $((RANDOM % 250)))"; }

# As systemd does: what failed is started again, what ended in order is not.
stop_daemon() {
	kill "${1--TERM}" "$daemon_pid"
	wait "$daemon_pid" 2>/dev/null
	daemon_status=$?
	soon lacks_name org.nvmx1
}

# ---- what must stay ----

# of_vm ID: what is in force and counted, on the bus and in the kernel
of_vm() {
	kernel policy "$1"
	busctl get-property org.nvmx1 "$(vm_path "$1")" org.nvmx1.VM Name Policy PolicySource PolicyError Overrides Fields VMXOn
	busctl call org.nvmx1 "$(vm_path "$1")" org.nvmx1.VM GetStatistics i -- -1
}

all_of() { local id; for id; do of_vm "$id"; done; }

# same_as BEFORE ID...
same_as() { local before=$1; shift; [[ $(all_of "$@" 2>&1) == "$before" ]]; }

# bus_and_kernel_agree ID: on the policy that was set last, whichever that is
bus_and_kernel_agree() {
	local text; text=$(kernel policy "$1" | head -n 1)
	text=${text#*label=}
	[[ ${text%% *} == "$(prop "$1" PolicySource):$(prop "$1" Policy)" ]]
}

# make_fixed: four VMs of each source of policies, with counters; their ids are in $fixed
make_fixed() {
	local id field
	fixed=
	echo '{ "name": "matched", "extends": "stock", "fields": { "HOST_RSP": "read-write" }, "match": [ { "executable": "a-match" } ] }' \
		>"$T/policy.d/50-matched.json"
	chmod a+r "$T/policy.d/50-matched.json"
	call_manager Reload
	cp "$T/bin/qemu-system-x86_64" "$T/bin/a-match"
	"$T/bin/a-match" -c "read -r _ <'$T/never'" x &
	match_pid=$!
	soon grep -q "$T/never" "/proc/$match_pid/cmdline"
	start_process x
	for id in $match_pid $process_pid $process_pid $process_pid; do
		id=$(kernel create "$id" 2)
		fixed="$fixed $id"
		soon prop_is "$id" Id "$id"
		kernel count "$id" 0 nested_entries $((RANDOM + 1))
		kernel count "$id" 1 vmwrite_propagated $((RANDOM + 1))
		for field in HOST_RSP GUEST_RIP other; do
			kernel exits "$id" 1 $field $((RANDOM + 1)) $((RANDOM + 1))
		done
	done
	set -- $fixed
	kernel vmxon "$1"
	soon prop_is "$1" VMXOn true
	vm "$2" SetPolicy s:legacy d:HOST_RSP=read-write
	vm "$3" SetPolicy s: d:vmwrite-any-field=hide
	fixed_before=$(all_of $fixed)
}

fixed_are_the_same() { same_as "$fixed_before" $fixed; }

# ---- faults.so ----

# with_faults COMMAND...: for nvmxd and nvmx-libvirt; arm, disarm, set_clock work on what was started so
with_faults() {
	# Once: what runs with it has it mapped.
	[[ -e $T/bin/faults.so ]] || cp "$B/tests/faults/faults.so" "$T/bin"
	[[ -e $T/faults ]] || { head -c 40 /dev/zero >"$T/faults"; chmod 666 "$T/faults"; }
	# A sanitizer wants to be first; it need not be.
	ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
		NVMX_FAULTS=$T/faults LD_PRELOAD=$T/bin/faults.so "$@"
}

# bytes NUMBER...: of struct faults, little end first
bytes() {
	local n i text=
	for n; do
		for i in 1 2 3 4 5 6 7 8; do
			printf -v text '%s\\x%02x' "$text" $((n & 255))
			n=$((n >> 8))
		done
	done
	printf "$text"
}

# arm FROM N: of the allocations from now on
arm() { bytes "$1" "$2" 0 1<>"$T/faults"; }
# arm_json_c FROM N: of what json-c asks for, alone
arm_json_c() { bytes "$1" "$2" 0 0 1 1<>"$T/faults"; }
disarm() { bytes 0 1<>"$T/faults"; }
counted_allocations() { od -An -t u8 -j 16 -N 8 "$T/faults" | tr -d ' '; }
# set_clock SECONDS: how wrong it is
set_clock() { bytes "$1" | dd of="$T/faults" bs=8 seek=3 conv=notrunc status=none; }
