"""Samsung's Multiple Display Control as a controller speaks it: bytes in, replies out. No I/O, no clock.

Source: Samsung Multiple Display Control, Protocol (public manual of the QB and Flip series): "Control Protocol"
(frames: AA, command, id, length, data, checksum), and 0x00 Status, 0x0B Serial Number, 0x0D Display Status,
0x0E Software Version, 0x11 Power, 0x12 Volume, 0x13 Mute, 0x14 Input Source, 0x8A Model Name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from contract.model import Value
from firmware_bridges.base import BadReply

PORT: Final = 1515
BAUD: Final = 9600
_HEADER, _RESPONSE, _ACK, _NAK = 0xAA, 0xFF, 0x41, 0x4E
_UNKNOWN: Final = 0xFF
"""What a display without sound tells of its volume."""
_SECURED: Final = b"MDCSTART<<TLS>>"
_LONGEST: Final = 5 + 255


class Code(IntEnum):
    STATUS = 0x00
    SERIAL = 0x0B
    HEALTH = 0x0D
    SOFTWARE = 0x0E
    POWER = 0x11
    VOLUME = 0x12
    MUTE = 0x13
    INPUT = 0x14
    MODEL = 0x8A


class Power(StrEnum):
    OFF = "off"
    ON = "on"
    RESTARTING = "restarting"


class Level(StrEnum):
    OK = "ok"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a display answered to a command; not `accepted`: it understood and will not."""

    command: int
    display: int
    accepted: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Secured:
    """The display speaks only encrypted, with a PIN."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that are no reply: the first of them, and why."""

    start: bytes
    why: str


Event: TypeAlias = Reply | Secured | Noise
_POWERS = {0: Power.OFF, 1: Power.ON, 2: Power.RESTARTING}
INPUTS: Final[Mapping[int, str]] = {
    0x04: "S-Video", 0x08: "Component", 0x0C: "AV", 0x0D: "AV 2", 0x14: "PC", 0x18: "DVI", 0x1E: "BNC",
    0x1F: "DVI video", 0x20: "MagicInfo", 0x21: "HDMI 1", 0x22: "HDMI 1 PC", 0x23: "HDMI 2", 0x24: "HDMI 2 PC",
    0x25: "DisplayPort 1", 0x26: "DisplayPort 2", 0x27: "DisplayPort 3", 0x30: "TV", 0x31: "HDMI 3",
    0x32: "HDMI 3 PC", 0x33: "HDMI 4", 0x34: "HDMI 4 PC", 0x40: "Digital TV", 0x50: "Plug-in module",
    0x55: "HDBaseT", 0x56: "OCM", 0x60: "MagicInfo S", 0x61: "Screen mirroring", 0x62: "Internal USB",
    0x63: "URL launcher", 0x64: "Whiteboard", 0x65: "Web browser", 0x66: "Remote workspace",
}  # fmt: skip
"""Input source -> what it is called, unless a display is told otherwise."""


class MdcCore:
    """One connection. Feed it what came. Keeps at most one frame, whatever comes."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def receive(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        events: list[Event] = []
        for at in range(0, len(data), _LONGEST):
            self._kept += data[at : at + _LONGEST]
            while (event := self._cut()) is not None:
                events.append(event)
        return events

    def _cut(self) -> Event | None:
        kept = self._kept
        if kept and kept[0] == _SECURED[0]:
            if _SECURED.startswith(kept[: len(_SECURED)]) and len(kept) < len(_SECURED):
                return None
            if kept.startswith(_SECURED):
                del kept[: len(_SECURED)]
                return Secured()
        at = kept.find(_HEADER)
        if at != 0:
            lost = bytes(kept[:at] if at > 0 else kept)
            del kept[: len(lost)]
            return Noise(lost[:32], "not a reply") if lost else None
        if len(kept) < 4 or len(kept) < 5 + kept[3]:
            return None
        frame = bytes(kept[: 5 + kept[3]])
        event = _reply(frame)
        del kept[: len(frame) if isinstance(event, Reply) else 1]
        return event


def request(command: Code, display: int, data: bytes = b"") -> bytes:
    """One frame; without `data` it is a question. Raises ValueError for a display's number beyond a byte."""
    body = bytes([command, display, len(data)]) + data
    return bytes([_HEADER]) + body + bytes([_checksum(body)])


def _reply(frame: bytes) -> Reply | Noise:
    if _checksum(frame[1:-1]) != frame[-1]:
        return Noise(frame[:32], "wrong checksum")
    if frame[1] != _RESPONSE or frame[3] < 2 or frame[4] not in (_ACK, _NAK):
        return Noise(frame[:32], "not a reply")
    return Reply(frame[5], frame[2], frame[4] == _ACK, frame[6:-1])


def _checksum(body: bytes) -> int:
    return sum(body) & 0xFF


def power(value: int) -> Power:
    if value not in _POWERS:
        raise BadReply(f"{value} is no power state")
    return _POWERS[value]


def status(data: bytes) -> Mapping[str, Value | None]:
    """Power, volume in per cent, mute and input (its number): the answer to STATUS. Raises BadReply."""
    if len(data) < 4:
        raise BadReply(f"a status of {len(data)} bytes")
    state = power(data[0])
    return {
        "power": state.value,
        "on": state is Power.ON,
        "volume": data[1] if data[1] <= 100 else None,
        "sound-muted": None if data[2] == _UNKNOWN else data[2] == 1,
        "input": data[3],
    }


def health(data: bytes) -> Mapping[str, Value | None]:
    """Backlight, heat, fan and the temperature inside in degrees Celsius: the answer to HEALTH. Raises BadReply."""
    if len(data) < 6:
        raise BadReply(f"a display status of {len(data)} bytes")
    return {
        "lamp-state": _level(data[0]),
        "temperature-state": _level(data[1]),
        "temperature": float(data[4]),
        "fan-state": None if data[5] == 2 else _level(data[5]),
    }


def words(data: bytes) -> str:
    """Free text, without what no database takes."""
    return "".join(letter for letter in data.decode("utf-8", "replace") if letter.isprintable()).strip()[:128]


def _level(value: int) -> str:
    return Level.ERROR.value if value == 1 else Level.OK.value


STATE: Final[tuple[tuple[Code, Callable[[bytes], Mapping[str, Value | None]]], ...]] = (
    (Code.STATUS, status),
    (Code.HEALTH, health),
)
"""Asked at every poll."""
IDENTITY: Final = ((Code.SERIAL, "serial-number"), (Code.SOFTWARE, "firmware"), (Code.MODEL, "model"))
"""Asked once when contact is made."""
