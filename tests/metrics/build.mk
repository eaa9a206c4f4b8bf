# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmxctl metrics and its service, with Prometheus.  Needs root.

CHECK		+= check-metrics

.PHONY: check-metrics
check-metrics: $(B)/daemon/nvmxd $(B)/client/nvmxctl $(LOOPBACK_KERNEL) $(BUS_CALL)
	@tests/metrics/run $(B)
