"""Whether the state folder outlives a restart of this computer: on a disk that is frozen, or in memory, it does not."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Protocol

from agent.findings import Finding, Trouble, Verdict, good
from device_profiles.profile import Words

_WHAT = Words("state after a restart", "trạng thái sau khi khởi động lại")
_FORGETFUL = frozenset({"overlay", "overlayfs", "tmpfs", "ramfs"})
"""File systems that keep changes in memory: a Raspberry Pi's overlay, and the like."""
FREEZERS = {"DFServ": "Deep Freeze", "uwfvol": "Unified Write Filter", "diskpt": "Shadow Defender"}
"""Windows services and drivers that freeze the system's drive."""
_DISABLED = 4


class Mounted(Protocol):
    """A mounted file system, as psutil tells it."""

    @property
    def mountpoint(self) -> str: ...

    @property
    def fstype(self) -> str: ...


def frozen(state: Path) -> Finding:
    """Of this computer."""
    if sys.platform == "win32":
        import os

        return on_windows(state.absolute().drive, os.environ.get("SYSTEMDRIVE", "C:"), _freezers())
    else:  # noqa: RET505 - so that each system's half is checked for it alone
        import psutil

        return on_unix(state.absolute(), psutil.disk_partitions(all=True))


def on_unix(state: PurePath, mounted: Iterable[Mounted]) -> Finding:
    """By the file system that `state` is on."""
    holding = [each for each in mounted if state.is_relative_to(each.mountpoint)]
    kind = max(holding, key=lambda each: len(each.mountpoint)).fstype if holding else ""
    if kind in _FORGETFUL:
        return _lost(Words(f"{state} is on {kind}, in memory", f"{state} nằm trên {kind}, trong bộ nhớ"))
    return good("state-lasting", _WHAT, Words("kept", "được giữ"))


def on_windows(drive: str, system: str, freezers: Sequence[str]) -> Finding:
    """By the names of what freezes `system`; what is on another drive is taken to be thawed."""
    if freezers and drive.lower() == system.lower():
        names = ", ".join(freezers)
        return _lost(
            Words(f"{names} is installed, and the state is on {drive}", f"có {names}, và trạng thái ở {drive}")
        )
    return good("state-lasting", _WHAT, Words("kept", "được giữ"))


def _lost(seen: Words) -> Finding:
    cure = Words(
        "Put the state on a drive that is not frozen: install.ps1 -State D:\\Fabfleet, or FABFLEET_STATE. If this"
        " folder is thawed, all is well.",
        "Đặt trạng thái ở ổ không bị đóng băng: install.ps1 -State D:\\Fabfleet, hoặc FABFLEET_STATE. Nếu thư mục này"
        " không bị đóng băng thì không cần sửa.",
    )
    return Trouble("state-frozen", seen, cure, Verdict.DOUBTFUL).of(_WHAT)


if sys.platform == "win32":

    def _freezers() -> list[str]:
        """Those that are installed and not disabled."""
        import winreg

        found = []
        for name, product in FREEZERS.items():
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"SYSTEM\CurrentControlSet\Services\{name}") as key:
                    if winreg.QueryValueEx(key, "Start")[0] != _DISABLED:
                        found.append(product)
            except OSError:
                continue
        return found
