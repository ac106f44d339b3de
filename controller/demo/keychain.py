"""A first thing to print: a key tag with a hole, as G-code for a printer of 220 x 220 mm. Pure.

The tag is a bar with round ends. Each layer: two rings round the hole, two lines along the edge, and lines to fill it.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

FILE_NAME: Final = "keychain.gcode"
_Point: TypeAlias = tuple[float, float]

_CENTRE: Final = (110.0, 110.0)
_HALF_MM: Final = 20.0
"""From the centre of the tag to that of each round end."""
_RADIUS_MM: Final = 12.0
_HOLE_MM: Final = 3.0
_LINE_MM: Final = 0.45
_LAYER_MM: Final = 0.2
_LAYERS: Final = 8
_FILAMENT_MM2: Final = math.pi * 1.75**2 / 4
_FEED: Final = 2400
_FEED_FIRST: Final = 1200
_FEED_TRAVEL: Final = 7200
_START: Final = (
    *("M140 S60", "M104 S200", "M190 S60", "M109 S200"),
    *("G28", "G90", "M82", "G92 E0", "M106 S255", "M117 Fabfleet"),
)
_END: Final = ("M107", "M104 S0", "M140 S0", "G91", "G1 Z10 F600", "G90", "G1 X0 Y200 F6000", "M84")


def gcode() -> str:
    """The whole file. Always the same."""
    return "\n".join(("; Fabfleet demo: key tag, PLA, 0.2 mm", *_START, *_body(), *_END)) + "\n"


@dataclass(slots=True)
class _Nozzle:
    """Draws paths; the filament is counted from the start."""

    pushed: float = 0.0

    def draw(self, path: list[_Point], feed: int) -> Iterator[str]:
        yield f"G0 X{path[0][0]:.2f} Y{path[0][1]:.2f} F{_FEED_TRAVEL}"
        for before, point in itertools.pairwise(path):
            self.pushed += math.dist(before, point) * _LINE_MM * _LAYER_MM / _FILAMENT_MM2
            yield f"G1 X{point[0]:.2f} Y{point[1]:.2f} E{self.pushed:.4f} F{feed}"


def _body() -> Iterator[str]:
    nozzle = _Nozzle()
    for layer in range(_LAYERS):
        feed = _FEED if layer else _FEED_FIRST
        yield f"M73 P{100 * layer // _LAYERS}"
        yield f"G1 Z{_LAYER_MM * (layer + 1):.2f} F600"
        for path in (*_walls(), *_filling()):
            yield from nozzle.draw(path, feed)


def _walls() -> Iterator[list[_Point]]:
    for line in (0.5, 1.5):
        yield _round(_RADIUS_MM - line * _LINE_MM)
        hole = _HOLE_MM + line * _LINE_MM
        yield [_shifted(-_HALF_MM, hole, math.radians(10 * step)) for step in range(37)]


def _round(radius: float) -> list[_Point]:
    """The outline of the tag, drawn with `radius` at its ends."""
    right = [_shifted(_HALF_MM, radius, math.radians(step)) for step in range(-90, 91, 10)]
    left = [_shifted(-_HALF_MM, radius, math.radians(step)) for step in range(90, 271, 10)]
    return [*right, *left, right[0]]


def _shifted(x: float, radius: float, angle: float) -> _Point:
    return (_CENTRE[0] + x + radius * math.cos(angle), _CENTRE[1] + radius * math.sin(angle))


def _filling() -> Iterator[list[_Point]]:
    """Straight lines across, every other one the other way, with a gap at the hole."""
    inside = _RADIUS_MM - 2 * _LINE_MM
    around = _HOLE_MM + 2 * _LINE_MM
    for number in range(1, int(2 * (_HALF_MM + inside) / _LINE_MM)):
        x = _LINE_MM * number - _HALF_MM - inside
        high = math.sqrt(inside**2 - max(abs(x) - _HALF_MM, 0.0) ** 2)
        gap = math.sqrt(max(around**2 - (x + _HALF_MM) ** 2, 0.0))
        pieces = [(-high, -gap), (gap, high)] if gap else [(-high, high)]
        if number % 2:
            pieces = [(top, low) for low, top in reversed(pieces)]
        for begin, end in pieces:
            yield [(_CENTRE[0] + x, _CENTRE[1] + begin), (_CENTRE[0] + x, _CENTRE[1] + end)]
