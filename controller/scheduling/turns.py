"""Turns at a machine: from when until when it is whose, and whether somebody may begin one now. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

LEEWAY_MS: Final = 60_000
"""How far back a turn that begins now is dated, if nobody else had the machine then.

An agent's clock may be somewhat behind ours; a lease from this very moment would be one from the future to it.
"""
WALK_UP: Final = "walk-up-"
"""How the bookings begin of turns that nobody had booked."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A grant that was not revoked: the machine is `holder`'s from `from_ms` up to, not including, `until_ms`."""

    device_id: int
    holder: str
    booking: str
    from_ms: int
    until_ms: int
    book_number: int = 0

    @property
    def walk_up(self) -> bool:
        """Whether it began without a booking made beforehand."""
        return self.booking.startswith(WALK_UP)

    def covers(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms < self.until_ms

    def clashes(self, other: "Turn") -> bool:
        """Whether both would have the machine at one time, and are not of the same holder."""
        both_from, both_until = max(self.from_ms, other.from_ms), min(self.until_ms, other.until_ms)
        return self.device_id == other.device_id and self.holder != other.holder and both_from < both_until


@dataclass(frozen=True, slots=True)
class Keep:
    """The asker's turn lasts long enough."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Stretch:
    """The asker's turn, which nobody had booked, is to be made longer, up to `until_ms`."""

    turn: Turn
    until_ms: int


@dataclass(frozen=True, slots=True)
class Begin:
    """A new turn, dated from `from_ms`, up to `until_ms`."""

    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """Somebody else has the machine now, in this turn."""

    turn: Turn


Answer: TypeAlias = Keep | Stretch | Begin | Blocked


def answer(turns: Sequence[Turn], asked: Turn, now_ms: int) -> Answer:
    """Whether the holder of `asked` may have the machine from `now_ms`, and until when: up to `asked.until_ms` or to
    the next turn of somebody else. What the holder has booked is had as it was booked.

    `turns` are those of the machine that end later than LEEWAY_MS ago.
    """
    mine = holding((each for each in turns if each.holder == asked.holder), now_ms)
    if mine and not mine.walk_up:
        return Keep(mine)
    others = [each for each in turns if each.holder != asked.holder]
    there = holding(others, now_ms)
    if there:
        return Blocked(there)
    ahead = (each.from_ms for each in others if each.from_ms > now_ms)
    until_ms = min(asked.until_ms, *ahead, asked.until_ms)
    if mine:
        return Stretch(mine, until_ms) if until_ms > mine.until_ms else Keep(mine)
    before = (each.until_ms for each in others if each.until_ms <= now_ms)
    return Begin(max(now_ms - LEEWAY_MS, *before, 0), until_ms)


def holding(turns: Iterable[Turn], at_ms: int) -> Turn | None:
    """The turn in which the machine is then, the one that lasts longest; None if nobody has it."""
    return max((each for each in turns if each.covers(at_ms)), key=lambda each: each.until_ms, default=None)


def clashes(turns: Iterable[Turn]) -> Iterator[tuple[Turn, Turn]]:
    """All pairs that clash. `turns` come in the order of device and beginning."""
    running: list[Turn] = []
    for turn in turns:
        running = [each for each in running if each.device_id == turn.device_id and each.until_ms > turn.from_ms]
        yield from ((each, turn) for each in running if each.clashes(turn))
        running.append(turn)
