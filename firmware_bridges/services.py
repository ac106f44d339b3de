"""Does a service run? Linux without asking systemd, which would cost a process each time; Windows by psutil."""

import sys
from pathlib import Path
from typing import Final

import psutil

_CGROUPS: Final = Path("/sys/fs/cgroup")
_PROC: Final = Path("/proc")
_COMM_LONGEST: Final = 15  # the kernel cuts a process's name here


def is_running(name: str, cgroups: Path = _CGROUPS, proc: Path = _PROC) -> bool:
    """Whether a service of that name has a living process.

    On Linux its control group under systemd says so; without systemd, a process of that name. Raises OSError if the
    system cannot be asked.
    """
    if sys.platform == "win32":
        return _on_windows(name)
    unit = name if "." in name else f"{name}.service"
    for slices in (cgroups / under / "system.slice" for under in ("", "unified", "systemd")):
        if slices.is_dir():
            return any(_populated(group) for group in (slices / unit, *slices.glob(f"system-*.slice/{unit}")))
    return _has_process(name.removesuffix(".service"), proc)


def _populated(group: Path) -> bool:
    try:
        events = (group / "cgroup.events").read_text("ascii").split()
        return events[events.index("populated") + 1] == "1"
    except (OSError, ValueError, IndexError):
        pass
    try:
        return bool((group / "cgroup.procs").read_text("ascii").strip())
    except OSError:
        return False


def _has_process(name: str, proc: Path) -> bool:
    wanted = name[:_COMM_LONGEST]
    for comm in proc.glob("[0-9]*/comm"):
        try:
            if comm.read_text("utf-8", "replace").rstrip("\n") == wanted:
                return True
        except OSError:
            continue  # it ended while we looked
    return False


if sys.platform == "win32":

    def _on_windows(name: str) -> bool:
        try:
            return bool(psutil.win_service_get(name).status() == "running")
        except psutil.NoSuchProcess:
            return False
