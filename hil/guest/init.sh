#!/bin/busybox sh
# The first program of the guest. It mounts the root of the machine that it runs on, read-only, and there starts the
# process that takes the orders of a test (hil/guest/inside.py). When that ends, the guest is switched off.
b=/bin/busybox
. /settings
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules); do $b insmod "/lib/$module"; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro root /mnt
for folder in proc sys dev; do $b mount --bind "/$folder" "/mnt/$folder"; done
$b mkdir -p /mnt/dev/pts
$b mount -t devpts pts /mnt/dev/pts
$b mount -t tmpfs run /mnt/run
$b mount -t debugfs debug /mnt/sys/kernel/debug
$b ifconfig lo 127.0.0.1 up
$b ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 python repo port key
$b chroot /mnt /bin/sh -c 'cd "$repo" && exec "$python" -c "from hil.guest.inside import main; main()" "$port" "$key"'
$b poweroff -f
