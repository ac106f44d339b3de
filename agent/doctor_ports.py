"""The doctor's look at a serial port: is it there, may the agent open it, does somebody else hold it? Linux tells."""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.findings import Trouble
from device_profiles.profile import Words


@dataclass(frozen=True, slots=True)
class Host:
    """Where the kernel shows processes, and what is plugged in."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")


HOST = Host()


@dataclass(frozen=True, slots=True)
class Account:
    """Who is to open the port. `groups` are those its processes have now; `listed` the ones of its next login."""

    name: str
    uid: int
    groups: frozenset[int]
    listed: frozenset[int]


@dataclass(frozen=True, slots=True)
class Holder:
    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class Chip:
    """A USB chip that makes a serial port, and the kernel's module for it."""

    name: str
    module: str


_CHIPS: Mapping[str, Chip] = {
    "1a86:7523": Chip("CH340", "ch341"),
    "1a86:5523": Chip("CH341", "ch341"),
    "1a86:55d4": Chip("CH9102", "cdc_acm"),
    "10c4:ea60": Chip("CP210x", "cp210x"),
    "0403:6001": Chip("FT232", "ftdi_sio"),
    "0403:6015": Chip("FT231X", "ftdi_sio"),
    "067b:2303": Chip("PL2303", "pl2303"),
    "2341:0043": Chip("Arduino Uno", "cdc_acm"),
    "2341:0042": Chip("Arduino Mega 2560", "cdc_acm"),
    "2c99:0002": Chip("Prusa MK3", "cdc_acm"),
}
"""usb.ids of linux-usb.org; modules: the drivers' own tables in Linux, drivers/usb/serial and drivers/usb/class."""
_MEDDLERS: Mapping[str, Words] = {
    "ModemManager": Words(
        "ModemManager takes every serial port for a modem: sudo systemctl disable --now ModemManager",
        "ModemManager tưởng mọi cổng nối tiếp là modem: sudo systemctl disable --now ModemManager",
    ),
    "brltty": Words(
        "brltty takes the chip for a Braille display: sudo apt remove brltty, then plug the device in again",
        "brltty tưởng chip này là màn hình chữ nổi: sudo apt remove brltty, rồi rút thiết bị ra và cắm lại",
    ),
}


def trouble(path: Path, account: Account, ours: frozenset[int], host: Host = HOST) -> Trouble | None:
    """What keeps the agent from a port. `ours` are the processes that may hold it. The port is not opened."""
    try:
        found = path.stat()
    except PermissionError:
        return _forbidden_folder(path)
    except OSError:
        return _missing(path, host)
    if not stat.S_ISCHR(found.st_mode):
        return Trouble(
            "port-is-none",
            Words(f"{path} is no serial port", f"{path} không phải cổng nối tiếp"),
            Words(f"Let the endpoint name a port. {_there(host).en}", f"Sửa địa chỉ cho đúng cổng. {_there(host).vi}"),
        )
    if not may_open(found, account, path):
        return _forbidden(path, found, account)
    held = [each for each in holders(path, host) if each.pid not in ours]
    return _held(path, held[0]) if held else None


def account_of(state: Path, agent_pid: int | None, host: Host = HOST) -> Account:
    """Who the agent is: its process if it runs, else whose the state folder is."""
    import pwd

    uid = os.geteuid()
    with contextlib.suppress(OSError):
        uid = state.stat().st_uid
    groups = None
    with contextlib.suppress(OSError, KeyError, ValueError):
        lines = dict(
            line.split(":", 1)
            for line in (host.proc / str(agent_pid) / "status").read_text().splitlines()
            if ":" in line
        )
        uid = int(lines["Uid"].split()[1])
        groups = frozenset(int(each) for each in (lines["Groups"] + lines["Gid"]).split())
    try:
        known = pwd.getpwuid(uid)
        name, listed = known.pw_name, frozenset(os.getgrouplist(known.pw_name, known.pw_gid))
    except KeyError:
        name, listed = str(uid), frozenset[int]()
    if groups is None:
        groups = frozenset({*os.getgroups(), os.getegid()}) if uid == os.geteuid() else listed
    return Account(name, uid, groups, listed)


def may_open(found: os.stat_result, account: Account, path: Path) -> bool:
    if account.uid == os.geteuid() and os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return True  # also what access lists allow
    return _allows(found, account.uid, account.groups)


def holders(path: Path, host: Host = HOST) -> Iterator[Holder]:
    """Who has the port open or locked. Of other accounts' processes only those that lock it, unless root asks."""
    target = str(path.resolve())
    seen = set()
    for link in host.proc.glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) == target:
                seen.add(int(link.parts[-3]))
    found = path.stat()
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with contextlib.suppress(OSError):
        for line in (host.proc / "locks").read_text().splitlines():
            words = line.split()
            if place in words and int(words[4]) > 0:
                seen.add(int(words[4]))
    for pid in sorted(seen):
        yield Holder(_name(pid, host), pid)


def running(name: str, host: Host = HOST) -> bool:
    """Whether a program of this name runs."""
    return any(_name(int(each.name), host) == name for each in host.proc.glob("[0-9]*"))


def meddler(host: Host = HOST) -> Trouble | None:
    """A program that is known to speak to ports that are not its own."""
    name = "ModemManager"
    if not running(name, host):
        return None
    return Trouble(
        "modem-manager",
        Words(
            "ModemManager runs: it speaks to each port that is plugged in, for up to half a minute",
            "ModemManager đang chạy: nó nói chuyện với mỗi cổng mới cắm, tới nửa phút",
        ),
        _MEDDLERS[name],
    )


def _allows(found: os.stat_result, uid: int, groups: frozenset[int]) -> bool:
    if uid == 0:
        return True
    if uid == found.st_uid:
        return found.st_mode & 0o600 == 0o600
    if found.st_gid in groups:
        return found.st_mode & 0o060 == 0o060
    return found.st_mode & 0o006 == 0o006


def _forbidden(path: Path, found: os.stat_result, account: Account) -> Trouble:
    import grp

    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    seen = Words(
        f"{account.name} may not open {path} (group {group})", f"{account.name} không được mở {path} (nhóm {group})"
    )
    if found.st_gid in account.listed and found.st_mode & 0o060 == 0o060:
        cure = Words(
            f"{account.name} is in the group {group} only since the last login: log out and in again, or restart the"
            " service: sudo systemctl restart fabfleet-agent",
            f"{account.name} mới được thêm vào nhóm {group}: đăng xuất rồi đăng nhập lại, hoặc khởi động lại dịch vụ:"
            " sudo systemctl restart fabfleet-agent",
        )
        return Trouble("port-login", seen, cure)
    if found.st_mode & 0o060 == 0o060 and found.st_gid != 0:
        cure = Words(
            f"sudo usermod -aG {group} {account.name}, then log out and in again (a service: sudo systemctl restart"
            " fabfleet-agent)",
            f"sudo usermod -aG {group} {account.name}, rồi đăng xuất và đăng nhập lại (dịch vụ: sudo systemctl restart"
            " fabfleet-agent)",
        )
        return Trouble("port-permission", seen, cure)
    cure = Words(
        f"The port is for nobody but its owner: sudo chgrp dialout {path} && sudo chmod 660 {path}",
        f"Cổng này chỉ dành cho chủ của nó: sudo chgrp dialout {path} && sudo chmod 660 {path}",
    )
    return Trouble("port-permission", seen, cure)


def _forbidden_folder(path: Path) -> Trouble:
    return Trouble(
        "port-permission",
        Words(f"{path} cannot be looked at", f"không xem được {path}"),
        Words("Ask again as root: sudo fabfleet-agent doctor", "Chạy lại với quyền root: sudo fabfleet-agent doctor"),
    )


def _held(path: Path, holder: Holder) -> Trouble:
    who = f"{holder.name} ({holder.pid})"
    cure = _MEDDLERS.get(holder.name) or Words(
        f"End {holder.name}, or let it do without {path}. Two programs at one port garble each other.",
        f"Tắt {holder.name}, hoặc không cho nó dùng {path}. Hai chương trình chung một cổng sẽ phá lệnh của nhau.",
    )
    return Trouble("port-held", Words(f"{path} is held by {who}", f"{path} đang bị {who} giữ"), cure)


def _missing(path: Path, host: Host) -> Trouble:
    seen = Words(f"{path} is not there", f"không có {path}")
    for usb_id, chip in _portless(host):
        known = _CHIPS[usb_id]
        without = Words(
            f"{seen.en}; a {known.name} ({usb_id}) is plugged in, but has no port",
            f"{seen.vi}; có {known.name} ({usb_id}) đang cắm nhưng không thành cổng",
        )
        if running("brltty", host):
            return Trouble("port-taken", without, _MEDDLERS["brltty"])
        return Trouble(
            "driver-missing",
            without,
            Words(
                f"Load its driver: sudo modprobe {known.module}. If there is none: sudo apt install"
                f" linux-modules-extra-$(uname -r). What the kernel says: dmesg | grep {chip.name}",
                f"Nạp trình điều khiển: sudo modprobe {known.module}. Nếu không có: sudo apt install"
                f" linux-modules-extra-$(uname -r). Xem nhân báo gì: dmesg | grep {chip.name}",
            ),
        )
    there = _there(host)
    return Trouble(
        "port-missing",
        seen,
        Words(
            f"Plug the device in and switch it on; some cables only charge. {there.en}",
            f"Cắm và bật thiết bị; có loại cáp chỉ để sạc. {there.vi}",
        ),
    )


def _portless(host: Host) -> Iterator[tuple[str, Path]]:
    """USB chips that are known to make a port and have none."""
    for device in sorted((host.sys / "bus/usb/devices").glob("*")):
        try:
            usb_id = ":".join((device / part).read_text("ascii").strip() for part in ("idVendor", "idProduct"))
        except OSError:
            continue
        if usb_id in _CHIPS and not any(device.glob("*:*/tty*")):
            yield usb_id, device


def _there(host: Host) -> Words:
    ports = sorted(port.name for port in (host.sys / "class/tty").glob("tty*") if port.name[3:6] in ("USB", "ACM"))
    if not ports:
        return Words("There is no USB port now.", "Hiện không có cổng USB nào.")
    names = ", ".join(f"/dev/{port}" for port in ports)
    return Words(
        f"Ports that are there: {names}; see also /dev/serial/by-id.",
        f"Các cổng hiện có: {names}; xem thêm /dev/serial/by-id.",
    )


def _name(pid: int, host: Host) -> str:
    try:
        return (host.proc / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "?"
