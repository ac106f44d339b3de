"""What is held, read from assignments: a row a booking, where claims have one for every five minutes. Reads only."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, and_, select, union_all

from controller.fleet.tables import School
from controller.scheduling.booking_states import BookingState
from controller.scheduling.choice import Taken, Use, masks
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.stock import Stock
from controller.scheduling.tables import Assignment, Booking, Claim, Load, Resource

_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_CLAIM: Table = Claim.__table__  # type: ignore[attr-defined]
_LOAD: Table = Load.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_SCHOOL: Table = School.__table__  # type: ignore[attr-defined]
_HOLDING = [state for state in BookingState if state.holds]


@dataclass(frozen=True, slots=True)
class Occupant:
    """Who has something: a school, and to that school alone which class or club of it. Never a person."""

    school_id: str
    school: str
    title: str = ""


def taken(connection: Connection, stock: Stock, window: range) -> Taken:
    """What is held within `window` (ticks) of the units, pools and circuits of `stock`."""
    units = {unit.id for unit in stock.units}
    held = list(_held(connection, units | stock.drawing.keys(), window))
    uses: dict[int, list[Use]] = {}
    for unit_id, span in held:
        unit = stock.drawing.get(unit_id)
        if unit is not None and unit.circuit is not None:
            uses.setdefault(unit.circuit, []).append(Use(span, unit.watts))
    pools = {each.pool for each in stock.wanted.counted}
    for pool, use in _drawn(connection, pools, window) if pools else ():
        uses.setdefault(pool, []).append(use)
    return Taken(window.start, masks((each for each in held if each[0] in units), window.start), stock.capacity, uses)


def occupants(
    connection: Connection, resource_ids: Collection[int], window_ms: range, school_id: str
) -> Mapping[int, Occupant]:
    """Who has each of them first in that time, as `school_id` may be told."""
    found = connection.execute(
        select(_ASSIGNMENT.c.resource_id, _BOOKING.c.school_id, _BOOKING.c.title, _SCHOOL.c.name, _SCHOOL.c.short)
        .join(_BOOKING, _BOOKING.c.id == _ASSIGNMENT.c.booking_id)
        .join(_SCHOOL, _SCHOOL.c.id == _BOOKING.c.school_id)
        .where(
            _ASSIGNMENT.c.resource_id.in_(resource_ids),
            _ASSIGNMENT.c.until_ms > window_ms.start,
            _ASSIGNMENT.c.from_ms < window_ms.stop,
            _BOOKING.c.state.in_(_HOLDING),
        )
        .order_by(_ASSIGNMENT.c.from_ms.desc())
    )
    return {
        row.resource_id: Occupant(row.school_id, row.short or row.name, row.title if row.school_id == school_id else "")
        for row in found
    }


def shared_uses(connection: Connection, school_id: str, span_ms: range) -> Sequence[tuple[str, range]]:
    """(holder, time in ms) of a school's standing bookings of what is shared that begin in `span_ms`."""
    shared = (
        select(_ASSIGNMENT.c.booking_id)
        .join(_RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id)
        .where(_ASSIGNMENT.c.booking_id == _BOOKING.c.id, _RESOURCE.c.shared)
    )
    found = connection.execute(
        select(_BOOKING.c.holder, _BOOKING.c.start_ms, _BOOKING.c.end_ms).where(
            _BOOKING.c.school_id == school_id,
            _BOOKING.c.start_ms >= span_ms.start,
            _BOOKING.c.start_ms < span_ms.stop,
            _BOOKING.c.state.in_(_HOLDING),
            shared.exists(),
        )
    )
    return [(row.holder, range(row.start_ms, row.end_ms)) for row in found]


def _held(connection: Connection, unit_ids: Collection[int], window: range) -> Iterator[tuple[int, range]]:
    """(unit, ticks) of all that is held within `window`.

    The index is by resource and end: what ends in the window is one stretch of it. What goes on after it is had by its
    last tick's claim, so that nobody reads on to the end of the term.
    """
    ends_ms, begins_ms = window.stop * TICK_MS, window.start * TICK_MS
    columns = select(_ASSIGNMENT.c.resource_id, _ASSIGNMENT.c.from_ms, _ASSIGNMENT.c.until_ms)
    ending = columns.where(
        _ASSIGNMENT.c.resource_id.in_(unit_ids), _ASSIGNMENT.c.until_ms > begins_ms, _ASSIGNMENT.c.until_ms <= ends_ms
    )
    of_claim = and_(_ASSIGNMENT.c.booking_id == _CLAIM.c.booking_id, _ASSIGNMENT.c.resource_id == _CLAIM.c.resource_id)
    going_on = (
        columns.join(_CLAIM, of_claim)
        .where(_CLAIM.c.resource_id.in_(unit_ids), _CLAIM.c.tick == window.stop - 1)
        .where(_ASSIGNMENT.c.until_ms > ends_ms)
    )
    for resource_id, from_ms, until_ms in connection.execute(union_all(ending, going_on)):
        yield resource_id, ticks(from_ms, until_ms)


def _drawn(connection: Connection, pools: Collection[int], window: range) -> Iterator[tuple[int, Use]]:
    """(pool, use) for each tick."""
    found = connection.execute(
        select(_LOAD.c.resource_id, _LOAD.c.tick, _LOAD.c.used).where(
            _LOAD.c.resource_id.in_(pools), _LOAD.c.tick >= window.start, _LOAD.c.tick < window.stop, _LOAD.c.used > 0
        )
    )
    for resource_id, tick, used in found:
        yield resource_id, Use(range(tick, tick + 1), used)
