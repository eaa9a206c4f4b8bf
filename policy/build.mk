# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The policy library, linked statically into the daemon, the client and the
# tests, with what else both use, and the policy files.

CFLAGS_policy	:= $(shell $(PKG_CONFIG) --cflags json-c libxml-2.0 libvirt libsystemd)
LIBS_policy	:= $(shell $(PKG_CONFIG) --libs json-c libxml-2.0)
# A sanitizer looks for what it stands before when the program starts: XDR's functions, which
# libvirt uses and libvirt-library.c loads with it later, have to be there then.
LIBS_xdr	:= $(if $(SANITIZE),-l:libtirpc.so.3)

POLICY_LIB	:= $(B)/policy/libnvmxpolicy.a
POLICY_OBJS	:= $(addprefix $(B)/policy/,error.o utf8.o names.o nearest.o field.o assignment.o json-place.o bus-json.o \
			json-file.o conf-files.o policy.o policy-set.o policy-set-check.o metadata.o metadata-change.o account.o account-json.o libvirt-library.o \
			libvirt-pid.o)

ALL		+= $(POLICY_LIB)
INSTALL		+= install-policy

$(POLICY_LIB): $(POLICY_OBJS)
	rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

.PHONY: install-policy
install-policy:
	$(INSTALL_BIN) -d $(DESTDIR)$(prefix)/share/nvmx/policy.d
	$(INSTALL_BIN) -m 644 policy/*.json $(DESTDIR)$(prefix)/share/nvmx/policy.d
	$(INSTALL_BIN) -m 644 policy/schema/nvmx-policy.schema.json $(DESTDIR)$(prefix)/share/nvmx
