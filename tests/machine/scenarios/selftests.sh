# SPDX-License-Identifier: LGPL-2.1-or-later
#
# KVM's own selftests, of the kernel's source package, end as on the distribution's modules:
# under every policy that nvmx ships, and while random policies replace one another.
# With nvmx_long=1 (run --set) also the slow ones, and several seeds.
# machine: --with selftests
. /lib.sh
. /selftests.sh

# Passes, but no timer interrupt comes for 40 s meanwhile, on the distribution's modules just
# as on ours; the kernel complains of that, as it has to.
out=xapic_ipi_test
slow="hyperv_clock hyperv_features hyperv_tlb_flush recalc_apic_map_test xapic_state_test xen_shinfo_test"
seeds=4711
if [ -n "$nvmx_long" ]; then
	slow=
	seeds="1 2 3 4 5 6 7 8"
	selftests_limit=300
	selftests_limit_random=1200
fi

stock_verdicts $(selftests_without $out $slow)
# 7.3 has it by another name.
nested_state=vmx_set_nested_state_test
[ -e "/selftests/$nested_state" ] || nested_state=nested_set_state_test
must_pass state_test $nested_state smm_test

load_modules; ok "our modules load"
under_every_policy
under_random_policies $seeds
[ "$evmcs" -ge 1 ]; ok "nvmx told that a VM used an enlightened VMCS"
unload_modules; ok "our modules unload"
done_testing
