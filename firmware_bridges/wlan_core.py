"""What Windows' wlanapi answers, read from its bytes. Layouts: wlanapi.h, windot11.h (Windows SDK). Pure.

Lengths and counts come from a driver, so none is believed that the buffer does not hold. Everything raises BadReply.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from firmware_bridges.base import BadReply

MAX_INTERFACES: Final = 16
LIST_HEADER: Final = 8
"""WLAN_INTERFACE_INFO_LIST: DWORD dwNumberOfItems, DWORD dwIndex."""
INTERFACE: Final = struct.Struct("<16s512sI")
"""WLAN_INTERFACE_INFO: GUID, WCHAR[256] description, state."""
_CONNECTION: Final = struct.Struct("<I 4x 512x I32s 4x 6s 2x 4x 4x III")
"""WLAN_CONNECTION_ATTRIBUTES: state, mode, profile, SSID (length and 32 bytes), BSS type, BSSID, PHY type and index,
quality in percent, and the rates in and out in kbit/s. The security attributes after it are not read."""
_COUNTS: Final = struct.Struct("<216x I4x 16x QQ")
"""WLAN_STATISTICS: three counters, two blocks of twelve MAC counters, the number of PHYs; of the first PHY: failed,
retried."""
_UNKNOWN_COUNT: Final = (1 << 64) - 1
_CONNECTED: Final = 1


class Opcode(IntEnum):
    """What WlanQueryInterface is asked."""

    CONNECTION = 7
    CHANNEL = 8
    STATISTICS = 0x10000101
    RSSI = 0x10000102


@dataclass(frozen=True, slots=True)
class Interface:
    """A radio: `guid` is what later questions name it by."""

    guid: bytes
    name: str
    connected: bool


@dataclass(frozen=True, slots=True)
class Connection:
    """What it is connected to. Rates in Mbit/s; in is received. `quality` in percent."""

    ssid: str
    bssid: str
    quality: int
    rate_in_mbit: float
    rate_out_mbit: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the radio started. None is what its driver does not count."""

    retries: int | None
    failed: int | None


def list_size(header: bytes) -> int:
    """How many bytes a list of interfaces has that begins like this."""
    number = _unpack(struct.Struct("<I"), header, "list")[0]
    if number > MAX_INTERFACES:
        raise BadReply(f"wlanapi: {number} radios are more than there can be")
    return LIST_HEADER + int(number) * INTERFACE.size


def interfaces(answer: bytes) -> tuple[Interface, ...]:
    size = list_size(answer)
    if len(answer) < size:
        raise BadReply(f"wlanapi: a list of {len(answer)} bytes, not {size}")
    found = []
    for at in range(LIST_HEADER, size, INTERFACE.size):
        guid, name, state = INTERFACE.unpack_from(answer, at)
        text = name.decode("utf-16-le", "replace").partition("\0")[0]
        found.append(Interface(guid, text, state == _CONNECTED))
    return tuple(found)


def connection(answer: bytes) -> Connection | None:
    """None if it is just not connected."""
    state, length, ssid, bssid, quality, rate_in, rate_out = _unpack(_CONNECTION, answer, "connection")
    if length > len(ssid):
        raise BadReply(f"wlanapi: an SSID of {length} bytes")
    if state != _CONNECTED:
        return None
    return Connection(
        ssid=ssid[:length].decode("utf-8", "replace"),
        bssid=":".join(f"{octet:02x}" for octet in bssid),
        quality=min(int(quality), 100),
        rate_in_mbit=rate_in / 1000,
        rate_out_mbit=rate_out / 1000,
    )


def signal_dbm(answer: bytes) -> int:
    """Of RSSI."""
    return int(_unpack(struct.Struct("<i"), answer, "RSSI")[0])


def dbm_of_quality(quality: int) -> int:
    """0 % is -100 dBm and 100 % is -50 dBm, as Windows maps them (WLAN_ASSOCIATION_ATTRIBUTES)."""
    return quality // 2 - 100


def frequency_mhz(answer: bytes) -> int | None:
    """Of CHANNEL: the centre frequency. None for a number that no band has, or that only 6 GHz could mean: Windows does
    not say the band, and below 180 the numbers are those of 2.4 and 5 GHz too.
    """
    number = int(_unpack(struct.Struct("<I"), answer, "channel")[0])
    if 1 <= number <= 13:
        return 2407 + 5 * number
    if number == 14:
        return 2484
    return 5000 + 5 * number if 32 <= number <= 177 else None


def counts(answer: bytes) -> Counts:
    phys, failed, retries = _unpack(_COUNTS, answer, "statistics")
    if not phys:
        return Counts(None, None)
    return Counts(_counted(retries), _counted(failed))


def _counted(number: int) -> int | None:
    return None if number == _UNKNOWN_COUNT else number


def _unpack(layout: struct.Struct, answer: bytes, what: str) -> tuple[Any, ...]:
    if len(answer) < layout.size:
        raise BadReply(f"wlanapi: {what} of {len(answer)} bytes, not {layout.size}")
    return layout.unpack_from(answer)
