# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Shadow classes and policies as L1 sees them, on our modules.  nvmx_sample=1 leaves out what
# switch.sh has on two CPUs.
. /lib.sh

load_modules; ok "our modules load"
[ -c /dev/nvmx ]; ok "/dev/nvmx is there"
run /tests/l1-self
run /tests/vmx-classes
run /tests/vmx-truth
run /tests/vmx-any-field
run /tests/vmx-32bit
run /tests/vmx-isolation
[ -n "$nvmx_sample" ] || run /tests/vmx-switch
run /tests/vmx-move
unload_modules; ok "our modules unload"
done_testing
