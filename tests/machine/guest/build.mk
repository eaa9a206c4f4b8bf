# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Programs that run in the small machine: each source in GUEST_TESTS becomes one
# static program build/machine/guest/NAME, which carries the bare-metal L1 (l1*, l2*)
# inside.  `make machine-guest` builds them all.

GUEST		:= tests/machine/guest
GUEST_B		:= $(B)/machine/guest
GUEST_TESTS	:= l1-self vmx-classes vmx-truth vmx-any-field vmx-isolation vmx-switch vmx-cost \
		   vm-lifecycle nvmx-ioctl nvmx-executable nvmx-fields nvmx-inert vmx-move nvmx-under \
		   nvmx-records nvmx-window nvmx-trace nvmx-costs nvmx-harm vmx-vcpus vmx-odd vmx-32bit vmx-diff \
		   nvmx-fuzz nvmx-nomem vm-account vm-causes
GUEST_PROGRAMS	:= $(GUEST_TESTS:%=$(GUEST_B)/%)
GUEST_LIB	:= $(patsubst %,$(GUEST_B)/%.o,vm dev window records mem quiet tap l1-image)

# No FPU state, no red zone under interrupts, absolute addresses.
L1_CFLAGS	:= -std=gnu11 -O2 -g -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow \
		   -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-pic -fno-pie \
		   -mcmodel=small -fcf-protection=none -fno-asynchronous-unwind-tables -MMD -MP

.PHONY: machine-guest
machine-guest: $(GUEST_PROGRAMS)

$(GUEST_B)/l1/%.o: $(GUEST)/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(L1_CFLAGS) -c -o $@ $<

$(GUEST_B)/l1/%.o: $(GUEST)/%.S
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(L1_CFLAGS) -c -o $@ $<

$(GUEST_B)/l1/l1.elf: $(GUEST)/l1.lds $(patsubst %,$(GUEST_B)/l1/%.o,l1-entry l1 l1-diff l1-diff-state l2 l2-diff)
	$(call say,LD)$(LD) -static -nostdlib -z noexecstack --no-warn-rwx-segments -T $< -o $@ $(filter %.o,$^)

$(GUEST_B)/l1/l1.bin: $(GUEST_B)/l1/l1.elf
	objcopy -O binary $< $@

$(GUEST_B)/l1-image.o: $(GUEST)/l1-image.S $(GUEST_B)/l1/l1.bin
	$(call say,CC)$(CC) -DL1_BIN='"$(GUEST_B)/l1/l1.bin"' -c -o $@ $<

$(GUEST_B)/%.o: $(GUEST)/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS) -pthread -c -o $@ $<

$(GUEST_B)/fields-txt.o: $(GUEST)/fields-txt.S tests/bus/fields.txt $(GUEST)/fields-cpu.txt
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -c -o $@ $<

$(GUEST_B)/nvmx-fields: $(GUEST_B)/fields-txt.o
$(GUEST_B)/nvmx-fuzz: $(GUEST_B)/fuzz-ops.o $(GUEST_B)/fuzz-call.o
$(GUEST_B)/nvmx-nomem: $(GUEST_B)/nomem.o

$(GUEST_B)/nvmx-under: $(GUEST_B)/shipped.o $(POLICY_LIB)
$(GUEST_B)/nvmx-under: GUEST_LIBS := $(shell $(PKG_CONFIG) --static --libs json-c)
$(GUEST_B)/vmx-diff: $(GUEST_B)/diff-vm.o
$(GUEST_B)/vm-account: $(B)/daemon/account/look.o $(POLICY_LIB)
$(GUEST_B)/vm-causes: $(addprefix $(B)/client/,cause.o account-text.o json.o) $(B)/daemon/account/look.o $(POLICY_LIB)
$(GUEST_B)/vm-causes.o: CFLAGS_tests += $(shell $(PKG_CONFIG) --cflags json-c)
$(GUEST_B)/vm-account $(GUEST_B)/vm-causes: GUEST_LIBS := $(shell $(PKG_CONFIG) --static --libs libbpf json-c)

$(GUEST_PROGRAMS): $(GUEST_B)/%: $(GUEST_B)/%.o $(GUEST_LIB)
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -static -pthread -o $@ $^ $(GUEST_LIBS)
