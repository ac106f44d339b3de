"""A school year as somebody says it shall be, and what a school's years make of a day. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import combinations
from typing import Final, Self

from controller.scheduling.school_time import (
    Bells,
    Flaw,
    Holiday,
    MakeUpDay,
    SchoolTimeError,
    SchoolYear,
    Term,
)

A_YEAR: Final = 52
"""Weeks from a school year to the next: weekdays stay as they are."""
MOST_NAME: Final = 64
"""Letters of a name of a term, holiday or bell schedule; a year's own is shorter."""
MOST_YEAR_NAME: Final = 32


@dataclass(frozen=True, slots=True)
class NamedBells:
    """A bell schedule as people know it: "Thứ Bảy"."""

    name: str
    bells: Bells


@dataclass(frozen=True, slots=True)
class YearPlan:
    """All of one school year; each part in the order of its dates. One that cannot be raises SchoolTimeError.

    `school_id` and `name` say which year it is. Every part has a name; no two terms and no two bell schedules have the
    same one, and of bell schedules that ring on one weekday each begins on another day.
    """

    school_id: str
    name: str
    terms: tuple[Term, ...] = ()
    bells: tuple[NamedBells, ...] = ()
    holidays: tuple[Holiday, ...] = ()
    make_up: tuple[MakeUpDay, ...] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen value is ordered as it is made
        put(self, "terms", tuple(sorted(self.terms, key=lambda each: each.first)))
        put(self, "bells", tuple(sorted(self.bells, key=lambda each: (each.bells.first, each.name))))
        put(self, "holidays", tuple(sorted(self.holidays, key=lambda each: (each.first, each.name))))
        put(self, "make_up", tuple(sorted(self.make_up, key=lambda each: each.day)))
        _named([self.name], MOST_YEAR_NAME)
        terms, bells = [each.name for each in self.terms], [each.name for each in self.bells]
        _named([*terms, *bells, *(each.name for each in self.holidays)], MOST_NAME)
        _once(terms)
        _once(bells)
        days = Counter(each.day for each in self.make_up)
        if any(count > 1 for count in days.values()):
            raise SchoolTimeError("a day is made up twice", Flaw.MAKE_UP_TWICE)
        for one, other in combinations(self.bells, 2):
            if one.bells.first == other.bells.first and one.bells.weekdays & other.bells.weekdays:
                message = f"bells {one.name} and {other.name} begin on one day"
                raise SchoolTimeError(message, Flaw.BELLS_TIED, names=(one.name, other.name))
        self.school_year(UTC)

    def school_year(self, zone: tzinfo) -> SchoolYear:
        return SchoolYear(zone, self.terms, tuple(each.bells for each in self.bells), self.holidays, self.make_up)

    @property
    def fingerprint(self) -> str:
        """Another one if anything in it is another."""
        told = (self.name, self.terms, [(each.name, _told(each.bells)) for each in self.bells])
        return hashlib.sha256(repr((told, self.holidays, self.make_up)).encode()).hexdigest()[:16]

    def later(self, name: str, weeks: int = A_YEAR) -> "YearPlan":
        """The same under another name, so many weeks later."""
        by = timedelta(weeks=weeks)
        return YearPlan(
            self.school_id,
            name,
            tuple(replace(each, first=each.first + by, last=each.last + by) for each in self.terms),
            tuple(
                NamedBells(each.name, replace(each.bells, first=each.bells.first + by, last=each.bells.last + by))
                for each in self.bells
            ),
            tuple(replace(each, first=each.first + by, last=each.last + by) for each in self.holidays),
            tuple(replace(each, day=each.day + by) for each in self.make_up),
        )


@dataclass(frozen=True)
class Calendar:
    """All years of a school."""

    zone: tzinfo
    years: tuple[SchoolYear, ...]

    @classmethod
    def of(cls, plans: Iterable[YearPlan], zone: tzinfo) -> Self:
        return cls(zone, tuple(each.school_year(zone) for each in plans))

    def on(self, day: date) -> SchoolYear | None:
        """The year of a day: as `store.year_of` chooses it."""
        first = [(term.first, year) for year in self.years for term in year.terms]
        begun = [each for each in first if each[0] <= day]
        if begun:
            return max(begun, key=lambda each: each[0])[1]
        return min(first, key=lambda each: each[0])[1] if first else None

    def teaches_at(self, span_ms: range) -> bool:
        """Whether a time (ms) begins and ends within periods."""
        year = self.on(datetime.fromtimestamp(span_ms.start / 1000, self.zone).date())
        slots = year.within(span_ms.start, span_ms.stop) if year else ()
        return bool(slots) and slots[0].start_ms <= span_ms.start and span_ms.stop <= slots[-1].end_ms


def _told(bells: Bells) -> tuple[object, ...]:
    return sorted(bells.weekdays), bells.first, bells.last, sorted(bells.periods)


def _named(names: Sequence[str], most: int) -> None:
    for name in names:
        if not name.strip() or len(name) > most:
            raise SchoolTimeError(f"a name has 1 to {most} letters", Flaw.NAME, names=(name,))


def _once(names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise SchoolTimeError(f"there are two {name}", Flaw.NAME_TWICE, names=(name,))
