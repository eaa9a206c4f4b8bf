# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The differential test (guest/vmx-diff.c): random operations of L1 with policies that
# switch, against shadowing off.
# machine: --timeout 1800
#
# `run differential --set NAME=VALUE ...` with
#	nvmx_seed=S			another seed
#	nvmx_block=B			this block alone
#	nvmx_chunks=C nvmx_blocks=N	C times N blocks of
#	nvmx_ops=N			N operations; the same in a replay
#	nvmx_done=D			D of the C times were had before
#	nvmx_pace=P			P times fewer switches
#	nvmx_least_ops, nvmx_least_switches	what is asked of the sum
. /lib.sh

seed=${nvmx_seed:-${default_seed:-20190507}} ops=${nvmx_ops:-4000}
chunks=${nvmx_chunks:-1} count=${nvmx_blocks:-${default_blocks:-16}} pace=${nvmx_pace:-1}
[ -z "$nvmx_block" ] || count=1

# explain_all: says of each block that differs where it begins to.
explain_all() {
	for block in $(ls /tmp | sed -n 's/^diff\.//p'); do
		run /tests/vmx-diff explain /tmp/diff "$block"
		echo "# again: run $nvmx_scenario --set nvmx_seed=$seed --set nvmx_ops=$ops --set nvmx_pace=$pace --set nvmx_block=$block"
		rm "/tmp/diff.$block"
	done
}

load_modules enable_shadow_vmcs=0; ok "our modules load with enable_shadow_vmcs=0"
chunk=${nvmx_done:-0}
while [ "$chunk" -lt "$chunks" ]; do
	run /tests/vmx-diff record /tmp/diff "$seed" "${nvmx_block:-$((chunk * count))}" "$count" "$ops"
	unload_modules; ok "they unload"
	load_modules; ok "our modules load"
	run /tests/vmx-diff compare /tmp/diff "$pace"
	unload_modules; ok "they unload"
	load_modules enable_shadow_vmcs=0; ok "our modules load with enable_shadow_vmcs=0"
	explain_all
	chunk=$((chunk + 1))
done
unload_modules; ok "they unload"

totals=$(awk '{ ops += $1; switches += $2 } END { print ops " " switches }' /tmp/diff-totals)
[ "${totals% *}" -ge "${nvmx_least_ops:-1}" ]; ok "${totals% *} operations"
[ "${totals#* }" -ge "${nvmx_least_switches:-1}" ]; ok "${totals#* } switches"
done_testing
