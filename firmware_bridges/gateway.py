"""The default gateway of this machine."""

import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC_NET: Final = Path("/proc/net")
_UP_GATEWAY: Final = 0x3  # RTF_UP | RTF_GATEWAY


@dataclass(frozen=True, slots=True)
class Gateway:
    """`address` as text, with the scope of a link-local one; `link` is the interface, empty where unknown."""

    address: str
    link: str


def default_gateway(proc_net: Path = _PROC_NET) -> Gateway | None:
    """The IPv4 gateway with the lowest metric, else the IPv6 one; None if there is none or the system does not say."""
    if sys.platform == "win32":
        return _from_windows()
    return _from_route(proc_net / "route") or _from_ipv6_route(proc_net / "ipv6_route")


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text("ascii", "replace").splitlines()]
    except OSError:
        return []


def _from_route(path: Path) -> Gateway | None:
    """/proc/net/route: Iface Destination Gateway Flags RefCnt Use Metric Mask ..., addresses in native byte order."""
    found: list[tuple[int, Gateway]] = []
    for fields in _lines(path)[1:]:
        try:
            link, destination, address, flags, metric, mask = (fields[at] for at in (0, 1, 2, 3, 6, 7))
            if int(destination, 16) == 0 == int(mask, 16) and int(flags, 16) & _UP_GATEWAY == _UP_GATEWAY:
                text = socket.inet_ntop(socket.AF_INET, struct.pack("=I", int(address, 16)))
                found.append((int(metric), Gateway(text, link)))
        except (IndexError, ValueError, struct.error):
            continue
    return min(found, key=lambda each: each[0])[1] if found else None


def _from_ipv6_route(path: Path) -> Gateway | None:
    """/proc/net/ipv6_route: dest length source length next-hop metric ref use flags device."""
    found: list[tuple[int, Gateway]] = []
    for fields in _lines(path):
        try:
            destination, length, address, metric, flags, link = (fields[at] for at in (0, 1, 4, 5, 8, 9))
            if int(destination, 16) == 0 == int(length, 16) and int(flags, 16) & _UP_GATEWAY == _UP_GATEWAY:
                text = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))
                scope = f"%{link}" if text.startswith("fe80:") else ""
                found.append((int(metric, 16), Gateway(text + scope, link)))
        except (IndexError, ValueError):
            continue
    return min(found, key=lambda each: each[0])[1] if found else None


if sys.platform == "win32":

    def _from_windows() -> Gateway | None:
        """GetBestRoute towards 0.0.0.0; the next hop is the fourth of the row's fourteen words (ipmib.h)."""
        import ctypes

        row = (ctypes.c_uint32 * 14)()
        best_route = ctypes.CDLL("iphlpapi").GetBestRoute
        if best_route(0, 0, row) != 0 or row[3] == 0:
            return None
        return Gateway(socket.inet_ntop(socket.AF_INET, struct.pack("=I", row[3])), "")
