"""What GRBL's lines are made of, and what of them lasts: its modal state. Pure.

Source: gnea/grbl, gcode.c, and doc/markdown/commands.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hil.farends.grbl_planner import Place

WORD: Final = re.compile(r"([A-Z])([-+]?(?:\d+\.?\d*|\.\d+))")
KNOWN: Final = frozenset(
    (
        *("G0", "G1", "G4", "G10", "G17", "G20", "G21", "G28", "G30", "G40", "G49", "G53", "G54", "G80"),
        *("G90", "G91", "G92", "G94", "M0", "M2", "M3", "M4", "M5", "M7", "M8", "M9", "M30"),
    )
)


class Mode(StrEnum):
    IDLE = "Idle"
    RUN = "Run"
    HOLD = "Hold"
    JOG = "Jog"
    ALARM = "Alarm"
    DOOR = "Door"
    HOME = "Home"
    SLEEP = "Sleep"


@dataclass(slots=True)
class Modal:
    """What lasts from line to line."""

    motion: str = "G0"
    inches: bool = False
    relative: bool = False
    feed: float = 0.0
    power: float = 0.0
    spindle: str = "M5"
    offset: Place = (0.0, 0.0, 0.0)

    def take(self, codes: Sequence[str], words: Mapping[str, str], most_power: float) -> None:
        """What a line says for itself and those after it."""
        for code in codes:
            match code:
                case "G0" | "G1":
                    self.motion = code
                case "G20" | "G21":
                    self.inches = code == "G20"
                case "G90" | "G91":
                    self.relative = code == "G91"
                case "M3" | "M4" | "M5":
                    self.spindle = code
                case "M2" | "M30":
                    self.spindle, self.relative = "M5", False
        self.feed = float(words["F"]) * (25.4 if self.inches else 1.0) if "F" in words else self.feed
        self.power = min(float(words["S"]), most_power) if "S" in words else self.power

    def target(self, words: Mapping[str, str], end: Place, *, relative: bool) -> Place:
        """Where a line goes from `end`, in millimetres."""
        unit = 25.4 if self.inches else 1.0
        x, y, z = (
            (float(words[axis]) * unit + (at if relative else 0.0)) if axis in words else at
            for axis, at in zip("XYZ", end, strict=True)
        )
        return x, y, z
