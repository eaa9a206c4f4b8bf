# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Switching policies on two CPUs: the vCPU is in the guest when the policy is set.
# machine: --cpus 2
. /lib.sh

load_modules; ok "our modules load"
is "$(nproc)" 2 "two CPUs"
run /tests/vmx-switch
run /tests/vmx-switch 4711
unload_modules; ok "our modules unload"
done_testing
