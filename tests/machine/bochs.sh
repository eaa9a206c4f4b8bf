# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sourced by what starts machines (run, shell, demo/run, verbs/run, walk/run): everything about bochs.
# A machine is a directory of its own, so that any number can run at a time.

# The kernel of scenarios that are asked for none: this Debian's own, kmod/build.mk's first.
machine_default_kernel() {
	(. /etc/os-release; [ "$VERSION_CODENAME" = trixie ] && echo trixie-6.12 || echo 6.1)
}

machine_dir=
machine_bochs=
machine_pid=
serial=

# machine_new BUILD: makes the machine's directory; it goes when the shell exits.
machine_new() {
	machine_dir=$(mktemp -d "$1/run.XXXXXX")
	trap machine_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	machine_bochs=$1/bochs/bochs
	if [ ! -x "$machine_bochs" ]; then
		machine_bochs=$(command -v bochs)
		echo "# on Debian's bochs, more than twice as slow: there is no $1/bochs/bochs"
	fi
}

# is_debians: is it Debian's bochs?  That is built with its debugger, which has to be told
# to continue and must not find a terminal, and with plugins; of its displays only rfb
# needs no screen.
is_debians() {
	[ "$machine_bochs" != "${machine_dir%/*}/bochs/bochs" ]
}

# machine_config CPUS MEMORY_MIB IPS COM1 [DISK [MODEL]]
machine_config() {
	local cpus=$1 memory=$2 ips=$3 com1=$4 disk=${5:-} model=${6:-corei7_haswell_4770}

	cat >"$machine_dir/bochsrc" <<-RC
	cpu: model=$model, count=$cpus, ips=$ips, reset_on_triple_fault=0, ignore_bad_msrs=1
	memory: guest=$memory, host=$memory
	romimage: file=/usr/share/bochs/BIOS-bochs-latest
	vgaromimage: file=/usr/share/vgabios/vgabios.bin
	optromimage1: file=$machine_dir/boot.rom, address=0xd0000
	ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
	ata0-master: type=disk, path=$machine_dir/boot.img, mode=flat
	${disk:+ata0-slave: type=disk, path=$disk, mode=flat}
	boot: disk
	com1: enabled=1, $com1
	log: $machine_dir/bochs.log
	panic: action=fatal
	error: action=report
	info: action=ignore
	debug: action=ignore
	clock: sync=none, time0=$(date +%s)
	RC
	if is_debians; then
		echo c >"$machine_dir/continue"
		cat >>"$machine_dir/bochsrc" <<-RC
		plugin_ctrl: unmapped=true
		display_library: rfb, options="timeout=0"
		RC
	else
		echo "display_library: nogui" >>"$machine_dir/bochsrc"
	fi
}

# machine_start TIMEOUT_S [FILE]: in the background, once FILE is there; machine_pid is
# what to wait for.  It has a network namespace of its own, in which no interface is up:
# whatever the display listens on, nobody else's ports are taken, and nobody gets there.
machine_start() {
	local debugger=()

	! is_debians || debugger=(-rc "$machine_dir/continue")
	(
		while [ -n "${2:-}" ] && [ ! -e "$2" ]; do
			sleep 0.1
		done
		exec timeout -k 5 "$1" unshare --net "$machine_bochs" -q -f "$machine_dir/bochsrc" \
			"${debugger[@]}" </dev/null >"$machine_dir/bochs.out" 2>&1
	) &
	machine_pid=$!
}

machine_end() {
	if [ -n "$machine_pid" ]; then
		kill "$machine_pid" 2>/dev/null || true
		wait "$machine_pid" 2>/dev/null || true
	fi
	if [ -n "${MACHINE_KEEP:-}" ]; then
		echo "# the machine's files are in $machine_dir" >&2
	else
		rm -rf "$machine_dir"
	fi
}

# machine_full_disks BUILD [PARAMETERS [MACHINE]]: the boot disk of the full machine, or
# of another one with a whole Debian, and a copy of its root to write to.
machine_full_disks() {
	local image=$1/${3:-full}

	cp "$1/loader/boot.rom" "$machine_dir/"
	"$1/loader/bootimage" disk "$image/vmlinux" "$image/initrd" \
		"console=ttyS0,115200 nokaslr tsc=reliable mitigations=off quiet audit=0 apparmor=0 \
selinux=0 panic=-1 log_buf_len=1M cryptomgr.notests systemd.show_status=0 ${2:-}" "$machine_dir/boot.img"
	cp --sparse=always --reflink=auto "$image/root.img" "$machine_dir/root.img"
}

# machine_script BUILD NAME TIMEOUT_S: starts the full machine, which runs NAME, one of
# build/machine/demo/files, and powers off; what it says comes into $serial.
machine_script() {
	machine_script_disks "$1" "$2"
	machine_script_boot "$1" "$2" "$3"
}

# The same in two steps, for who adds to the disk or boots from it more than once.
machine_script_disks() {	# BUILD NAME
	machine_new "$1/machine"
	machine_full_disks "$1/machine" "systemd.wants=nvmx-script@$2.service"
}

machine_script_boot() {		# BUILD NAME TIMEOUT_S
	serial=$1/$2-serial.log
	: >"$serial"
	machine_config 1 2048 400000000 "mode=file, dev=$serial" "$machine_dir/root.img"
	machine_start "$3"
}

# machine_script_tap: waits for the end, and prints what the script said holds or not as tests
# (tests/tap.sh is there), and all else as comments.
machine_script_tap() {
	local line

	wait "$machine_pid" || true
	while IFS= read -r line; do
		case $line in
		"holds: "*) ok "${line#*: }" ;;
		"DOES NOT HOLD: "*) not_ok "${line#*: }" ;;
		*) echo "# $line" ;;
		esac
	done < <(tr -d '\r' <"$serial" | sed -n 's/^DEMO [0-9.]* *//p' | sed '/^STEP /,$d')
	holds "the machine came to the end" grep -aq '^END-OF-DEMO status=0' "$serial"
}
