/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hypervisors that run as the bare-metal L1. */
#ifndef HYPERVISORS_H
#define HYPERVISORS_H

#include "policies.h"

#define NR_HYPERVISORS	4

extern const struct hypervisor hypervisors[NR_HYPERVISORS];

#endif
