# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The scenario of mutants that name a test: that one, on the modules that are broken.
# nvmx_test= is the program and its arguments, with commas between them.
. /lib.sh

load_modules; ok "the modules load"
# shellcheck disable=SC2046
run /tests/$(echo "$nvmx_test" | tr , ' ')
done_testing
