# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The differential test on two CPUs: two VMs at a time, whose vCPUs move between them.
# machine: --cpus 2 --timeout 1800
. /lib.sh
default_seed=4711 default_blocks=8
! debug_kernel || default_blocks=4
. /scenarios/differential.sh
