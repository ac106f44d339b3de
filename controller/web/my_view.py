"""Somebody's own bookings as days, with what is the matter with each, and the sheet for cancelling one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Final

from controller.scheduling.booking_states import BookingState
from controller.scheduling.noticeboard import NoticeView
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.sight import OPENS_MS
from controller.scheduling.views import BookingView
from controller.web import booking_words
from controller.web.booking_reader import Reader
from controller.web.booking_words import Names, capital, clock_words, date_words, day_of, day_words, period_words
from controller.web.formats import clock, date_time
from controller.web.i18n import Language
from controller.web.notice_view import moved_words
from controller.web.typography import NBSP, tidy

DOT: Final = f"{NBSP}· "
SHOWN: Final = frozenset(state for state in BookingState if state.holds) | {BookingState.DONE, BookingState.NO_SHOW}
"""Of what came to nothing notices tell."""
_SOON_MS: Final = 2 * 3_600_000
"""So near a booking is that its check-in is what matters."""


@dataclass(frozen=True, slots=True)
class Badge:
    """`href` is empty for one that leads nowhere."""

    text: str
    mood: str
    icon: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """`look` is `soon`, `pending` or empty. `changeable`: it may be moved and cancelled; `again`: also repeated.

    `offered`: it is kept until its holder says whether they want it.
    """

    id: str
    look: str
    periods: str
    clock: str
    things: str
    about: str
    badges: tuple[Badge, ...]
    changeable: bool
    begun: bool
    again: bool
    offered: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody waits for, and until when."""

    id: str
    things: str
    when: str
    about: str
    until: str


@dataclass(frozen=True, slots=True)
class Day:
    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class MyBookings:
    week: str
    days: tuple[Day, ...]
    waiting: tuple[Wish, ...]


def my_bookings(
    bookings: Sequence[BookingView], moved: Mapping[str, NoticeView], names: Names, reader: Reader
) -> MyBookings:
    """`bookings` by their start, from today on; `moved` are the notices of those that were moved."""
    shown = [each for each in bookings if each.state in SHOWN]
    series: defaultdict[str, list[BookingView]] = defaultdict(list)
    for each in shown:
        series[each.series_id or ""].append(each)
    zone = reader.year(reader.now_ms).zone
    days = tuple(
        Day(
            _day_title(day, day_of(reader.now_ms, zone), reader.words),
            tuple(_entry(each, moved.get(each.id), series[each.series_id or ""], reader) for each in of_day),
        )
        for day, of_day in groupby(shown, key=lambda each: day_of(each.start_ms, zone))
    )
    waiting = tuple(_wish(each, names, reader) for each in bookings if each.state is BookingState.WAITING)
    return MyBookings(_week(shown, reader), days, waiting)


def _wish(booking: BookingView, names: Names, reader: Reader) -> Wish:
    when = reader.when(booking)
    return Wish(
        id=booking.id,
        things=wanted_of(booking, names, reader.words),
        when=when[:1].upper() + when[1:],
        about=_about(booking, reader.words),
        until=date_time(booking.hold_until_ms or booking.start_ms, reader.now_ms, reader.words),
    )


def _day_title(day: date, today: date, words: Language) -> str:
    named = day_words(day, words, year=abs((day - today).days) > 300)
    return DOT.join((words.t("Today"), named)) if day == today else str(named)


def _week(shown: Iterable[BookingView], reader: Reader) -> str:
    """Of the week that it is, or from its last lesson on the next: its number, its days, and how many bookings."""
    words, year = reader.words, reader.year(reader.now_ms)
    today = year.next_taught(day_of(reader.now_ms, year.zone))
    monday = today - timedelta(days=today.weekday())
    saturday = monday + timedelta(days=5)
    days = f"{date_words(monday, words)}{NBSP}– {date_words(saturday, words, year=True)}"
    week = year.week_of(today)
    named = words.t("Week {n}: {days}", n=week.number, days=days) if week else days
    count = sum(day_of(each.start_ms, year.zone) <= monday + timedelta(days=6) for each in shown)
    many = words.tn("{n} booking", "{n} bookings", count) if count else words.t("No booking this week yet")
    return f"{named}{DOT}{many}"


def _entry(booking: BookingView, moved: NoticeView | None, series: Sequence[BookingView], reader: Reader) -> Entry:
    words, year = reader.words, reader.year(booking.start_ms, booking.school_id)
    slots = year.within(booking.start_ms, booking.end_ms)
    hours = clock_words(booking.span_ms, year.zone)
    holding = booking.state.holds and booking.end_ms > reader.now_ms
    return Entry(
        id=booking.id,
        look=_look(booking, reader.now_ms),
        periods=str(capital(period_words(slots, words))) if slots else hours,
        clock=hours if slots else "",
        things=things_of(booking, words),
        about=_about(booking, words),
        badges=tuple(_badges(booking, moved, series, reader)),
        changeable=holding,
        begun=booking.state is BookingState.CHECKED_IN,
        again=holding and _repeatable(booking),
        offered=booking.state is BookingState.OFFERED,
    )


def _repeatable(booking: BookingView) -> bool:
    """Not what is one of several dates already, nor what nobody has said yes to."""
    settled = booking.state not in (BookingState.OFFERED, BookingState.REQUESTED)
    return settled and booking.series_id is None and booking.kind != MAINTENANCE


def _look(booking: BookingView, now_ms: int) -> str:
    if booking.state in (BookingState.OFFERED, BookingState.REQUESTED):
        return "pending"
    near = booking.start_ms - _SOON_MS <= now_ms < booking.end_ms
    return "soon" if near and booking.state.holds else ""


def things_of(booking: BookingView, words: Language) -> str:
    """What it has: "Phòng 206, 2 × bộ kit"."""
    named = (tidy(each.name) if not each.count else f"{each.count} × {tidy(each.name)}" for each in booking.things)
    return ", ".join(named) or str(words.t("Booking"))


def wanted_of(booking: BookingView, names: Names, words: Language) -> str:
    """What it has, or of one that waits what is wanted: "bất kỳ máy in 3D"."""
    if booking.things:
        return things_of(booking, words)
    return ", ".join(booking_words.item_words(each, names, words) for each in booking.wanted)


def _about(booking: BookingView, words: Language) -> str:
    pupils = words.tn("{n} pupil", "{n} pupils", booking.head_count) if booking.head_count else ""
    rooms = ", ".join(dict.fromkeys(tidy(each.room) for each in booking.things if each.room))
    kind = words.t("Maintenance") if booking.kind == MAINTENANCE else ""
    return DOT.join(part for part in (kind, tidy(booking.title), pupils, tidy(booking.purpose), rooms) if part)


def _badges(
    booking: BookingView, moved: NoticeView | None, series: Sequence[BookingView], reader: Reader
) -> Iterable[Badge]:
    words = reader.words
    if moved is not None and booking.state.holds:
        text = moved_words(moved, booking, reader)
        yield Badge(text, "maintenance", icon="arrows-exchange")
    if booking.state is BookingState.OFFERED:
        until = date_time(booking.hold_until_ms or booking.start_ms, reader.now_ms, words)
        yield Badge(str(words.t("From the waitlist: kept for you until {time}", time=until)), "warning", "hourglass")
    elif booking.state is BookingState.REQUESTED:
        until = date_time(booking.hold_until_ms or booking.start_ms, reader.now_ms, words)
        yield Badge(str(words.t("Waiting for approval until {time}", time=until)), "warning", icon="hourglass")
    elif booking.state is BookingState.CONFIRMED and _look(booking, reader.now_ms) == "soon":
        code = next((each.code for each in booking.things), "")
        text = words.t("Check in from {time}", time=clock(booking.start_ms - OPENS_MS))
        yield Badge(str(text), "in-use", icon="qrcode", href=f"/c/{code}" if code else "")
    elif moved is None:
        look = booking_words.STATES[booking.state]
        yield Badge(str(look.say(words)), look.mood, look.icon)
    if booking.series_id and len(series) > 1:
        last = day_of(series[-1].start_ms, reader.year(booking.start_ms, booking.school_id).zone)
        text = words.t("Repeated: {n} dates, until {day}", n=len(series), day=date_words(last, words))
        yield Badge(str(text), "", icon="repeat")


# the sheet for cancelling


@dataclass(frozen=True, slots=True)
class CancelSheet:
    """`problem` says why it cannot be, empty if it can; `begun`: what is left of it is given back.

    `waiting` and `offered` are of the waitlist: it is left, or the offer let go; `against` is what keeps one from
    taking it.
    """

    id: str
    things: str
    when: str
    meaning: tuple[str, ...]
    begun: bool
    waiting: bool
    offered: bool
    problem: str
    against: str = ""


def cancel_sheet(booking: BookingView, names: Names, reader: Reader, *, over: bool = False) -> CancelSheet:
    """`over` is what was found by trying."""
    words = reader.words
    over = over or booking.state.over
    meaning = [words.t("What it holds is free for others at once, and no longer counts in the week's periods.")]
    if booking.state is BookingState.WAITING:
        meaning = [words.t("You will not be told any more when it comes free. You can join again later, as the last.")]
    if booking.state is BookingState.OFFERED:
        meaning = [words.t("The place goes to the next who waits for it, or is free for all.")]
    if booking.state is BookingState.REQUESTED:
        meaning = [words.t("The request is withdrawn. What it holds is free for others at once.")]
    if booking.state is BookingState.CHECKED_IN:
        meaning = [words.t("The use ends now; what is left of it is free for others at once.")]
    if booking.series_id:
        meaning.append(words.t("The other dates of the series stay."))
    return CancelSheet(
        id=booking.id,
        things=wanted_of(booking, names, words),
        when=reader.when(booking),
        meaning=tuple(str(each) for each in meaning),
        begun=booking.state is BookingState.CHECKED_IN,
        waiting=booking.state is BookingState.WAITING,
        offered=booking.state is BookingState.OFFERED,
        problem=str(words.t("This booking is over already. Nothing was changed.")) if over else "",
    )
