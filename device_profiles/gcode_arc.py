"""Arcs of the XY plane. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_ROUNDED_MM: Final = 0.005
_STEP: Final = math.radians(10)


@dataclass(frozen=True, slots=True)
class Arc:
    """A way round a centre, in millimetres. `sweep` is in radians, counter-clockwise if positive."""

    x: float
    y: float
    radius: float
    first: float
    sweep: float

    def points(self) -> Iterator[tuple[float, float, float]]:
        """x, y, and the part of the way gone, 10 degrees or less apart; the ends are left out."""
        count = max(1, math.ceil(abs(self.sweep) / _STEP))
        for number in range(1, count):
            part = number / count
            angle = self.first + self.sweep * part
            yield self.x + self.radius * math.cos(angle), self.y + self.radius * math.sin(angle), part

    def furthest(self) -> Iterator[tuple[float, float]]:
        """Where it goes furthest left, right, to the front and back, apart from its ends."""
        for quarter in range(4):
            angle = quarter * math.pi / 2
            turned = (angle - self.first) % (2 * math.pi)
            if turned <= self.sweep or turned - 2 * math.pi >= self.sweep:
                yield self.x + self.radius * math.cos(angle), self.y + self.radius * math.sin(angle)


def arc(
    start: tuple[float, float],
    end: tuple[float, float],
    centre: tuple[float, float] | None,
    radius: float,
    *,
    clockwise: bool,
) -> Arc | None:
    """From start to end, round a centre or, if that is None, at a radius (negative: the longer way). None if none is.

    The same ends mean a full turn. The end may lie off the circle: the printer goes there straight in the end.
    """
    if centre is None:
        centre = _centre(start, end, radius, clockwise=clockwise)
        if centre is None:
            return None
    x, y = centre
    first = math.atan2(start[1] - y, start[0] - x)
    sweep = (math.atan2(end[1] - y, end[0] - x) - first) % (2 * math.pi) or 2 * math.pi
    if clockwise:
        sweep -= 2 * math.pi if sweep < 2 * math.pi else 4 * math.pi
    return Arc(x, y, math.hypot(start[0] - x, start[1] - y), first, sweep)


def _centre(
    start: tuple[float, float], end: tuple[float, float], radius: float, *, clockwise: bool
) -> tuple[float, float] | None:
    across, up = end[0] - start[0], end[1] - start[1]
    chord = math.hypot(across, up)
    if chord == 0 or abs(radius) < chord / 2 - _ROUNDED_MM:
        return None
    height = math.sqrt(max(radius**2 - (chord / 2) ** 2, 0.0)) * (1 if (radius > 0) != clockwise else -1)
    return (start[0] + end[0]) / 2 - up / chord * height, (start[1] + end[1]) / 2 + across / chord * height
