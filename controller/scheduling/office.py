"""The booking office: what pages and API ask for. It knows who asks, reads the facts, and has the desk book."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import Connection, Engine
from sqlmodel import Session

from controller.fleet.live import LiveFleet
from controller.identity.policy import Permission, Principal, may
from controller.scheduling import facts, search, views
from controller.scheduling.alternatives import Alternative
from controller.scheduling.booking_errors import FreeNow, KeyUsed, NoSuchBooking, NothingOfThatKind, NotYours, Taken
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Booked, Bookings
from controller.scheduling.choice import Choice
from controller.scheduling.desk import Desk, Lessons, Pick, Series
from controller.scheduling.health import of_fleet
from controller.scheduling.journal import Journal
from controller.scheduling.notices import Kind, News, post
from controller.scheduling.offers import Offers
from controller.scheduling.policy import OVERRULERS, Facts, Problem, standing
from controller.scheduling.request import Request, Then, nothing
from controller.scheduling.school_time import SchoolYear, ticks
from controller.scheduling.series import Occupant, Verdict
from controller.scheduling.spare import Spare
from controller.scheduling.stock import Item, items_of, read
from controller.scheduling.views import BookingView, ThingView
from controller.scheduling.wish import Wish
from controller.scope import CLUSTER
from controller.timetable.store import year_on

MAX_KEY: Final = 60
"""Letters of an asker's own key at the most."""
MAX_WHY: Final = 200
_HOUR_MS: Final = 3_600_000
_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody fills in. Instants are whole five minutes. An empty `holder` is the asker, an empty `school_id` the
    asker's school; who belongs to the whole cluster books for the school of the first thing that is named.
    """

    items: tuple[Item, ...]
    start_ms: int
    end_ms: int
    kind: str = "lesson"
    title: str = ""
    purpose: str = ""
    head_count: int = 0
    holder: str = ""
    school_id: str = ""
    supervisors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What would become of it if it were asked for now. `problems` speak against it, `overridable` if the asker may
    overrule all of them with a reason. `free`: it can be had then. `request`: somebody would have to confirm it.

    `used` are the periods of shared things that the school holds already in that week, `allowed` how many it may have
    (None: any number).
    """

    problems: tuple[Problem, ...]
    overridable: bool
    free: bool
    request: bool
    taken_by: tuple[Occupant, ...]
    alternatives: tuple[Alternative, ...]
    used: int
    allowed: int | None


@dataclass(frozen=True, slots=True)
class Times:
    """Something at many times (ms). `key` is the asker's own: again with it is the same."""

    asked: Asked
    spans_ms: tuple[range, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Word:
    """What became of a booking, which was so before; `text` are the own words of who did it."""

    kind: Kind
    booking: BookingView
    text: str = ""

    def news(self, who: Principal) -> News:
        was = self.booking
        things = ", ".join(each.name for each in was.things)
        detail = {"start_ms": was.start_ms, "end_ms": was.end_ms, "thing": things, "by": who.name}
        if self.text:
            detail["text"] = self.text
        return News(self.kind, was.id, was.school_id, was.holder_id, detail)


class Office:
    """Safe to use from any thread and any process. Everybody sees and changes what `views` and the rules allow.

    What is asked for by id and cannot be seen raises NoSuchBooking, what is seen and is not the asker's to change
    NotYours; what else `booking_errors` names as each method says. `changed` is called after every commit.
    """

    def __init__(
        self,
        engine: Engine,
        live: LiveFleet,
        zone: tzinfo,
        now_ms: Callable[[], int],
        changed: Callable[[], None],
        *,
        journal: Journal | None = None,
        offers: Offers | None = None,
    ) -> None:
        self._engine = engine
        self.zone = zone
        self._now_ms = now_ms
        self._changed = changed
        self._health = of_fleet(live)
        self._bookings = Bookings(engine, now_ms, journal, offers)
        self._desk = Desk(engine, self._bookings)

    # looking

    def year(self, school_id: str, day: date) -> SchoolYear:
        """The school year that a day of a school belongs to; one without lessons if nobody has said."""
        with Session(self._engine) as db:
            return year_on(db, school_id, day, self.zone)

    def things(self, who: Principal) -> Sequence[ThingView]:
        """All that `who` may book, or sees as somebody who belongs to the whole cluster."""
        with self._engine.connect() as connection:
            return views.things(connection, who.scope)

    def in_room(self, room_id: int) -> Sequence[ThingView]:
        """All that stands in a room, whoever may book it: for its board and its sheet."""
        with self._engine.connect() as connection:
            return [each for each in views.things(connection, CLUSTER) if each.room_id == room_id]

    def of_things(self, who: Principal | None, resource_ids: Sequence[int], span_ms: range) -> Sequence[BookingView]:
        """As `views.of_things`; None is somebody who reads a public board."""
        with self._engine.connect() as connection:
            return views.of_things(connection, who, resource_ids, span_ms)

    def mine(self, who: Principal, span_ms: range) -> Sequence[BookingView]:
        with self._engine.connect() as connection:
            return views.of_holder(connection, who, span_ms)

    def requests(self, who: Principal) -> Sequence[BookingView]:
        """Those that wait for a word of `who`, none for whom that is not asked."""
        if not may(who, Permission.MANAGE_BOOKINGS):
            return ()
        with self._engine.connect() as connection:
            return views.requests(connection, who)

    def find(self, who: Principal, booking_id: str) -> BookingView:
        """Raises NoSuchBooking."""
        with self._engine.connect() as connection:
            found = views.find(connection, who, booking_id)
        if found is None:
            raise NoSuchBooking(f"no booking {booking_id}")
        return found

    def look(self, who: Principal, asked: Asked) -> Look:
        """Raises NothingOfThatKind."""
        with self._engine.connect() as connection:
            request, known = self._prepare(connection, who, asked)
            wish = Wish(connection, request, known)
            found = wish.problems(request.span_ms)
            free = wish.had_by(request.span_ms) is not None
            return Look(
                problems=found,
                overridable=bool(found) and not standing(found, who.role, "?"),
                free=free,
                request=request.hold_until_ms is not None,
                taken_by=() if free else wish.taken_by(request.span_ms),
                alternatives=wish.nearest(request.span_ms) if found or not free else (),
                used=wish.used(request.start_ms),
                allowed=known.limits.school_week,
            )

    def taken(self, resource_ids: Sequence[int], span_ms: range) -> Mapping[int, list[tuple[int, int, int]]]:
        """As `views.taken`."""
        with self._engine.connect() as connection:
            return views.taken(connection, resource_ids, span_ms)

    def spare(self, resource_ids: Sequence[int], span_ms: range) -> Spare:
        """What is left of these units and pools within a time. Raises NothingOfThatKind."""
        with self._engine.connect() as connection:
            stock = read(connection, [Item(each) for each in resource_ids], "")
            window = stock.window(ticks(span_ms.start, span_ms.stop))
            return Spare(
                {each.id: each for each in stock.units},
                {each.pool: each for each in stock.wanted.counted},
                search.taken(connection, stock, window),
            )

    def openings(
        self, who: Principal, asked: Asked, periods: int, span_ms: range, most: int
    ) -> Sequence[tuple[range, Choice]]:
        """The first times (ms) within a time at which all of it can be had for so many periods in a row.

        Raises NothingOfThatKind.
        """
        first, last = (datetime.fromtimestamp(at / 1000, self.zone).date() for at in (span_ms.start, span_ms.stop - 1))
        days = (first + timedelta(days=each) for each in range((last - first).days + 1))
        with self._engine.connect() as connection:
            request, known = self._prepare(connection, who, asked)
        found = self._desk.openings(request, known, periods, days, most)
        return [each for each in found if each[0].stop <= span_ms.stop]

    def asked(self, who: Principal, booking_id: str) -> Asked:
        """What a booking that `who` may change was made from, at its time. Raises NoSuchBooking, NotYours."""
        view = self._own(who, booking_id)
        with self._engine.connect() as connection:
            return self._as_asked(connection, booking_id, view.start_ms, view.end_ms)

    def instead(self, asked: Asked, found: Alternative) -> Asked:
        """What to book to have an alternative: its units, and of pools what was wanted."""
        with self._engine.connect() as connection:
            pools = views.pools(connection, [each.resource_id for each in asked.items if each.resource_id is not None])
        units = tuple(Item(unit.id) for group in found.choice.units for unit in group)
        counted = tuple(each for each in asked.items if each.resource_id in pools)
        return replace(asked, items=units + counted, start_ms=found.start_ms, end_ms=found.end_ms)

    # booking

    def book(self, who: Principal, asked: Asked, *, key: str = "", reason: str = "") -> BookingView:
        """Have all of it or nothing, by the rules; with a `reason` some overrule what can be.

        `key` is the asker's own: the same one again is the same booking. Raises Refused and Taken, both with what would
        do instead, NothingOfThatKind, KeyUsed.
        """
        with self._engine.connect() as connection:
            request, known = self._prepare(connection, who, asked, key)
        booked = self._desk.book(request, known, reason)
        if key:
            self._compare(booked, request)
        return self._done(who, booked)

    def move(self, who: Principal, booking_id: str, start_ms: int, end_ms: int, *, reason: str = "") -> BookingView:
        """To another time, with what can be had there of what was asked for; as it is if it cannot.

        Raises Refused and Taken, both with what would do instead, TooLate.
        """
        before = self._own(who, booking_id)
        with self._engine.connect() as connection:
            asked = self._as_asked(connection, booking_id, start_ms, end_ms)
            request, known = self._prepare(connection, who, asked)
        then = self._telling(who, Word(Kind.MOVED, before))
        return self._done(who, self._desk.move(booking_id, request, known, reason, then))

    def cancel(self, who: Principal, booking_id: str) -> BookingView:
        """Raises TooLate if it is over."""
        view = self._own(who, booking_id)
        begun = view.state is BookingState.CHECKED_IN
        state = BookingState.DONE if begun else BookingState.CANCELLED
        then = self._telling(who, Word(Kind.CANCELLED, view))
        return self._done(who, self._bookings.end(booking_id, state, by=who.id, then=then))

    def wait(self, who: Principal, asked: Asked, *, key: str = "") -> BookingView:
        """Be on the waitlist for it; `key` as in `book`. Once for the same thing, however often it is asked for.

        Raises FreeNow if nobody need wait for it, Refused with what would do instead, NothingOfThatKind.
        """
        with self._engine.connect() as connection:
            request, known = self._prepare(connection, who, asked, key)
        return self._done(who, self._desk.wait(request, known))

    def book_or_wait(self, who: Principal, asked: Asked, *, key: str = "", reason: str = "") -> BookingView:
        """Have it, or be on the waitlist for it. Raises as both of them; Taken if it changes hands again and again."""
        for _ in range(_TRIES):
            with suppress(Taken):
                return self.book(who, asked, key=key, reason=reason)
            with suppress(FreeNow):  # it came free between the two
                return self.wait(who, asked, key=key)
        raise Taken("it changes hands all the time")

    def accept(self, who: Principal, booking_id: str) -> BookingView:
        """Have what is offered. Raises TooLate if it is not any more, Refused if the rules are against it by now."""
        view = self._own(who, booking_id)
        with self._engine.connect() as connection:
            asked = self._as_asked(connection, booking_id, view.start_ms, view.end_ms)
            request, known = self._prepare(connection, who, asked)
        return self._done(who, self._desk.accept(booking_id, request, known))

    def confirm(self, who: Principal, booking_id: str) -> BookingView:
        """Say yes to a request. Raises TooLate."""
        before = self._managed(who, booking_id)
        then = self._telling(who, Word(Kind.CONFIRMED, before))
        return self._done(who, self._bookings.advance(booking_id, BookingState.CONFIRMED, by=who.id, then=then))

    def refuse(self, who: Principal, booking_id: str, why: str = "") -> BookingView:
        """Say no to a request; its holder is told `why`, MAX_WHY characters of it. Raises TooLate."""
        before = self._managed(who, booking_id)
        then = self._telling(who, Word(Kind.REFUSED, before, why.strip()[:MAX_WHY]))
        return self._done(who, self._bookings.end(booking_id, BookingState.REFUSED, by=who.id, then=then))

    # this slot again

    def plan_again(
        self, who: Principal, booking_id: str, until: date, *, alternate: bool = False
    ) -> tuple[Verdict, ...]:
        """What would become of the booking on the same weekday up to `until`, one verdict a date. Books nothing."""
        request, known = self._again(who, booking_id)
        return self._desk.plan_series(request, known, until, alternate=alternate)[1:]

    def book_again(self, who: Principal, booking_id: str, picks: Sequence[Pick], *, key: str) -> Series:
        """Book each of the dates by itself; `key` is the asker's own: again is the same series."""
        request, known = self._again(who, booking_id)
        made = self._desk.book_series(request, known, picks, f"{who.id}:{key}")
        self._changed()
        return made

    # many dates at once

    def plan_spans(self, who: Principal, asked: Asked, spans_ms: Sequence[range]) -> tuple[Verdict, ...]:
        """What would become of it at each of these times (ms), all of one school year. Books nothing.

        Raises NothingOfThatKind.
        """
        with self._engine.connect() as connection:
            request, known = self._prepare(connection, who, asked)
        return self._desk.plan_spans(request, known, spans_ms)

    def book_together(
        self, who: Principal, wanted: Sequence[Times], then: Callable[[Connection, Sequence[Series]], None]
    ) -> Sequence[Series]:
        """Book each of them at each of its times, as one series each; all in one transaction, with what `then` writes.

        Dates that are lost by now are told, and lose no others. Raises NothingOfThatKind.
        """
        lessons: list[Lessons] = []
        with self._engine.connect() as connection:
            for each in wanted:
                request, known = self._prepare(connection, who, each.asked)
                lessons.append(Lessons(request, known, each.spans_ms, f"{who.id}:{each.key}"))
        made = self._desk.book_together(lessons, then)
        self._changed()
        return made

    def _compare(self, booked: Booked, request: Request) -> None:
        """That what a key stands for is what was asked for now. Raises KeyUsed."""
        with self._engine.connect() as connection:
            row = views.stored(connection, booked.id)
        moved = booked.sequence > 0
        alike = row is not None and items_of(row.wanted) == request.items
        if not alike or not (moved or (booked.start_ms, booked.end_ms) == (request.start_ms, request.end_ms)):
            raise KeyUsed("this key was used for another booking")

    def _again(self, who: Principal, booking_id: str) -> tuple[Request, Facts]:
        asked = self.asked(who, booking_id)
        with self._engine.connect() as connection:
            return self._prepare(connection, who, asked)

    def _prepare(self, connection: Connection, who: Principal, asked: Asked, key: str = "") -> tuple[Request, Facts]:
        """The request in full, and the facts for it. Raises NothingOfThatKind."""
        school_id = asked.school_id or who.school_id or views.school_of(connection, asked.items) or ""
        if not school_id:
            raise NothingOfThatKind("say for which school it is")
        now_ms = self._now_ms()
        request = Request(
            school_id=school_id,
            holder=asked.holder or who.id,
            by_id=who.id,
            items=asked.items,
            start_ms=asked.start_ms,
            end_ms=asked.end_ms,
            kind=asked.kind,
            title=asked.title,
            purpose=asked.purpose,
            head_count=asked.head_count,
            key=f"{who.id}:{key}" if key else None,
            supervisors=asked.supervisors,
        )
        known = facts.read(connection, who, request, now_ms=now_ms, zone=self.zone, health=self._health)
        if known.approval and who.role not in OVERRULERS:
            held_until_ms = min(asked.start_ms, now_ms + known.request_h * _HOUR_MS)
            request = replace(request, hold_until_ms=held_until_ms)
        return request, known.facts

    def _as_asked(self, connection: Connection, booking_id: str, start_ms: int, end_ms: int) -> Asked:
        """What a booking was made from, for another time. Raises NoSuchBooking."""
        row = views.stored(connection, booking_id)
        if row is None:
            raise NoSuchBooking(f"no booking {booking_id}")
        return Asked(
            items=items_of(row.wanted),
            start_ms=start_ms,
            end_ms=end_ms,
            kind=row.kind,
            title=row.title,
            purpose=row.purpose,
            head_count=row.head_count,
            holder=row.holder,
            school_id=row.school_id,
            supervisors=views.supervisors(connection, booking_id),
        )

    def _own(self, who: Principal, booking_id: str) -> BookingView:
        """A booking that `who` may change: their own, or one that they look after. Raises NoSuchBooking, NotYours."""
        view = self.find(who, booking_id)
        return view if view.mine else self._managed(who, booking_id)

    def _managed(self, who: Principal, booking_id: str) -> BookingView:
        """One of their school, or that has a thing of their school. Raises NoSuchBooking, NotYours."""
        view = self.find(who, booking_id)
        if not may(who, Permission.MANAGE_BOOKINGS):
            raise NotYours("this is somebody else's booking")
        return view

    def _telling(self, who: Principal, word: Word) -> Then:
        """Tells the holder, if somebody else did it, in the transaction of what is told."""
        if not word.booking.holder_id or word.booking.mine:
            return nothing
        return lambda connection: post(connection, word.news(who), self._now_ms())

    def _done(self, who: Principal, booked: Booked) -> BookingView:
        self._changed()
        return self.find(who, booked.id)

    def opens_on(self, school_id: str) -> date:
        """The day on which its calendars open: today, or the next one with lessons."""
        today = self.today()
        return self.year(school_id, today).next_taught(today)

    def today(self) -> date:
        return datetime.fromtimestamp(self._now_ms() / 1000, self.zone).date()
