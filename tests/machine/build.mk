# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The emulated machines and what runs on them.  Debian's kernel is fetched, not
# installed; the images are made again only when what goes into them changed.

TM		:= tests/machine
BM		:= $(B)/machine
MACHINE_CFLAGS	:= -O2 -g -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Ikmod/uapi

.PHONY: machine-small FORCE

# ---- kernel and boot ROM -------------------------------------------------------

# get-kernel touches the file only when Debian's kernel is a new one.
$(BM)/kernel/release: FORCE
	@PATH=$$PATH:/sbin:/usr/sbin $(TM)/get-kernel $(@D)

$(BM)/loader/bootimage: $(TM)/loader/bootimage.c $(TM)/loader/boot.h
	@mkdir -p $(@D)
	$(CC) $(MACHINE_CFLAGS) -o $@ $<

# For a bare 32-bit machine; nothing of the host's C library is in it.
ROM_CFLAGS	:= -m32 -march=i686 -mno-sse -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
		   -fno-asynchronous-unwind-tables -fcf-protection=none -Os -std=gnu11 -Wall -Wextra
ROM_LDFLAGS	:= -nostdlib -static -no-pie -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments

$(BM)/loader/rom.elf: $(addprefix $(TM)/loader/,rom.ld rom.S load.c boot.h)
	@mkdir -p $(@D)
	$(CC) $(ROM_CFLAGS) $(ROM_LDFLAGS) -T $(TM)/loader/rom.ld -o $@ $(filter %.S %.c,$^)

$(BM)/loader/boot.rom: $(BM)/loader/rom.elf $(BM)/loader/bootimage
	objcopy -O binary -j .rom $< $(@D)/rom.bin
	$(BM)/loader/bootimage rom $(@D)/rom.bin $@

# ---- the small machine ---------------------------------------------------------

# Test programs: GUEST_PROGRAMS, from guest/build.mk.

SCENARIOS	:= $(wildcard $(TM)/scenarios/*.sh)
SMALL_MODULES	:= $(addprefix $(B)/kmod/,kvm.ko kvm-intel.ko)

$(BM)/small/initrd: $(BM)/kernel/release $(TM)/small/make-initrd $(TM)/small/init $(TM)/small/lib.sh \
		$(SCENARIOS) $(GUEST_PROGRAMS) $(wildcard $(SMALL_MODULES)) /bin/busybox
	@mkdir -p $(@D)
	$(TM)/small/make-initrd $(BM)/kernel $(B)/kmod $@ $(SCENARIOS) $(GUEST_PROGRAMS)

machine-small: $(BM)/small/initrd $(BM)/loader/boot.rom
