"""What the board at a lab's door shows: no name of a person, ever."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from controller.alerts.rules import DeviceState
from controller.fleet.picture import RoomRow
from controller.scheduling.booking_states import BookingState
from controller.scheduling.policy import MAINTENANCE, is_unwell
from controller.scheduling.school_time import SchoolYear, Slot
from controller.scheduling.views import BookingView, ThingView
from controller.web.booking_words import capital, clock, day_of, day_words, period_words
from controller.web.checkin_view import class_words
from controller.web.i18n import Language, number

_WORTH_MS: Final = 15 * 60_000
"""What is free for a shorter time is not called free."""
A_PAGE: Final = 8
"""So many rows fit on a screen; more take turns."""


@dataclass(frozen=True, slots=True)
class BoardRow:
    """`mark` is a state of ui.html. `page` counts from 0."""

    name: str
    mark: str
    now: str
    till: str
    next_at: str
    next_for: str
    free: str
    page: int


@dataclass(frozen=True, slots=True)
class Bell:
    """What the school does now, and when the next lesson begins; either may be empty."""

    now: str
    then: str


@dataclass(frozen=True, slots=True)
class Board:
    """`at_ms` is when it was true."""

    room: str
    school: str
    day: str
    week: str
    bell: Bell
    clock: str
    at_ms: int
    rows: tuple[BoardRow, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the board is made of: `bookings` as `views.of_things` gives them to nobody in particular, of this day.

    `shorts` are the short names of schools by id; `health` tells of a device, None if there is none.
    """

    room: RoomRow
    things: Sequence[ThingView]
    bookings: Sequence[BookingView]
    shorts: Mapping[str, str]
    health: Callable[[int], DeviceState | None]
    year: SchoolYear
    now_ms: int


@dataclass(frozen=True, slots=True)
class _Held:
    """A time (ms) in which a booking has a thing, from setting up to cleaning."""

    span_ms: range
    booking: BookingView
    count: int


def board(known: Known, words: Language) -> Board:
    day = day_of(known.now_ms, known.year.zone)
    week = known.year.week_of(day)
    rows = (_row(thing, place // A_PAGE, known, words) for place, thing in enumerate(known.things))
    return Board(
        room=known.room.name,
        school=known.shorts.get(known.room.school_id, ""),
        day=str(day_words(day, words, year=True)),
        week=str(words.t("week {n}", n=week.number)) if week else "",
        bell=bell(known.year.slots(day), known.now_ms, known.year, words),
        clock=clock(known.now_ms, known.year.zone),
        at_ms=known.now_ms,
        rows=tuple(rows),
    )


def bell(slots: Sequence[Slot], now_ms: int, year: SchoolYear, words: Language) -> Bell:
    """ "Ra chơi", "Tiết 3 lúc 09:15"."""
    if not slots:
        return Bell(str(words.t("No lessons today")), "")
    running = next((slot for slot in slots if slot.start_ms <= now_ms < slot.end_ms), None)
    if running is not None:
        until = words.t("until {time}", time=clock(running.end_ms, year.zone))
        return Bell(str(capital(period_words((running,), words))), str(until))
    ahead = next((slot for slot in slots if slot.start_ms > now_ms), None)
    if ahead is None:
        return Bell(str(words.t("Lessons are over")), "")
    then = words.t("{period} at {time}", period=period_words((ahead,), words), time=clock(ahead.start_ms, year.zone))
    return Bell(_pause(slots, now_ms, words), str(capital(then)))


def _pause(slots: Sequence[Slot], now_ms: int, words: Language) -> str:
    """The break that it is, empty before the first lesson."""
    around = ((one, other) for one, other in pairwise(slots) if one.end_ms <= now_ms < other.start_ms)
    for one, other in around:
        noon = one.period.half is not other.period.half
        return str(words.t("Lunch break") if noon else words.t("Break"))
    return ""


def _row(thing: ThingView, page: int, known: Known, words: Language) -> BoardRow:
    held = _held(thing, known.bookings)
    if thing.kind == "pool":
        return _pool(thing, held, page, known, words)
    current = next((each for each in held if known.now_ms in each.span_ms), None)
    state = known.health(thing.device_id) if thing.device_id is not None else None
    now, till = _now(held, state, known, words)
    next_at, next_for = _next(held, known, words)
    return BoardRow(
        thing.name, _mark(current, state), now, till, next_at, next_for, _free(held, state, known, words), page
    )


def _held(thing: ThingView, bookings: Sequence[BookingView]) -> Sequence[_Held]:
    """By their beginnings."""
    found = (
        _Held(had.span_ms, booking, had.count)
        for booking in bookings
        if booking.state.holds
        for had in booking.things
        if had.resource_id == thing.id
    )
    return sorted(found, key=lambda each: each.span_ms.start)


def _mark(current: _Held | None, state: DeviceState | None) -> str:
    if current is not None and current.booking.kind == MAINTENANCE:
        return "maintenance"
    if state is not None and (state.exceptional or current is None):
        return str(state)
    return "ok" if current is None else "in-use"


def _now(held: Sequence[_Held], state: DeviceState | None, known: Known, words: Language) -> tuple[str, str]:
    current = next((each for each in held if known.now_ms in each.span_ms), None)
    if current is not None:
        until = words.t("until {time}", time=clock(current.span_ms.stop, known.year.zone))
        return _whose(current.booking, known, words), str(until)
    if state is not None and is_unwell(state):
        return str(words.t("Out of order")), ""
    soon = next((each for each in held if each.span_ms.start < known.now_ms + _WORTH_MS), None)
    if soon is not None:
        return str(words.t("Free")), str(words.t("until {time}", time=clock(soon.span_ms.start, known.year.zone)))
    return str(words.t("Free")), str(words.t("can be booked now"))


def _whose(booking: BookingView, known: Known, words: Language) -> str:
    """Class and school, and no more: "Lớp 7B · Nghĩa Tân"."""
    if booking.kind == MAINTENANCE:
        return str(words.t("Maintenance"))
    school = known.shorts.get(booking.school_id, booking.school)
    told = " · ".join(filter(None, (str(capital(Markup.escape(class_words(booking.title, words)))), school)))
    pending = words.t("pending")
    return f"{told} ({pending})" if booking.state in (BookingState.OFFERED, BookingState.REQUESTED) else told


def _next(held: Sequence[_Held], known: Known, words: Language) -> tuple[str, str]:
    ahead = next((each for each in held if each.span_ms.start > known.now_ms), None)
    if ahead is None:
        return "", str(words.t("No booking yet"))
    return clock(ahead.booking.start_ms, known.year.zone), _whose(ahead.booking, known, words)


def _free(held: Sequence[_Held], state: DeviceState | None, known: Known, words: Language) -> str:
    """Until when, if it is free now; else from when on, for long enough to be of use."""
    if state is not None and is_unwell(state):
        return str(words.t("not known yet"))
    free_ms, zone = known.now_ms, known.year.zone
    for each in held:
        if each.span_ms.start >= free_ms + _WORTH_MS:
            if free_ms == known.now_ms:
                return str(words.t("until {time}", time=clock(each.span_ms.start, zone)))
            break
        free_ms = max(free_ms, each.span_ms.stop)
    if free_ms > known.now_ms:
        return str(words.t("from {time}", time=clock(free_ms, zone)))
    return str(words.t("for the rest of the day"))


def _pool(thing: ThingView, held: Sequence[_Held], page: int, known: Known, words: Language) -> BoardRow:
    """How many are left now; the last of those that have some tells until when."""
    now = [each for each in held if known.now_ms in each.span_ms]
    left = thing.capacity - sum(each.count for each in now)
    told = words.t("{n} of {all} free", n=number(left, words.code), all=number(thing.capacity, words.code))
    till = words.t("until {time}", time=clock(min(each.span_ms.stop for each in now), known.year.zone)) if now else ""
    next_at, next_for = _next(held, known, words)
    return BoardRow(thing.name, "in-use" if left < 1 else "ok", str(told), str(till), next_at, next_for, "", page)
