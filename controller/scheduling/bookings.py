"""Bookings made, moved and cancelled: each in one transaction that has all it wants or nothing."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, Table, delete, insert, select, update

from controller.scheduling import claims
from controller.scheduling.booking_states import NEXT, BookingState
from controller.scheduling.choice import Choice, Counted, Demand, Unit, Wanted, choose
from controller.scheduling.claims import Hold, Occupied
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.tables import Assignment, Booking, Resource

_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]

_TRIES = 4


class BookingError(Exception):
    """Nothing was booked and nothing was changed."""


class Taken(BookingError):
    """Not all of it is free at that time: choose another time or other machines (409)."""


class NoSuchBooking(BookingError):
    """There is none of that id: look again (404)."""


class TooLate(BookingError):
    """The booking is in a state that does not allow it: look again (409)."""


class NothingOfThatKind(BookingError):
    """There is no such resource, or not as many as are wanted: mend the request (422)."""


@dataclass(frozen=True, slots=True)
class Item:
    """`count` of what is wanted: of one `resource_id` (a unit or a pool), or of any units of `class_name`.

    `class_name` is looked for in `schools`, all of them if it is empty, and there among what is shared or their own.
    """

    resource_id: int | None = None
    class_name: str = ""
    count: int = 1
    schools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to book. Instants are whole five minutes. `key` is the asker's own: again is the same.

    `hold_until_ms` makes it a request that somebody has to confirm by then.
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

    def __post_init__(self) -> None:
        if not self.start_ms < self.end_ms or self.start_ms % TICK_MS or self.end_ms % TICK_MS:
            raise NothingOfThatKind("a booking lasts from one full five minutes to another")
        if not self.items or any(item.count < 1 for item in self.items):
            raise NothingOfThatKind("a booking is for at least one thing")


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
class _Stock:
    """What a request may be served by: its demands, and the capacity of each pool and circuit that is touched."""

    wanted: Wanted
    counted: dict[int, int]

    @property
    def units(self) -> list[Unit]:
        return [unit for demand in self.wanted.demands for unit in demand.units]

    def window(self, use: range) -> range:
        setup = max((unit.setup for unit in self.units), default=0)
        clean_up = max((unit.clean_up for unit in self.units), default=0)
        return range(use.start - setup, use.stop + clean_up)


class Bookings:
    """Safe to use from any thread and any process."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def book(self, request: Request) -> Booked:
        """Have all of it or nothing. Raises Taken, NothingOfThatKind."""
        return self._retried(lambda connection: self._book(connection, request))

    def move(self, booking_id: str, start_ms: int, end_ms: int) -> Booked:
        """To another time, with what can be had there of what was asked for; where it is now if it cannot.

        Raises Taken, NoSuchBooking, TooLate.
        """
        return self._retried(lambda connection: self._move(connection, booking_id, range(start_ms, end_ms)))

    def end(self, booking_id: str, state: BookingState) -> Booked:
        """Let go of what it holds. Raises NoSuchBooking, and TooLate if it cannot come to `state` from where it is."""
        return self._retried(lambda connection: self._end(connection, booking_id, state))

    def find(self, booking_id: str) -> Booked | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one_or_none()
            return _booked(connection, row) if row else None

    def _retried(self, work: Callable[[Connection], Booked]) -> Booked:
        """In a transaction of its own; anew if somebody was quicker in spite of the locks."""
        for _ in range(_TRIES - 1):
            try:
                with self._transaction() as connection:
                    return work(connection)
            except Occupied:
                continue
        try:
            with self._transaction() as connection:
                return work(connection)
        except Occupied:
            raise Taken("not all of it is free at that time") from None

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            claims.begin(connection)
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def _book(self, connection: Connection, request: Request) -> Booked:
        if request.key is not None:
            known = connection.execute(select(_BOOKING).where(_BOOKING.c.request_key == request.key)).one_or_none()
            if known is not None:
                return _booked(connection, known)
        stock = _stock(connection, request.items)
        use = ticks(request.start_ms, request.end_ms)
        claims.lock(connection, _ids(stock))
        choice = _choice(connection, stock, use)
        now_ms = self._now_ms()
        values = {
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
        connection.execute(insert(_BOOKING).values(values))
        self._assign(connection, str(values["id"]), stock, choice, use)
        row = connection.execute(select(_BOOKING).where(_BOOKING.c.id == values["id"])).one()
        return _booked(connection, row)

    def _move(self, connection: Connection, booking_id: str, span_ms: range) -> Booked:
        row = _standing(connection, booking_id)
        stock = _stock(connection, [Item(**{**each, "schools": tuple(each["schools"])}) for each in row.wanted])
        held = _holds(connection, booking_id)
        claims.lock(connection, {*_ids(stock), *(each.resource_id for each in held)})
        row, held = _standing(connection, booking_id), _holds(connection, booking_id)
        claims.let_go(connection, booking_id, held)
        connection.execute(delete(_ASSIGNMENT).where(_ASSIGNMENT.c.booking_id == booking_id))
        use = ticks(span_ms.start, span_ms.stop)
        self._assign(connection, booking_id, stock, _choice(connection, stock, use), use)
        changed = {"start_ms": span_ms.start, "end_ms": span_ms.stop, "sequence": row.sequence + 1}
        return self._change(connection, booking_id, changed)

    def _end(self, connection: Connection, booking_id: str, state: BookingState) -> Booked:
        row = _standing(connection, booking_id)
        held = _holds(connection, booking_id)
        claims.lock(connection, {each.resource_id for each in held})
        row = _standing(connection, booking_id)
        if state not in NEXT[BookingState(row.state)] or state.holds:
            raise TooLate(f"a booking that is {row.state} cannot become {state}")
        claims.let_go(connection, booking_id, _holds(connection, booking_id))
        return self._change(connection, booking_id, {"state": state, "sequence": row.sequence + 1})

    def _change(self, connection: Connection, booking_id: str, values: dict[str, object]) -> Booked:
        values["changed_ms"] = self._now_ms()
        connection.execute(update(_BOOKING).where(_BOOKING.c.id == booking_id).values(values))
        return _booked(connection, connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one())

    def _assign(self, connection: Connection, booking_id: str, stock: _Stock, choice: Choice, use: range) -> None:
        units = [unit for group in choice.units for unit in group]
        rows = [
            {
                "booking_id": booking_id,
                "resource_id": unit.id,
                "quantity": 0,
                "from_ms": unit.held(use).start * TICK_MS,
                "until_ms": unit.held(use).stop * TICK_MS,
            }
            for unit in units
        ] + [
            {
                "booking_id": booking_id,
                "resource_id": each.pool,
                "quantity": each.count,
                "from_ms": use.start * TICK_MS,
                "until_ms": use.stop * TICK_MS,
            }
            for each in stock.wanted.counted
        ]
        connection.execute(insert(_ASSIGNMENT), rows)
        claims.hold(connection, booking_id, _wanted_holds(units, stock.wanted.counted, use), stock.counted)


def _stock(connection: Connection, items: Sequence[Item]) -> _Stock:
    """The units and pools that could serve each item. Raises NothingOfThatKind."""
    demands: list[Demand] = []
    counted: list[Counted] = []
    capacity: dict[int, int] = {}
    for item in items:
        rows = connection.execute(_offered(item)).all()
        if item.resource_id is not None and rows and rows[0].kind == "pool":
            counted.append(Counted(rows[0].id, item.count))
            capacity[rows[0].id] = rows[0].capacity
            continue
        units = tuple(_unit(row) for row in rows if row.kind == "unit")
        if len(units) < item.count:
            raise NothingOfThatKind(f"{item.count} are wanted, there are {len(units)}")
        demands.append(Demand(units, item.count))
    circuits = {unit.circuit for demand in demands for unit in demand.units if unit.circuit is not None}
    for row in connection.execute(select(_RESOURCE.c.id, _RESOURCE.c.capacity).where(_RESOURCE.c.id.in_(circuits))):
        capacity[row.id] = row.capacity
    return _Stock(Wanted(tuple(demands), tuple(counted)), capacity)


def _offered(item: Item) -> Select[Any]:
    wanted = select(_RESOURCE).where(_RESOURCE.c.retired.is_(False), _RESOURCE.c.kind != "circuit")
    if item.resource_id is not None:
        return wanted.where(_RESOURCE.c.id == item.resource_id)
    if item.schools:
        wanted = wanted.where(_RESOURCE.c.school_id.in_(item.schools))
    return wanted.where(_RESOURCE.c.class_name == item.class_name).order_by(_RESOURCE.c.id)


def _unit(row: Row[Any]) -> Unit:
    """Minutes are rounded up to whole ticks."""
    return Unit(row.id, ticks_of(row.setup_min), ticks_of(row.clean_up_min), row.watts, row.circuit_id)


def ticks_of(minutes: int) -> int:
    return -(-minutes * 60_000 // TICK_MS)


def _ids(stock: _Stock) -> set[int]:
    return {unit.id for unit in stock.units} | set(stock.counted)


def _choice(connection: Connection, stock: _Stock, use: range) -> Choice:
    """What serves the request at that time, as things are now. Raises Taken."""
    taken = claims.taken(connection, [unit.id for unit in stock.units], stock.counted, stock.window(use))
    found = choose(stock.wanted, use, taken)
    if found is None:
        raise Taken("not all of it is free at that time")
    return found


def _wanted_holds(units: Sequence[Unit], counted: Sequence[Counted], use: range) -> Iterator[Hold]:
    for unit in units:
        yield Hold(unit.id, unit.held(use))
        if unit.circuit is not None and unit.watts:
            yield Hold(unit.circuit, unit.held(use), unit.watts)
    for each in counted:
        yield Hold(each.pool, use, each.count)


def _holds(connection: Connection, booking_id: str) -> list[Hold]:
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
