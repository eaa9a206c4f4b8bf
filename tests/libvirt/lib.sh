# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A libvirtd of the test's own, for what tests/bus/lib.sh sets up: configuration,
# state and sockets are in the namespace, so the host's libvirt is left alone.
# Domains are QEMU without KVM; in KVM's place a child of QEMU tells the kernel's
# stand-in of a VM, while the guest does not run yet.

NS=urn:nvmx:domain-policy:1

make_libvirt_scene() {
	local dir
	mount -t tmpfs tmpfs /run
	for dir in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
		mkdir -p $dir
		mount -t tmpfs tmpfs $dir
	done
	# Nor is it to find the host's control groups, or a network to set up.
	mount -t tmpfs tmpfs /sys/fs/cgroup

	# Who may read or write is polkit's decision, as it is on a host.
	cat >/etc/libvirt/libvirtd.conf <<-END
	unix_sock_ro_perms = "0777"
	unix_sock_rw_perms = "0777"
	auth_unix_ro = "polkit"
	auth_unix_rw = "polkit"
	END
	cat >/etc/libvirt/qemu.conf <<-END
	security_driver = "none"
	cgroup_controllers = []
	namespaces = []
	user = "root"
	group = "root"
	stdio_handler = "file"
	remember_owner = 0
	END

	# Of the same name on every host, as a domain that migrates wants it.
	EMULATOR=/run/nvmx-test/qemu-system-x86_64
	mkdir "$T/ids" "$T/policy.d" "${EMULATOR%/*}"
	cat >"$EMULATOR" <<-END
	#!/bin/bash
	# libvirt also runs it to ask what QEMU can do; that is no domain.
	if [[ "\$*" =~ guest=([^,]+).*\ -uuid ]]; then
		(until [[ \$(tr '\0' ' ' </proc/\$\$/cmdline) == /usr/bin/qemu*" -uuid "* ]]; do sleep 0.01; done
		"$T/bin/loopback-kernel" --tell "$T/kernel/nvmx" create \$\$ 1 >"$T/ids/\${BASH_REMATCH[1]}"
		) </dev/null >/dev/null 2>&1 &
	fi
	exec /usr/bin/qemu-system-x86_64 "\$@"
	END
	chmod 755 "$EMULATOR"

	cp "$B/daemon/libvirt/nvmx-libvirt" "$T/bin"
	[[ ! ${VALGRIND-} ]] || put_valgrind_before nvmx-libvirt
	cp "$SOURCE"/policy/*.json "$T/policy.d"
	cat >"$T/policy.d/50-web.json" <<-END
	{ "name": "web", "description": "for the test", "extends": "stock",
	  "fields": { "HOST_RSP": "read-write" }, "match": [ { "domain": "web-*" } ] }
	END
	chmod -R a+rX "$T/policy.d"
}

answers() { virsh -q -r -c qemu:///system uri; }

start_libvirtd() {
	unshare --net --ipc libvirtd >>"$T/libvirtd.log" 2>&1 &
	libvirtd_pid=$!
	soon answers || { echo "Bail out! libvirtd: $(tail -n 3 "$T/libvirtd.log")"; exit 1; }
}

# stop_libvirtd [SIGNAL]: domains go on
stop_libvirtd() {
	kill "${1--TERM}" $libvirtd_pid
	wait $libvirtd_pid 2>/dev/null
}

# ---- nvmx-libvirt ----

# nvmx_libvirt UID OPTION...: appends to $T/nvmx-libvirt.log; its pid is in $!
nvmx_libvirt() {
	local uid=$1; shift
	setpriv --reuid="$uid" --regid="$uid" --clear-groups --inh-caps=-all --bounding-set=-all \
		"$T/bin/nvmx-libvirt" --config-dir="$T/config" "$@" 2>>"$T/nvmx-libvirt.log" &
}

start_source() { nvmx_libvirt $LIBVIRT_UID "$@"; source_pid=$!; }
start_statistics() { nvmx_libvirt $STATISTICS_UID --statistics "$@"; statistics_pid=$!; }

# By SIGTERM a source has nothing to finish, and so does not look for what it lost.
# stop_source [SIGNAL]: its status is in $source_status
stop_source() {
	kill "${1--INT}" "$source_pid"
	wait "$source_pid" 2>/dev/null
	source_status=$?
}

stop_statistics() {
	kill "${1--TERM}" "$statistics_pid"
	wait "$statistics_pid" 2>/dev/null
	statistics_status=$?
}

libvirt_is() { prop_is manager Libvirt "$1"; }

virsh() { command virsh -q -c qemu:///system "$@" >>"$T/virsh.log" 2>&1; }

uuid_of() { command virsh -q -r -c qemu:///system domuuid "$1" | head -n 1; }

# domain_xml NAME [METADATA [UUID]]
domain_xml() {
	cat >"$T/$1.xml" <<-END
	<domain type='qemu'>
	  <name>$1</name>
	  ${3:+<uuid>$3</uuid>}
	  <metadata>${2-}</metadata>
	  <memory unit='MiB'>16</memory>
	  <os><type arch='x86_64' machine='pc'>hvm</type></os>
	  <devices>
	    <emulator>$EMULATOR</emulator>
	    <controller type='usb' model='none'/>
	    <memballoon model='none'/>
	    <audio id='1' type='none'/>
	  </devices>
	</domain>
	END
	echo "$T/$1.xml"
}

# define NAME [METADATA]
define() { virsh define "$(domain_xml "$@")"; }

# start NAME [OPTION]: its VM's id is in $vm then
start() {
	rm -f "$T/ids/$1"
	virsh start "$@" && soon test -s "$T/ids/$1" || return
	vm=$(<"$T/ids/$1")
}

# destroy NAME ID
destroy() {
	virsh destroy "$1" || return
	kernel gone "$2"
}

# set_metadata NAME --live|--config|"--live --config" XML
set_metadata() { virsh metadata "$1" $NS $2 --key nvmx --set "$3"; }
remove_metadata() { virsh metadata "$1" $NS "$2" --remove; }

# ---- what is in force ----

# state ID: base policy and source on the bus, what the kernel has
state() {
	local text
	text=$(kernel policy "$1" | head -n 1)
	text=${text#*label=}
	echo "$(prop "$1" Policy) $(prop "$1" PolicySource) kernel=${text%% *}"
}

# in_force ID POLICY SOURCE
in_force() { [[ $(state "$1") == "$2 $3 kernel=$3:$2" ]]; }

# all but the label: a VM that nobody touched has none
untouched() { [[ $(state "$1") == "stock default kernel=" && $(generation "$1") == 0 ]]; }

generation() {
	local text
	text=$(kernel policy "$1" | head -n 1)
	text=${text#generation=}
	echo "${text%% *}"
}

# The class that the kernel has for a field; intercept is not listed.
class() {
	local line
	line=$(kernel policy "$1" | grep "^$2=") || { echo intercept; return; }
	echo "${line#*=}"
}

error_is_like() { [[ $(prop "$1" PolicyError) =~ $2 ]]; }
