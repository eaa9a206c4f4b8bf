# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The field table and the policies on a processor with fields that Haswell lacks: PML, TSC
# scaling, posted interrupts, XSS exiting.
# machine: --cpu corei7_skylake_x
. /lib.sh

# Nothing can be entered with bochs's posted interrupts.
nvmx_kvm_intel=enable_apicv=0
load_modules; ok "our modules load"
run /tests/nvmx-fields "$nvmx_cpu"
unload_modules; ok "our modules unload"
. /scenarios/policy.sh
