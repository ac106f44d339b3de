"""The lines of a drawing, layer by layer, thinned so that they have room whatever the file holds. Pure."""

import math
from array import array
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Line: TypeAlias = "array[int]"
"""Points of a drawing: x and y by turns."""
LONGEST: Final = 4000
"""Numbers in the longest line; who draws on begins a new one."""
_ROUNDED: Final = 1e-6
_MOST_LAYERS: Final = 128
_LAYER_MM: Final = 0.2
_MOST: Final = 6000
"""Numbers kept of one kind in one layer."""
_FINE: Final = 1.0
_COARSE: Final = 8.0


@dataclass(slots=True)
class Layer:
    """What is drawn at one height, by kind."""

    z: float
    lines: dict[str, list[Line]] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _tolerance: float = _FINE

    def add(self, kind: str, line: Line) -> None:
        """A line more. In a full layer all lines of its kind are drawn more coarsely; in the end there is no room."""
        line = thinned(line, self._tolerance)
        lines = self.lines.setdefault(kind, [])
        size = self._sizes.get(kind, 0) + len(line)
        while size > _MOST:
            if self._tolerance > _COARSE:
                return
            self._tolerance *= 2
            lines[:] = [thinned(each, self._tolerance) for each in lines]
            line = thinned(line, self._tolerance)
            size = sum(map(len, lines)) + len(line)
        lines.append(line)
        self._sizes[kind] = size


class Layers:
    """Takes layers in any order, and keeps some that lie at even distances, and the highest."""

    def __init__(self) -> None:
        self._bins: dict[int, Layer] = {}
        self._bin_mm = _LAYER_MM
        self._layer = self._highest = Layer(-math.inf)
        self._kind = ""
        self._line: Line = array("i")

    def line(self, z: float, kind: str, start: tuple[int, int]) -> Line:
        """A new line that begins here, for the caller to go on with until it asks for another."""
        self._close()
        if z != self._layer.z:
            self._layer = self._at(z)
        self._kind, self._line = kind, array("i", start)
        return self._line

    def kept(self) -> list[Layer]:
        """The layers from the lowest to the highest."""
        self._close()
        layers = {layer.z: layer for layer in (*self._bins.values(), self._highest) if layer.lines}
        return [layers[z] for z in sorted(layers)]

    def rename(self, kind: str, to: str) -> None:
        """Lines of one kind are of another."""
        for layer in self.kept():
            for line in layer.lines.pop(kind, []):
                layer.add(to, line)

    def _close(self) -> None:
        if len(self._line) > 2:
            self._layer.add(self._kind, self._line)
        self._line = array("i")

    def _at(self, z: float) -> Layer:
        if z == self._highest.z:
            return self._highest
        found = self._bins.get(self._bin(z))
        if found and found.z == z:
            return found
        layer = Layer(z)
        if not found:
            self._bins[self._bin(z)] = layer
            self._spread()
        if z > self._highest.z:
            self._highest = layer
        return layer

    def _bin(self, z: float) -> int:
        return math.floor(z / self._bin_mm + _ROUNDED)

    def _spread(self) -> None:
        while len(self._bins) > _MOST_LAYERS:
            self._bin_mm *= 2
            layers, self._bins = self._bins, {}
            for layer in sorted(layers.values(), key=lambda each: each.z):
                self._bins.setdefault(self._bin(layer.z), layer)


def thinned(line: Line, tolerance: float) -> Line:
    """The line without points that lie no further than `tolerance` off it then. Ends stay.

    From each point that is kept it looks on as long as one straight way passes all that it sees near enough.
    """
    if len(line) <= 4:
        return line
    kept = line[:2]
    from_x, from_y = last_x, last_y = line[0], line[1]
    base = least = most = far = 0.0
    for at in range(2, len(line), 2):
        x, y = line[at], line[at + 1]
        length = math.hypot(x - from_x, y - from_y)
        turn = math.remainder(math.atan2(y - from_y, x - from_x) - base, math.tau)
        if far and (length < far - tolerance or not least <= turn <= most):
            kept.extend((last_x, last_y))
            from_x, from_y, far = last_x, last_y, 0.0
            length = math.hypot(x - from_x, y - from_y)
        if length > tolerance:
            half = math.asin(tolerance / length)
            if far:
                least, most, far = max(least, turn - half), min(most, turn + half), max(far, length)
            else:
                base, least, most, far = math.atan2(y - from_y, x - from_x), -half, half, length
        last_x, last_y = x, y
    kept.extend((last_x, last_y))
    return kept
