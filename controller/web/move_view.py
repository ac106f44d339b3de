"""The sheet on which a booking is moved: what is near, every time of a day, and why the last try came to nothing."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from controller.scheduling.alternatives import Alternative, Kind, runs
from controller.scheduling.policy import Problem, periods
from controller.scheduling.school_time import SchoolYear
from controller.scheduling.series import Occupant
from controller.scheduling.stock import Item
from controller.scheduling.views import BookingView
from controller.web import picks
from controller.web.booking_reader import Reader
from controller.web.booking_words import (
    Names,
    capital,
    clock_words,
    day_words,
    period_words,
    problem_words,
    taken_words,
    when_words,
)
from controller.web.i18n import Language
from controller.web.my_view import DOT, things_of
from controller.web.typography import tidy

OTHER_UNIT: Final = frozenset({Kind.OTHER_UNIT, Kind.OTHER_UNIT_AND_TIME})
"""What is no longer the same booking, but another one in its place."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A time, and perhaps another machine: `value` is what a form sends. `kind` says what stays as it was wished."""

    value: str
    kind: str
    title: str
    hint: str


@dataclass(frozen=True, slots=True)
class Found:
    """An alternative, and what to book to have it; no items: what was wished."""

    alternative: Alternative
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last try came to nothing."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MoveSheet:
    """`near` are at most three; `times` all of `day`. `key` makes a form that is sent twice one booking."""

    id: str
    key: str
    things: str
    when: str
    trouble: Trouble | None
    near: tuple[Offer, ...]
    day: str
    first_day: str
    day_title: str
    times: tuple[Offer, ...]


def offer(found: Found, names: Names, reader: Reader) -> Offer:
    """An alternative as something to choose."""
    words, each = reader.words, found.alternative
    span = range(each.start_ms, each.end_ms)
    kind = {
        Kind.OTHER_UNIT: words.t("Same time, other machine"),
        Kind.OTHER_PERIOD: words.t("Same day, other periods"),
        Kind.OTHER_DAY: words.t("Other day"),
        Kind.OTHER_UNIT_AND_TIME: words.t("Other machine, other time"),
    }[each.kind]
    units = (unit.id for group in each.choice.units for unit in group)
    things = ", ".join(tidy(names[unit]) for unit in units if unit in names)
    when = capital(when_words(span, reader.year(each.start_ms), words))
    return Offer(picks.written(span, found.items), str(kind), str(when), things)


def trouble(problems: Iterable[Problem], occupants: Sequence[Occupant], names: Names, reader: Reader) -> Trouble:
    """Without problems it was taken."""
    words = reader.words
    lines = tuple(problem_words(each, names, words) for each in problems)
    if lines:
        return Trouble(str(words.t("It cannot be booked then")), lines)
    return Trouble(str(words.t("Somebody has just booked this time")), (taken_words(occupants, words),))


def times(booking: BookingView, day: date, free: Collection[range], reader: Reader) -> tuple[Offer, ...]:
    """Every run of as many periods on a day that is not over; `free` are those known to be had."""
    year = reader.year(booking.start_ms, booking.school_id)
    return tuple(
        _time(span, year, reader.words, free=span in free)
        for span in runs(year, day, periods(booking.span_ms, year))
        if span.start >= reader.now_ms and span != booking.span_ms
    )


def _time(span: range, year: SchoolYear, words: Language, *, free: bool) -> Offer:
    named, hours = capital(period_words(year.within(span.start, span.stop), words)), clock_words(span, year.zone)
    hint = DOT.join((hours, words.t("Free"))) if free else hours
    return Offer(picks.written(span), "", str(named), hint)


def move_sheet(
    booking: BookingView,
    near: Iterable[Offer],
    day: tuple[date, date],
    shown: tuple[Offer, ...],
    reader: Reader,
    *,
    key: str,
    why: Trouble | None = None,
) -> MoveSheet:
    """`day` is the one whose times are `shown`, and the first that can be asked for."""
    return MoveSheet(
        id=booking.id,
        key=key,
        things=things_of(booking, reader.words),
        when=reader.when(booking),
        trouble=why,
        near=tuple(near),
        day=day[0].isoformat(),
        first_day=day[1].isoformat(),
        day_title=str(day_words(day[0], reader.words)),
        times=shown,
    )
