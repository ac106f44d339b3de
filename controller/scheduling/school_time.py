"""When a school teaches: terms, weeks A and B, holidays, and the bells of each day. Pure.

Bookings are stored as instants and shown as the reader's own periods. A wall-clock time that a change of clocks skips
is taken for the first instant after the gap; of one that comes twice, the first is meant.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Final, TypeAlias

TICK_MS: Final = 5 * 60_000
"""The grain of all bookings. Periods of 35 and 45 minutes are whole numbers of it."""
_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_MONTH: Final = 31


class Half(StrEnum):
    """Periods are numbered from 1 in each half of the day."""

    MORNING = "morning"
    AFTERNOON = "afternoon"


class Flaw(StrEnum):
    """What cannot be. These names are kept."""

    PERIOD_BACKWARDS = "period-backwards"
    PERIOD_NUMBER = "period-number"
    PERIOD_GRAIN = "period-grain"
    PERIODS_OVERLAP = "periods-overlap"
    PERIOD_TWICE = "period-twice"
    BELLS_BACKWARDS = "bells-backwards"
    BELLS_TIED = "bells-tied"
    WEEKDAY = "weekday"
    TERM_BACKWARDS = "term-backwards"
    TERMS_OVERLAP = "terms-overlap"
    HOLIDAY_BACKWARDS = "holiday-backwards"
    MAKE_UP_TWICE = "make-up-twice"
    NAME = "name"
    NAME_TWICE = "name-twice"
    HOURS_BACKWARDS = "hours-backwards"
    ZONE = "zone"


Place: TypeAlias = tuple[Half, int]
"""Of a period in the day: its half and its number."""


class SchoolTimeError(ValueError):
    """A calendar or bell schedule says what cannot be: `flaw`, of the `names` (terms, bells) or the `periods`."""

    def __init__(
        self, message: str, flaw: Flaw, *, names: tuple[str, ...] = (), periods: tuple[Place, ...] = ()
    ) -> None:
        super().__init__(message)
        self.flaw = flaw
        self.names = names
        self.periods = periods


class Week(StrEnum):
    A = "A"
    B = "B"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One lesson's place in the day. Ordered by its beginning."""

    begins: time
    ends: time
    half: Half
    number: int

    def __post_init__(self) -> None:
        if self.begins >= self.ends:
            raise self._wrong("ends before it begins", Flaw.PERIOD_BACKWARDS)
        if self.number < 1:
            raise self._wrong("is numbered from 1", Flaw.PERIOD_NUMBER)
        if any(each.second or each.microsecond or each.minute % 5 for each in (self.begins, self.ends)):
            raise self._wrong("begins and ends at full five minutes", Flaw.PERIOD_GRAIN)

    @property
    def place(self) -> Place:
        return self.half, self.number

    def _wrong(self, how: str, flaw: Flaw) -> SchoolTimeError:
        return SchoolTimeError(f"period {self.number} ({self.half}) {how}", flaw, periods=(self.place,))


@dataclass(frozen=True, slots=True)
class Bells:
    """The periods of some weekdays (0 is Monday) from `first` to `last`, both included."""

    weekdays: frozenset[int]
    first: date
    last: date
    periods: tuple[Period, ...]

    def __post_init__(self) -> None:
        if not self.weekdays <= set(range(7)):
            raise SchoolTimeError("a bell schedule has weekdays 0 to 6", Flaw.WEEKDAY)
        if self.first > self.last:
            raise SchoolTimeError("a bell schedule ends after it begins", Flaw.BELLS_BACKWARDS)
        ordered = sorted(self.periods)
        for before, after in pairwise(ordered):
            if after.begins < before.ends:
                places = (before.place, after.place)
                message = f"periods {before.number} and {after.number} ({after.half}) overlap"
                raise SchoolTimeError(message, Flaw.PERIODS_OVERLAP, periods=places)
        for place, count in Counter(each.place for each in ordered).items():
            if count > 1:
                raise SchoolTimeError("a period's number comes twice", Flaw.PERIOD_TWICE, periods=(place,))

    def rings_on(self, day: date, weekday: int) -> bool:
        return weekday in self.weekdays and self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Term:
    """Both dates included. `opens_with` is the kind of its first teaching week."""

    name: str
    first: date
    last: date
    opens_with: Week = Week.A

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise SchoolTimeError(f"term {self.name} ends before it begins", Flaw.TERM_BACKWARDS, names=(self.name,))


@dataclass(frozen=True, slots=True)
class Holiday:
    """No lessons from `first` to `last`, both included."""

    name: str
    first: date
    last: date

    def __post_init__(self) -> None:
        if self.first > self.last:
            message = f"holiday {self.name} ends before it begins"
            raise SchoolTimeError(message, Flaw.HOLIDAY_BACKWARDS, names=(self.name,))

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class MakeUpDay:
    """A day that is taught as another weekday (0 is Monday), also if it were free otherwise."""

    day: date
    as_weekday: int

    def __post_init__(self) -> None:
        if self.as_weekday not in range(7):
            raise SchoolTimeError("weekdays are 0 to 6", Flaw.WEEKDAY)


@dataclass(frozen=True, slots=True)
class Slot:
    """A period of a certain day, as instants: from `start_ms` up to, not including, `end_ms`."""

    day: date
    period: Period
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class TeachingWeek:
    """`number` counts from the school year's first teaching week; weeks that are all holiday are not counted."""

    monday: date
    number: int
    kind: Week


@dataclass(frozen=True)
class SchoolYear:
    """One school's year. Of several bell schedules that ring on a day, the one that began last counts."""

    zone: tzinfo
    terms: tuple[Term, ...]
    bells: tuple[Bells, ...]
    holidays: tuple[Holiday, ...] = ()
    make_up: tuple[MakeUpDay, ...] = ()

    def __post_init__(self) -> None:
        ordered = sorted(self.terms, key=lambda term: term.first)
        for before, after in pairwise(ordered):
            if after.first <= before.last:
                names = (before.name, after.name)
                raise SchoolTimeError(f"terms {before.name} and {after.name} overlap", Flaw.TERMS_OVERLAP, names=names)

    def term_of(self, day: date) -> Term | None:
        return next((term for term in self.terms if term.first <= day <= term.last), None)

    def holiday_of(self, day: date) -> Holiday | None:
        """None for a make-up day, whatever else the day is."""
        if day in self._make_up:
            return None
        return next((holiday for holiday in self.holidays if day in holiday), None)

    def teaches(self, day: date) -> bool:
        return bool(self._periods(day))

    def next_taught(self, day: date) -> date:
        """That day, or the next one with lessons; itself if there are none for a month."""
        ahead = (day + number * _DAY for number in range(_MONTH))
        return next((each for each in ahead if self.teaches(each)), day)

    def slots(self, day: date) -> tuple[Slot, ...]:
        """The periods of a day in their order; none if the school does not teach."""
        if day not in self._slots:
            self._slots[day] = tuple(
                Slot(day, each, instant(day, each.begins, self.zone), instant(day, each.ends, self.zone))
                for each in sorted(self._periods(day))
            )
        return self._slots[day]

    def slot(self, day: date, half: Half, number: int) -> Slot | None:
        return next(
            (each for each in self.slots(day) if (each.period.half, each.period.number) == (half, number)), None
        )

    def within(self, start_ms: int, end_ms: int) -> tuple[Slot, ...]:
        """The periods that a span touches, in their order: how another school's booking reads here."""
        first, last = (datetime.fromtimestamp(at / 1000, self.zone).date() for at in (start_ms, end_ms - 1))
        return tuple(
            slot
            for day in _days(first, last)
            for slot in self.slots(day)
            if slot.start_ms < end_ms and start_ms < slot.end_ms
        )

    def touched(self, spans_ms: Sequence[range]) -> list[int]:
        """How many periods each span touches: as `within`, for many spans at a time."""
        if not spans_ms:
            return []
        slots = self.within(min(each.start for each in spans_ms), max(each.stop for each in spans_ms))
        begins, ends = sorted(each.start_ms for each in slots), sorted(each.end_ms for each in slots)
        return [bisect_left(begins, each.stop) - bisect_right(ends, each.start) for each in spans_ms]

    def week_of(self, day: date) -> TeachingWeek | None:
        """The teaching week of a day; None outside the terms and in a week without lessons."""
        return self._weeks.get(day - timedelta(days=day.weekday()))

    def same_again(self, day: date, *, alternate: bool = False) -> Iterator[date]:
        """The same weekday in the teaching weeks that follow in the same term; `alternate`: of the same kind alone.

        Days on which the school does not teach are among them: whoever asks tells why one falls out.
        """
        term, week = self.term_of(day), self.week_of(day)
        if term is None or week is None:
            return
        later = day + _WEEK
        while later <= term.last:
            found = self.week_of(later)
            if found is not None and (not alternate or found.kind is week.kind):
                yield later
            later += _WEEK

    def _periods(self, day: date) -> tuple[Period, ...]:
        if self.term_of(day) is None or self.holiday_of(day) is not None:
            return ()
        weekday = self._make_up.get(day, day.weekday())
        ringing = [each for each in self.bells if each.rings_on(day, weekday)]
        return max(ringing, key=lambda each: each.first).periods if ringing else ()

    @cached_property
    def _slots(self) -> dict[date, tuple[Slot, ...]]:
        """Those that were asked for: a search asks for the same days over and over."""
        return {}

    @cached_property
    def _make_up(self) -> dict[date, int]:
        return {each.day: each.as_weekday for each in self.make_up}

    @cached_property
    def _weeks(self) -> dict[date, TeachingWeek]:
        weeks: dict[date, TeachingWeek] = {}
        for term in sorted(self.terms, key=lambda term: term.first):
            kind = term.opens_with
            monday = term.first - timedelta(days=term.first.weekday())
            while monday <= term.last:
                taught = any(self.teaches(day) for day in _days(monday, monday + 6 * _DAY) if self.term_of(day) is term)
                if taught and monday not in weeks:
                    weeks[monday] = TeachingWeek(monday, len(weeks) + 1, kind)
                    kind = Week.B if kind is Week.A else Week.A
                monday += _WEEK
        return weeks


def instant(day: date, clock: time, zone: tzinfo) -> int:
    """A wall-clock time as milliseconds since the epoch; see the module for times that are skipped or come twice."""
    wall = datetime.combine(day, clock, zone)
    at = wall.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None):  # skipped: the clock went past it
        at = _after_gap(wall, zone)
    return int(at.timestamp() * 1000)


def _after_gap(wall: datetime, zone: tzinfo) -> datetime:
    """The instant at which the clock jumped over `wall`, which does not exist."""
    before, after = (wall.replace(fold=fold).utcoffset() for fold in (0, 1))
    if before is None or after is None:
        raise SchoolTimeError("the zone has no offsets", Flaw.ZONE)
    low = (wall.replace(tzinfo=None) - max(before, after)).replace(tzinfo=UTC)
    high = (wall.replace(tzinfo=None) - min(before, after)).replace(tzinfo=UTC)
    first = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == first else (low, middle)
    return high.replace(microsecond=0)


def ticks(start_ms: int, end_ms: int) -> range:
    """The numbers of the five-minute ticks that a span touches, counted from the epoch."""
    return range(start_ms // TICK_MS, -(-end_ms // TICK_MS))


def _days(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += _DAY
