"""What else would do when a wish cannot be had: the nearest of each kind. Pure.

Only whole runs of the school's own periods are offered, in one half of a day: no class is kept over its lunch.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Final

from controller.scheduling.choice import Choice, Taken, Wanted, choose
from controller.scheduling.school_time import SchoolYear, ticks

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


@dataclass(frozen=True, slots=True)
class Asked:
    """What was wished and when (ms). `widened` is the same with any of its class for a named unit, None: none is."""

    wanted: Wanted
    span_ms: range
    widened: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """`taken` is what is in the way of a use within some ticks, `fits` whether the rules allow a time (ms) with what
    was chosen for it. Nothing before `now_ms` is offered.
    """

    year: SchoolYear
    now_ms: int
    taken: Callable[[range], Taken]
    fits: Callable[[range, Choice], bool]


def runs(year: SchoolYear, day: date, periods: int) -> Iterator[range]:
    """The times (ms) of every so many periods in a row, in their order; none spans both halves of the day."""
    for _, half in groupby(year.slots(day), key=lambda slot: slot.period.half):
        slots = tuple(half)
        for first, last in zip(slots, slots[periods - 1 :], strict=False):
            yield range(first.start_ms, last.end_ms)


def nearest(asked: Asked, sight: Sight) -> tuple[Alternative, ...]:
    """At most MOST, each the nearest of its kind; the nearest to the wish first."""
    found: dict[Kind, Alternative] = {}
    for day in _outward(asked, sight):
        offers = [each for each in _offers(asked, sight, day) if each[0] not in found]
        if not offers:
            continue
        first, last = min(span.start for _, _, span in offers), max(span.stop for _, _, span in offers)
        taken = sight.taken(ticks(first, last))
        for kind, wanted, span in offers:
            choice = None if kind in found else choose(wanted, ticks(span.start, span.stop), taken)
            if choice is not None and sight.fits(span, choice):
                found[kind] = Alternative(kind, span.start, span.stop, choice)
        if _is_enough(found.keys(), asked):
            break
    best = sorted(found.values(), key=lambda each: _ORDER[each.kind])[:MOST]
    return tuple(sorted(best, key=lambda each: abs(each.start_ms - asked.span_ms.start)))


_ORDER: Final[Mapping[Kind, int]] = {kind: place for place, kind in enumerate(Kind)}


def _outward(asked: Asked, sight: Sight) -> Iterator[date]:
    """The wished day and those around it, the nearest first, the later one of two; none that is over."""
    wished, today = _day(asked.span_ms.start, sight.year), _day(sight.now_ms, sight.year)
    for distance in range(DAYS + 1):
        for day in sorted({wished + distance * _DAY, wished - distance * _DAY}, reverse=True):
            if day >= today:
                yield day


def _offers(asked: Asked, sight: Sight, day: date) -> Iterator[tuple[Kind, Wanted, range]]:
    """What could be offered on a day, by clock the nearest to the wish first."""
    span, year = asked.span_ms, sight.year
    wished = _day(span.start, year)
    if day == wished and asked.widened is not None and span.start >= sight.now_ms:
        yield Kind.OTHER_UNIT, asked.widened, span
    then_ms = span.start + (day - wished) // _DAY * _DAY_MS
    periods = max(1, len(year.within(span.start, span.stop)))
    for run in sorted(runs(year, day, periods), key=lambda run: abs(run.start - then_ms)):
        if run.start >= sight.now_ms and run != span:
            yield (Kind.OTHER_PERIOD if day == wished else Kind.OTHER_DAY), asked.wanted, run
            if asked.widened is not None:
                yield Kind.OTHER_UNIT_AND_TIME, asked.widened, run


def _is_enough(found: Set[Kind], asked: Asked) -> bool:
    """Whether no other day could add anything."""
    lacking = asked.widened is not None and len(found) < MOST and Kind.OTHER_UNIT_AND_TIME not in found
    return Kind.OTHER_DAY in found and not lacking


def _day(at_ms: int, year: SchoolYear) -> date:
    return datetime.fromtimestamp(at_ms / 1000, year.zone).date()
