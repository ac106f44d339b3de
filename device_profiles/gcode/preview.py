"""A drawing of what a G-code file prints, from the moves of the file itself, for a page to show as SVG. Pure.

The bed is seen from its front left corner and from above. Layers are drawn from the bottom up, each filled inside its
outer walls. Whatever lies higher on a line of sight is also nearer to the eye, so later layers hide exactly what is
behind them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from device_profiles.gcode.allowed import Limits
from device_profiles.gcode.strokes import LONGEST, Layer, Layers, Line, thinned

MOST_DATA: Final = 60_000
"""Letters of path data in a drawing, whatever the file."""
TONES: Final = 6
_ACROSS: Final = 3000.0
"""Units from the bed's left corner to its right one."""
_SINE: Final = 0.36
"""Of the angle from which the bed is seen."""
_COSINE: Final = math.sqrt(1 - _SINE**2)
_GRID_MM: Final = 50.0
_MOST_GRID: Final = 40
_MARGIN: Final = 0.03
_CLOSEST: Final = 0.45
"""The least part of the bed's width that is shown, however small the thing on it."""
_LAYERS_ACROSS: Final = 220.0
"""How close layers are drawn: the width of the view has room for so many."""
_SEAM_MM: Final = 1.0
"""A wall whose ends are no further apart is closed."""
_ROUNDS: Final = 14
_NOWHERE: Final = (math.inf, math.inf, -math.inf, -math.inf)


@dataclass(frozen=True, slots=True)
class Stroke:
    """One `<path>`. `kind`: `wall` (outer walls, closed: to be filled), `line` (open walls, or every line of a file
    that does not name its walls), `around` (skirt, brim, support: torn off later).

    `tone` goes from 0 at the bed to TONES - 1 at the top.
    """

    kind: str
    tone: int
    data: str


@dataclass(frozen=True, slots=True)
class Preview:
    """An SVG's `viewBox`, then path data in the order in which they are to be drawn: bed, grid, strokes.

    For the words beside it: what is printed, in millimetres, without what is torn off.
    """

    view_box: str = "0 0 1 1"
    bed: str = ""
    grid: str = ""
    strokes: tuple[Stroke, ...] = ()
    width_mm: float = 0.0
    depth_mm: float = 0.0
    height_mm: float = 0.0


class _Bed:
    """The bed, and where on the drawing a place above it is."""

    __slots__ = ("_across", "_left", "_rise", "back", "front", "left", "right")

    def __init__(self, limits: Limits) -> None:
        (self.left, self.right), (self.front, self.back) = limits.x_mm, limits.y_mm
        self._across = _ACROSS / max(self.right - self.left + self.back - self.front, 1.0)
        self._left = self.left + self.front
        self._rise = self._across * math.sqrt(2) * _COSINE

    def point(self, place: tuple[float, float], z: float) -> tuple[int, int]:
        """To the right and down, from the front left corner."""
        x, y = place
        return (
            int((x + y - self._left) * self._across),
            int((x - self.left - y + self.front) * self._across * _SINE - z * self._rise),
        )

    def apart(self, millimetres: float) -> float:
        """The most units that so much of the bed's plane may take."""
        return millimetres * self._across * math.sqrt(2)

    def outline(self) -> Sequence[int]:
        corners = ((self.left, self.front), (self.right, self.front), (self.right, self.back), (self.left, self.back))
        return [number for x, y in corners for number in self.point((x, y), 0.0)]

    def grid(self) -> Iterator[Sequence[int]]:
        step = max(_GRID_MM, (self.right - self.left + self.back - self.front) / _MOST_GRID)
        for number in range(1, math.ceil((self.right - self.left) / step)):
            x = self.left + number * step
            yield (*self.point((x, self.front), 0.0), *self.point((x, self.back), 0.0))
        for number in range(1, math.ceil((self.back - self.front) / step)):
            y = self.front + number * step
            yield (*self.point((self.left, y), 0.0), *self.point((self.right, y), 0.0))


class Drawing:
    """Takes extruding moves one by one, and keeps so few of their lines that memory is bounded."""

    def __init__(self, limits: Limits) -> None:
        self._bed = _Bed(limits)
        self._layers = Layers()
        self._line: Line | None = None
        self._z = self._high = 0.0
        self._kind = ""
        self._end = (math.nan, math.nan)
        self._box = _NOWHERE

    def move(self, start: tuple[float, float], end: tuple[float, float], z: float, kind: str) -> None:
        """Plastic from one place to another, in millimetres. `z` is the layer's, `kind` as in words.Words."""
        line = self._line
        if line is None or z != self._z or kind != self._kind or start != self._end:
            self._z, self._kind = z, kind
            line = self._line = self._layers.line(z, kind, self._bed.point(start, z))
            self._extend(start)
        self._end = end
        right, down = self._bed.point(end, z)
        if right != line[-2] or down != line[-1]:
            line.extend((right, down))
            self._extend(end)
            if len(line) >= LONGEST:
                self._line = None

    def begin(self) -> None:
        """What was drawn so far is torn off later; now comes the thing itself."""
        self._layers.rename("", "around")
        self._line, self._box, self._high = None, _NOWHERE, 0.0

    def preview(self) -> Preview:
        """What was drawn so far. The same moves give the same drawing."""
        view = self._view()
        least_x, least_y, most_x, most_y = self._box
        return Preview(
            view_box=" ".join(str(round(each)) for each in view),
            bed=_path([self._bed.outline()], closed=True),
            grid=_path(self._bed.grid(), closed=False),
            strokes=_strokes(self._layers.kept(), self._bed, view[2]),
            width_mm=round(most_x - least_x, 1) if self._high else 0.0,
            depth_mm=round(most_y - least_y, 1) if self._high else 0.0,
            height_mm=round(self._high, 2),
        )

    def _extend(self, place: tuple[float, float]) -> None:
        if self._kind != "around":
            (x, y), (least_x, least_y, most_x, most_y) = place, self._box
            if not (least_x <= x <= most_x and least_y <= y <= most_y):
                self._box = (min(least_x, x), min(least_y, y), max(most_x, x), max(most_y, y))
            self._high = max(self._high, self._z)

    def _view(self) -> tuple[float, float, float, float]:
        """Left, top, width, height of what is shown: the bed, or the part of it around a small thing."""
        outline = self._bed.outline()
        whole = [min(outline[::2]), min(outline[1::2]), max(outline[::2]), max(outline[1::2])]
        least_x, least_y, most_x, most_y = self._box
        if least_x > most_x:
            return _frame(whole, whole, 1.0)
        corners = [
            self._bed.point((x, y), z) for x in (least_x, most_x) for y in (least_y, most_y) for z in (0.0, self._high)
        ]
        right, down = [each[0] for each in corners], [each[1] for each in corners]
        thing = [min(right), min(down), max(right), max(down)]
        whole = [*map(min, whole[:2], thing[:2]), *map(max, whole[2:], thing[2:])]
        return _frame(whole, thing, _CLOSEST)


def _frame(whole: Sequence[int], thing: Sequence[int], closest: float) -> tuple[float, float, float, float]:
    """As much of the whole around the thing as has room when it is enlarged, with a margin."""
    sides = []
    for at in (0, 1):
        length = whole[at + 2] - whole[at]
        wanted = min(max(closest * length, (thing[at + 2] - thing[at]) * 1.5), length)
        first = (thing[at] + thing[at + 2] - wanted) / 2
        first = min(max(first, whole[at]), whole[at] + length - wanted)
        sides.append((first - _MARGIN * wanted, wanted * (1 + 2 * _MARGIN)))
    (left, width), (top, height) = sides
    return left, top, width, height


def _strokes(layers: Sequence[Layer], bed: _Bed, width: float) -> tuple[Stroke, ...]:
    """As many layers, as finely drawn, as MOST_DATA has room for."""
    apart, tolerance = width / _LAYERS_ACROSS, width / 3000
    for _ in range(_ROUNDS):
        for layer in layers:
            for lines in layer.lines.values():
                lines[:] = [thinned(line, tolerance) for line in lines]
        strokes = tuple(_drawn(_even(layers, bed, apart), bed))
        if sum(len(stroke.data) for stroke in strokes) <= MOST_DATA:
            return strokes
        apart, tolerance = apart * 1.25, tolerance * 1.3
    return tuple(_cut(strokes))


def _even(layers: Sequence[Layer], bed: _Bed, apart: float) -> Sequence[Layer]:
    """The lowest, the highest, and between them every so-many-th, so that they are far enough apart on the drawing."""
    if len(layers) < 2:
        return layers
    height = bed.point((0.0, 0.0), layers[0].z)[1] - bed.point((0.0, 0.0), layers[-1].z)[1]
    every = max(1, math.ceil(apart * (len(layers) - 1) / max(height, 1)))
    return (*layers[:-1:every], layers[-1])


def _drawn(layers: Sequence[Layer], bed: _Bed) -> Iterator[Stroke]:
    lowest, highest = (layers[0].z, layers[-1].z) if layers else (0.0, 0.0)
    seam = bed.apart(_SEAM_MM)
    for layer in layers:
        tone = min(int((layer.z - lowest) / (highest - lowest) * TONES), TONES - 1) if highest > lowest else TONES - 1
        walls = layer.lines.get("wall", [])
        closed = [line for line in walls if len(line) > 6 and math.dist(line[:2], line[-2:]) <= seam]
        others = [line for line in walls if not any(line is each for each in closed)]
        for kind, lines in (("around", layer.lines.get("around", [])), ("wall", closed), ("line", others)):
            if lines:
                yield Stroke(kind, tone, _path(lines, closed=kind == "wall"))
        if lines := layer.lines.get("", []):
            yield Stroke("line", tone, _path(lines, closed=False))


def _cut(strokes: Iterable[Stroke]) -> Iterator[Stroke]:
    room = MOST_DATA
    for stroke in strokes:
        room -= len(stroke.data)
        if room < 0:
            return
        yield stroke


def _path(lines: Iterable[Sequence[int]], *, closed: bool) -> str:
    """SVG path data: each line from an absolute place on, by relative steps."""
    parts = []
    for line in lines:
        parts.append(f"M{line[0]} {line[1]}l")
        x, y = line[0], line[1]
        steps = []
        for at in range(2, len(line), 2):
            steps.append(f"{line[at] - x} {line[at + 1] - y}")
            x, y = line[at], line[at + 1]
        parts.append(" ".join(steps).replace(" -", "-"))
        if closed:
            parts.append("z")
    return "".join(parts)
