"""What a host tells GRBL and knows of it, as values. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from firmware_bridges.grbl_state import State
from firmware_bridges.machine_events import Confirmed, Ended, Fault, JobEnded, Rejected


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in milliseconds. `brake_ms`: how long a stop waits for the machine to stand before it resets it."""

    report_ms: int = 250
    silence_ms: int = 5_000
    answer_ms: int = 10_000
    brake_ms: int = 2_000


@dataclass(frozen=True, slots=True)
class Job:
    """What to cut: `total` commands, one line each, without comments. Each fits GRBL's line buffer."""

    name: str
    lines: Iterator[str]
    total: int


@dataclass(frozen=True, slots=True)
class View:
    """All that is known of the machine, at one moment. Millimetres, mm/min, units of S.

    `told` is the machine's own word for its state. `settings` are those of `$$` by number. `position` is where the
    tool is in machine coordinates. `resetting`: it was reset and has not said so yet.
    `fault` stays until the machine is ready again.
    """

    state: State = State.CONNECTING
    told: str = ""
    door_open: bool = False
    firmware: str = ""
    settings: Mapping[int, float] = field(default_factory=dict)
    position: tuple[float, ...] | None = None
    offset: tuple[float, ...] | None = None
    feed: float | None = None
    speed: float | None = None
    overrides: tuple[float, ...] | None = None
    pins: str = ""
    resetting: bool = False
    fault: str = ""
    job: str = ""
    done: int = 0
    total: int = 0
    ended: Ended | None = None
    in_flight: int = 0
    most_in_flight: int = 0
    reports: int = 0
    heard: int = 0
    noise: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    before: State
    state: State


Event: TypeAlias = Changed | Confirmed | Rejected | Fault | JobEnded
