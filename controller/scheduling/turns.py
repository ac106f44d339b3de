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
    """The asker's turn is to be made longer."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Begin:
    """A new turn, dated from `from_ms`."""

    from_ms: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """It would clash with this turn of somebody else: of all that it would clash with, the one that begins first."""

    turn: Turn


Answer: TypeAlias = Keep | Stretch | Begin | Blocked


def answer(turns: Sequence[Turn], asked: Turn, now_ms: int) -> Answer:
    """Whether the holder of `asked` may have the machine from `now_ms` until `asked.until_ms`.

    `turns` are those of the machine that end later than LEEWAY_MS ago.
    """
    mine = holding((each for each in turns if each.holder == asked.holder), now_ms)
    if mine and mine.until_ms >= asked.until_ms:
        return Keep(mine)
    in_the_way = [each for each in turns if each.clashes(asked)]
    if in_the_way:
        return Blocked(min(in_the_way, key=lambda each: each.from_ms))
    if mine:
        return Stretch(mine)
    before = (each.until_ms for each in turns if each.holder != asked.holder and each.until_ms <= now_ms)
    return Begin(max(now_ms - LEEWAY_MS, *before, 0))


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
