# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The rare ways out of L1 and L2: system management mode, VMXOFF.
. /lib.sh

load_modules; ok "our modules load"
run /tests/vmx-odd
unload_modules; ok "our modules unload"
done_testing
