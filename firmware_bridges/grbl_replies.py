"""What a GRBL 1.1 controller says, one line at a time. Pure.

Source: gnea/grbl, doc/markdown/interface.md (replies, status reports) and doc/csv (alarm and error codes).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

_STARTED = re.compile(r"Grbl (?P<version>\d[\w.]{0,12})(?: .*)?")
_CODE = re.compile(r"(?P<kind>error|ALARM):(?P<code>\d{1,3})")
_SETTING = re.compile(r"\$(?P<number>\d{1,3})=(?P<value>-?\d{1,9}(?:\.\d{1,6})?)(?: .*)?")
_STATE = re.compile(r"(?P<name>Idle|Run|Hold|Jog|Alarm|Door|Check|Home|Sleep)(?::(?P<sub>[0-3]))?")
_NUMBER = re.compile(r"-?\d{1,7}(?:\.\d{1,4})?")
_FIELDS: Final = {"MPos": 3, "WPos": 3, "WCO": 3, "FS": 2, "F": 1, "Bf": 2, "Ov": 3}
"""How many numbers each field of a report has. There may be more axes than three."""
_MOST_AXES: Final = 6
_PINS = re.compile(r"[XYZABCPDHRS]{1,11}")

ALARMS: Final[Mapping[int, str]] = {
    1: "hard limit: the machine ran into a switch, its position is lost",
    2: "soft limit: the target lies outside of the machine",
    3: "reset while moving: the position may be lost",
    4: "probe: not in the expected state",
    5: "probe: nothing was touched",
    6: "homing: reset",
    7: "homing: the door was opened",
    8: "homing: a switch did not open again",
    9: "homing: a switch was not found",
}
ERRORS: Final[Mapping[int, str]] = {
    1: "a letter was expected",
    2: "a number cannot be read",
    3: "not a known $ command",
    4: "a number is negative",
    5: "homing is not switched on",
    6: "step pulse too short",
    7: "settings could not be read; the defaults are in force",
    8: "not while the machine is at work",
    9: "locked by an alarm",
    10: "soft limits need homing",
    11: "line too long",
    12: "step rate too high",
    13: "the door is open",
    14: "start-up line too long",
    15: "the jog goes outside of the machine",
    16: "not a jog",
    17: "laser mode needs PWM",
    20: "a command that is not known",
    21: "two commands of one group",
    22: "no feed rate",
    23: "a whole number was expected",
    24: "two commands need the axes",
    25: "a word stands twice",
    33: "the target of the motion is wrong",
}
SETTINGS_LOST: Final = 7
"""Said at the start by a controller whose memory is blank; no line was sent for it."""


@dataclass(frozen=True, slots=True)
class Ok:
    """The oldest line that waits was taken."""


@dataclass(frozen=True, slots=True)
class Error:
    """The oldest line that waits was refused."""

    code: int

    def __str__(self) -> str:
        return f"error:{self.code} {ERRORS.get(self.code, '')}".rstrip()


@dataclass(frozen=True, slots=True)
class Alarm:
    """The machine stopped itself, and is locked."""

    code: int

    def __str__(self) -> str:
        return f"ALARM:{self.code} {ALARMS.get(self.code, '')}".rstrip()


@dataclass(frozen=True, slots=True)
class Started:
    """The firmware has just started, or was reset: what was sent before is gone."""

    version: str


@dataclass(frozen=True, slots=True)
class Report:
    """An answer to `?`. Millimetres, mm/min, units of S; None is not told this time.

    `sub` belongs to Hold (0 stands, 1 slows down) and Door (0 closed, 1 open, 2 opened: slows down, 3 goes on).
    """

    state: str
    sub: int = 0
    machine: tuple[float, ...] | None = None
    work: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    feed: float | None = None
    speed: float | None = None
    overrides: tuple[float, ...] | None = None
    room: tuple[float, ...] | None = None
    pins: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    number: int
    value: float


@dataclass(frozen=True, slots=True)
class Build:
    """The line [VER:...] of `$I`: version, date, and what its owner called the machine."""

    version: str
    name: str


@dataclass(frozen=True, slots=True)
class Remark:
    """All else: messages, modes, help."""

    text: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """Not text, or a report that is spoiled: line noise, or another speed than ours."""


Reply: TypeAlias = Ok | Error | Alarm | Started | Report | Setting | Build | Remark | Garbage


def parse(line: bytes) -> Reply:
    """Read one line without its end. Never raises."""
    text = line.decode("utf-8", "replace").strip()
    if any(letter == "\ufffd" or not letter.isprintable() for letter in text):
        return Garbage()
    if text == "ok":
        return Ok()
    if found := _CODE.fullmatch(text):
        code = int(found["code"])
        return Error(code) if found["kind"] == "error" else Alarm(code)
    if text.startswith("<"):
        return _report(text)
    if found := _STARTED.fullmatch(text):
        return Started(found["version"])
    if found := _SETTING.fullmatch(text):
        return Setting(int(found["number"]), float(found["value"]))
    if text.startswith("[VER:") and text.endswith("]"):
        version, _, name = text[5:-1].partition(":")
        return Build(version[:40], name[:40])
    return Remark(text[:200])


def _report(text: str) -> Report | Garbage:
    """A report is believed as a whole or not at all; fields that nobody knows are left out."""
    state, *fields = text[1:-1].split("|")
    found = _STATE.fullmatch(state)
    if not text.endswith(">") or not found or "<" in text[1:]:
        return Garbage()
    told: dict[str, tuple[float, ...]] = {}
    pins = ""
    for field in fields:
        name, _, value = field.partition(":")
        if name == "Pn" and _PINS.fullmatch(value):
            pins = value
        elif name in _FIELDS:
            numbers = value.split(",")
            if not _FIELDS[name] <= len(numbers) <= _MOST_AXES or not all(map(_NUMBER.fullmatch, numbers)):
                return Garbage()
            told[name] = tuple(map(float, numbers))
    feed = told.get("FS") or told.get("F") or (None,)
    return Report(
        found["name"],
        int(found["sub"] or 0),
        machine=told.get("MPos"),
        work=told.get("WPos"),
        offset=told.get("WCO"),
        feed=feed[0],
        speed=told["FS"][1] if "FS" in told else None,
        overrides=told.get("Ov"),
        room=told.get("Bf"),
        pins=pins,
    )
