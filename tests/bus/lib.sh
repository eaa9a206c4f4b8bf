# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests of nvmxd on a bus of its own: a mount namespace in which the users, the
# polkit actions and rules are the test's, a dbus-daemon, polkitd, the kernel's
# stand-in, and nvmxd as its own user.  Everything lives in $T and ends with the
# script.
#
#   SOURCE  the source tree		B  where it was built
#   VALGRIND  set: nvmxd runs under valgrind, and what that says is a failure
#
# enter_namespace must come before anything else.

enter_namespace() {
	[[ ${NVMX_TEST_NAMESPACE-} ]] && return
	[[ $(id -u) == 0 ]] || { echo "Bail out! this test needs root"; exit 1; }
	NVMX_TEST_NAMESPACE=1 exec unshare --mount --pid --fork --kill-child --mount-proc \
		--propagation private "$0" "$@"
}

. "$SOURCE/tests/tap.sh"

# soon COMMAND...: within seconds; a minute is for a busy machine, and for what is broken
soon() {
	local end=$((SECONDS + 60))
	while ((SECONDS < end)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

# comes WHAT COMMAND...
comes() {
	local what=$1; shift
	if soon "$@"; then ok "$what"; else not_ok "$what" "never: $*" "$(tail -n 5 "$T/nvmxd.log" 2>/dev/null)"; fi
}

# What all of it says that it is.
VERSION=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$SOURCE/debian/changelog")

# ---- the scene ----

NVMX_UID=64721
OPERATOR_UID=64722
SOURCE_UID=64723
LIBVIRT_UID=64725
STATISTICS_UID=64726
ACCOUNT_UID=64727

add_user() {
	echo "$1:x:$2:$2::/:/usr/sbin/nologin" >>"$T/passwd"
	echo "$1:x:$2:" >>"$T/group"
}

make_scene() {
	T=$(mktemp -d /tmp/nvmx-bus.XXXXXX)
	chmod 755 "$T"
	trap 'rm -rf "$T"' EXIT	# processes end with the pid namespace

	mkdir "$T/bin" "$T/run" "$T/config" "$T/actions" "$T/rules" "$T/services"
	install -d -o $NVMX_UID "$T/kernel"

	# The daemons' users, one for operator_may, and one for a source of settings.
	grep -v '^nvmx' /etc/passwd >"$T/passwd"
	grep -v '^nvmx' /etc/group >"$T/group"
	add_user nvmx $NVMX_UID
	add_user nvmx-operator $OPERATOR_UID
	add_user nvmx-source $SOURCE_UID
	add_user nvmx-libvirt $LIBVIRT_UID
	add_user nvmx-libvirt-statistics $STATISTICS_UID
	add_user nvmx-account $ACCOUNT_UID
	mount --bind "$T/passwd" /etc/passwd
	mount --bind "$T/group" /etc/group

	cp /usr/share/polkit-1/actions/* "$SOURCE"/units/org.nvmx1*.policy "$T/actions"
	cp /usr/share/polkit-1/rules.d/* "$T/rules" 2>/dev/null
	cp "$SOURCE/units/libvirt.rules" "$T/rules/60-nvmx-libvirt.rules"
	chmod -R a+rX "$T/actions" "$T/rules"
	mount --bind "$T/actions" /usr/share/polkit-1/actions
	mount --bind "$T/rules" /usr/share/polkit-1/rules.d

	# Where anybody can run them.
	cp "$B/daemon/nvmxd" "$B/tests/bus/loopback-kernel" "$B/tests/bus/call" "$T/bin"
	[[ ! -e $B/tests/bus/nvmx-account-recorded ]] || put_account
	[[ ! ${VALGRIND-} ]] || put_valgrind_before nvmxd
	cp /bin/bash "$T/bin/qemu-system-x86_64"
	mkfifo -m 666 "$T/never"

	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/run/bus
	start_bus
	start_polkit
}

# nvmx-account, which D-Bus starts, with what was recorded instead of what looks at KVM.
put_account() {
	cp "$B/tests/bus/nvmx-account-recorded" "$T/bin"
	cp "$SOURCE/tests/bus/account.json" "$T/account.json"
	cat >"$T/bin/start-account" <<-END
	#!/bin/sh
	export NVMX_RECORDED="$T/account.json"
	[ ! -e "$T/account.error" ] || export NVMX_RECORDED_ERROR="\$(cat "$T/account.error")"
	exec setpriv --reuid=$ACCOUNT_UID --regid=$ACCOUNT_UID --clear-groups "$T/bin/nvmx-account-recorded" 2>>"$T/account.log"
	END
	chmod 755 "$T/bin/start-account"
	chmod a+r "$T/account.json"
	printf '[D-BUS Service]\nName=org.nvmx1.Account\nExec=%s\nUser=root\n' "$T/bin/start-account" \
		>"$T/services/org.nvmx1.Account.service"
}

# libvirt's library keeps what it made once until the end: only what is lost is a leak.
put_valgrind_before() {
	mv "$T/bin/$1" "$T/bin/$1.bin"
	cat >"$T/bin/$1" <<-END
	#!/bin/sh
	exec valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
		--log-file="$T/valgrind/%p" "$T/bin/$1.bin" "\$@"
	END
	chmod 755 "$T/bin/$1"
	install -d -m 777 "$T/valgrind"
	before_finish() {
		holds "valgrind looked on" test -n "$(ls "$T/valgrind")"
		is "and has nothing to say" "" "$(cat "$T"/valgrind/*)"
	}
}

start_bus() {
	cat >"$T/bus.conf" <<-END
	<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
	 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
	<busconfig>
	  <type>system</type>
	  <listen>unix:path=$T/run/bus</listen>
	  <servicedir>$T/services</servicedir>
	  <auth>EXTERNAL</auth>
	  <policy context="default">
	    <allow user="*"/>
	    <deny own="*"/>
	    <deny send_type="method_call"/>
	    <allow send_type="signal"/>
	    <allow send_requested_reply="true" send_type="method_return"/>
	    <allow send_requested_reply="true" send_type="error"/>
	    <allow receive_type="method_call"/>
	    <allow receive_type="method_return"/>
	    <allow receive_type="error"/>
	    <allow receive_type="signal"/>
	    <allow send_destination="org.freedesktop.DBus"/>
	  </policy>
	  <include>/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf</include>
	  <include>$SOURCE/units/org.nvmx1.conf</include>
	  <include>$SOURCE/units/org.nvmx1.Account.conf</include>
	  <policy user="nvmx-source"><allow send_interface="org.nvmx1.Sources"/></policy>
	  <policy user="nvmx-operator"><allow send_interface="org.nvmx1.Sources"/></policy>
	  <policy user="root"><allow send_interface="org.nvmx1.Sources"/></policy>
	</busconfig>
	END
	dbus-daemon --config-file="$T/bus.conf" --nofork --nopidfile 2>"$T/bus.log" &
	bus_pid=$!
	soon test -S "$T/run/bus" || { echo "Bail out! dbus-daemon: $(<"$T/bus.log")"; exit 1; }
}

has_name() { [[ $(busctl call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s "$1") == "b true" ]]; }
lacks_name() { ! has_name "$1"; }

start_polkit() {
	/usr/lib/polkit-1/polkitd >"$T/polkit.log" 2>&1 &
	polkit_pid=$!
	soon has_name org.freedesktop.PolicyKit1 || { echo "Bail out! polkitd: $(<"$T/polkit.log")"; exit 1; }
}

stop_polkit() {
	kill $polkit_pid
	wait $polkit_pid 2>/dev/null
	soon lacks_name org.freedesktop.PolicyKit1
}

# operator_may EXPRESSION: change a VM without a password, by a rule; and nothing else
operator_may() {
	cat >"$T/rules/00-nvmx-operator.rules" <<-END
	polkit.addRule(function(action, subject) {
		if (action.id == "org.nvmx1.set-policy" && subject.user == "nvmx-operator")
			return $1 ? polkit.Result.YES : polkit.Result.NO;
	});
	END
	chmod a+r "$T/rules/00-nvmx-operator.rules"
	stop_polkit
	start_polkit
}

# operator ID METHOD ARG...: as vm does, by that operator
operator() { local path; path=$(vm_path "$1"); shift; as $OPERATOR_UID "$T/bin/call" "$path" org.nvmx1.VM "$@"; }

# start_kernel [no-nested|no-shadow-vmcs|own-list|abi-2|no-executable]
start_kernel() {
	"$T/bin/loopback-kernel" "$SOURCE/tests/bus/fields.txt" "$T/kernel/nvmx" "$@" 2>"$T/kernel.log" &
	kernel_pid=$!
	soon test -S "$T/kernel/nvmx"
}

kernel() { "$T/bin/loopback-kernel" --tell "$T/kernel/nvmx" "$@"; }

stop_kernel() {
	kernel unload
	wait $kernel_pid
}

# start_daemon OPTION...: appends to $T/nvmxd.log
start_daemon() {
	setpriv --reuid=$NVMX_UID --regid=$NVMX_UID --clear-groups --inh-caps=-all --bounding-set=-all \
		"$T/bin/nvmxd" --link="loopback:$T/kernel/nvmx" --config-dir="$T/config" "$@" 2>>"$T/nvmxd.log" &
	daemon_pid=$!
	soon has_name org.nvmx1
}

# A process that looks like a QEMU; its pid is in $process_pid.
start_process() {
	"$T/bin/qemu-system-x86_64" -c "read -r _ <'$T/never'" "$@" &
	process_pid=$!
	# Until it has become that program, it has this one's command line.
	soon grep -q "$T/never" "/proc/$process_pid/cmdline"
}

# ---- the bus ----

MANAGER=/org/nvmx1

vm_path() { echo "$MANAGER/vm/$1"; }

# prop ID|manager NAME, without the type
prop() {
	local path=$MANAGER interface=org.nvmx1.Manager text
	[[ $1 == manager ]] || { path=$(vm_path "$1"); interface=org.nvmx1.VM; }
	text=$(busctl get-property org.nvmx1 "$path" $interface "$2") || return
	text=${text#* }
	[[ $text == '"'*'"' ]] && text=${text#'"'} text=${text%'"'}
	echo "$text"
}

prop_is() { [[ $(prop "$1" "$2") == "$3" ]]; }

# manager METHOD SIGNATURE ARGS...
manager() { busctl call -- org.nvmx1 $MANAGER org.nvmx1.Manager "$@"; }

# vm ID METHOD ARG..., ARG as for call.c: nothing, or the error
vm() { local path; path=$(vm_path "$1"); shift; "$T/bin/call" "$path" org.nvmx1.VM "$@"; }
call_manager() { "$T/bin/call" $MANAGER org.nvmx1.Manager "$@"; }

# as UID COMMAND...
as() {
	local uid=$1; shift
	setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
}

# Everything org.nvmx1 shows, for comparing.
dump_objects() {
	busctl call org.nvmx1 $MANAGER org.freedesktop.DBus.ObjectManager GetManagedObjects
}
