# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Unit tests of the policy library, of nvmxctl and of parts of nvmxd: cmocka, which prints TAP.
#
#   make check-unit					plain
#   make SANITIZE=address,undefined check-unit		what check-unit-asan does

UNIT_TESTS	:= $(patsubst tests/unit/test-%.c,%,$(wildcard tests/unit/test-*.c))
UNIT_PROGRAMS	:= $(addprefix $(B)/tests/unit/test-,$(UNIT_TESTS))

CFLAGS_tests	+= $(shell $(PKG_CONFIG) --cflags cmocka libsystemd json-c)
LIBS_unit	:= $(shell $(PKG_CONFIG) --libs cmocka)

TEST_PROGRAMS	+= $(UNIT_PROGRAMS)
CHECK		+= check-unit-asan
.SECONDARY: $(UNIT_PROGRAMS:%=%.o)

$(B)/tests/unit/test-%: $(B)/tests/unit/test-%.o $(CLIENT_PARTS) $(DAEMON_PARTS) $(POLICY_LIB)
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_unit) $(LIBS_client)

.PHONY: check-unit check-unit-asan
check-unit: $(UNIT_PROGRAMS)
	@tests/unit/run $^

# All memory is freed in the tests, too: leaks are failures.
check-unit-asan:
	@$(MAKE) --no-print-directory SANITIZE=address,undefined check-unit
