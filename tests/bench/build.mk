# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make bench: what nested virtualization costs on the distribution's modules and on ours,
# on the emulated machine.

BENCH		:= tests/bench
BB		:= $(BUILD)/bench
BENCH_JSON	:= $(BB)/kernel$(if $(filter-out $(firstword $(OWN_KERNELS)),$(KERNEL)),-$(KERNEL)).json

.PHONY: bench bench-run machine-bench

# A new make after the packages are there, as for `make check`.
bench:
	@tools/install-packages build kernels machine
	@$(MAKE) --no-print-directory bench-run

bench-run: machine-bench
	@$(BENCH)/run $(KERNEL) $(BENCH_JSON)

machine-bench: machine-small $(BM)/bench/$(KERNEL).cpio

BENCH_PROGRAMS	:= $(BB)/bench-vmx $(BB)/bench-kvm
bench_o		= $(patsubst %,$(B)/$(BENCH)/%.o,$(1))

$(BB)/bench-vmx: $(call bench_o,hypervisors)
$(BB)/bench-kvm: $(call bench_o,linux-vm)
$(BENCH_PROGRAMS): $(BB)/%: $(B)/$(BENCH)/%.o $(call bench_o,policies measure) $(GUEST_LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -static -pthread -o $@ $^

# The Linux that is L1: the kernel of L0, with KVM; what runs in it; and the disk that it boots from.
$(B)/$(BENCH)/l2-loads.o: $(BENCH)/l2-loads.S $(BENCH)/l2-loads.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -c -o $@ $<

$(BB)/l1-kvm: $(call bench_o,l1-kvm l2-loads) $(GUEST_LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -static -pthread -o $@ $^

# "earlycon" is what a kernel without devices can say its last words on.
L1_CMDLINE	:= earlycon=uart8250,io,0x3f8 keep_bootcon loglevel=5 panic=-1 reboot=t acpi=off pci=off \
		   8250.nr_uarts=0 nokaslr tsc=reliable mitigations=off audit=0 apparmor=0 cryptomgr.notests

$(BB)/%/l1-kvm.disk: $(BM)/kernel/%/release $(BM)/loader/bootimage $(TM)/demo/make-l1 $(BENCH)/l1-init $(BB)/l1-kvm
	@mkdir -p $(@D)
	PATH=$$PATH:/sbin:/usr/sbin $(TM)/demo/make-l1 $(BM)/kernel/$* $(@D)/l1-kvm.initrd $(BENCH)/l1-init $(BB)/l1-kvm
	$(BM)/loader/bootimage disk $(BM)/kernel/$*/vmlinux $(@D)/l1-kvm.initrd '$(L1_CMDLINE)' $@

$(BB)/%/count/stock/kvm-intel.ko: $(BENCH)/make-counting $(KMOD_B)/%/tree/.prepared
	@mkdir -p $(@D)
	@tools/logged $(@D)/build.log $(BENCH)/make-counting stock '$(KREL_$*)' '$(call kmod_headers,$*)' '' $(@D)

$(BB)/%/count/ours/kvm-intel.ko: $(BENCH)/make-counting $(KMOD_B)/%/kvm.ko $(KMOD_B)/%/kvm-intel.ko
	@mkdir -p $(@D)
	@tools/logged $(@D)/build.log $(BENCH)/make-counting ours '$(KREL_$*)' '$(call kmod_headers,$*)' \
		$(KMOD_B)/$*/tree/Module.symvers $(@D)

# What the small machine needs for it.
bench_modules	= $(1:%=$(BB)/%/count/stock/kvm-intel.ko) $(1:%=$(BB)/%/count/ours/kvm-intel.ko)
$(BM)/bench/%.cpio: $(BENCH)/make-archive $(BENCH)/bench.sh $(BENCH_PROGRAMS) $(BB)/%/l1-kvm.disk \
		$(call bench_modules,%)
	@mkdir -p $(@D)
	$(BENCH)/make-archive $(BB)/$*/count $@ $(BENCH)/bench.sh $(BENCH_PROGRAMS) $(BB)/$*/l1-kvm.disk

# not to be made again each time
.SECONDARY: $(call bench_modules,$(KERNEL)) $(BB)/$(KERNEL)/l1-kvm.disk

HELP		+= 'bench		what nested virtualization costs: table, $(BB)/kernel.json, goals'

# ---- the daemon ----------------------------------------------------------------

BENCH_CALLS	:= $(B)/tests/bench/bench-calls
BENCH_HERD	:= $(B)/tests/bench/bench-herd

.PHONY: bench-daemon bench-daemon-run

$(BENCH_CALLS): $(B)/tests/bench/bench-calls.o
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_daemon)

$(BENCH_HERD): $(B)/tests/bench/bench-herd.o
	$(call say,LD)$(CC) $(LDFLAGS) -o $@ $^

bench-daemon:
	@tools/install-packages build test
	@$(MAKE) --no-print-directory bench-daemon-run

bench-daemon-run: $(B)/daemon/nvmxd $(B)/client/nvmxctl $(LOOPBACK_KERNEL) $(BUS_CALL) $(BENCH_CALLS) $(BENCH_HERD)
	@$(BENCH)/daemon $(B) $(BB)/daemon.json

HELP		+= 'bench-daemon	what nvmxd costs with up to 10,000 VMs: table, $(BB)/daemon.json, goals'
