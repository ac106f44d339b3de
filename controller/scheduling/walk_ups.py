"""The bookings of uses that nobody had booked: what a walk-up takes, so that calendars and rules see it.

A machine that cannot be booked has none of this. Whoever calls has the machine's agent locked already, and commits.
"""

import secrets
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, and_, insert, select, update

from controller.identity.tables import User
from controller.scheduling import claims
from controller.scheduling.booked import WALK_UP_KIND
from controller.scheduling.booking_states import BookingState
from controller.scheduling.claims import Hold
from controller.scheduling.holdings import holds_of, shorten
from controller.scheduling.outward import kind_of, tell
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.stock import Item
from controller.scheduling.tables import Assignment, Booking, Claim, Load, Resource
from controller.webhooks.kinds import EventKind

_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_CLAIM: Table = Claim.__table__  # type: ignore[attr-defined]
_LOAD: Table = Load.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_USER: Table = User.__table__  # type: ignore[attr-defined]
_HOLDING: Final = frozenset(state for state in BookingState if state.holds)


@dataclass(frozen=True, slots=True)
class Place:
    """A machine as something to book, with what it draws from which circuit."""

    resource_id: int
    school_id: str
    circuit_id: int | None
    watts: int
    capacity: int

    def holds(self, taken: range) -> list[Hold]:
        if not taken:
            return []
        power = [Hold(self.circuit_id, taken, self.watts)] if self.circuit_id is not None else []
        return [Hold(self.resource_id, taken), *power]


@dataclass(frozen=True, slots=True)
class Room:
    """What a walk-up may have: nothing if somebody else has the machine until `taken_ms`, else up to `until_ms`.

    `free` are the ticks that it claims. One in which another booking ended stays that one's: the machine is free.
    """

    free: range
    until_ms: int
    taken_ms: int | None = None


def locked(connection: Connection, device_id: int) -> Place | None:
    """The machine as something to book, None if it is not; nobody else books it until the transaction ends."""
    row = connection.execute(_place(device_id)).one_or_none()
    if row is None:
        return None
    circuit_id = row.circuit_id if row.watts else None
    claims.lock(connection, {row.id} | ({circuit_id} if circuit_id is not None else set()))
    return Place(row.id, row.school_id, circuit_id, row.watts, row.limit or 0)


def room(connection: Connection, place: Place, now_ms: int, until_ms: int, mine: str | None = None) -> Room:
    """What there is from now until `until_ms`, for a walk-up that has begun already if `mine` names its booking."""
    window = ticks(now_ms, until_ms)
    spent = False
    in_the_way: dict[int, int] = {}
    for row in connection.execute(_others(place, window, mine)):
        if row.tick == window.start and _is_over(row, now_ms):
            spent = True
        else:
            in_the_way.setdefault(row.tick, row.until_ms or (row.tick + 1) * TICK_MS)
    first = window.start + 1 if spent else window.start
    held = _held(connection, place, mine)
    wanted = range(max(first, held.stop), window.stop)
    for tick in _overloaded(connection, place, wanted):
        in_the_way.setdefault(tick, (tick + 1) * TICK_MS)
    if not in_the_way:
        return Room(wanted, until_ms)
    nearest = min(in_the_way)
    if nearest <= window.start:
        return Room(range(0), now_ms, in_the_way[nearest])
    return Room(range(wanted.start, min(wanted.stop, nearest)), min(until_ms, nearest * TICK_MS))


def begin(connection: Connection, place: Place, holder: str, now_ms: int, room_: Room) -> str:
    """Book what there is; the booking's id."""
    booking_id = secrets.token_hex(8)
    school_id = connection.execute(select(_USER.c.school_id).where(_USER.c.id == holder)).scalar_one_or_none()
    connection.execute(
        insert(_BOOKING).values(
            id=booking_id,
            school_id=school_id or place.school_id,
            holder=holder,
            by_id=holder,
            kind=WALK_UP_KIND,
            state=BookingState.CHECKED_IN,
            start_ms=now_ms,
            end_ms=room_.until_ms,
            wanted=[asdict(Item(place.resource_id))],
            created_ms=now_ms,
            changed_ms=now_ms,
            checked_in_ms=now_ms,
            checked_in_by=holder,
        )
    )
    _take(connection, place, booking_id, room_.free)
    tell(connection, booking_id, EventKind.BOOKING_MADE, now_ms)
    return booking_id


def stretch(connection: Connection, place: Place, booking_id: str, now_ms: int, room_: Room) -> None:
    """Have it end later."""
    connection.execute(
        update(_BOOKING)
        .where(_BOOKING.c.id == booking_id)
        .values(end_ms=room_.until_ms, changed_ms=now_ms, sequence=_BOOKING.c.sequence + 1)
    )
    _take(connection, place, booking_id, room_.free)
    tell(connection, booking_id, EventKind.BOOKING_CHANGED, now_ms)


def end(connection: Connection, booking_id: str, now_ms: int) -> None:
    """It is over and lets go of what it has beyond this tick. One that is over already stays as it is."""
    claims.lock(connection, {each.resource_id for each in holds_of(connection, booking_id)})
    ended = connection.execute(
        update(_BOOKING)
        .where(_BOOKING.c.id == booking_id, _BOOKING.c.state.in_(_HOLDING))
        .values(state=BookingState.DONE, ended_ms=now_ms, changed_ms=now_ms, sequence=_BOOKING.c.sequence + 1)
        .returning(_BOOKING.c.id)
    )
    if ended.first() is not None:
        tell(connection, booking_id, kind_of(BookingState.DONE), now_ms)
        shorten(connection, booking_id, ticks(0, now_ms).stop)


def _place(device_id: int) -> Any:
    circuit = _RESOURCE.alias("circuit")
    return (
        select(_RESOURCE, circuit.c.capacity.label("limit"))
        .outerjoin(circuit, circuit.c.id == _RESOURCE.c.circuit_id)
        .where(_RESOURCE.c.device_id == device_id, _RESOURCE.c.kind == "unit", _RESOURCE.c.retired.is_(False))
    )


def _others(place: Place, window: range, mine: str | None) -> Any:
    return (
        select(_CLAIM.c.tick, _BOOKING.c.state, _BOOKING.c.kind, _BOOKING.c.end_ms, _ASSIGNMENT.c.until_ms)
        .outerjoin(_BOOKING, _BOOKING.c.id == _CLAIM.c.booking_id)
        .outerjoin(
            _ASSIGNMENT,
            and_(_ASSIGNMENT.c.booking_id == _BOOKING.c.id, _ASSIGNMENT.c.resource_id == place.resource_id),
        )
        .where(
            _CLAIM.c.resource_id == place.resource_id,
            _CLAIM.c.tick >= window.start,
            _CLAIM.c.tick < window.stop,
            _CLAIM.c.booking_id != (mine or ""),
        )
        .order_by(_CLAIM.c.tick)
    )


def _is_over(row: Row[Any], now_ms: int) -> bool:
    """Whether the booking of a claim is done with the machine, though the claim's five minutes are not."""
    if row.state not in _HOLDING:
        return True
    return bool(row.kind == WALK_UP_KIND and row.end_ms <= now_ms)


def _held(connection: Connection, place: Place, mine: str | None) -> range:
    if mine is None:
        return range(0)
    asked = select(_ASSIGNMENT).where(_ASSIGNMENT.c.booking_id == mine, _ASSIGNMENT.c.resource_id == place.resource_id)
    row = connection.execute(asked).one_or_none()
    return ticks(row.from_ms, row.until_ms) if row else range(0)


def _overloaded(connection: Connection, place: Place, wanted: range) -> list[int]:
    """The ticks in which its circuit cannot feed it as well."""
    if place.circuit_id is None or not wanted:
        return []
    asked = select(_LOAD.c.tick).where(
        _LOAD.c.resource_id == place.circuit_id,
        _LOAD.c.tick >= wanted.start,
        _LOAD.c.tick < wanted.stop,
        _LOAD.c.used > place.capacity - place.watts,
    )
    return list(connection.execute(asked).scalars())


def _take(connection: Connection, place: Place, booking_id: str, taken: range) -> None:
    """Claim the ticks and have the assignment say so. There is none before the first tick is had."""
    if not taken:
        return
    until_ms = taken.stop * TICK_MS
    longer = connection.execute(
        update(_ASSIGNMENT)
        .where(_ASSIGNMENT.c.booking_id == booking_id, _ASSIGNMENT.c.resource_id == place.resource_id)
        .values(until_ms=until_ms)
        .returning(_ASSIGNMENT.c.booking_id)
    )
    if longer.first() is None:
        connection.execute(
            insert(_ASSIGNMENT).values(
                booking_id=booking_id,
                resource_id=place.resource_id,
                quantity=0,
                from_ms=taken.start * TICK_MS,
                until_ms=until_ms,
            )
        )
    capacity = {place.circuit_id: place.capacity} if place.circuit_id is not None else {}
    claims.hold(connection, booking_id, place.holds(taken), capacity)
