# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sourced by what makes the disks of machines with a whole Debian (full/make-image,
# dkms/make-image).  They set: kernel (what get-kernel made) and its release; root, the
# Debian, which is changed; work, for temporary files; out, where root.img, initrd and
# vmlinux go.

# What is loaded in the machine, by whom ever.  Signatures and debug information are
# stripped: to check the former alone takes an emulated machine seconds.
modules_of() {	# NAME...: files, dependencies first
	modprobe -d "$kernel/root" -S "$release" --show-depends -a "$@" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}
initrd_modules=(crc32c_generic ext4 ata_piix sd_mod)
root_modules=("${initrd_modules[@]}" autofs4 kvm_intel msr tun)
image_here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

add_modules() {
	local m

	for m in $(modules_of "${root_modules[@]}"); do
		mkdir -p "$root/usr$(dirname "${m#"$kernel/root"}")"
		cp "$m" "$root/usr${m#"$kernel/root"}"
	done
	cp "$kernel/root/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} \
		"$root/usr/lib/modules/$release/"
	find "$root/usr/lib/modules" -name '*.ko' -exec strip --strip-debug {} +
	depmod -b "$root" "$release"
}

# apt_install DEB...: as apt does it on a host; what they depend on is there.  In a mount
# namespace, which ends with what it mounts.
apt_install() {
	local deb names=()

	for deb; do
		cp "$deb" "$root/"
		names+=("/${deb##*/}")
	done
	# shellcheck disable=SC2016
	unshare --mount --propagation private bash -c '
		root=$1 && shift && mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
		exec env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" \
			apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root install "$@"' \
		- "$root" "${names[@]}" </dev/null
	(cd "$root" && rm "${names[@]#/}")
}

# Nobody waits for a console, a network, a file system check or housekeeping here.
configure() {
	echo nvmx-machine >"$root/etc/hostname"
	echo 6e766d782d6d616368696e652d303031 >"$root/etc/machine-id"
	: >"$root/etc/fstab"
	printf '127.0.0.1 localhost nvmx-machine\n' >"$root/etc/hosts"
	chroot "$root" passwd -q -d root
	chroot "$root" systemd-sysusers
	systemctl_root set-default multi-user.target
	# shellcheck disable=SC2046
	systemctl_root mask $(grep -v '^#' "$image_here/masked-units")
	touch "$root/etc/.updated" "$root/var/.updated"
}

systemctl_root() {
	chroot "$root" systemctl --quiet "$@" 2>/dev/null
}

make_initrd() {
	local i=$work/initrd m

	mkdir -p "$i"/{bin,dev,proc,sys,mods,root}
	cp /bin/busybox "$i/bin/"
	cp "$image_here/init" "$i/init"
	chmod 755 "$i/init"
	for m in $(modules_of "${initrd_modules[@]}"); do
		cp "$m" "$i/mods/"
		basename "$m" >>"$i/mods/order"
	done
	strip --strip-debug "$i"/mods/*.ko
	(cd "$i" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$out/initrd"
}

make_disk() {
	rm -f "$out/root.img"
	# whole cylinders of 16 heads and 63 sectors, as bochs wants them: about 1.5 GB
	truncate -s $((516096 * 3000)) "$work/root.img"
	mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -E lazy_itable_init=1 -m 0 -L root \
		-d "$root" "$work/root.img"
	ln -sfn "$kernel/vmlinux" "$out/vmlinux"
	mv "$work/root.img" "$out/root.img"
}
