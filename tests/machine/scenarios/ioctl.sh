# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The ABI of /dev/nvmx: what it tells, and what it refuses.
. /lib.sh

load_modules; ok "our modules load"
is "$(stat -c %a /dev/nvmx)" 660 "/dev/nvmx has mode 0660"
run /tests/nvmx-fields
run /tests/nvmx-ioctl
run /tests/nvmx-executable
unload_modules; ok "our modules unload"
done_testing
