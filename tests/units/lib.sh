# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A host to install units on: the system manager of systemd as process 1 of namespaces of its
# own, on a copy-on-write view of this host's file system, in which the packages are and into
# which `make install` puts ours.  Nothing of it reaches the host, and it ends with the script.
#
# It needs what tests/bus/lib.sh does, of which it has the rest.

. "$SOURCE/tests/bus/lib.sh"

# ---- the host ----

# make_root LOWER: $R is a copy-on-write view of that, with nothing running
make_root() {
	T=$(mktemp -d /tmp/nvmx-units.XXXXXX)
	trap end_host EXIT
	mount -t tmpfs tmpfs "$T"
	mkdir "$T"/{upper,work,root,cgroup}
	R=$T/root
	mount -t overlay -o lowerdir="$1",upperdir="$T/upper",workdir="$T/work" overlay "$R"

	# What this host has set up and enabled is not of the test's.
	rm -rf "$R"/etc/systemd/system "$R"/etc/nvmx "$R"/etc/udev/rules.d
	rm -rf "$R"/{run,tmp,var/tmp,var/log}/*
	mkdir -p "$R"/etc/systemd/system "$R"/tmp "$R"/run
	: >"$R/etc/fstab"
	printf '%032d\n' 1 >"$R/etc/machine-id"
	echo nvmx-units >"$R/etc/hostname"
	touch "$R/etc/.updated" "$R/var/.updated"
	for unit in sys-kernel-{debug,tracing,config}.mount sys-fs-fuse-connections.mount dev-{hugepages,mqueue}.mount; do
		ln -s /dev/null "$R/etc/systemd/system/$unit"
	done

	mount -t tmpfs -o mode=755 tmpfs "$R/run"
	mount -t tmpfs tmpfs "$R/tmp"
	make_devices
}

# make_host: this host, with what `make install` puts there
make_host() {
	make_root /
	grep -v '^nvmx' /etc/passwd >"$R/etc/passwd"
	grep -v '^nvmx' /etc/group >"$R/etc/group"
	make -s -C "$SOURCE" install-units install-daemon install-nvmx-libvirt install-nvmx-account install-client install-policy DESTDIR="$R" >"$T/install.log" 2>&1 ||
		{ echo "Bail out! make install: $(<"$T/install.log")"; exit 1; }
	chroot "$R" systemd-sysusers 2>>"$T/install.log"
	chroot "$R" systemd-tmpfiles --create nvmx.conf 2>>"$T/install.log"
}

# The nodes of drivers that are there or not: who may open them is asked before that.
make_devices() {
	mount -t tmpfs -o mode=755 tmpfs "$R/dev"
	mkdir "$R"/dev/{pts,shm,net}
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$R/dev/pts"
	ln -s pts/ptmx "$R/dev/ptmx"
	mknod -m 666 "$R/dev/null" c 1 3
	mknod -m 666 "$R/dev/zero" c 1 5
	mknod -m 666 "$R/dev/full" c 1 7
	mknod -m 666 "$R/dev/random" c 1 8
	mknod -m 666 "$R/dev/urandom" c 1 9
	mknod -m 666 "$R/dev/tty" c 5 0
	mknod -m 666 "$R/dev/net/tun" c 10 200
	mknod -m 666 "$R/dev/fuse" c 10 229
}

# start_host: boots $R as far as services go, in a control group below this process's, in
# the unified hierarchy
start_host() {
	mount -t cgroup2 cgroup2 "$T/cgroup"
	cgroup=$(mktemp -d "$T/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/nvmx-units.XXXXXX")
	(
		echo $BASHPID >"$cgroup/cgroup.procs"
		exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup \
			--propagation private "$SOURCE/tests/units/init" "$R"
	) >"$T/console" 2>&1 &
	unshare_pid=$!
	soon is_up || { echo "Bail out! systemd: $(<"$T/console")"; exit 1; }
	{ on journalctl --quiet --follow --output=cat --unit=nvmxd; } >>"$T/nvmxd.log" 2>/dev/null &
	{ on journalctl --quiet --follow --output=cat --unit=nvmx-libvirt; } >>"$T/nvmx-libvirt.log" 2>/dev/null &
}

end_host() {
	[[ ! ${init_pid-} ]] || kill -KILL "$init_pid"
	wait
	[[ ! ${cgroup-} ]] || find "$cgroup" -depth -type d -exec rmdir {} +
	umount -R -l "$T"
	rmdir "$T"
}

is_up() {
	init_pid=$(pgrep --parent $unshare_pid --exact systemd) &&
		on systemctl is-active --quiet basic.target
}

# on COMMAND...: as root of that host
on() { nsenter --target="$init_pid" --mount --uts --ipc --net --pid --cgroup -- "$@"; }
