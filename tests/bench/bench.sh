# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `make bench` runs in the small machine: the same measurements on the
# distribution's modules and on ours, then on those of each that count.
# machine: --with bench --ips 400000000 --timeout 3600
. /lib.sh

# measure PROGRAM cost|count stock|ours [ARGUMENT...]: on the modules that are loaded.
measure() {
	program=$1 what=$2 side=$3
	shift 3
	"/tests/$program" "$what" "$@" >/tmp/bench 2>/tmp/bench.err
	ok "$program: $what on $side" || sed 's/^/# /' /tmp/bench /tmp/bench.err | tail -n 20
	grep '^#' /tmp/bench
	sed -n "s/^\(cost\|count\|switch\) /# bench \1 side=$side /p" /tmp/bench
}

measure_all() {
	measure bench-vmx "$1" "$2"
	measure bench-kvm "$1" "$2"
	unload_modules
}

echo "# bench kernel release=$(uname -r)"

load_stock_modules
measure_all cost stock

load_modules
measure_all cost ours

insmod /mods/stock/kvm.ko && insmod /mods/count/stock/kvm-intel.ko
measure_all count stock

insmod /mods/kvm.ko && insmod /mods/count/ours/kvm-intel.ko
measure_all count ours

done_testing
