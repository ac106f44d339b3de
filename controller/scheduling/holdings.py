"""What a booking has: its assignments and the claims and loads behind them. After `claims.lock`; the caller commits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from controller.scheduling import claims
from controller.scheduling.booking_states import BookingState
from controller.scheduling.claims import Hold
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.stock import Serving
from controller.scheduling.tables import Assignment, Resource

_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking as it stands. `resources` are (id, count), count 0 for a unit."""

    id: str
    state: BookingState
    start_ms: int
    end_ms: int
    sequence: int
    resources: tuple[tuple[int, int], ...]


def assign(connection: Connection, booking_id: str, serving: Serving, use: range) -> tuple[tuple[int, int], ...]:
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
    claims.let_go(connection, booking_id, ahead(held, tick))
    mine, at_ms = _ASSIGNMENT.c.booking_id == booking_id, tick * TICK_MS
    connection.execute(delete(_ASSIGNMENT).where(mine, _ASSIGNMENT.c.from_ms >= at_ms))
    connection.execute(update(_ASSIGNMENT).where(mine, _ASSIGNMENT.c.until_ms > at_ms).values(until_ms=at_ms))


def ahead(held: Sequence[Hold], tick: int) -> list[Hold]:
    """What of it lies at that tick and after it."""
    cut = (replace(each, ticks=range(max(each.ticks.start, tick), each.ticks.stop)) for each in held)
    return [each for each in cut if each.ticks]


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


def booked(connection: Connection, row: Row[Any]) -> Booked:
    found = connection.execute(
        select(_ASSIGNMENT.c.resource_id, _ASSIGNMENT.c.quantity)
        .where(_ASSIGNMENT.c.booking_id == row.id)
        .order_by(_ASSIGNMENT.c.resource_id)
    )
    resources = tuple((each.resource_id, each.quantity) for each in found)
    return Booked(row.id, BookingState(row.state), row.start_ms, row.end_ms, row.sequence, resources)
