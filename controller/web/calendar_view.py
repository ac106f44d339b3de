"""The page of a week of bookings: the reader's periods down, days and things across. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final

from markupsafe import Markup

from controller.scheduling.school_time import SchoolYear, Week, instant
from controller.scheduling.spare import Spare
from controller.scheduling.views import BookingView, ThingView
from controller.web import booking_words as say
from controller.web.calendar_grid import Grid, Mark, Reader, Row, closed_word, mark_of
from controller.web.i18n import Language
from controller.web.typography import tidy

MOST_LANES: Final = 4
"""So many things stand beside each other in a day; more would not be readable."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lane:
    thing: int
    name: str


@dataclass(frozen=True, slots=True)
class Day:
    """The head of a day. `chosen` is the one that a phone shows."""

    iso: str
    name: str
    date: str
    today: bool
    chosen: bool
    href: str


@dataclass(frozen=True, slots=True)
class Aside:
    """A booking outside of all periods."""

    text: Markup
    mark: Mark


@dataclass(frozen=True, slots=True)
class WeekPage:
    """`outside` are the bookings at times that no period covers; `closed` says why there are no periods at all."""

    school: str
    title: str
    span: str
    previous: str
    this: str
    next: str
    days: tuple[Day, ...]
    lanes: tuple[Lane, ...]
    rows: tuple[Row, ...]
    outside: tuple[Aside, ...]
    form: str
    closed: str


def monday_of(day: date) -> date:
    return day - day.weekday() * _DAY


def week_span(monday: date, year: SchoolYear) -> range:
    """The week from its Monday to its Sunday, in ms."""
    return range(instant(monday, time(0), year.zone), instant(monday + 7 * _DAY, time(0), year.zone))


def lanes(things: Sequence[ThingView], chosen: Sequence[int]) -> tuple[ThingView, ...]:
    """The things that are shown: those chosen, else the first ones there are."""
    by_id = {each.id: each for each in things}
    found = [by_id[each] for each in dict.fromkeys(chosen) if each in by_id]
    return tuple(found[:MOST_LANES]) or tuple(things[:MOST_LANES])


def week_page(reader: Reader, bookings: Sequence[BookingView], spare: Spare) -> WeekPage:
    """`bookings` are all that the lanes have in that week, `spare` what is left of them."""
    grid = Grid(reader, bookings, spare)
    year, words, monday = reader.year, reader.words, reader.monday
    week = year.week_of(monday)
    last = grid.days[-1]
    span = f"{say.date_words(monday, words)} – {say.date_words(last, words, year=True)}"
    ahead, behind, first = monday + 7 * _DAY, monday - 7 * _DAY, year.next_taught(reader.today)
    return WeekPage(
        school=tidy(reader.school),
        title=_week_title(week.number, week.kind, words) if week else words.t("No lessons this week"),
        span=tidy(span),
        previous=reader.address(behind),
        this=reader.address(monday_of(first), first),
        next=reader.address(ahead),
        days=tuple(_day(each, reader) for each in grid.days),
        lanes=tuple(Lane(each.id, tidy(each.name)) for each in reader.lanes),
        rows=tuple(grid.rows()),
        outside=tuple(_outside(reader, bookings)),
        form=f"/calendar/new?day={year.next_taught(max(reader.day, reader.today))}",
        closed=closed_word(monday, reader),
    )


def _week_title(count: int, kind: Week, words: Language) -> Markup:
    return words.t("Week {n} (week {kind})", n=count, kind=kind.value)


def _day(day: date, reader: Reader) -> Day:
    return Day(
        iso=day.isoformat(),
        name=say.SHORT_WEEKDAYS[day.weekday()](reader.words),
        date=say.date_words(day, reader.words),
        today=day == reader.today,
        chosen=day == reader.day,
        href=reader.address(reader.monday, day),
    )


def _outside(reader: Reader, bookings: Sequence[BookingView]) -> Iterator[Aside]:
    lanes = {each.id: each.name for each in reader.lanes}
    for booking in bookings:
        for had in booking.things:
            span = booking.span_ms
            if had.resource_id in lanes and not reader.year.within(had.span_ms.start, had.span_ms.stop):
                place = Markup("{}: {}").format(lanes[had.resource_id], say.when_words(span, reader.year, reader.words))
                yield Aside(place, mark_of(booking, (), reader))
