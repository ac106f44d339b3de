"""Moves one after the other, as GRBL's planner and stepper carry them out. Pure; time is passed in, in seconds.

Trapezoids of speed with a look-ahead over what is planned, as grbl/planner.c has it: through a corner no faster than
the junction deviation allows, at the end of what is known at a stand. Simplified: a block that has begun is not planned
anew when others come behind it, and one acceleration holds for all axes.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

Place: TypeAlias = tuple[float, float, float]
ROOM: Final = 15
"""Blocks that can be planned (BLOCK_BUFFER_SIZE less one)."""
_DEVIATION_MM: Final = 0.01
_NOWHERE: Final = 1e-9


@dataclass(slots=True)
class Block:
    """A straight way: millimetres, mm/s. `corner2`: the square of the speed at most at its beginning."""

    way: Place
    length: float
    speed: float
    power: float
    corner2: float = 0.0
    jog: bool = False


class Motion:
    """One block, or what is left of it, on its way: up to `peak`, along, down to `leave`."""

    def __init__(self, length: float, enter: float, leave: float, top: float, acceleration: float) -> None:
        peak2 = min((2 * acceleration * length + enter**2 + leave**2) / 2, top**2)
        self.acceleration = acceleration
        self.enter, self.peak, self.length = enter, math.sqrt(max(peak2, enter**2, leave**2)), length
        self.leave = min(leave, self.peak)
        self.up_s = (self.peak - enter) / acceleration
        self.down_s = (self.peak - self.leave) / acceleration
        ramps = (2 * self.peak**2 - enter**2 - self.leave**2) / (2 * acceleration)
        self.along_s = max(length - ramps, 0.0) / max(self.peak, _NOWHERE)

    @property
    def seconds(self) -> float:
        return self.up_s + self.along_s + self.down_s

    def at(self, passed_s: float) -> tuple[float, float]:
        """Millimetres and mm/s after so many seconds."""
        if passed_s >= self.seconds:
            return self.length, self.leave
        if passed_s < self.up_s:
            speed = self.enter + self.acceleration * passed_s
            return (self.enter + speed) / 2 * passed_s, speed
        if passed_s < self.up_s + self.along_s:
            way = (self.enter + self.peak) / 2 * self.up_s
            return way + self.peak * (passed_s - self.up_s), self.peak
        left_s = self.seconds - passed_s
        speed = self.leave + self.acceleration * left_s
        return self.length - (self.leave + speed) / 2 * left_s, speed


class Planner:
    """What is planned and what moves. `finished` counts blocks that are through, `moving_s` the time that it took."""

    def __init__(self, acceleration: float) -> None:
        self.acceleration = acceleration
        self.blocks: deque[Block] = deque()
        self.place: Place = (0.0, 0.0, 0.0)
        """Where the motion that is under way began, else where the tool stands."""
        self.end: Place = (0.0, 0.0, 0.0)
        self.finished = 0
        self.moving_s = 0.0
        self.holding = False
        self._motion: Motion | None = None
        self._since = 0.0
        self._speed = 0.0

    @property
    def moving(self) -> bool:
        return self._motion is not None

    @property
    def full(self) -> bool:
        return len(self.blocks) >= ROOM

    def add(self, to: Place, speed: float, power: float, now: float, *, jog: bool = False) -> None:
        """Plan a straight way to a place. One without length is left out."""
        way = (to[0] - self.end[0], to[1] - self.end[1], to[2] - self.end[2])
        length = math.hypot(*way)
        if length < _NOWHERE:
            return
        block = Block((way[0] / length, way[1] / length, way[2] / length), length, speed, power, jog=jog)
        if self.blocks:
            block.corner2 = min(self._corner2(self.blocks[-1].way, block.way), speed**2, self.blocks[-1].speed ** 2)
        self.blocks.append(block)
        self.end = to
        if self._motion is None and not self.holding:
            self._begin(now)

    def next_s(self) -> float:
        """When the motion under way ends; infinite if nothing moves."""
        return self._since + self._motion.seconds if self._motion else math.inf

    def advance(self, now: float) -> None:
        """The motion under way has ended, at `now`."""
        motion, block = self._motion, self.blocks[0]
        if motion is None:
            return
        self.moving_s += motion.seconds
        self.place = _along(self.place, block.way, motion.length)
        self._motion, self._speed = None, motion.leave
        if motion.length >= block.length - _NOWHERE:
            self.blocks.popleft()
            self.finished += 1
        else:
            block.length -= motion.length
            block.corner2 = 0.0
        if self.blocks and not (self.holding and self._speed < _NOWHERE):
            self._begin(now)
        else:
            self._speed = 0.0

    def now(self, now: float) -> tuple[Place, float]:
        """Where the tool is, and how fast in mm/s."""
        if self._motion is None:
            return self.place, 0.0
        way, speed = self._motion.at(now - self._since)
        return _along(self.place, self.blocks[0].way, way), speed

    def hold(self, now: float) -> None:
        """Slow down along the way that is planned."""
        self.holding = True
        if self._motion is not None:
            way, speed = self._motion.at(now - self._since)
            self.moving_s += now - self._since
            self.place = _along(self.place, self.blocks[0].way, way)
            self.blocks[0].length -= way
            self._motion, self._speed = None, speed
            if self.blocks[0].length <= _NOWHERE:
                self.blocks.popleft()
                self.finished += 1
            if self.blocks and speed > _NOWHERE:
                self._begin(now)

    def go_on(self, now: float) -> None:
        self.holding, self._speed = False, 0.0
        if self.blocks and self._motion is None:
            self._begin(now)

    def clear(self, now: float) -> None:
        """Stop dead where it is."""
        self.place = self.end = self.now(now)[0]
        self.blocks.clear()
        self._motion, self._speed, self.holding = None, 0.0, False

    def _begin(self, now: float) -> None:
        block, enter = self.blocks[0], min(self._speed, self.blocks[0].speed)
        self._since = now
        if self.holding:
            brake = min(enter**2 / (2 * self.acceleration), block.length)
            leave = math.sqrt(max(enter**2 - 2 * self.acceleration * brake, 0.0))
            self._motion = Motion(brake, enter, leave, enter, self.acceleration)
        else:
            self._motion = Motion(block.length, enter, self._leave(), block.speed, self.acceleration)

    def _leave(self) -> float:
        """How fast the first block may be at its end, so that all behind it can be braked."""
        leave2 = 0.0
        for block in list(self.blocks)[:0:-1]:
            leave2 = min(leave2 + 2 * self.acceleration * block.length, block.corner2)
        first = self.blocks[0]
        return math.sqrt(min(leave2, self._speed**2 + 2 * self.acceleration * first.length, first.speed**2))

    def _corner2(self, before: Place, after: Place) -> float:
        cosine = -sum(a * b for a, b in zip(before, after, strict=True))
        if cosine > 0.999999:
            return 0.0
        if cosine < -0.999999:
            return math.inf
        sine = math.sqrt((1 - cosine) / 2)
        return self.acceleration * _DEVIATION_MM * sine / (1 - sine)


def _along(place: Place, way: Place, length: float) -> Place:
    return place[0] + way[0] * length, place[1] + way[1] * length, place[2] + way[2] * length
