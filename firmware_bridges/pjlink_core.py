"""PJLink class 1 and 2 as a controller speaks it: bytes in, events out. No I/O, no clock.

Source: PJLink Specifications 2.00 (JBMIA, 2017): sections 2 (lines), 4 (commands), 5 (authentication), 6 (search and
notices by UDP).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from contract.model import Value
from firmware_bridges.base import BadReply

PORT: Final = 4352
"""TCP for commands, UDP for search and notices."""
MAX_LINE: Final = 512
"""Bytes. The longest line of the standard is 136; a list of inputs may be longer."""
MAX_PARAMETER: Final = 128
MAX_LAMPS: Final = 8
_T = TypeVar("_T")
SEARCH: Final = b"%2SRCH\r"
_GREETING = re.compile(r"PJLINK (?:(?P<open>0)|1 (?P<salt>[0-9A-Fa-f]{8}))", re.IGNORECASE)
_DENIED = re.compile(r"PJLINK ERRA", re.IGNORECASE)
_REPLY = re.compile(r"%(?P<pjclass>[12])(?P<body>[0-9A-Za-z]{4})=(?P<value>.*)")
_SOURCE = re.compile(r"[1-6][1-9A-Z]")
_RESOLUTION = re.compile(r"\d{1,5}x\d{1,5}")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")


class Stage(StrEnum):
    """Where a connection stands."""

    GREETING = "greeting"
    READY = "ready"
    DENIED = "denied"


class Trouble(StrEnum):
    """The four errors a projector answers with."""

    UNDEFINED = "ERR1"
    OUT_OF_RANGE = "ERR2"
    UNAVAILABLE = "ERR3"
    FAILURE = "ERR4"


class Power(StrEnum):
    OFF = "off"
    ON = "on"
    COOLING = "cooling"
    WARMING = "warming"


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Greeted:
    """The projector is there. `wants_password`: the first request must carry a digest."""

    wants_password: bool


@dataclass(frozen=True, slots=True)
class Denied:
    """The password is wrong or missing."""


@dataclass(frozen=True, slots=True)
class Reply:
    pjclass: int
    body: str
    value: str

    @property
    def trouble(self) -> Trouble | None:
        return Trouble(self.value) if self.value in _TROUBLES else None


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that are no PJLink line at this stage: the first of them, and why."""

    start: bytes
    why: str


Event: TypeAlias = Greeted | Denied | Reply | Noise


@dataclass(frozen=True, slots=True)
class Lamp:
    """Hours of use and whether it is lit."""

    hours: int
    lit: bool


@dataclass(frozen=True, slots=True)
class Mute:
    picture: bool
    sound: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A datagram: an answer to a search (`ACKN`), or what a projector tells unasked."""

    body: str
    value: str


_TROUBLES = frozenset(Trouble)
_POWERS = {"0": Power.OFF, "1": Power.ON, "2": Power.COOLING, "3": Power.WARMING}
_MUTES = {
    "10": Mute(picture=False, sound=False),
    "11": Mute(picture=True, sound=False),
    "20": Mute(picture=False, sound=False),
    "21": Mute(picture=False, sound=True),
    "30": Mute(picture=False, sound=False),
    "31": Mute(picture=True, sound=True),
}
_LEVELS = {"0": Level.OK, "1": Level.WARNING, "2": Level.ERROR}
_PARTS = ("fan", "lamp", "temperature", "cover", "filter", "other")
_SOURCES = {"1": "rgb", "2": "video", "3": "digital", "4": "storage", "5": "network", "6": "internal"}


class PjlinkCore:
    """One connection. Feed it what came; ask it for the bytes of a request."""

    def __init__(self, password: str = "") -> None:
        self.stage = Stage.GREETING
        self._password = password
        self._digest = b""
        self._pending = bytearray()
        self._skipping = False

    def receive(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Keeps at most MAX_LINE bytes, whatever comes."""
        events: list[Event] = []
        *ended, rest = data.split(b"\r")
        for piece in ended:
            self._take(piece, events)
            if not self._skipping:
                events.append(self._event(bytes(self._pending)))
            self._pending.clear()
            self._skipping = False
        self._take(rest, events)
        return events

    def request(self, pjclass: int, body: str, parameter: str = "?") -> bytes:
        """One command line. The first one of a guarded connection carries the digest. Raises ValueError."""
        if self.stage is not Stage.READY:
            raise ValueError(f"no request while {self.stage}")
        encoded = parameter.encode()
        if len(encoded) > MAX_PARAMETER or not parameter.isprintable():
            raise ValueError(f"{parameter[:20]!r} is no parameter of at most {MAX_PARAMETER} printable bytes")
        digest, self._digest = self._digest, b""
        return b"%s%%%d%s %s\r" % (digest, pjclass, body.encode("ascii"), encoded)

    def _take(self, piece: bytes, events: list[Event]) -> None:
        if self._skipping:
            return
        room = MAX_LINE - len(self._pending)
        self._pending += piece[:room]
        if len(piece) > room:
            events.append(Noise(bytes(self._pending[:32]), f"a line of more than {MAX_LINE} bytes"))
            self._pending.clear()
            self._skipping = True

    def _event(self, line: bytes) -> Event:
        text = line.decode("utf-8", "replace").strip("\n")
        if _DENIED.fullmatch(text):
            self.stage = Stage.DENIED
            return Denied()
        if self.stage is Stage.GREETING:
            greeting = _GREETING.fullmatch(text)
            if greeting is None:
                return Noise(line[:32], "not a greeting")
            return self._greeted(greeting["salt"] or "")
        reply = _REPLY.fullmatch(text)
        if reply is None or self.stage is Stage.DENIED:
            return Noise(line[:32], "not a reply")
        return Reply(int(reply["pjclass"]), reply["body"].upper(), reply["value"])

    def _greeted(self, salt: str) -> Greeted:
        self.stage = Stage.READY
        if salt:
            self._digest = digest(salt, self._password)
        return Greeted(wants_password=bool(salt))


def digest(salt: str, password: str) -> bytes:
    """What proves the password (section 5): MD5 of both, in lower-case hexadecimal."""
    return hashlib.md5((salt + password).encode(), usedforsecurity=False).hexdigest().encode()


def notice(datagram: bytes) -> Notice | None:
    """What a datagram says, or None if it is none of the five that the standard knows."""
    if len(datagram) > MAX_LINE:
        return None
    match = _REPLY.fullmatch(datagram.decode("utf-8", "replace").rstrip("\r\n"))
    if match is None or match["pjclass"] != "2":
        return None
    check = _NOTICES.get(match["body"].upper())
    try:
        if check is None:
            return None
        check(match["value"])
    except BadReply:
        return None
    return Notice(match["body"].upper(), match["value"])


def power(value: str) -> Power:
    return _look_up(_POWERS, value, "a power state")


def mute(value: str) -> Mute:
    return _look_up(_MUTES, value, "a mute state")


def source(value: str) -> str:
    """An input's code, such as `31`: kind and number."""
    if not _SOURCE.fullmatch(value):
        raise _bad(value, "an input")
    return value


def source_name(code: str) -> str:
    """What an input is called that has no name of its own: `31` is `digital 1`."""
    return f"{_SOURCES[code[0]]} {code[1]}"


def sources(value: str) -> tuple[str, ...]:
    return tuple(source(code) for code in value.split())


def lamps(value: str) -> tuple[Lamp, ...]:
    words = value.split()
    pairs = list(zip(words[::2], words[1::2], strict=False))
    well_formed = all(_digits(hours, 5) and lit in ("0", "1") for hours, lit in pairs)
    if not pairs or len(words) % 2 or len(pairs) > MAX_LAMPS or not well_formed:
        raise _bad(value, "a list of lamps")
    return tuple(Lamp(int(hours), lit == "1") for hours, lit in pairs)


def errors(value: str) -> Mapping[str, Level]:
    """Part -> level, for fan, lamp, temperature, cover, filter and other."""
    if len(value) != len(_PARTS):
        raise _bad(value, "a list of errors")
    return {part: _look_up(_LEVELS, letter, "a level") for part, letter in zip(_PARTS, value, strict=True)}


def hours(value: str) -> int:
    if not _digits(value, 5):
        raise _bad(value, "a number of hours")
    return int(value)


def words(value: str) -> str:
    """Free text, without what no database takes."""
    return "".join(letter for letter in value if letter.isprintable())[:MAX_PARAMETER]


def resolution(value: str) -> str:
    """`1920x1080`; empty while there is no signal (`-`) or an unknown one (`*`)."""
    if value in ("-", "*"):
        return ""
    if not _RESOLUTION.fullmatch(value):
        raise _bad(value, "a resolution")
    return value


def pjlink_class(value: str) -> int:
    return _look_up({"1": 1, "2": 2}, value, "a class")


def mac(value: str) -> str:
    if not _MAC.fullmatch(value):
        raise _bad(value, "a hardware address")
    return value.lower()


def _digits(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text.isascii() and text.isdigit()


def _look_up(table: Mapping[str, _T], value: str, what: str) -> _T:
    if value not in table:
        raise _bad(value, what)
    return table[value]


def _bad(value: str, what: str) -> BadReply:
    return BadReply(f"the projector says {value[:40]!r}, which is not {what}")


_NOTICES: Mapping[str, Callable[[str], object]] = {
    "ACKN": mac,
    "LKUP": mac,
    "ERST": errors,
    "POWR": power,
    "INPT": source,
}


@dataclass(frozen=True, slots=True)
class Question:
    """A query, the metrics it answers, and how its value is read into them."""

    pjclass: int
    body: str
    metrics: tuple[str, ...]
    read: Callable[[str], Mapping[str, Value]]


def _lamp_values(value: str) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for number, lamp in enumerate(lamps(value), 1):
        name = "lamp" if number == 1 else f"lamp-{number}"
        values[f"{name}-hours"] = lamp.hours
        values[f"{name}-lit"] = lamp.lit
    return values


def _power_values(value: str) -> dict[str, Value]:
    state = power(value)
    return {"power": state.value, "on": state in (Power.ON, Power.WARMING)}


def _mute_values(value: str) -> dict[str, Value]:
    state = mute(value)
    return {"picture-muted": state.picture, "sound-muted": state.sound}


def _error_values(value: str) -> dict[str, Value]:
    return {f"{part}-state": level.value for part, level in errors(value).items()}


def _one(metric: str, read: Callable[[str], Value]) -> Callable[[str], Mapping[str, Value]]:
    return lambda value: {metric: read(value)}


STATE: Final = (
    Question(1, "POWR", ("power", "on"), _power_values),
    Question(1, "ERST", tuple(f"{part}-state" for part in _PARTS), _error_values),
    Question(1, "LAMP", ("lamp-hours", "lamp-lit"), _lamp_values),
    Question(1, "INPT", ("input",), _one("input", source)),
    Question(1, "AVMT", ("picture-muted", "sound-muted"), _mute_values),
    Question(2, "IRES", ("resolution",), _one("resolution", resolution)),
    Question(2, "FILT", ("filter-hours",), _one("filter-hours", hours)),
)
"""Asked at every poll."""

IDENTITY: Final = (
    Question(1, "NAME", ("name",), _one("name", words)),
    Question(1, "INF1", ("manufacturer",), _one("manufacturer", words)),
    Question(1, "INF2", ("model",), _one("model", words)),
    Question(1, "INFO", ("information",), _one("information", words)),
    Question(2, "SNUM", ("serial-number",), _one("serial-number", words)),
    Question(2, "SVER", ("software",), _one("software", words)),
)
"""Asked once when contact is made."""
