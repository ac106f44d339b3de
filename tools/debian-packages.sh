#!/bin/sh
# The Debian packages that the tests need beside Python: installs the missing ones as root, else names them and fails.
set -eu

# package:proof, where the proof is a command, or a file for what has none; it counts wherever it came from
needed="busybox-static:/usr/share/doc/busybox-static/copyright chromium-headless-shell:chromium-headless-shell
        cpio:cpio debootstrap:debootstrap
        firmware-microbit-micropython:/usr/share/firmware-microbit-micropython/firmware.hex
        gcc:gcc git:git hostapd:hostapd iw:iw kmod:modprobe libcap-dev:/usr/include/sys/capability.h
        libmagic1:/usr/lib/$(uname -m)-linux-gnu/libmagic.so.1 libturbojpeg0:/usr/lib/$(uname -m)-linux-gnu/libturbojpeg.so.0
        iproute2:ip khal:khal
        libelf-dev:/usr/include/libelf.h
        libsimavr-dev:/usr/include/simavr/sim_avr.h mosquitto:mosquitto openssl:openssl postgresql:pg_ctlcluster
        procps:pgrep qemu-system-arm:qemu-system-arm qemu-system-x86:qemu-system-x86_64 snmp:snmptrap snmpd:snmpd systemd:systemd-analyze systemd-container:systemd-nspawn udev:udevadm wine:wine wine64:/usr/lib/wine/wine64
        wpasupplicant:wpa_supplicant zabbix-agent2:zabbix_agent2"

PATH="$PATH:/usr/sbin:/sbin"
missing=""
for pair in $needed; do
    proof="${pair#*:}"
    command -v "$proof" >/dev/null 2>&1 || [ -e "$proof" ] || missing="$missing ${pair%%:*}"
done
"${PYTHON:-python3}" -c "import ensurepip, venv" 2>/dev/null || missing="$missing python3-venv"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These Debian packages are missing:$missing" >&2
    echo "Install them:  sudo apt install$missing" >&2
    exit 1
fi
echo "==> Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing
