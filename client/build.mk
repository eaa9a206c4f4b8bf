# SPDX-License-Identifier: LGPL-2.1-or-later
#
# nvmxctl and its completion.

CFLAGS_client	:= $(shell $(PKG_CONFIG) --cflags libsystemd json-c smartcols ncursesw libvirt)
LIBS_client	:= $(shell $(PKG_CONFIG) --libs libsystemd json-c smartcols ncursesw) $(LIBS_policy)

# Without main(), for the unit tests too.
CLIENT_PARTS	:= $(addprefix $(B)/client/,args.o bus.o vm.o find.o render.o table.o text.o terminal.o colour.o json.o \
			statistics.o agent.o domain-config.o change.o profile.o html.o profile-html.o diagnose.o top.o progress.o hint.o \
			account.o account-text.o account-html.o cause.o)
CLIENT_OBJS	:= $(CLIENT_PARTS) $(addprefix $(B)/client/,nvmxctl.o help.o pager.o file.o \
			verb-list.o verb-show.o verb-set.o verb-reset.o verb-reload.o verb-fields.o \
			verb-stats.o verb-account.o verb-profile.o verb-diagnose.o cause-diagnose.o \
			verb-top.o top-screen.o verb-monitor.o verb-version.o verb-metrics.o verb-policy.o policy-check.o policy-edit.o)

ALL		+= $(B)/client/nvmxctl
INSTALL		+= install-client

$(B)/client/nvmxctl: $(CLIENT_OBJS) $(POLICY_LIB)
	$(call say,LD)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_client) $(LIBS_xdr)

.PHONY: install-client
install-client: $(B)/client/nvmxctl
	$(INSTALL_BIN) -D -m 755 $< $(DESTDIR)$(prefix)/bin/nvmxctl
	$(INSTALL_BIN) -D -m 644 client/nvmxctl.bash-completion \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/nvmxctl
	$(INSTALL_BIN) -D -m 644 client/nvmxctl.zsh-completion \
		$(DESTDIR)$(prefix)/share/zsh/vendor-completions/_nvmxctl

# Needs root, as check-bus does.
CHECK		+= check-client-asan

.PHONY: check-client check-client-asan
check-client: $(B)/client/nvmxctl $(B)/daemon/nvmxd $(B)/tests/bus/loopback-kernel $(B)/tests/bus/call $(B)/tests/bus/old-daemon \
		$(B)/tests/bus/nvmx-account-recorded
	@tests/bus/nvmxctl $(B)
	@tests/bus/nvmxctl-live $(B)
	@tests/bus/nvmxctl-account $(B)
	@tests/bus/nvmxctl-top $(B)
	@tests/bus/nvmxctl-monitor $(B)
	@tests/bus/nvmxctl-completion $(B)
	@tests/bus/nvmxctl-screen $(B)
	@tests/bus/nvmxctl-edit $(B)
	@tests/bus/nvmxctl-examples $(B)
	@tests/bus/nvmxctl-bad $(B)
	@tests/bus/nvmxctl-password $(B)

check-client-asan:
	@$(MAKE) --no-print-directory SANITIZE=address,undefined check-client
