# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The emulated machines and what runs on them.  Debian's kernel is fetched, not
# installed; the images are made again only when what goes into them changed.

TM		:= tests/machine
BM		:= $(BUILD)/machine
MACHINE_CFLAGS	:= -O2 -g -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Ikmod/uapi

.PHONY: machine-bochs machine-small machine-selftests machine-full machine-shell demo check check-run check-machine check-emulator \
	check-kernels check-kernels-long check-dkms-machine check-selftests-long check-long machine-check machine-check-long \
	check-differential-long FORCE

# ---- emulator, kernels and boot ROM ------------------------------------------------------

machine-bochs:
	@$(TM)/get-bochs $(BM)/bochs

# get-kernel touches the file only when Debian's kernel is a new one.
$(DEBIAN_KERNELS:%=$(BM)/kernel/%/release): $(BM)/kernel/%/release: FORCE
	@$(if $(KERNEL_IN_$*),$(MAKE) --no-print-directory $(SUITE_B)/$(SUITE_$*).stamp)
	@PATH=$$PATH:/sbin:/usr/sbin $(KERNEL_IN_$*) $(TM)/get-kernel linux-image-$(FLAVOUR_$*) $(@D)

$(BM)/loader/bootimage: $(TM)/loader/bootimage.c $(TM)/loader/boot.h
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(MACHINE_CFLAGS) -o $@ $<

# For a bare 32-bit machine; nothing of the host's C library is in it.
ROM_CFLAGS	:= -m32 -march=i686 -mno-sse -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
		   -fno-asynchronous-unwind-tables -fcf-protection=none -Os -std=gnu11 -Wall -Wextra
ROM_LDFLAGS	:= -nostdlib -static -no-pie -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments

$(BM)/loader/rom.elf: $(addprefix $(TM)/loader/,rom.ld rom.S load.c boot.h pvh.h)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(ROM_CFLAGS) $(ROM_LDFLAGS) -T $(TM)/loader/rom.ld -o $@ $(filter %.S %.c,$^)

$(BM)/loader/boot.rom: $(BM)/loader/rom.elf $(BM)/loader/bootimage
	objcopy -O binary -j .rom $< $(@D)/rom.bin
	$(BM)/loader/bootimage rom $(@D)/rom.bin $@

# ---- the small machine ---------------------------------------------------------

# One for each kernel: `make machine-small KERNEL=6.12`.
# Test programs: GUEST_PROGRAMS, from guest/build.mk.

SCENARIOS	:= $(wildcard $(TM)/scenarios/*.sh)
# The host's, for scenarios that show that it works with our modules.
SMALL_TOOLS	:= /usr/bin/trace-cmd

$(KERNELS:%=$(BM)/small/%/initrd): $(BM)/small/%/initrd: $(BM)/kernel/%/release $(KMOD_B)/%/kvm.ko \
		$(KMOD_B)/%/kvm-intel.ko $(TM)/small/make-initrd $(TM)/small/init \
		$(wildcard $(TM)/small/*.sh policy/*.json) $(SCENARIOS) $(GUEST_PROGRAMS)
	@mkdir -p $(@D)
	$(TM)/small/make-initrd $(BM)/kernel/$* $(KMOD_B)/$* $@ $(wildcard policy/*.json) \
		$(SCENARIOS) $(GUEST_PROGRAMS) $(SMALL_TOOLS)

machine-small: $(BM)/small/$(KERNEL)/initrd $(BM)/loader/boot.rom machine-bochs

# KVM's selftests, for the scenarios that ask for them; a debug kernel has those of its source.
SELFTESTS_VERSION := $(lastword $(subst -, ,$(KERNEL)))

machine-selftests: machine-small
	@mkdir -p $(BM)/selftests
	@$(KERNEL_IN_$(KERNEL)) $(TM)/selftests/make-selftests $(SELFTESTS_VERSION) $(BM)/selftests/$(SELFTESTS_VERSION).cpio

# ---- the full machine ----------------------------------------------------------

# Files that are touched only if what is in them changes: a machine's section of packages.
SECTION_full	:= image
SECTION_dkms	:= dkms-image
# And what the modules of the machine's kernel are built from.
packages_of	= { tools/install-packages --list $(SECTION_$(1)); $(addprefix echo ,$(addsuffix ;,$(KERNEL_PACKAGES_$(1)))) }
KERNEL_PACKAGES_full := linux-headers-$(FLAVOUR_$(KERNEL)) linux-source-$(lastword $(subst -, ,$(KERNEL)))
$(BM)/full/packages $(BM)/dkms/packages: $(BM)/%/packages: packages FORCE
	@mkdir -p $(@D)
	@$(call packages_of,$*) | cmp -s - $@ || $(call packages_of,$*) >$@

# Headers and source of the kernel that is booted, of the same day.
$(BM)/full/base.stamp: $(BM)/kernel/$(KERNEL)/release
$(BM)/dkms/base.stamp: $(BM)/kernel/$(firstword $(OWN_KERNELS))/release
$(BM)/full/base.stamp $(BM)/dkms/base.stamp: $(BM)/%/base.stamp: $(BM)/%/packages $(TM)/full/make-base
	$(TM)/full/make-base $(@D)/base $$(cat $<)
	@touch $@

# The packages of this tree; the stamps are touched only if what these have in them is new.
$(BM)/full/debs.stamp: FORCE
	@mkdir -p $(@D)
	@tools/make-deb $(BUILD)/deb >/dev/null
	@sha256sum $(BUILD)/deb/*.deb | cmp -s - $@ || sha256sum $(BUILD)/deb/*.deb >$@

$(BM)/full/dkms.stamp: $(BM)/full/debs.stamp
	@grep /nvmx-dkms_ $< | cmp -s - $@ || grep /nvmx-dkms_ $< >$@

# By itself, as DKMS takes minutes and what else changes is changed more often.
$(BM)/full/modules.stamp: $(BM)/full/base.stamp $(BM)/full/dkms.stamp $(BM)/kernel/$(KERNEL)/release \
		$(addprefix $(TM)/full/,make-modules image.sh)
	PATH=$$PATH:/sbin:/usr/sbin $(TM)/full/make-modules $(@D)/base $(BUILD)/deb/nvmx-dkms_*.deb \
		$(BM)/kernel/$(KERNEL) $(@D)/modules
	@touch $@

$(BM)/demo/l2: $(TM)/demo/l2.c
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(MACHINE_CFLAGS) -static -o $@ $<

$(BM)/demo/files/l1.initrd: $(BM)/kernel/$(KERNEL)/release $(BM)/demo/l2 $(TM)/demo/make-l1 $(TM)/demo/l1-init
	@mkdir -p $(@D)
	PATH=$$PATH:/sbin:/usr/sbin $(TM)/demo/make-l1 $(BM)/kernel/$(KERNEL) $@ $(TM)/demo/l1-init $(BM)/demo/l2

$(BM)/demo/files/vmlinux: $(BM)/kernel/$(KERNEL)/release $(BM)/loader/bootimage
	@mkdir -p $(@D)
	$(BM)/loader/bootimage trim $(BM)/kernel/$(KERNEL)/vmlinux $@

# Scripts that run on it, and what they need.
WALK_FILES	:= walk WALKTHROUGH.md
$(BM)/demo/files/walk: $(TM)/walk/walk
$(BM)/demo/files/WALKTHROUGH.md: WALKTHROUGH.md
VERBS_FILES	:= verbs bench-vmx
$(BM)/demo/files/verbs: $(TM)/verbs/verbs
$(BM)/demo/files/bench-vmx: $(BUILD)/bench/bench-vmx
RESTORE_FILES	:= restore
$(BM)/demo/files/restore: $(TM)/restore/restore
$(addprefix $(BM)/demo/files/,$(WALK_FILES) $(VERBS_FILES) $(RESTORE_FILES)):
	@mkdir -p $(@D)
	@cp --preserve=mode $< $@

DEMO_FILES	:= demo lib.sh domain.xml
$(addprefix $(BM)/demo/files/,$(DEMO_FILES)): $(BM)/demo/files/%: $(TM)/demo/%
	@mkdir -p $(@D)
	@cp --preserve=mode $< $@

$(BM)/full/root.img: $(BM)/full/modules.stamp $(BM)/full/debs.stamp $(BM)/kernel/$(KERNEL)/release \
		$(addprefix $(TM)/full/,make-image image.sh init masked-units) \
		$(shell find $(TM)/full/files -type f) \
		$(addprefix $(BM)/demo/files/,l1.initrd vmlinux $(DEMO_FILES) $(WALK_FILES) $(VERBS_FILES) \
			$(RESTORE_FILES))
	PATH=$$PATH:/sbin:/usr/sbin $(TM)/full/make-image $(@D)/modules $(BUILD)/deb $(BM)/kernel/$(KERNEL) \
		$(BM)/demo/files $(@D)

machine-full: $(BM)/full/root.img $(BM)/loader/boot.rom machine-bochs

# ---- the machine on which DKMS has the modules ---------------------------------

$(BM)/dkms/root.img: $(BM)/dkms/base.stamp $(BM)/kernel/$(firstword $(OWN_KERNELS))/release $(wildcard $(TM)/dkms/*) \
		$(addprefix $(TM)/full/,image.sh init masked-units) \
		$(shell find kmod -type f) Makefile $(wildcard */build.mk tests/*/build.mk)
	PATH=$$PATH:/sbin:/usr/sbin $(TM)/dkms/make-image $(@D)/base $(BM)/kernel/$(firstword $(OWN_KERNELS)) . $(@D)

# A prompt on the full machine.
machine-shell:
	@$(TM)/shell

# The commands of WALKTHROUGH.md: what they print is put into it, or compared with it.
.PHONY: walk-through check-walk-through
walk-through:
	@tools/install-packages build deb machine
	@tools/logged $(BUILD)/walk-image.log $(MAKE) --no-print-directory machine-full
	@$(TM)/walk/run write

check-walk-through:
	@tools/logged $(BUILD)/walk-image.log $(MAKE) --no-print-directory machine-full
	@$(TM)/walk/run check

LONG		+= check-walk-through

# Every verb of nvmxctl on it.
.PHONY: check-verbs
check-verbs: machine-full
	@$(TM)/verbs/run

CHECK		+= check-verbs

# Domains that are saved and restored while L1 is in VMX operation.
.PHONY: check-restore
check-restore: machine-full
	@$(TM)/verbs/run restore

LONG		+= check-restore

# What apt does with our packages on it, while a domain runs.
.PHONY: check-packages
check-packages: machine-full deb-next
	@$(TM)/packages/run $(BUILD)/deb $(BUILD)/deb/next

LONG		+= check-packages

# The whole product, end to end.
demo:
	@$(TM)/demo/run

# ---- make check ----------------------------------------------------------------

# Everything on one kernel, the default, or that which is asked for; on the others a sample:
#   stock		the kernel boots in this machine, and bochs is right about its KVM
#   policy		each class of each field, which each patch of the series and the field table
#			are needed for
#   switch		policies that switch at any moment, on two CPUs, where vmcs01 and what it
#			points to move from one to the other
#   lifecycle		VMs, vCPUs and the module come and go: hooks on paths that kernels differ in
#   differential	values, flags, errors and exits are those without shadowing
#   account		what BPF reads is where this kernel's types say
# What is left is our own code's, which is the same for each kernel (ioctl, window, inert, harm,
# fuzz), a measure (cost), or more of the same: make check-long has it.
SAMPLE		:= stock policy switch lifecycle differential account
# Eight blocks are one of each kind in each mode; what a life leaks is seen over as many as on
# the debug kernel; and nothing in one scenario that another has.
SAMPLE_SETTINGS	:= nvmx_blocks=8 nvmx_lives=200 nvmx_sample=1
ALL_SCENARIOS	:= $(filter-out %/nomem.sh,$(SCENARIOS))
MORE_KERNELS	= $(filter-out $(KERNEL),$(CHECK_KERNELS))

check-machine: machine-selftests
	@$(TM)/check --kernel $(KERNEL) $(ALL_SCENARIOS)

check-kernels:
	@tools/logged $(BUILD)/check-kernels-build.log $(MAKE) --no-print-directory -j$$(nproc) machine-check
	@$(TM)/check $(MORE_KERNELS:%=--kernel %) $(SAMPLE_SETTINGS:%=--set %) $(SAMPLE:%=$(TM)/scenarios/%.sh)

check-kernels-long: machine-check-long
	@$(TM)/check $(MORE_KERNELS:%=--kernel %) $(ALL_SCENARIOS)

# What they need, for each kernel.
machine-check:
	@for k in $(CHECK_KERNELS); do $(MAKE) --no-print-directory machine-small KERNEL=$$k || exit; done

machine-check-long:
	@for k in $(CHECK_KERNELS); do $(MAKE) --no-print-directory machine-selftests KERNEL=$$k || exit; done

# DKMS installs, the machine boots; DKMS uninstalls, it boots again.
check-dkms-machine: $(BM)/loader/boot.rom machine-bochs
	@tools/logged $(BUILD)/dkms-image.log $(MAKE) --no-print-directory $(BM)/dkms/root.img
	@$(TM)/dkms/run $(BM)

# The machine is the same on another emulator, and nobody gets at it.
check-emulator: machine-small
	@$(TM)/emulator $(BM)

CHECK		+= check-machine check-kernels check-emulator
LONG		+= check-kernels-long check-dkms-machine

# Thirty million operations, thirty thousand switches, on each kernel, on one CPU and on two
# at the same time; make check-differential-long KERNEL=6.12 does one kernel.
check-differential-long: machine-check
	@$(TM)/check $(CHECK_KERNELS:%=--kernel %) --timeout 14400 --set nvmx_chunks=75 --set nvmx_blocks=100 \
		--set nvmx_pace=10 --set nvmx_least_ops=30000000 --set nvmx_least_switches=30000 \
		$(TM)/scenarios/differential.sh $(TM)/scenarios/differential-smp.sh

LONG		+= check-differential-long

# All of KVM's selftests, and many more random policies.
check-selftests-long: machine-selftests
	@$(TM)/check --kernel $(KERNEL) --timeout 14400 --set nvmx_long=1 $(TM)/scenarios/selftests.sh

LONG		+= check-selftests-long

# What make check makes side by side: the machines of this Debian's kernel; what is built for
# others, by the first of these, while those run; and what is left, in turn.  The machines use
# all that a processor has; the others wait for this and that.
CHECK_MACHINES	= check-machine check-verbs check-emulator
CHECK_OTHERS	= check-kernels check-crcs check-kmod $(OTHER_SUITES:%=check-suite-%)
comma		:= ,
empty		:=
chain		= $(subst $(empty) $(empty),$(comma),$(strip $(1)))

# A new make after the packages are there: fragments ask pkg-config when they are read.
check:
	@tools/install-packages build kernels deb test metrics machine
	@$(MAKE) --no-print-directory check-run

check-run:
	@tools/logged $(BUILD)/check-build.log $(MAKE) --no-print-directory -j$$(nproc) all test-programs
	@tools/logged $(BUILD)/check-asan-build.log $(MAKE) --no-print-directory -j$$(nproc) \
		SANITIZE=address,undefined test-programs
	@tools/logged $(BUILD)/check-machine-build.log $(MAKE) --no-print-directory -j$$(nproc) machine-selftests
	@tools/logged $(BUILD)/check-image-build.log $(MAKE) --no-print-directory -j$$(nproc) machine-full
	@MAKE='$(MAKE)' tests/run $(call chain,$(CHECK_MACHINES)) $(call chain,$(CHECK_OTHERS)) \
		$(filter-out $(CHECK_MACHINES) $(CHECK_OTHERS),$(CHECK))

check-long:
	@tools/install-packages build deb test metrics machine
	@tools/logged $(BUILD)/check-build.log $(MAKE) --no-print-directory -j$$(nproc) all test-programs
	@tools/logged $(BUILD)/check-machine-build.log $(MAKE) --no-print-directory -j$$(nproc) machine-check-long
	@MAKE='$(MAKE)' tests/run $(LONG)

HELP		+= 'demo		the whole product on an emulated Intel machine' \
		   'walk-through	write WALKTHROUGH.md anew' \
		   'check		all tests; ends with "N passed, N failed"' \
		   'check-long		tests that take too long for check, in the same manner' \
		   'check-machine	those on the emulated machine, with one kernel' \
		   'check-kernels	a sample of these with the other kernels' \
		   'machine-shell	a prompt on the emulated machine'
