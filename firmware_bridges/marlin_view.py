"""What a host tells Marlin and knows of it, as values. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from firmware_bridges.machine_events import Confirmed, Ended, Fault, JobEnded, Rejected
from firmware_bridges.marlin_replies import Firmware, Temperatures
from firmware_bridges.marlin_state import State


@dataclass(frozen=True, slots=True)
class Settings:
    """`cancel` is sent when a job is cancelled, in order. Times in milliseconds."""

    report_s: int = 2
    ok_ms: int = 8_000
    silence_ms: int = 15_000
    cancel: tuple[str, ...] = ("M104 S0", "M140 S0", "M107", "M84")


@dataclass(frozen=True, slots=True)
class Job:
    """What to print: `total` commands, one line each, without comments."""

    name: str
    lines: Iterator[str]
    total: int


@dataclass(frozen=True, slots=True)
class View:
    """All that is known of the printer, at one moment."""

    state: State = State.CONNECTING
    firmware: Firmware | None = None
    temperatures: Temperatures = field(default_factory=Temperatures)
    fault: str = ""
    job: str = ""
    sent: int = 0
    total: int = 0
    ended: Ended | None = None
    waits_for_user: bool = False
    resends: int = 0
    noise: int = 0
    heard: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    before: State
    state: State


Event: TypeAlias = Changed | Confirmed | Rejected | Fault | JobEnded
