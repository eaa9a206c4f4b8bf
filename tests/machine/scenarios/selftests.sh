# SPDX-License-Identifier: LGPL-2.1-or-later
#
# KVM's own selftests, of the kernel's source package, end as on the distribution's modules:
# under every policy that nvmx ships, and while random policies replace one another.
# machine: --with selftests --timeout 900
. /lib.sh
. /selftests.sh

# Left to check-long.
slow="hyperv_clock hyperv_features xapic_ipi_test xapic_state_test xen_shinfo_test"

stock_verdicts $(selftests_without $slow)
must_pass state_test vmx_set_nested_state_test smm_test

load_modules; ok "our modules load"
under_every_policy
under_random_policies 4711
[ "$evmcs" -ge 1 ]; ok "nvmx told that a VM used an enlightened VMCS"
unload_modules; ok "our modules unload"
done_testing
