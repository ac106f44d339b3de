"""What a Marlin printer says, one line at a time. Pure. Source: marlinfw.org, "Host software" and M105, M115, M155."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

_OK = re.compile(r"ok(?=\s|$)(?:\s*N(?P<number>\d{1,10}))?")
_RESEND = re.compile(r"(?:Resend:|rs)\s*N?(?P<number>\d{1,10})")
_HEATER = re.compile(
    r"(?P<name>T0?|B):\s*(?P<actual>-?\d{1,4}(?:\.\d+)?)(?:\s*/\s*(?P<target>-?\d{1,4}(?:\.\d+)?))?(?=\s|$)"
)
_FIELD = re.compile(r"([A-Z][A-Z_]+):")
_CAPABILITY = re.compile(r"Cap:([A-Z0-9_]+):([01])$")
_ACTION = re.compile(r"//\s?action:(\w+)")
_THERMAL: Final = (
    "thermal runaway",
    "heating failed",
    "maxtemp",
    "mintemp",
    "heater/sensor error",
    "thermal malfunction",
)
_HALTED: Final = ("printer halted", "kill() called", "emergency shutdown", "printer stopped", "stop called", "fatal:")


class Trouble(StrEnum):
    """The classes of a printer's faults."""

    THERMAL = "thermal"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Heater:
    """Degrees Celsius. A target of 0 is off, None not told."""

    actual: float
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Ok:
    """The printer took a line, or is ready for the next. `number` only with ADVANCED_OK."""

    number: int | None = None


@dataclass(frozen=True, slots=True)
class Resend:
    number: int


@dataclass(frozen=True, slots=True)
class Temperatures:
    nozzle: Heater | None = None
    bed: Heater | None = None


@dataclass(frozen=True, slots=True)
class Busy:
    """At work on a long command; `user` if it waits for a person."""

    user: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The firmware has just booted: it forgot line numbers, targets and position."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """The first line of an M115 answer."""

    name: str
    machine: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Capability:
    name: str
    present: bool


@dataclass(frozen=True, slots=True)
class Action:
    """Somebody at the printer's display, or its sensor, asks the host: pause, resume, cancel."""

    name: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The printer stopped itself and needs a restart."""

    trouble: Trouble
    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The printer does not know the command that it was just sent."""

    text: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """Not text: line noise, or another speed than ours."""


@dataclass(frozen=True, slots=True)
class Remark:
    """All else, among it the reasons that go before a Resend."""

    text: str = field(default="")


Reply: TypeAlias = (
    Ok | Resend | Temperatures | Busy | Started | Firmware | Capability | Action | Failed | Unknown | Garbage | Remark
)


def parse(line: bytes) -> list[Reply]:
    """Read one line. Never raises; a line may say two things (`ok T:21.0 /0.0`)."""
    text = line.decode("utf-8", "replace").strip()
    if any(letter == "�" or not (letter.isprintable() or letter == "\t") for letter in text):
        return [Garbage()]
    if found := _OK.match(text):
        number = found["number"]
        return [Ok(int(number) if number else None), *_temperatures(text)]
    if found := _RESEND.match(text):
        return [Resend(int(found["number"]))]
    if temperatures := _temperatures(text):
        return list(temperatures)
    return [_statement(text)]


def _temperatures(text: str) -> list[Temperatures]:
    heaters: dict[str, Heater] = {}
    for found in _HEATER.finditer(text):
        if found.start() == 0 or text[found.start() - 1] == " ":
            target = found["target"]
            heater = Heater(float(found["actual"]), float(target) if target is not None else None)
            heaters.setdefault(found["name"][0], heater)
    return [Temperatures(heaters.get("T"), heaters.get("B"))] if heaters else []


def _statement(text: str) -> Reply:
    low = text.lower()
    if found := _CAPABILITY.match(text):
        return Capability(found[1], found[2] == "1")
    if text.startswith("FIRMWARE_NAME:"):
        return _firmware(text)
    if low == "start":
        return Started()
    if "busy:" in low or low.startswith("echo:busy"):
        return Busy(user="user" in low)
    if found := _ACTION.match(text):
        return Action(found[1])
    if low.startswith(("error", "!!", "fatal:", "echo:emergency")):
        for trouble, marks in ((Trouble.THERMAL, _THERMAL), (Trouble.HALTED, _HALTED)):
            if any(mark in low for mark in marks):
                return Failed(trouble, text[:200])
    if "unknown command" in low:
        return Unknown(text[:200])
    return Remark(text[:200])


def _firmware(text: str) -> Firmware:
    pieces = _FIELD.split(text)
    fields = dict(zip(pieces[1::2], (piece.strip() for piece in pieces[2::2]), strict=True))
    return Firmware(
        fields.get("FIRMWARE_NAME", "")[:120], fields.get("MACHINE_TYPE", "")[:80], fields.get("UUID", "")[:40]
    )
