# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Where no policy can be in force: without nested VMX, and without VMCS shadowing.
. /lib.sh

for parameter in nested=0 enable_shadow_vmcs=0; do
	load_modules $parameter; ok "our modules load with $parameter"
	[ -c /dev/nvmx ]; ok "/dev/nvmx is there with $parameter"
	run /tests/nvmx-inert $parameter
	[ "$parameter" = nested=0 ] || run /tests/l1-self
	unload_modules; ok "our modules unload with $parameter"
done
done_testing
