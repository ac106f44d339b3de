"""What else would do when a wish cannot be had: the nearest of each kind. Pure.

Only whole runs of the school's own periods are offered, in one half of a day: no class is kept over its lunch.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Final, TypeAlias

from controller.scheduling.choice import Choice
from controller.scheduling.policy import periods
from controller.scheduling.school_time import SchoolYear

DAYS: Final = 28
"""So far around the wished day is looked."""
MOST: Final = 3
_DAY: Final = timedelta(days=1)
_DAY_MS: Final = 86_400_000


class Kind(StrEnum):
    """Why it fits: what stays as it was wished, and what does not. In the order in which they are offered."""

    OTHER_UNIT = "other-unit"
    """The same time, another unit of the class."""
    OTHER_PERIOD = "other-period"
    """What was wished, in other periods of the same day."""
    OTHER_DAY = "other-day"
    """What was wished, on another day."""
    OTHER_UNIT_AND_TIME = "other-unit-and-time"
    """Neither; offered only where one of the others is missing."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """`choice` could be had from `start_ms` up to, not including, `end_ms`."""

    kind: Kind
    start_ms: int
    end_ms: int
    choice: Choice


Search: TypeAlias = Callable[[range], Choice | None]
"""What would serve at that time (ms), None if nothing is free or the rules forbid it."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is looked through. `asked` finds what was wished, `widened` the same with any of its class for a named unit;
    None if none was named. Nothing before `now_ms` is offered.
    """

    year: SchoolYear
    now_ms: int
    asked: Search
    widened: Search | None = None


def runs(year: SchoolYear, day: date, count: int) -> Iterator[range]:
    """The times (ms) of every so many periods in a row, in their order; none spans both halves of the day."""
    for _, half in groupby(year.slots(day), key=lambda slot: slot.period.half):
        slots = tuple(half)
        for first, last in zip(slots, slots[count - 1 :], strict=False):
            yield range(first.start_ms, last.end_ms)


def nearest(wished: range, sight: Sight) -> tuple[Alternative, ...]:
    """What else would do for a wish at that time (ms): at most MOST, each the nearest of its kind.

    The nearest to the wish comes first.
    """
    found: dict[Kind, Alternative] = {}
    for day in _outward(wished, sight):
        for kind, search, span in _offers(wished, sight, day):
            choice = None if kind in found else search(span)
            if choice is not None:
                found[kind] = Alternative(kind, span.start, span.stop, choice)
        if _is_enough(found.keys(), sight):
            break
    best = sorted(found.values(), key=lambda each: _ORDER[each.kind])[:MOST]
    return tuple(sorted(best, key=lambda each: abs(each.start_ms - wished.start)))


_ORDER: Final[Mapping[Kind, int]] = {kind: place for place, kind in enumerate(Kind)}


def _outward(wished: range, sight: Sight) -> Iterator[date]:
    """The wished day and those around it, the nearest first, the later one of two; none that is over."""
    middle, today = _day(wished.start, sight.year), _day(sight.now_ms, sight.year)
    for distance in range(DAYS + 1):
        for day in sorted({middle + distance * _DAY, middle - distance * _DAY}, reverse=True):
            if day >= today:
                yield day


def _offers(wished: range, sight: Sight, day: date) -> Iterator[tuple[Kind, Search, range]]:
    """What could be offered on a day, by clock the nearest to the wish first."""
    middle, year = _day(wished.start, sight.year), sight.year
    if day == middle and sight.widened is not None and wished.start >= sight.now_ms:
        yield Kind.OTHER_UNIT, sight.widened, wished
    then_ms = wished.start + (day - middle) // _DAY * _DAY_MS
    for run in sorted(runs(year, day, periods(wished, year)), key=lambda run: abs(run.start - then_ms)):
        if run.start >= sight.now_ms and run != wished:
            yield (Kind.OTHER_PERIOD if day == middle else Kind.OTHER_DAY), sight.asked, run
            if sight.widened is not None:
                yield Kind.OTHER_UNIT_AND_TIME, sight.widened, run


def _is_enough(found: Set[Kind], sight: Sight) -> bool:
    """Whether no other day could add anything."""
    lacking = sight.widened is not None and len(found) < MOST and Kind.OTHER_UNIT_AND_TIME not in found
    return Kind.OTHER_DAY in found and not lacking


def _day(at_ms: int, year: SchoolYear) -> date:
    return datetime.fromtimestamp(at_ms / 1000, year.zone).date()
