# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Policies and files by the thousand, guests that do their worst, several vCPUs in a VM,
# and the rare ways out of L1 and L2.
. /lib.sh

load_modules; ok "our modules load"
run /tests/vmx-odd
run /tests/vmx-vcpus 40
run /tests/nvmx-harm
unload_modules; ok "our modules unload"
done_testing
