"""A heater and what it warms, after Newton's law of cooling. Pure. Degrees Celsius, seconds."""

import math
from dataclasses import dataclass
from typing import Final

ROOM_C: Final = 26.0


@dataclass(frozen=True, slots=True)
class Build:
    """How hot it becomes at full power in the end, and its time constant."""

    most_c: float
    inertia_s: float


NOZZLE: Final = Build(most_c=400.0, inertia_s=180.0)
"""200 °C after two minutes, as an Ender-3 at 24 V."""
BED: Final = Build(most_c=120.0, inertia_s=300.0)
"""60 °C after two minutes and a quarter."""


class Heater:
    """A target of 0 is off."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self.actual = ROOM_C
        self.target = 0.0

    @property
    def power(self) -> int:
        """As Marlin tells it: 0 to 127."""
        if self.target <= ROOM_C or self.actual > self.target:
            return 0
        if self.actual < self.target:
            return 127
        return round(127 * (self.target - ROOM_C) / (self._build.most_c - ROOM_C))

    def advance(self, seconds: float) -> None:
        heats = self.actual < self.target
        goal = self._build.most_c if heats else ROOM_C
        after = goal + (self.actual - goal) * math.exp(-seconds / self._build.inertia_s)
        self.actual = min(after, self.target) if heats else max(after, self.target)

    def left_s(self) -> float:
        """Until the target is reached; infinite if it never is."""
        if self.actual == self.target:
            return 0.0
        goal = self._build.most_c if self.actual < self.target else ROOM_C
        ratio = (self.actual - goal) / (self.target - goal) if self.target != goal else math.inf
        return self._build.inertia_s * math.log(ratio) if 0 < ratio < math.inf else math.inf
