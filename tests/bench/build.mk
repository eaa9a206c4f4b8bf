# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make bench: what nested virtualization costs on the distribution's modules and on ours,
# on the emulated machine.

BENCH		:= tests/bench
BB		:= $(BUILD)/bench
BENCH_JSON	:= $(BB)/kernel$(if $(filter-out $(firstword $(KERNELS)),$(KERNEL)),-$(KERNEL)).json

.PHONY: bench bench-run machine-bench

# A new make after the packages are there, as for `make check`.
bench:
	@tools/install-packages build machine
	@$(MAKE) --no-print-directory bench-run

bench-run: machine-bench
	@$(BENCH)/run $(KERNEL) $(BENCH_JSON)

machine-bench: machine-small $(BM)/bench/$(KERNEL).cpio

BENCH_PROGRAMS	:= $(BB)/bench-vmx
bench_o		= $(patsubst %,$(B)/$(BENCH)/%.o,$(1))

$(BB)/bench-vmx: $(call bench_o,hypervisors)
$(BENCH_PROGRAMS): $(BB)/%: $(B)/$(BENCH)/%.o $(call bench_o,policies measure) $(GUEST_LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -static -pthread -o $@ $^

$(BB)/%/count/stock/kvm-intel.ko: $(BENCH)/make-counting $(KMOD_B)/%/tree/.prepared
	@mkdir -p $(@D)
	@tools/logged $(@D)/build.log $(BENCH)/make-counting stock '$(KREL_$*)' '$(call kmod_headers,$*)' '' $(@D)

$(BB)/%/count/ours/kvm-intel.ko: $(BENCH)/make-counting $(KMOD_B)/%/kvm.ko $(KMOD_B)/%/kvm-intel.ko
	@mkdir -p $(@D)
	@tools/logged $(@D)/build.log $(BENCH)/make-counting ours '$(KREL_$*)' '$(call kmod_headers,$*)' \
		$(KMOD_B)/$*/tree/Module.symvers $(@D)

# What the small machine needs for it.
$(BM)/bench/%.cpio: $(BENCH)/make-archive $(BENCH)/bench.sh $(BENCH_PROGRAMS) \
		$(BB)/%/count/stock/kvm-intel.ko $(BB)/%/count/ours/kvm-intel.ko
	@mkdir -p $(@D)
	$(BENCH)/make-archive $(BB)/$*/count $@ $(BENCH)/bench.sh $(BENCH_PROGRAMS)

HELP		+= 'bench		what nested virtualization costs: table, $(BB)/kernel.json, goals'
