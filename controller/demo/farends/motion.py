"""Where a printer's tool is, and the moves that wait for their turn. Pure. Millimetres, seconds."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Final

BLOCKS: Final = 16
"""Moves that wait at most, as Marlin's BLOCK_BUFFER_SIZE."""
_ACCELERATION: Final = 500.0
_FASTEST: Final = 300.0
_HOME_S: Final = 6.0
"""For each axis."""
_INCH: Final = 25.4


class Motion:
    """Takes moves at once and makes them one after the other, as time passes."""

    def __init__(self) -> None:
        self.at = dict.fromkeys("XYZE", 0.0)
        self._unit = 1.0
        self._relative = False
        self._relative_e = False
        self._feed = 25.0
        self._blocks: deque[float] = deque()

    @property
    def standing(self) -> bool:
        return not self._blocks

    @property
    def crowded(self) -> bool:
        """Whether more moves wait than there is room for: the last one is not taken yet."""
        return len(self._blocks) > BLOCKS

    def left_s(self) -> float:
        """Until it stands."""
        return sum(self._blocks)

    def room_s(self) -> float:
        """Until the move that is being made has ended."""
        return self._blocks[0] if self._blocks else 0.0

    def advance(self, seconds: float) -> None:
        while self._blocks and seconds >= self._blocks[0]:
            seconds -= self._blocks.popleft()
        if self._blocks:
            self._blocks[0] -= seconds

    def mode(self, code: str) -> None:
        """G20, G21, G90, G91, M82 or M83."""
        match code:
            case "G90" | "G91":
                self._relative = self._relative_e = code == "G91"
            case "M82" | "M83":
                self._relative_e = code == "M83"
            case _:
                self._unit = _INCH if code == "G20" else 1.0

    def set_position(self, words: Mapping[str, float]) -> None:
        for axis in words.keys() & self.at.keys():
            self.at[axis] = words[axis] * self._unit

    def home(self, words: Mapping[str, float]) -> None:
        for axis in [axis for axis in "XYZ" if axis in words] or "XYZ":
            self.at[axis] = 0.0
            self.wait(_HOME_S)

    def wait(self, seconds: float) -> None:
        self._blocks.append(seconds)

    def move(self, code: str, words: Mapping[str, float], *, extrude: bool = True) -> float:
        """Take G0 to G3; millimetres of filament that it pushes. Without `extrude` the filament stays."""
        start = dict(self.at)
        for axis in words.keys() & self.at.keys():
            relative = self._relative_e if axis == "E" else self._relative
            self.at[axis] = (start[axis] if relative else 0.0) + words[axis] * self._unit
        if words.get("F", 0.0) > 0:
            self._feed = words["F"] * self._unit / 60
        pushed = self.at["E"] - start["E"] if extrude else 0.0
        way = math.dist([start[axis] for axis in "XYZ"], [self.at[axis] for axis in "XYZ"])
        if code in ("G2", "G3"):
            way = max(way, self._arc(start, words, clockwise=code == "G2"))
        length = way or abs(pushed)
        if length > 0:
            # No faster than it can be in the middle of so short a way, from a stand.
            self._blocks.append(length / min(self._feed, _FASTEST, math.sqrt(_ACCELERATION * length)))
        return pushed

    def _arc(self, start: Mapping[str, float], words: Mapping[str, float], *, clockwise: bool) -> float:
        """Length of an arc whose centre is given by I and J; 0 for the other form, by R."""
        x, y = words.get("I", 0.0) * self._unit, words.get("J", 0.0) * self._unit
        first = math.atan2(-y, -x)
        last = math.atan2(self.at["Y"] - start["Y"] - y, self.at["X"] - start["X"] - x)
        sweep = (first - last if clockwise else last - first) % (2 * math.pi)
        return math.hypot(x, y) * (sweep or 2 * math.pi)
