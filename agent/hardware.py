"""What this computer is known by: reads serial numbers and addresses of its parts. Nothing of it leaves unhashed."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

from contract.machine import MAX_FACTS, Part, fact

ROOT_VARIABLE = "FABFLEET_HOST_ROOT"
"""Where the system's files are, when the agent runs in a container: the host's `/` as it is mounted there."""
_FILES = (
    (Part.SYSTEM, "etc/machine-id"),
    (Part.SERIAL, "sys/class/dmi/id/product_serial"),
    (Part.BOARD, "sys/class/dmi/id/board_serial"),
    (Part.BOARD, "sys/class/dmi/id/product_uuid"),
    (Part.BOARD, "sys/firmware/devicetree/base/serial-number"),
)
_DISKS = ("serial", "wwid", "device/serial", "device/wwid", "device/cid")
_MOST_OF_A_KIND = 4


def host_root() -> Path:
    return Path(os.environ.get(ROOT_VARIABLE, "/"))


def machine_facts(salt: str, root: Path) -> tuple[str, ...]:
    """Sorted; as many as can be read. Serial numbers of the board are for root alone on Linux."""
    parts = _of_windows() if os.name == "nt" else _of_linux(root)
    return tuple(sorted({each for part, text in parts if (each := fact(part, text, salt))}))[:MAX_FACTS]


def _of_linux(root: Path) -> Iterator[tuple[Part, str]]:
    for part, name in _FILES:
        yield part, _text(root / name)
    for card in _cards(root / "sys/class/net"):
        yield Part.MAC, _text(card / "address")
    for disk in _own_disks(root / "sys/block"):
        yield Part.DISK, next(filter(None, (_text(disk / name) for name in _DISKS)), "")


def _cards(folder: Path) -> list[Path]:
    """Network cards that are built in: no bridge, no tunnel, and nothing that hangs on USB and moves about."""
    try:
        cards = sorted(each for each in folder.iterdir() if (each / "device").exists())
    except OSError:
        return []
    fixed = [each for each in cards if "usb" not in os.fspath((each / "device").resolve())]
    return (fixed or cards)[:_MOST_OF_A_KIND]


def _own_disks(folder: Path) -> list[Path]:
    try:
        disks = sorted(each for each in folder.iterdir() if each.name.startswith(("sd", "nvme", "mmcblk", "vd")))
    except OSError:
        return []
    return [each for each in disks if "boot" not in each.name and _text(each / "removable") != "1"][:1]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""


def _of_windows() -> Iterator[tuple[Part, str]]:
    import psutil

    yield Part.SYSTEM, _registry(r"SOFTWARE\Microsoft\Cryptography", "MachineGuid")
    yield Part.BOARD, _registry(r"SYSTEM\CurrentControlSet\Control\SystemInformation", "ComputerHardwareId")
    try:
        adapters = sorted(psutil.net_if_addrs().items())
    except (OSError, RuntimeError):  # psutil's where Windows does not list its adapters just now: the others will do
        return
    for _, addresses in adapters[:_MOST_OF_A_KIND]:
        for each in addresses:
            if each.family == psutil.AF_LINK:
                yield Part.MAC, each.address


def _registry(key: str, name: str) -> str:
    winreg = importlib.import_module("winreg")  # only Windows has it
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
            return str(winreg.QueryValueEx(opened, name)[0])
    except OSError:
        return ""
