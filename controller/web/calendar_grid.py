"""The cells of a week: what each thing has in each period, neighbours that have the same as one. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from enum import StrEnum
from itertools import chain, groupby, pairwise
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup

from controller.scheduling.booking_states import BookingState
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.school_time import Half, SchoolYear, Slot
from controller.scheduling.spare import Spare, Why
from controller.scheduling.views import BookingView, ThingView
from controller.web import booking_words as say
from controller.web.i18n import Language, number
from controller.web.typography import tidy

_DAY: Final = timedelta(days=1)
_BREAK_MIN: Final = 15
"""From so many minutes between two periods on it is a break."""


class Look(StrEnum):
    """What a cell or a mark says by shape and colour; each has a word as well."""

    FREE = "free"
    MINE = "mine"
    BOOKED = "booked"
    PENDING = "pending"
    MAINTENANCE = "maintenance"
    PREPARING = "preparing"
    NO_POWER = "no-power"
    PAST = "past"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Mark:
    """A booking as it stands in a cell. `clock` is empty where it lasts as long as the periods it stands in."""

    look: Look
    title: str
    who: str
    word: str
    clock: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """`column` counts lanes from the left, `day` days. Without `href` nothing can be asked for there.

    `word` says what it is, `label` where and when. What is `counted` says in its word how many are left; `own` is the
    reader's booking among those who have some.
    """

    look: Look
    column: int
    day: int
    rows: int = 1
    columns: int = 1
    marks: tuple[Mark, ...] = ()
    word: str = ""
    label: str = ""
    href: str = ""
    last: bool = False
    counted: bool = False
    own: Mark | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A period. `key` names it in forms; `lunch` is when the lunch break before it is, empty if there is none."""

    key: str
    name: str
    half: str
    clock: str
    after_break: bool
    lunch: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Reader:
    """Who looks, when (ms), and at what: `lanes` in the week of `monday`, on a phone at `day`."""

    year: SchoolYear
    words: Language
    now_ms: int
    school_id: str
    school: str
    monday: date
    day: date
    lanes: tuple[ThingView, ...]

    def address(self, monday: date, day: date | None = None) -> str:
        """Of the calendar at another week or day, with the same things."""
        asked = {"week": monday.isoformat(), "day": (day or monday).isoformat()}
        return f"/calendar?{urlencode([*asked.items(), *(('thing', each.id) for each in self.lanes)])}"

    def showing(self, lanes: Sequence[ThingView]) -> "Reader":
        return replace(self, lanes=tuple(lanes))

    @property
    def today(self) -> date:
        return say.day_of(self.now_ms, self.year.zone)


def closed_word(day: date, reader: Reader) -> Markup:
    """Why there are no lessons."""
    holiday = reader.year.holiday_of(day)
    return reader.words.t("Holiday: {name}", name=holiday.name) if holiday else reader.words.t("No lessons")


def _look(booking: BookingView) -> Look:
    if booking.kind == MAINTENANCE:
        return Look.MAINTENANCE
    if booking.state in (BookingState.OFFERED, BookingState.REQUESTED):
        return Look.PENDING
    return Look.MINE if booking.mine else Look.BOOKED


def mark_of(booking: BookingView, slots: Sequence[Slot], reader: Reader) -> Mark:
    """`slots` are the periods it stands in; none if it stands by itself."""
    words, look = reader.words, _look(booking)
    ours = booking.mine or booking.school_id == reader.school_id
    whole = not slots or (slots[0].start_ms, slots[-1].end_ms) == (booking.start_ms, booking.end_ms)
    offered = booking.state is BookingState.OFFERED
    word = str(say.state_word(booking.state, words) if offered else _LOOKS[look](words))
    whose = (booking.holder if ours else "") or tidy(booking.school)
    title = tidy(booking.title)
    named = look is not Look.MAINTENANCE and title
    return Mark(
        look,
        title=title if named else word,
        who=whose if named or not title else title,
        word=word,
        clock="" if whole else say.clock_words(booking.span_ms, reader.year.zone),
    )


_LOOKS: Final[Mapping[Look, say.Say]] = {
    Look.FREE: lambda words: words.t("Free"),
    Look.MINE: lambda words: words.t("mine"),
    Look.BOOKED: lambda words: words.t("Booked"),
    Look.PENDING: lambda words: words.t("pending"),
    Look.MAINTENANCE: lambda words: words.t("Maintenance"),
    Look.PREPARING: lambda words: words.t("setup or clean-up"),
    Look.NO_POWER: lambda words: words.t("circuit is full"),
    Look.PAST: lambda words: words.t("Over"),
    Look.CLOSED: lambda words: words.t("No lessons"),
}


_AGAINST: Final[Mapping[Why, Look]] = {Why.NO_TIME: Look.PREPARING, Why.NO_POWER: Look.NO_POWER}


@dataclass(frozen=True, slots=True)
class _Place:
    """A period's place in the day, whatever the day; ordered as they ring."""

    half: Half
    number: int

    @property
    def key(self) -> str:
        return f"{self.half}-{self.number}"


@dataclass(frozen=True, slots=True)
class _Content:
    """What a lane has in one period. Neighbours with the same content become one cell, if it is not `alone`."""

    look: Look
    bookings: tuple[str, ...] = ()
    alone: bool = False


@dataclass(frozen=True)
class _Column:
    """One thing on one day."""

    index: int
    day: int
    date: date
    thing: ThingView
    slots: Mapping[_Place, Slot]
    bookings: Sequence[BookingView] = field(repr=False)

    def touching(self, slot: Slot) -> list[BookingView]:
        """Those that have the thing then, setting up and cleaning with them."""
        return [each for each in self.bookings if _overlap(self.held(each), range(slot.start_ms, slot.end_ms))]

    def held(self, booking: BookingView) -> range:
        return next(had.span_ms for had in booking.things if had.resource_id == self.thing.id)


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


class Grid:
    """`days` are those that are shown. What nobody has is free if `spare` says so."""

    def __init__(self, reader: Reader, bookings: Sequence[BookingView], spare: Spare) -> None:
        self._reader = reader
        self._spare = spare
        self._year = reader.year
        self._words = reader.words
        self._said: dict[range, Markup] = {}
        self.days = self._shown(bookings)
        slots = [
            {_Place(each.period.half, each.period.number): each for each in self._year.slots(day)} for day in self.days
        ]
        rung = {place: slot.period for day in slots for place, slot in day.items()}
        self._rung = dict(sorted(rung.items(), key=lambda each: (each[0].half is Half.AFTERNOON, each[0].number)))
        self._columns = [
            _Column(
                index=day * len(reader.lanes) + lane,
                day=day,
                date=self.days[day],
                thing=thing,
                slots=slots[day],
                bookings=[each for each in bookings if any(had.resource_id == thing.id for had in each.things)],
            )
            for day in range(len(self.days))
            for lane, thing in enumerate(reader.lanes)
        ]

    def _shown(self, bookings: Sequence[BookingView]) -> tuple[date, ...]:
        """Monday to Saturday; Sunday if there is anything on it."""
        sunday = self._reader.monday + 6 * _DAY
        busy = any(say.day_of(each.start_ms, self._year.zone) == sunday for each in bookings)
        count = 7 if busy or self._year.teaches(sunday) else 6
        return tuple(self._reader.monday + number * _DAY for number in range(count))

    def rows(self) -> Iterator[Row]:
        places = list(self._rung)
        cells: dict[_Place, list[Cell]] = {place: [] for place in places}
        for _, half in groupby(places, key=lambda place: place.half):
            block = list(half)
            for place, cell in chain.from_iterable(self._of_day(day, block) for day in range(len(self.days))):
                cells[place].append(cell)
        before = [None, *places]
        for place, ahead in zip(places, before, strict=False):
            period = self._rung[place]
            earlier = self._rung[ahead] if ahead else None
            gap = _minutes(period.begins) - _minutes(earlier.ends) if earlier else 0
            noon = earlier is not None and earlier.half is not period.half
            yield Row(
                key=place.key,
                name=say.capital(self._words.t("period {n}", n=place.number)),
                half=str(self._words.t("morning") if place.half is Half.MORNING else self._words.t("afternoon")),
                clock=f"{period.begins:%H:%M}–{period.ends:%H:%M}",
                after_break=gap >= _BREAK_MIN and not noon,
                lunch=f"{earlier.ends:%H:%M} – {period.begins:%H:%M}" if noon and earlier else "",
                cells=tuple(sorted(cells[place], key=lambda cell: cell.column)),
            )

    def _of_day(self, day: int, block: Sequence[_Place]) -> Iterator[tuple[_Place, Cell]]:
        """Every cell of a day's half, with the period that it begins in."""
        columns = [each for each in self._columns if each.day == day]
        if not any(place in column.slots for column in columns for place in block):
            yield block[0], self._closed(columns, len(block))
            return
        for column in columns:
            contents = [(place, self._content(column, place)) for place in block]
            for run in _runs(contents):
                yield run[0][0], self._cell(column, [place for place, _ in run], run[0][1])

    def _closed(self, columns: Sequence[_Column], rows: int) -> Cell:
        """A day, or half of one, without lessons."""
        first = columns[0]
        word = closed_word(first.date, self._reader)
        return Cell(
            Look.CLOSED, first.index, first.day, rows, len(columns), word=word, label=self._day_label(first), last=True
        )

    def _content(self, column: _Column, place: _Place) -> _Content:
        slot = column.slots.get(place)
        if slot is None:
            return _Content(Look.CLOSED)
        touching = column.touching(slot)
        over = slot.start_ms < self._reader.now_ms
        if column.thing.kind == "pool" and (touching or not over):
            return _Content(Look.PAST if over else Look.FREE, tuple(each.id for each in touching), alone=True)
        if touching:
            at_it = [each for each in touching if _overlap(each.span_ms, range(slot.start_ms, slot.end_ms))]
            look = _look(at_it[0]) if at_it else Look.PREPARING
            return _Content(look, tuple(each.id for each in (at_it or touching)))
        if over:
            return _Content(Look.PAST)
        against = self._spare.against(column.thing.id, range(slot.start_ms, slot.end_ms))
        return _Content(Look.FREE, alone=True) if against is None else _Content(_AGAINST[against])

    def _cell(self, column: _Column, places: Sequence[_Place], content: _Content) -> Cell:
        slots = [column.slots[place] for place in places if place in column.slots]
        bookings = [each for each in column.bookings if each.id in content.bookings]
        counted = column.thing.kind == "pool" and content.alone
        marks = tuple(mark_of(each, slots, self._reader) for each in bookings)
        look, word = (
            self._left(column, slots[0], content.look) if counted else (content.look, _LOOKS[content.look](self._words))
        )
        return Cell(
            look,
            column.index,
            column.day,
            rows=len(places),
            marks=() if counted or look is Look.PREPARING else marks,
            word=str(word),
            label=self._label(column, slots),
            href=self._href(column, places, bookings, slots),
            last=column.index % len(self._reader.lanes) == len(self._reader.lanes) - 1,
            counted=counted,
            own=next((mark for each, mark in zip(bookings, marks, strict=True) if each.mine), None),
        )

    def _left(self, column: _Column, slot: Slot, look: Look) -> tuple[Look, str]:
        """How many of a pool could be had in that period."""
        left = self._spare.of_pool(column.thing.id, range(slot.start_ms, slot.end_ms))
        counts = {"n": number(left, self._words.code), "all": number(column.thing.capacity, self._words.code)}
        text = str(self._words.t("{n}/{all} free", **counts))
        return (look if left or look is Look.PAST else Look.BOOKED), text

    def _label(self, column: _Column, slots: Sequence[Slot]) -> str:
        """Where and when a cell is, for the ear."""
        if not slots:
            return self._day_label(column)
        span = range(slots[0].start_ms, slots[-1].end_ms)
        if span not in self._said:  # things beside each other are free in the same periods
            self._said[span] = say.when_words(span, self._year, self._words)
        return Markup("{}, {}").format(column.thing.name, self._said[span])

    def _day_label(self, column: _Column) -> Markup:
        return say.day_words(column.date, self._words)

    def _href(
        self, column: _Column, places: Sequence[_Place], bookings: Sequence[BookingView], slots: Sequence[Slot]
    ) -> str:
        """Of the form for that thing and time, also if it is taken: it says what else would do. One's own is shown."""
        if not slots or slots[0].start_ms < self._reader.now_ms:
            return ""
        if len(bookings) == 1 and bookings[0].mine and column.thing.kind != "pool":
            return "/my"
        first, last = places[0].key, places[-1].key
        return f"/calendar/new?day={column.date}&first={first}&last={last}&item1=thing:{column.thing.id}"


def _runs(contents: Sequence[tuple[_Place, _Content]]) -> Iterator[list[tuple[_Place, _Content]]]:
    """Neighbours that become one cell."""
    run = [contents[0]]
    for before, each in pairwise(contents):
        if before[1] == each[1] and not each[1].alone:
            run.append(each)
        else:
            yield run
            run = [each]
    yield run


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute
