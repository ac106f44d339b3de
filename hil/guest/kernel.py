"""The guest's kernel: Debian's, fetched when first used and kept under .cache; and the first files that it sees."""

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hil.farends.fetch import cached
from hil.farends.pins import LINUX

DEBIAN_PACKAGES: Final = ("qemu-system-x86", "busybox-static", "cpio", "kmod", "udev", "iw", "hostapd", "wpasupplicant")
_PROOFS: Final = ("qemu-system-x86_64", "busybox", "cpio", "modprobe", "udevadm", "iw", "hostapd", "wpa_supplicant")
_META: Final = "linux-image-amd64"
_INIT: Final = Path(__file__).with_name("init.sh")
_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT: Final = (
    "./boot/vmlinuz-*",
    "./lib/modules/*/modules.*",
    *(
        f"./lib/modules/*/kernel/{part}/*"
        for part in (
            "crypto",
            "drivers/net/net_failover.ko",
            "drivers/net/virtio_net.ko",
            "drivers/net/wireless",
            "drivers/usb",
            "drivers/virtio",
            "fs/9p",
            "fs/configfs",
            "fs/fscache",
            "fs/netfs",
            "lib/crypto",
            "net/802",
            "net/9p",
            "net/core",
            "net/mac80211",
            "net/rfkill",
            "net/wireless",
        )
    ),
    "./lib/modules/*/kernel/drivers/net/net_failover.ko",
    "./lib/modules/*/kernel/drivers/net/virtio_net.ko",
)
"""What is unpacked of a package of 400 MB."""
_AT_FIRST: Final = ("virtio_pci", "9pnet_virtio", "9p", "virtio_net")
"""Modules without which the guest sees neither files nor the test."""


class MissingGuest(Exception):
    """What the guest needs cannot be had here; the message says what to install."""


def linux() -> Path:
    """A folder with boot/ and lib/modules/ of the pinned series. Raises MissingGuest."""
    missing = [package for package, proof in zip(DEBIAN_PACKAGES, _PROOFS, strict=True) if not _found(proof)]
    if missing or platform.machine() != "x86_64":
        raise MissingGuest(f"a computer with x86-64, and: apt install {' '.join(missing)}")
    return cached(f"linux-{LINUX.version}", "\n".join(_KEPT).encode(), _unpack)


def first_files(kernel: Path, settings: Mapping[str, str], folder: Path) -> Path:
    """An archive in `folder` with the first file system: init.sh with its settings, busybox, and modules."""
    root = folder / "first"
    for name in ("bin", "lib", "proc", "sys", "dev", "mnt"):
        (root / name).mkdir(parents=True)
    shutil.copy(_found("busybox") or "", root / "bin" / "busybox")
    shutil.copy(_INIT, root / "init")
    (root / "init").chmod(0o755)
    (root / "settings").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))
    modules = _with_dependencies(kernel, _AT_FIRST)
    for module in modules:
        shutil.copy(module, root / "lib" / module.name)
    (root / "modules").write_text("".join(f"{module.name}\n" for module in modules))
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = folder / "first.cpio"
    with archive.open("wb") as out:
        command = ["cpio", "--create", "--format=newc", "--quiet"]
        subprocess.run(command, input=names.encode(), stdout=out, cwd=root, check=True)
    shutil.rmtree(root)
    return archive


def image(kernel: Path) -> Path:
    return next((kernel / "boot").glob("vmlinuz-*"))


def version(kernel: Path) -> str:
    """As `uname -r` tells it."""
    return image(kernel).name.removeprefix("vmlinuz-")


def _unpack(folder: Path) -> None:
    folder.mkdir()
    if not (name := _newest()) and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
        name = _newest()
    if not name.startswith(f"linux-image-{LINUX.version}."):
        raise MissingGuest(f"{_META} of Debian is {name or 'not known'} and not Linux {LINUX.version}: apt-get update")
    subprocess.run(["apt-get", "download", "-qq", name], cwd=folder, check=True, capture_output=True)
    package = next(folder.glob("*.deb"))
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacking:
        subprocess.run(
            ["tar", "--extract", "--directory", folder, "--wildcards", "--no-same-owner", *_KEPT],
            stdin=unpacking.stdout,
            capture_output=True,
            check=False,  # a pattern that matches nothing is told as an error; what is missing, modprobe tells
        )
    package.unlink()
    subprocess.run([_found("depmod") or "depmod", "-b", folder, version(folder)], check=True, capture_output=True)


def _newest() -> str:
    """The package with the kernel that Debian's meta package stands for; empty if apt knows none."""
    told = subprocess.run(["apt-cache", "depends", _META], capture_output=True, text=True, check=False).stdout
    return next((line.split()[-1] for line in told.splitlines() if "Depends: linux-image-" in line), "")


def _with_dependencies(kernel: Path, modules: Sequence[str]) -> list[Path]:
    """Files of modules, in an order in which they can be loaded."""
    found: dict[Path, None] = {}
    for module in modules:
        command = [_found("modprobe") or "", "-d", str(kernel), "-S", version(kernel), "--show-depends", module]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found |= dict.fromkeys(Path(line.split()[1]) for line in told.splitlines() if line.startswith("insmod "))
    return list(found)


def _found(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_PATH}")
