# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Fuzzers: libFuzzer, ASan and UBSan, so built by clang, in build/fuzz.
#
#   make check-fuzz		each as many times as takes a few seconds
#   make fuzz			each FUZZ_RUNS times, hours of it; FUZZERS=policy for one

FUZZERS		?= policy metadata config proc kernel source
FUZZ_RUNS	?= 10000000
FUZZ_PROGRAMS	:= $(FUZZERS:%=$(B)/tests/fuzz/fuzz-%)
FUZZ_MAKE	= $(MAKE) --no-print-directory CC=clang BUILD=$(BUILD)/fuzz \
			SANITIZE=fuzzer-no-link,address,undefined fuzz-programs

CHECK		+= check-fuzz
HELP		+= 'fuzz		fuzz every parser, FUZZ_RUNS times (ten million); FUZZERS=NAME for one'
.SECONDARY: $(FUZZ_PROGRAMS:%=%.o) $(B)/tests/fuzz/fuzz.o

# Of nvmxd what is below the set of VMs.
FUZZ_DAEMON	:= $(addprefix $(B)/daemon/,vm.o vm-policy.o vm-profile.o files.o kernel.o link.o retry.o)

$(B)/tests/fuzz/fuzz-%: $(B)/tests/fuzz/fuzz-%.o $(B)/tests/fuzz/fuzz.o $(FUZZ_DAEMON) \
		$(DAEMON_PARTS) $(POLICY_LIB)
	$(call say,LD)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_daemon) $(LIBS_policy)

.PHONY: fuzz fuzz-programs check-fuzz
fuzz-programs: $(FUZZ_PROGRAMS)

check-fuzz:
	@tools/logged $(BUILD)/fuzz-build.log $(FUZZ_MAKE)
	@tests/fuzz/run $(BUILD)/fuzz/asan --short $(FUZZERS)

fuzz:
	@tools/install-packages build test
	@tools/logged $(BUILD)/fuzz-build.log $(FUZZ_MAKE)
	@tests/fuzz/run $(BUILD)/fuzz/asan --runs $(FUZZ_RUNS) $(FUZZERS)
