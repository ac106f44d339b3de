"""How long a printer takes for its moves. Pure."""

from math import sqrt
from typing import Final

_AHEAD: Final = 64
_AT_ONCE: Final = 48
"""So many moves are added up together, when so many are known. Firmware's planner looks 16 to 64 moves ahead."""
_JERK_MM_S: Final = 8.0
_LONGEST_WAIT_S: Final = 86_400.0
_SHORTEST_MM: Final = 1e-6


class Clock:
    """Adds up moves as trapezoids of speed, as Marlin's planner does with classic jerk.

    Through a corner no axis may jump by more than the jerk; a move ends no faster than all that follows can brake from.
    `acceleration` in mm/s2, `jerk` in mm/s.
    """

    __slots__ = ("_entry", "_moves", "_speed", "_way", "acceleration", "elapsed_s", "jerk")

    def __init__(self, acceleration: float) -> None:
        self.acceleration = max(acceleration, 1.0)
        self.jerk = _JERK_MM_S
        self.elapsed_s = 0.0
        self._moves: list[tuple[float, float, float, float, float]] = []
        """Length; by how much the square of the speed may change; that square as wanted; the same, at most, to begin
        with; acceleration."""
        self._entry = 0.0
        """Square of the speed that the first of them begins with, at most."""
        self._way = (0.0, 0.0, 0.0)
        self._speed = 0.0

    def move(self, way: tuple[float, float, float], pushed: float, speed: float) -> None:
        """A straight move by millimetres, at mm/s. One of the extruder alone has no way."""
        x, y, z = way
        length = sqrt(x * x + y * y + z * z)
        if length < _SHORTEST_MM:
            length = abs(pushed)
            if length < _SHORTEST_MM:
                return
        before_x, before_y, before_z = self._way
        rate = speed / length
        self._way = (x, y, z) = (x * rate, y * rate, z * rate)
        turn = max(abs(x - before_x), abs(y - before_y))
        if z != before_z:
            turn = max(turn, abs(z - before_z))
        corner = min(self._speed, speed)
        if turn > self.jerk:
            corner *= self.jerk / turn
        self._speed = speed
        moves = self._moves
        acceleration = self.acceleration
        moves.append((length, 2 * acceleration * length, speed * speed, corner * corner, acceleration))
        if len(moves) == _AHEAD:
            self._let_go(_AT_ONCE)

    def curve(self, length: float, ways: tuple[tuple[float, float], tuple[float, float]], speed: float) -> None:
        """A move that begins in one direction of the XY plane and ends in another."""
        (x, y), (to_x, to_y) = ways
        self.move((x * length, y * length, 0.0), 0.0, speed)
        self._way = (to_x * speed, to_y * speed, 0.0)

    def wait(self, seconds: float) -> None:
        """Stand still."""
        self.finish()
        self.elapsed_s += min(max(seconds, 0.0), _LONGEST_WAIT_S)

    def finish(self) -> None:
        """Come to a stand."""
        self._let_go(len(self._moves))
        self._way, self._speed, self._entry = (0.0, 0.0, 0.0), 0.0, 0.0

    def _let_go(self, count: int) -> None:
        """Add up the oldest moves, as fast as the ones behind them allow."""
        moves = self._moves
        slowed, leave = [0.0], 0.0
        for _, gain, _, corner, _ in reversed(moves):
            leave += gain
            if leave > corner:  # noqa: PLR1730 - min() takes three times as long, and this is done for each move
                leave = corner
            slowed.append(leave)
        slowed.pop()
        entry, elapsed = self._entry, 0.0
        for length, gain, top, _, acceleration in moves[:count]:
            leave, reached = slowed.pop(), entry + gain
            if leave > reached:  # noqa: PLR1730
                leave = reached
            if entry == leave == top:
                elapsed += length / sqrt(top)
            else:
                peak = (gain + entry + leave) / 2
                if peak > top:
                    elapsed += (gain - 2 * top + entry + leave) / (2 * acceleration * sqrt(top))
                    peak = top
                elapsed += (2 * sqrt(peak) - sqrt(entry) - sqrt(leave)) / acceleration
            entry = leave
        self.elapsed_s += elapsed
        self._entry = entry
        del moves[:count]
