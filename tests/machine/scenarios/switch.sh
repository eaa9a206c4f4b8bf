# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Switching policies on two CPUs: the vCPU is in the guest when the policy is set.
# nvmx_sample=1: in one random order, not two.
# machine: --cpus 2
. /lib.sh

# The second CPU of the emulated machine has fields that the first lacks.
insmod /mods/irqbypass.ko 2>/dev/null
insmod /mods/kvm.ko && taskset 2 insmod /mods/kvm-intel.ko; ok "our modules load by the second CPU"
run /tests/nvmx-fields
unload_modules; ok "and unload"
load_modules; ok "our modules load"
is "$(nproc)" 2 "two CPUs"
run /tests/vmx-switch
[ -n "$nvmx_sample" ] || run /tests/vmx-switch 4711
unload_modules; ok "our modules unload"
done_testing
