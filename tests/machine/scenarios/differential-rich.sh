# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The differential test on a processor with fields that Haswell lacks.
# machine: --cpu corei7_skylake_x --timeout 1800
. /lib.sh

# Nothing can be entered with bochs's posted interrupts.
nvmx_kvm_intel=enable_apicv=0
default_seed=20261127 default_blocks=8
. /scenarios/differential.sh
