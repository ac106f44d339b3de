"""The week of a lab on paper, for the staff-room door: no name of a person, readable in black and white."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final

from controller.fleet.picture import RoomRow
from controller.scheduling.booking_states import BookingState
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.school_time import Half, Period, SchoolYear, Slot
from controller.scheduling.views import BookingView, ThingView
from controller.web.booking_words import (
    SHORT_WEEKDAYS,
    WEEKDAYS,
    capital,
    clock,
    clock_words,
    date_words,
    day_of,
    period_words,
)
from controller.web.i18n import Language, number

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
A_SHEET: Final = 9
"""So many things fit into the cells of one sheet; more have further ones."""
_LONG_BREAK_MIN: Final = 15
"""A line tells of a break from so long on."""
_WEEK: Final = timedelta(days=7)
_MARKS: Final[Mapping[BookingState, str]] = {
    BookingState.OFFERED: "pending",
    BookingState.REQUESTED: "pending",
}


@dataclass(frozen=True, slots=True)
class Lane:
    """A thing, and the letter that stands for it in the cells."""

    letter: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A thing in one period. `mark` is empty if it is free, else booked, pending or maintenance.

    `text` is the class, of a pool how many are taken; `school` the short form of another school than the room's own.
    """

    letter: str
    mark: str = ""
    text: str = ""
    school: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A period: its entries by day, None where the school does not teach then. `pause` comes before it."""

    name: str
    clock: str
    days: tuple[tuple[Entry, ...] | None, ...]
    pause: str = ""
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """`width` is how many things stand beside each other in a cell."""

    lanes: tuple[Lane, ...]
    rows: tuple[Row, ...]
    width: int


@dataclass(frozen=True, slots=True)
class Head:
    """Of a column. `free` is the name of a holiday."""

    weekday: str
    date: str
    free: str


@dataclass(frozen=True, slots=True)
class WeekPage:
    room_id: int
    title: str
    subtitle: str
    heads: tuple[Head, ...]
    sheets: tuple[Sheet, ...]
    schools: tuple[str, ...]
    outside: tuple[str, ...]
    printed: str
    before: date
    after: date


@dataclass(frozen=True, slots=True)
class Known:
    """What the sheet is made of: `bookings` as `views.of_things` gives them to nobody in particular.

    `shorts` are the short names of schools by id.
    """

    room: RoomRow
    monday: date
    things: Sequence[ThingView]
    bookings: Sequence[BookingView]
    shorts: Mapping[str, str]
    year: SchoolYear
    now_ms: int


def week_page(known: Known, words: Language) -> WeekPage:
    return _Drawing(known, words).page()


class _Drawing:
    """One week on its way to paper."""

    def __init__(self, known: Known, words: Language) -> None:
        self.known, self.words, self.year = known, words, known.year
        self.days = _days(known.monday, known.year)
        self.held = [each for each in known.bookings if each.state.holds or each.state is BookingState.DONE]
        self.codes = _codes({each.school_id for each in self.held}, known)
        self.lanes = [
            (Lane(LETTERS[place % len(LETTERS)], each.name), each.id) for place, each in enumerate(known.things)
        ]

    def page(self) -> WeekPage:
        known, words, zone = self.known, self.words, self.year.zone
        dates = f"{date_words(self.days[0], words)} – {date_words(self.days[-1], words, year=True)}"
        return WeekPage(
            room_id=known.room.id,
            title=self._title(),
            subtitle=f"{dates} · {known.shorts.get(known.room.school_id, '')}",
            heads=tuple(self._head(day) for day in self.days),
            sheets=tuple(self._sheet(at) for at in range(0, len(self.lanes), A_SHEET)),
            schools=tuple(f"{code} {known.shorts.get(each, each)}" for each, code in sorted(self.codes.items())),
            outside=tuple(self._outside()),
            printed=f"{clock(known.now_ms, zone)}, {date_words(day_of(known.now_ms, zone), words, year=True)}",
            before=known.monday - _WEEK,
            after=known.monday + _WEEK,
        )

    def _title(self) -> str:
        week, room = self.year.week_of(self.known.monday), self.known.room.name
        if week is None:
            return room
        return str(self.words.t("{room} · week {n} (week {kind})", room=room, n=week.number, kind=week.kind))

    def _head(self, day: date) -> Head:
        holiday = self.year.holiday_of(day)
        weekday = str(WEEKDAYS[day.weekday()](self.words))
        return Head(weekday, date_words(day, self.words), holiday.name if holiday else "")

    def _sheet(self, at: int) -> Sheet:
        lanes, slots = self.lanes[at : at + A_SHEET], self._slots()
        rows = [self._row(before, slot, lanes) for before, slot in zip([None, *slots], slots, strict=False)]
        return Sheet(tuple(lane for lane, _ in lanes), tuple(rows), width=-(-len(lanes) // 3))

    def _slots(self) -> Sequence[Slot]:
        """Every period that some day of the week has, as its first such day rings it."""
        found: dict[tuple[Half, int], Slot] = {}
        for day in self.days:
            for slot in self.year.slots(day):
                found.setdefault((slot.period.half, slot.period.number), slot)
        return sorted(found.values(), key=lambda slot: slot.period)

    def _row(self, before: Slot | None, slot: Slot, lanes: Sequence[tuple[Lane, int]]) -> Row:
        one, other = before.period if before else None, slot.period
        noon = one is not None and one.half is not other.half
        rest_min = _minutes(other.begins) - _minutes(one.ends) if one else 0
        rest = f"{one.ends:%H:%M}–{other.begins:%H:%M}" if one else ""
        return Row(
            name=str(capital(period_words((slot,), self.words))),
            clock=f"{other.begins:%H:%M}–{other.ends:%H:%M}",
            days=tuple(self._cell(day, other, lanes) for day in self.days),
            pause=str(self.words.t("Lunch break {clock}", clock=rest)) if noon else "",
            apart=not noon and rest_min >= _LONG_BREAK_MIN,
        )

    def _cell(self, day: date, period: Period, lanes: Sequence[tuple[Lane, int]]) -> tuple[Entry, ...] | None:
        slot = self.year.slot(day, period.half, period.number)
        if slot is None:
            return None
        return tuple(self._entry(lane, thing_id, slot) for lane, thing_id in lanes)

    def _entry(self, lane: Lane, thing_id: int, slot: Slot) -> Entry:
        """Of what several have at once, how many of it are taken."""
        having = [
            (booking, had.count)
            for booking in self.held
            if booking.start_ms < slot.end_ms and slot.start_ms < booking.end_ms
            for had in booking.things
            if had.resource_id == thing_id
        ]
        if not having:
            return Entry(lane.letter)
        booking, count = having[0]
        if count:
            return Entry(lane.letter, "booked", number(sum(each for _, each in having), self.words.code))
        text, school = self._text(booking)
        return Entry(
            lane.letter,
            _MARKS.get(booking.state, "booked") if booking.kind != MAINTENANCE else MAINTENANCE,
            text,
            school,
        )

    def _text(self, booking: BookingView) -> tuple[str, str]:
        """Class, and school if it is another."""
        if booking.kind == MAINTENANCE:
            return str(self.words.t("Maintenance")), ""
        code = self.codes.get(booking.school_id, "")
        return booking.title or str(self.words.t("Booked")), code

    def _outside(self) -> Iterator[str]:
        """What touches no period, as a line of its own."""
        for booking in self.held:
            day = day_of(booking.start_ms, self.year.zone)
            if day not in self.days or self.year.within(booking.start_ms, booking.end_ms):
                continue
            letters = [
                lane.letter
                for lane, thing_id in self.lanes
                if any(had.resource_id == thing_id for had in booking.things)
            ]
            when = f"{SHORT_WEEKDAYS[day.weekday()](self.words)} {clock_words(booking.span_ms, self.year.zone)}"
            yield f"{when} {' '.join(filter(None, self._text(booking)))} ({', '.join(letters)})"


def _days(monday: date, year: SchoolYear) -> tuple[date, ...]:
    """Monday to Saturday, and Sunday where the school teaches then."""
    days = tuple(monday + timedelta(days=each) for each in range(7))
    return days if year.teaches(days[-1]) else days[:-1]


def _codes(school_ids: Iterable[str], known: Known) -> Mapping[str, str]:
    """A few letters for each school but the room's own: the initials, or the whole name where two have the same."""
    names = {each: known.shorts.get(each, each) for each in school_ids if each != known.room.school_id}
    initials = {each: "".join(part[0] for part in name.split()).upper() for each, name in names.items()}
    taken = list(initials.values())
    return {each: code if taken.count(code) == 1 else names[each] for each, code in initials.items()}


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute
