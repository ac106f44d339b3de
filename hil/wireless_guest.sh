#!/bin/bash
# Records tests/transcripts/nl80211/*.txt: boots Debian's kernel in QEMU with two simulated radios (mac80211_hwsim), joins
# one to an access point (hostapd, WPA2) on the other, and lets hil.record_wireless talk to that kernel.
#
# As root, with: qemu-system-x86 busybox-static cpio kmod iw iproute2 hostapd wpasupplicant.
#   hil/wireless_guest.sh KERNEL_FOLDER OUT_FOLDER
# KERNEL_FOLDER holds an unpacked linux-image package (apt-get download linux-image-..., dpkg-deb -x). Takes a minute or two.
set -euo pipefail
kernel=$(realpath "$1") out=$(realpath -m "$2") repo=$(realpath "$(dirname "$0")/..")
version=$(basename "$kernel"/lib/modules/*)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/root"/{bin,lib,proc,sys,dev,mnt}
[ -e "$kernel/lib/modules/$version/modules.dep.bin" ] || depmod -b "$kernel" "$version"

# The first root file system: busybox and the modules that mount the host's root, read-only.
cp /bin/busybox "$work/root/bin/"
: > "$work/root/modules"
for wanted in virtio_pci 9pnet_virtio 9p; do
    modprobe -d "$kernel" -S "$version" --show-depends "$wanted" | awk '$1 == "insmod" {print $2}' | while read -r file; do
        [ -e "$work/root/lib/$(basename "$file")" ] && continue
        cp "$file" "$work/root/lib/"; basename "$file" >> "$work/root/modules"
    done
done
cat > "$work/root/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc p /proc; $b mount -t sysfs s /sys; $b mount -t devtmpfs d /dev
for m in $($b cat /modules); do $b insmod /lib/$m; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,ro hostroot /mnt
for m in proc sys dev; do $b mount --bind /$m /mnt/$m; done
$b mount -t tmpfs t /mnt/run
$b cp /guest.sh /mnt/run/guest.sh
$b chroot /mnt /bin/bash /run/guest.sh 2>&1
$b poweroff -f
INIT
cat > "$work/root/guest.sh" <<GUEST
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1; cd /run
record() { echo "RECORD \$1"; cd $repo; .venv/bin/python -m hil.record_wireless; cd /run; echo RECORD-END; }
for m in mac80211_hwsim ccm ctr cmac gcm; do modprobe -d $kernel \$m \$([ \$m = mac80211_hwsim ] && echo radios=2); done
ip link set lo up
record not-connected
printf '%s\n' interface=wlan0 driver=nl80211 ssid=Fabfleet-Lab hw_mode=g channel=6 ieee80211n=1 wpa=2 wpa_key_mgmt=WPA-PSK \
    wpa_passphrase=recording-only rsn_pairwise=CCMP > h.conf
printf '%s\n' 'network={' ' ssid="Fabfleet-Lab"' ' psk="recording-only"' '}' > w.conf
hostapd -B h.conf
ip netns add station; iw phy phy1 set netns name station
ip addr add 10.77.0.1/24 dev wlan0
record access-point
in="ip netns exec station"; \$in ip link set lo up
\$in wpa_supplicant -B -i wlan1 -c /run/w.conf -D nl80211
for i in \$(seq 120); do \$in iw dev wlan1 link | grep -q SSID && break; sleep .5; done
\$in ip addr add 10.77.0.2/24 dev wlan1; \$in bash -c 'for i in {1..50}; do echo hello > /dev/udp/10.77.0.1/9; sleep .05; done'
\$in iw dev wlan1 link; \$in iw dev wlan1 station dump; \$in iw dev wlan1 info
\$in bash -c "cd $repo; mount -t sysfs s /sys; echo 'RECORD connected'; .venv/bin/python -m hil.record_wireless; echo RECORD-END;
    .venv/bin/python -c 'from firmware_bridges.wireless import wireless_links; print(\"SHELL\", wireless_links())'"
GUEST
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd.gz"
timeout 300 qemu-system-x86_64 -M q35,accel=tcg -cpu qemu64 -m 768 -smp 1 -nographic -no-reboot -net none \
    -kernel "$kernel"/boot/vmlinuz-* -initrd "$work/initrd.gz" -append "console=ttyS0 quiet panic=-1" \
    -fsdev local,id=r,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=r,mount_tag=hostroot \
    < /dev/null | tr -d '\r' | tee "$out/console.log" | awk -v out="$out" -v kernel="$version" '
        $1 == "RECORD" { file = out "/" $2 ".txt"; state = $2
            print "# nl80211, " state ": Linux " kernel " x86-64 under QEMU, radios of mac80211_hwsim, hostapd 2.10 and wpa_supplicant." > file
            print "# Recorded by hil/wireless_guest.sh. > is a request, < one datagram of the kernel, in hexadecimal." > file; next }
        $1 == "RECORD-END" { file = "" }
        file != "" { print > file }'
