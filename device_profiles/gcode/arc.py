"""Arcs of the XY plane. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

_Place: TypeAlias = tuple[float, float]
_ROUNDED_MM: Final = 0.005
_OFF_MM: Final = 0.05
_STEP: Final = math.radians(10)


@dataclass(frozen=True, slots=True)
class Arc:
    """A way round a centre, in millimetres. `sweep` is in radians, counter-clockwise if positive."""

    x: float
    y: float
    radius: float
    first: float
    sweep: float

    @property
    def length(self) -> float:
        return self.radius * abs(self.sweep)

    def tangents(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The directions in which it begins and ends."""
        way, last = math.copysign(1.0, self.sweep), self.first + self.sweep
        return (-way * math.sin(self.first), way * math.cos(self.first)), (-way * math.sin(last), way * math.cos(last))

    def points(self) -> Iterator[tuple[float, float]]:
        """Places on the way, 10 degrees or less apart; the ends are left out."""
        count = max(1, math.ceil(abs(self.sweep) / _STEP))
        for number in range(1, count):
            angle = self.first + self.sweep * number / count
            yield self.x + self.radius * math.cos(angle), self.y + self.radius * math.sin(angle)

    def furthest(self, end: _Place) -> Iterator[_Place]:
        """Where it goes furthest to each side, and where it leaves the circle for an end that lies off it."""
        turns = [(quarter * math.pi / 2 - self.first) % math.tau for quarter in range(4)]
        angles = [turn for turn in turns if turn <= self.sweep or turn - math.tau >= self.sweep]
        for turn in (*angles, self.sweep):
            angle = self.first + turn
            place = self.x + self.radius * math.cos(angle), self.y + self.radius * math.sin(angle)
            if turn != self.sweep or math.dist(place, end) > _OFF_MM:
                yield place


def arc(start: _Place, end: _Place, round_: _Place | float, *, clockwise: bool) -> Arc | None:
    """From start to end, round a centre or at a radius (negative: the longer way). None if there is no such arc.

    The same ends mean a full turn. The end may lie off the circle: the printer goes there straight in the end.
    """
    centre = _centre(start, end, round_, clockwise=clockwise) if isinstance(round_, float) else round_
    if centre is None:
        return None
    x, y = centre
    first = math.atan2(start[1] - y, start[0] - x)
    sweep = (math.atan2(end[1] - y, end[0] - x) - first) % (2 * math.pi) or 2 * math.pi
    if clockwise:
        sweep -= 2 * math.pi if sweep < 2 * math.pi else 4 * math.pi
    return Arc(x, y, math.hypot(start[0] - x, start[1] - y), first, sweep)


def _centre(start: _Place, end: _Place, radius: float, *, clockwise: bool) -> _Place | None:
    across, up = end[0] - start[0], end[1] - start[1]
    chord = math.hypot(across, up)
    if chord == 0 or abs(radius) < chord / 2 - _ROUNDED_MM:
        return None
    height = math.sqrt(max(radius**2 - (chord / 2) ** 2, 0.0)) * (1 if (radius > 0) != clockwise else -1)
    return (start[0] + end[0]) / 2 - up / chord * height, (start[1] + end[1]) / 2 + across / chord * height
