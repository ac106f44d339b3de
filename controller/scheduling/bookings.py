"""Bookings made, moved and cancelled: each in one transaction that has all it wants or nothing."""

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine, Row, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from controller.identity.store import audit
from controller.scheduling import claims, search
from controller.scheduling.booking_errors import BookingError, NoSuchBooking, NothingOfThatKind, Taken, TooLate
from controller.scheduling.booking_states import NEXT, BookingState
from controller.scheduling.choice import Choice
from controller.scheduling.claims import Hold, Occupied
from controller.scheduling.journal import Journal, forget, note
from controller.scheduling.outward import kind_of, tell
from controller.scheduling.policy import Thing
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.stock import BREADTHS, Item, Serving, Stock, TooNarrow, lock_as_known, read
from controller.scheduling.tables import Assignment, Booking, Resource, Supervisor
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
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_SUPERVISOR: Table = Supervisor.__table__  # type: ignore[attr-defined]

_TRIES = 4
Allowed: TypeAlias = Callable[[Thing], bool]
"""Whether a unit may be chosen. It is asked within the transaction, and should not take long."""


Then: TypeAlias = Callable[[Connection], None]
"""What is written beside a change, in its transaction."""


def anything(_thing: Thing) -> bool:
    return True


def nothing(_connection: Connection) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to book. Instants are whole five minutes. `key` is the asker's own: again is the same.

    `hold_until_ms` makes it a request that somebody has to confirm by then. `supervisors` are the opaque ids of who is
    named to stand by. `overruled` tells the audit log what spoke against it, and why it is made all the same.
    """

    school_id: str
    holder: str
    by_id: str
    items: tuple[Item, ...]
    start_ms: int
    end_ms: int
    kind: str = "lesson"
    title: str = ""
    purpose: str = ""
    head_count: int = 0
    series_id: str | None = None
    hold_until_ms: int | None = None
    key: str | None = None
    overruled: str = ""
    supervisors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.start_ms < self.end_ms or self.start_ms % TICK_MS or self.end_ms % TICK_MS:
            raise NothingOfThatKind("a booking lasts from one full five minutes to another")
        if not self.items or any(item.count < 1 for item in self.items):
            raise NothingOfThatKind("a booking is for at least one thing")

    @property
    def span_ms(self) -> range:
        return range(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking as it stands. `resources` are (id, count), count 0 for a unit."""

    id: str
    state: BookingState
    start_ms: int
    end_ms: int
    sequence: int
    resources: tuple[tuple[int, int], ...]


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
    """Safe to use from any thread and any process."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int], journal: Journal | None = None) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._journal = journal

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
        return self._retried(lambda connection, _: self._end(connection, booking_id, state, _Say(by, "", then)))

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
            return _booked(connection, row) if row else None

    def of_key(self, key: str) -> Booked | None:
        """What was booked by a request of that key."""
        with self._engine.connect() as connection:
            row = connection.execute(select(_BOOKING).where(_BOOKING.c.request_key == key)).one_or_none()
            return _booked(connection, row) if row else None

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

    def _tried(self, work: Callable[[Connection, int | None], Booked], breadth: int | None) -> Booked:
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
                return _booked(connection, known)
        stock = _locked(connection, request.items, request.school_id, breadth).where(allowed)
        use = ticks(request.start_ms, request.end_ms)
        return self._write(connection, request, Serving(stock, _choice(connection, stock, use)))

    def _write(self, connection: Connection, request: Request, serving: Serving) -> Booked:
        """The booking with all that serves it. Raises Occupied if somebody else has some of it."""
        values = self._values(request)
        try:
            connection.execute(insert(_BOOKING), values)
        except IntegrityError as error:
            if request.key is None:
                raise
            raise Occupied(str(error.orig)) from None  # the same request, a moment before: it is found the next time
        booked = Booked(
            str(values["id"]),
            BookingState(str(values["state"])),
            request.start_ms,
            request.end_ms,
            0,
            _assign(connection, str(values["id"]), serving, ticks(request.start_ms, request.end_ms)),
        )
        if request.supervisors:
            named = [{"booking_id": booked.id, "user_id": each} for each in sorted(set(request.supervisors))]
            connection.execute(insert(_SUPERVISOR), named)
        audit(
            connection,
            self._now_ms(),
            "booking-make",
            actor=request.by_id,
            subject=booked.id,
            school_id=request.school_id,
            detail=request.overruled,
        )
        if request.hold_until_ms is not None:
            tell_request(connection, booked.id, request.by_id, self._now_ms())
        tell(connection, booked.id, EventKind.BOOKING_MADE, self._now_ms())
        self._note(connection, booked.id)
        return booked

    def _values(self, request: Request) -> dict[str, object]:
        now_ms = self._now_ms()
        return {
            "id": secrets.token_hex(8),
            "school_id": request.school_id,
            "holder": request.holder,
            "by_id": request.by_id,
            "kind": request.kind,
            "state": BookingState.CONFIRMED if request.hold_until_ms is None else BookingState.REQUESTED,
            "title": request.title,
            "purpose": request.purpose,
            "head_count": request.head_count,
            "start_ms": request.start_ms,
            "end_ms": request.end_ms,
            "wanted": [asdict(item) for item in request.items],
            "series_id": request.series_id,
            "sequence": 0,
            "created_ms": now_ms,
            "changed_ms": now_ms,
            "hold_until_ms": request.hold_until_ms,
            "request_key": request.key,
        }

    def _move(self, connection: Connection, move: _Move, breadth: int | None) -> Booked:
        booking_id = move.booking_id
        row = _standing(connection, booking_id)
        items = [Item(**{**each, "schools": tuple(each["schools"])}) for each in row.wanted]
        besides = {each.resource_id for each in holds_of(connection, booking_id)}
        stock = _locked(connection, items, row.school_id, breadth, besides).where(move.allowed)
        row, held = _standing(connection, booking_id), holds_of(connection, booking_id)
        claims.let_go(connection, booking_id, held)
        connection.execute(delete(_ASSIGNMENT).where(_ASSIGNMENT.c.booking_id == booking_id))
        use = ticks(move.span_ms.start, move.span_ms.stop)
        _assign(connection, booking_id, Serving(stock, _choice(connection, stock, use)), use)
        changed = {"start_ms": move.span_ms.start, "end_ms": move.span_ms.stop, "sequence": row.sequence + 1}
        audit(connection, self._now_ms(), "booking-move", actor=move.by, subject=booking_id, school_id=row.school_id)
        moved = _booked(connection, self._change(connection, booking_id, changed))
        move.then(connection)
        tell(connection, booking_id, EventKind.BOOKING_CHANGED, self._now_ms())
        return moved

    def _end(self, connection: Connection, booking_id: str, state: BookingState, say: _Say) -> Booked:
        row = _standing(connection, booking_id)
        held = holds_of(connection, booking_id)
        claims.lock(connection, {each.resource_id for each in held})
        row = _standing(connection, booking_id)
        if state not in NEXT[BookingState(row.state)] or state.holds:
            raise TooLate(f"a booking that is {row.state} cannot become {state}")
        over = {"state": state, "sequence": row.sequence + 1, "ended_ms": self._now_ms()}
        row = self._change(connection, booking_id, over)
        ended = _booked(connection, row)
        say.then(connection)  # it still has what it had
        tell(connection, booking_id, kind_of(state), self._now_ms())
        shorten(connection, booking_id, ticks(0, self._now_ms()).stop)
        now_ms, school = self._now_ms(), row.school_id
        audit(connection, now_ms, "booking-end", actor=say.by, subject=booking_id, school_id=school, detail=state)
        return ended

    def _advance(self, connection: Connection, booking_id: str, state: BookingState, say: _Say) -> Booked:
        row = _standing(connection, booking_id)
        claims.lock(connection, {each.resource_id for each in holds_of(connection, booking_id)})
        row = _standing(connection, booking_id)
        if state not in NEXT[BookingState(row.state)] or not state.holds:
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
        return _booked(connection, changed)

    def _change(self, connection: Connection, booking_id: str, values: dict[str, object]) -> Row[Any]:
        """The booking as it is then."""
        values["changed_ms"] = self._now_ms()
        connection.execute(update(_BOOKING).where(_BOOKING.c.id == booking_id).values(values))
        self._note(connection, booking_id)
        return connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one()

    def _note(self, connection: Connection, booking_id: str) -> None:
        if self._journal is not None:
            note(connection, booking_id)


def _assign(connection: Connection, booking_id: str, serving: Serving, use: range) -> tuple[tuple[int, int], ...]:
    """Have it; the resources as in `Booked`. Raises Occupied if somebody else has some of it."""
    had = [(unit.id, 0, unit.held(use)) for unit in serving.units]
    had += [(each.pool, each.count, each.held(use)) for each in serving.counted]
    rows = [
        {
            "booking_id": booking_id,
            "resource_id": resource_id,
            "quantity": quantity,
            "from_ms": held.start * TICK_MS,
            "until_ms": held.stop * TICK_MS,
        }
        for resource_id, quantity, held in had
    ]
    connection.execute(insert(_ASSIGNMENT), rows)
    claims.hold(connection, booking_id, _wanted_holds(serving, use), serving.stock.capacity)
    return tuple(sorted((resource_id, quantity) for resource_id, quantity, _ in had))


def _locked(
    connection: Connection, items: Sequence[Item], school_id: str, breadth: int | None, besides: Collection[int] = ()
) -> Stock:
    """What could serve the items; nobody else books it, or changes what it is, until the transaction ends.

    Raises Occupied if somebody changed it while this waited for the locks: look again.
    """
    stock = read(connection, items, school_id, breadth)
    if not claims.others_write_meanwhile(connection):
        return stock
    locked = {*stock.ids, *besides}
    claims.lock(connection, locked)
    stock = read(connection, items, school_id, breadth)
    if not stock.ids <= locked:
        raise Occupied("what can be booked was changed at this moment")
    return stock


def _choice(connection: Connection, stock: Stock, use: range) -> Choice:
    """What serves the request at that time, as things are now. Raises Taken, TooNarrow."""
    found = stock.choice(use, search.taken(connection, stock, stock.window(use)))
    if found is None:
        raise Taken("not all of it is free at that time")
    return found


def _wanted_holds(serving: Serving, use: range) -> Iterator[Hold]:
    for unit in serving.units:
        yield Hold(unit.id, unit.held(use))
        if unit.circuit is not None and unit.watts:
            yield Hold(unit.circuit, unit.held(use), unit.watts)
    for each in serving.counted:
        yield Hold(each.pool, each.held(use), each.count)


def shorten(connection: Connection, booking_id: str, tick: int) -> None:
    """From that tick on it has nothing any more; what is over stays its own, for the reports. After `claims.lock`."""
    held = holds_of(connection, booking_id)
    ahead = [replace(each, ticks=range(max(each.ticks.start, tick), each.ticks.stop)) for each in held]
    claims.let_go(connection, booking_id, [each for each in ahead if each.ticks])
    mine, at_ms = _ASSIGNMENT.c.booking_id == booking_id, tick * TICK_MS
    connection.execute(delete(_ASSIGNMENT).where(mine, _ASSIGNMENT.c.from_ms >= at_ms))
    connection.execute(update(_ASSIGNMENT).where(mine, _ASSIGNMENT.c.until_ms > at_ms).values(until_ms=at_ms))


def holds_of(connection: Connection, booking_id: str) -> list[Hold]:
    """What a booking has, as it was taken: a unit's watts are those that its resource has now."""
    found = connection.execute(
        select(_ASSIGNMENT, _RESOURCE.c.watts, _RESOURCE.c.circuit_id)
        .join(_RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id)
        .where(_ASSIGNMENT.c.booking_id == booking_id)
    )
    holds: list[Hold] = []
    for row in found:
        span = ticks(row.from_ms, row.until_ms)
        holds.append(Hold(row.resource_id, span, row.quantity))
        if not row.quantity and row.circuit_id is not None and row.watts:
            holds.append(Hold(row.circuit_id, span, row.watts))
    return holds


def _standing(connection: Connection, booking_id: str) -> Row[Any]:
    """A booking that holds what it has. Raises NoSuchBooking, TooLate."""
    row = connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one_or_none()
    if row is None:
        raise NoSuchBooking(f"no booking {booking_id}")
    if not BookingState(row.state).holds:
        raise TooLate(f"the booking is {row.state}")
    return row


def _booked(connection: Connection, row: Row[Any]) -> Booked:
    found = connection.execute(
        select(_ASSIGNMENT.c.resource_id, _ASSIGNMENT.c.quantity)
        .where(_ASSIGNMENT.c.booking_id == row.id)
        .order_by(_ASSIGNMENT.c.resource_id)
    )
    resources = tuple((each.resource_id, each.quantity) for each in found)
    return Booked(row.id, BookingState(row.state), row.start_ms, row.end_ms, row.sequence, resources)
