"""Bookings made, moved and cancelled: each in one transaction that has all it wants or nothing."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine, Row, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from controller.identity.store import audit
from controller.scheduling import claims, records, search
from controller.scheduling.booking_errors import (
    BookingError,
    FreeNow,
    NoSuchBooking,
    NothingOfThatKind,
    Taken,
    TooLate,
)
from controller.scheduling.booking_states import NEXT, BookingState
from controller.scheduling.claims import Hold, Occupied
from controller.scheduling.holdings import Booked, ahead, assign, booked, holds_of, shorten
from controller.scheduling.journal import Journal, forget, note
from controller.scheduling.offers import Offers, answered
from controller.scheduling.outward import kind_of, tell
from controller.scheduling.request import Allowed, Request, Then, anything, nothing
from controller.scheduling.school_time import ticks
from controller.scheduling.stock import BREADTHS, Item, Serving, TooNarrow, items_of, lock_as_known, read
from controller.scheduling.tables import Assignment, Booking, Supervisor
from controller.scheduling.telling import tell_request
from controller.webhooks.kinds import EventKind

__all__ = [
    "Booked",
    "BookingError",
    "Bookings",
    "Item",
    "NoSuchBooking",
    "NothingOfThatKind",
    "Request",
    "Taken",
    "TooLate",
]

_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]
_SUPERVISOR: Table = Supervisor.__table__  # type: ignore[attr-defined]

_TRIES: Final = 4
_NOT_YET: Final = frozenset({BookingState.WAITING, BookingState.OFFERED})
"""What other programs never heard of as a booking."""
_Made = TypeVar("_Made")
Put: TypeAlias = Callable[[Request, Serving], Booked]
"""Writes a booking with what serves it. Raises Occupied if somebody else has some of that."""


@dataclass(frozen=True, slots=True)
class _Move:
    booking_id: str
    span_ms: range
    allowed: Allowed
    by: str
    then: Then


@dataclass(frozen=True, slots=True)
class _Say:
    """What the audit log is told, and what is written beside."""

    by: str
    why: str
    then: Then


class Bookings:
    """Safe to use from any thread and any process.

    What a booking lets go of is offered, in the same transaction, to those who wait for it; without `offers` it is
    left to the next look at the waitlist.
    """

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        journal: Journal | None = None,
        offers: Offers | None = None,
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._journal = journal
        self._offers = offers

    def book(self, request: Request, allowed: Allowed = anything, likely: Serving | None = None) -> Booked:
        """Have all of it or nothing, with units that are `allowed` alone. Raises Taken, NothingOfThatKind.

        `likely` is what would have served it a moment ago: it is had without looking any further, unless somebody was
        quicker.
        """
        if likely is not None:
            with suppress(Occupied), self._transaction() as connection:
                if lock_as_known(connection, likely):
                    return self._write(connection, request, likely)
        return self._retried(lambda connection, breadth: self._book(connection, request, allowed, breadth))

    def move(
        self,
        booking_id: str,
        start_ms: int,
        end_ms: int,
        allowed: Allowed = anything,
        *,
        by: str = "",
        then: Then = nothing,
    ) -> Booked:
        """To another time, with what can be had there of what was asked for; where it is now if it cannot.

        With units that are `allowed` alone; `by` is the opaque id of who moves it. Raises Taken, NoSuchBooking,
        TooLate.
        """
        move = _Move(booking_id, range(start_ms, end_ms), allowed, by, then)
        return self._retried(lambda connection, breadth: self._move(connection, move, breadth))

    def end(self, booking_id: str, state: BookingState, *, by: str = "", then: Then = nothing) -> Booked:
        """Let go of what it holds beyond this tick; it is told as it was. `by` is the opaque id of who ends it.

        Raises NoSuchBooking, and TooLate if it cannot come to `state` from where it is.
        """
        say = _Say(by, "", then)
        try:
            return self._tried(lambda connection, _: self._end(connection, booking_id, state, say), None)
        except Taken:  # many begin to wait for it, one after the other; nobody is kept from ending it by that
            return self._tried(lambda connection, _: self._end(connection, booking_id, state, say, offer=False), None)

    def together(self, requests: Iterable[Request], work: Callable[[Connection, Put], _Made]) -> _Made:
        """Do all of `work`, which puts bookings like these, in one transaction: all that it puts or nothing.

        Raises Taken if others are quicker all the time, NothingOfThatKind, and what `work` raises.
        """
        wanted = list(requests)

        def whole(connection: Connection, _: int | None) -> _Made:
            stocks = (read(connection, each.items, each.school_id) for each in wanted)
            claims.lock(connection, {id_ for stock in stocks for id_ in stock.ids})
            return work(connection, lambda request, serving: self._write(connection, request, serving))

        return self._tried(whole, None)

    def wait(self, request: Request, allowed: Allowed = anything) -> Booked:
        """Wait for it, up to `hold_until_ms`, as nothing that is `allowed` serves it now. Whoever waits for the same
        already goes on waiting. Raises FreeNow, NothingOfThatKind.
        """
        return self._tried(lambda connection, _: self._wait(connection, request, allowed), None)

    def accept(self, booking_id: str, request_until_ms: int | None, *, by: str = "") -> Booked:
        """Have what is offered; with `request_until_ms` it is a request that somebody has to confirm by then.

        Raises NoSuchBooking, TooLate.
        """
        return self._retried(lambda connection, _: self._accept(connection, booking_id, request_until_ms, by))

    def offer_waiting(self) -> int:
        """Offer what those who wait can have now; to how many. For what came free in other ways than by a booking."""
        if self._offers is None:
            return 0
        with self._engine.connect() as connection:
            found = self._offers.could_have(connection)
        return sum(self._offer_one(freed) for freed in found)

    def advance(
        self, booking_id: str, state: BookingState, *, by: str = "", why: str = "", then: Then = nothing
    ) -> Booked:
        """To a state that goes on holding what it has: confirmed, checked in. `by` is the opaque id of who does.

        `why` is for the audit log, if nobody did. Raises NoSuchBooking, and TooLate if it cannot come to `state` from
        where it is.
        """
        return self._retried(lambda connection, _: self._advance(connection, booking_id, state, _Say(by, why, then)))

    def find(self, booking_id: str) -> Booked | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one_or_none()
            return booked(connection, row) if row else None

    def of_key(self, key: str) -> Booked | None:
        """What was booked by a request of that key."""
        with self._engine.connect() as connection:
            row = connection.execute(select(_BOOKING).where(_BOOKING.c.request_key == key)).one_or_none()
            return booked(connection, row) if row else None

    def _retried(self, work: Callable[[Connection, int | None], Booked]) -> Booked:
        """Among more and more units, as long as those looked at do not serve.

        The locks of one breadth are let go before the next: taken one after the other they would be out of order.
        """
        for breadth in BREADTHS:
            try:
                return self._tried(work, breadth)
            except TooNarrow:
                continue
        raise Taken("not all of it is free at that time")

    def _tried(self, work: Callable[[Connection, int | None], _Made], breadth: int | None) -> _Made:
        """In a transaction of its own; anew if somebody was quicker in spite of the locks."""
        for _ in range(_TRIES):
            try:
                with self._transaction() as connection:
                    return work(connection, breadth)
            except Occupied:
                continue
        raise Taken("not all of it is free at that time")

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            claims.begin(connection)
            forget(connection)
            try:
                yield connection
                with self._journal.around(connection) if self._journal else nullcontext():
                    connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def _book(self, connection: Connection, request: Request, allowed: Allowed, breadth: int | None) -> Booked:
        if request.key is not None:
            known = connection.execute(select(_BOOKING).where(_BOOKING.c.request_key == request.key)).one_or_none()
            if known is not None:
                return booked(connection, known)
        stock = records.locked(connection, request.items, request.school_id, breadth).where(allowed)
        use = ticks(request.start_ms, request.end_ms)
        return self._write(connection, request, Serving(stock, records.choice(connection, stock, use)))

    def _write(self, connection: Connection, request: Request, serving: Serving) -> Booked:
        """The booking with all that serves it. Raises Occupied if somebody else has some of it."""
        state = BookingState.CONFIRMED if request.hold_until_ms is None else BookingState.REQUESTED
        values = records.values(request, state, self._now_ms())
        try:
            connection.execute(insert(_BOOKING), values)
        except IntegrityError as error:
            if request.key is None:
                raise
            raise Occupied(str(error.orig)) from None  # the same request, a moment before: it is found the next time
        made = Booked(
            str(values["id"]),
            BookingState(str(values["state"])),
            request.start_ms,
            request.end_ms,
            0,
            assign(connection, str(values["id"]), serving, ticks(request.start_ms, request.end_ms)),
        )
        self._made(connection, made.id, request)
        if request.hold_until_ms is not None:
            tell_request(connection, made.id, request.by_id, self._now_ms())
        tell(connection, made.id, EventKind.BOOKING_MADE, self._now_ms())
        return made

    def _made(self, connection: Connection, booking_id: str, request: Request, detail: str = "") -> None:
        """What belongs to every booking that is new."""
        if request.supervisors:
            named = [{"booking_id": booking_id, "user_id": each} for each in sorted(set(request.supervisors))]
            connection.execute(insert(_SUPERVISOR), named)
        audit(
            connection,
            self._now_ms(),
            "booking-make",
            actor=request.by_id,
            subject=booking_id,
            school_id=request.school_id,
            detail=detail or request.overruled,
        )
        self._note(connection, booking_id)

    def _wait(self, connection: Connection, request: Request, allowed: Allowed) -> Booked:
        """Whoever lets go of any of it waits for these locks, and then finds who waits."""
        stock = records.locked(connection, request.items, request.school_id, None).where(allowed)
        known = records.alike(connection, request)
        if known is not None:
            return booked(connection, known)
        use = ticks(request.start_ms, request.end_ms)
        if stock.choice(use, search.taken(connection, stock, stock.window(use))) is not None:
            raise FreeNow("it can be had now")
        values = records.values(request, BookingState.WAITING, self._now_ms())
        connection.execute(insert(_BOOKING), values)
        self._made(connection, str(values["id"]), request, "waitlist")
        return booked(connection, connection.execute(select(_BOOKING).where(_BOOKING.c.id == values["id"])).one())

    def _accept(self, connection: Connection, booking_id: str, request_until_ms: int | None, by: str) -> Booked:
        row = self._locked_row(connection, booking_id)
        if row.state != BookingState.OFFERED:
            raise TooLate(f"a booking that is {row.state} is not offered")
        state = BookingState.CONFIRMED if request_until_ms is None else BookingState.REQUESTED
        values = {"state": state, "hold_until_ms": request_until_ms, "sequence": row.sequence + 1}
        changed = self._change(connection, booking_id, values)
        answered(connection, booking_id, self._now_ms())
        action = f"booking-{state}"
        audit(connection, self._now_ms(), action, actor=by, subject=booking_id, school_id=row.school_id, detail="offer")
        if request_until_ms is not None:
            tell_request(connection, booking_id, by, self._now_ms())
        tell(connection, booking_id, EventKind.BOOKING_MADE, self._now_ms())
        return booked(connection, changed)

    def _offer_one(self, freed: Sequence[Hold]) -> int:
        """How many are offered some of it."""

        def offer(connection: Connection, _: int | None) -> int:
            locked = self._wanted(connection, freed)
            claims.lock(connection, locked)
            return self._offer(connection, freed, locked)

        try:
            return self._tried(offer, None)
        except Taken:  # somebody was quicker, time and again: the next look finds what is left
            return 0

    def _wanted(self, connection: Connection, freed: Sequence[Hold]) -> set[int]:
        """What has to be locked besides, so that it can be offered."""
        return self._offers.wanted(connection, freed) if self._offers is not None and freed else set()

    def _offer(self, connection: Connection, freed: Sequence[Hold], locked: Collection[int]) -> int:
        """Offer what is let go of; to how many. Raises Occupied if somebody began to wait for it just now."""
        if self._offers is None or not freed:
            return 0
        found = self._offers.make(connection, freed, locked)
        for each in found:
            self._note(connection, each)
        return len(found)

    def _locked_row(self, connection: Connection, booking_id: str) -> Row[Any]:
        """A booking that is not over, while nobody else changes what it has. Raises NoSuchBooking, TooLate."""
        records.standing(connection, booking_id)
        claims.lock(connection, {each.resource_id for each in holds_of(connection, booking_id)})
        return records.standing(connection, booking_id)

    def _move(self, connection: Connection, move: _Move, breadth: int | None) -> Booked:
        booking_id = move.booking_id
        row, held = records.standing(connection, booking_id), holds_of(connection, booking_id)
        freed = ahead(held, ticks(0, self._now_ms()).stop)
        besides = {each.resource_id for each in held} | self._wanted(connection, freed)
        items = items_of(row.wanted)
        stock = records.locked(connection, items, row.school_id, breadth, besides)
        locked = stock.ids | besides
        row, held = records.standing(connection, booking_id), holds_of(connection, booking_id)
        if row.state in (BookingState.WAITING, BookingState.OFFERED):
            raise TooLate(f"a booking that is {row.state} cannot be moved")
        stock = stock.where(move.allowed)
        claims.let_go(connection, booking_id, held)
        connection.execute(delete(_ASSIGNMENT).where(_ASSIGNMENT.c.booking_id == booking_id))
        use = ticks(move.span_ms.start, move.span_ms.stop)
        assign(connection, booking_id, Serving(stock, records.choice(connection, stock, use)), use)
        changed = {"start_ms": move.span_ms.start, "end_ms": move.span_ms.stop, "sequence": row.sequence + 1}
        audit(connection, self._now_ms(), "booking-move", actor=move.by, subject=booking_id, school_id=row.school_id)
        moved = booked(connection, self._change(connection, booking_id, changed))
        move.then(connection)
        tell(connection, booking_id, EventKind.BOOKING_CHANGED, self._now_ms())
        self._offer(connection, freed, locked)
        return moved

    def _end(
        self, connection: Connection, booking_id: str, state: BookingState, say: _Say, *, offer: bool = True
    ) -> Booked:
        records.standing(connection, booking_id)
        tick = ticks(0, self._now_ms()).stop
        held = holds_of(connection, booking_id)
        freed = ahead(held, tick) if offer else []
        locked = {each.resource_id for each in held} | self._wanted(connection, freed)
        claims.lock(connection, locked)
        row = records.standing(connection, booking_id)
        if not {each.resource_id for each in holds_of(connection, booking_id)} <= locked:
            raise Occupied("it was moved at this moment")
        if state not in NEXT[BookingState(row.state)] or state.holds:
            raise TooLate(f"a booking that is {row.state} cannot become {state}")
        was_made = row.state not in _NOT_YET
        over = {"state": state, "sequence": row.sequence + 1, "ended_ms": self._now_ms()}
        row = self._change(connection, booking_id, over)
        ended = booked(connection, row)
        say.then(connection)  # it still has what it had
        if was_made:
            tell(connection, booking_id, kind_of(state), self._now_ms())
        shorten(connection, booking_id, tick)
        now_ms, school = self._now_ms(), row.school_id
        answered(connection, booking_id, now_ms)
        audit(connection, now_ms, "booking-end", actor=say.by, subject=booking_id, school_id=school, detail=state)
        self._offer(connection, freed, locked)
        return ended

    def _advance(self, connection: Connection, booking_id: str, state: BookingState, say: _Say) -> Booked:
        row = self._locked_row(connection, booking_id)
        unasked = row.state in (BookingState.WAITING, BookingState.OFFERED)
        if unasked or state not in NEXT[BookingState(row.state)] or not state.holds:
            raise TooLate(f"a booking that is {row.state} cannot become {state}")
        values: dict[str, object] = {"state": state, "hold_until_ms": None}
        if state is BookingState.CHECKED_IN:
            values |= {"checked_in_ms": self._now_ms(), "checked_in_by": say.by}
        else:
            values["sequence"] = row.sequence + 1  # calendars show a check-in no differently
        changed = self._change(connection, booking_id, values)
        action, school = f"booking-{state}", row.school_id
        audit(connection, self._now_ms(), action, actor=say.by, subject=booking_id, school_id=school, detail=say.why)
        say.then(connection)
        tell(connection, booking_id, kind_of(state), self._now_ms())
        return booked(connection, changed)

    def _change(self, connection: Connection, booking_id: str, values: dict[str, object]) -> Row[Any]:
        """The booking as it is then."""
        values["changed_ms"] = self._now_ms()
        connection.execute(update(_BOOKING).where(_BOOKING.c.id == booking_id).values(values))
        self._note(connection, booking_id)
        return connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one()

    def _note(self, connection: Connection, booking_id: str) -> None:
        if self._journal is not None:
            note(connection, booking_id)
