"""Pools, circuits and what hangs on them, changed while they are booked: loads stay what bookings have. Caller commits.

Until the transaction ends nobody else changes what these resources are booked for.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, case, func, select, update

from controller.scheduling import claims
from controller.scheduling.claims import Hold
from controller.scheduling.entries import Fault, WrongEntry
from controller.scheduling.school_time import ticks
from controller.scheduling.tables import Assignment, Booking, Load, Resource
from controller.scheduling.views import HOLDING

_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_LOAD: Table = Load.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]


def resize(connection: Connection, resource_id: int, capacity: int, now_ms: int) -> None:
    """Have a pool's or circuit's loads go by another capacity. Raises WrongEntry if more than that is loaded ahead."""
    claims.lock(connection, [resource_id])
    ahead = (_LOAD.c.resource_id == resource_id) & (_LOAD.c.tick >= ticks(now_ms, now_ms + 1).start)
    used = connection.execute(select(func.max(_LOAD.c.used)).where(ahead)).scalar() or 0
    if used > capacity:
        raise WrongEntry(Fault.LOADED, "capacity", least=used)
    connection.execute(update(_LOAD).where(ahead).values(capacity=capacity))


def follow(connection: Connection, resource_id: int, capacity: int, now_ms: int) -> None:
    """Have a pool's loads ahead go by what there is: where bookings have more already, by those. After `claims.lock`.

    Kits that are gone are gone, whatever was booked: what is booked stays, and nobody gets more.
    """
    ahead = (_LOAD.c.resource_id == resource_id) & (_LOAD.c.tick >= ticks(now_ms, now_ms + 1).start)
    kept = case((_LOAD.c.used > capacity, _LOAD.c.used), else_=capacity)
    connection.execute(update(_LOAD).where(ahead).values(capacity=kept))


def short(connection: Connection, resource_id: int, capacity: int, now_ms: int) -> int:
    """How many more than there are the bookings ahead want at a time."""
    ahead = (_LOAD.c.resource_id == resource_id) & (_LOAD.c.tick >= ticks(now_ms, now_ms + 1).start)
    used = connection.execute(select(func.max(_LOAD.c.used)).where(ahead)).scalar() or 0
    return max(0, used - capacity)


def rewire(connection: Connection, unit: Resource, watts: int, circuit_id: int | None) -> None:
    """Have what a unit's bookings load be so many watts of that circuit, instead of what `unit` says.

    Raises WrongEntry if the circuit does not carry it.
    """
    touched = {each for each in (unit.id, unit.circuit_id, circuit_id) if each is not None}
    claims.lock(connection, touched)
    had = _held(connection, unit.id or 0)
    if unit.circuit_id is not None and unit.watts:
        claims.let_go(connection, "", [Hold(unit.circuit_id, each, unit.watts) for each in had])
    if circuit_id is None or not watts:
        return
    circuit = connection.execute(select(_RESOURCE).where(_RESOURCE.c.id == circuit_id)).one()
    most = max((_used(connection, circuit_id, each) for each in had), default=0) + watts
    if had and most > circuit.capacity:
        raise WrongEntry(Fault.OVERLOADED, "circuit_id", most=circuit.capacity, found=most, name=circuit.name)
    claims.hold(connection, "", [Hold(circuit_id, each, watts) for each in had], {circuit_id: circuit.capacity})


def _held(connection: Connection, unit_id: int) -> Sequence[range]:
    """The ticks in which a unit is held, by booking: never two at a time."""
    found = connection.execute(
        select(_ASSIGNMENT.c.from_ms, _ASSIGNMENT.c.until_ms)
        .join(_BOOKING, _BOOKING.c.id == _ASSIGNMENT.c.booking_id)
        .where(_ASSIGNMENT.c.resource_id == unit_id, _BOOKING.c.state.in_(HOLDING))
    )
    return [ticks(row.from_ms, row.until_ms) for row in found]


def _used(connection: Connection, resource_id: int, span: range) -> int:
    """The most of it that is used in one of these ticks."""
    asked = select(func.max(_LOAD.c.used)).where(
        _LOAD.c.resource_id == resource_id, _LOAD.c.tick >= span.start, _LOAD.c.tick < span.stop
    )
    return connection.execute(asked).scalar() or 0
