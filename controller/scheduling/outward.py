"""What programs of the schools are told of bookings: `controller.webhooks`."""

from sqlalchemy import Connection, Table, select

from controller.scheduling.booking_states import BookingState
from controller.scheduling.tables import Assignment, Booking, Resource
from controller.webhooks.body import moment
from controller.webhooks.events import Happening, anybody, happened
from controller.webhooks.kinds import EventKind

_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_CALLED_OFF = frozenset({BookingState.CANCELLED, BookingState.REFUSED, BookingState.EXPIRED})


def kind_of(state: BookingState) -> EventKind:
    """How it is told that a booking came to a state."""
    if state in _CALLED_OFF:
        return EventKind.BOOKING_CANCELLED
    return EventKind.BOOKING_CHECKED_IN if state is BookingState.CHECKED_IN else EventKind.BOOKING_CHANGED


def tell(connection: Connection, booking_id: str, kind: EventKind, now_ms: int) -> None:
    """The school that books, and those whose things it has; while it has them. The caller commits.

    Whose booking it is, is told by an opaque id and to their own school alone; what somebody wrote, to nobody.
    """
    if not anybody(connection):
        return
    row = connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one()
    things = connection.execute(
        select(_RESOURCE.c.id, _RESOURCE.c.name, _RESOURCE.c.school_id, _ASSIGNMENT.c.quantity)
        .join(_ASSIGNMENT, _ASSIGNMENT.c.resource_id == _RESOURCE.c.id)
        .where(_ASSIGNMENT.c.booking_id == booking_id)
        .order_by(_RESOURCE.c.id)
    ).all()
    data = {
        "booking": booking_id,
        "school": row.school_id,
        "kind": row.kind,
        "state": row.state,
        "start": moment(row.start_ms),
        "end": moment(row.end_ms),
        "things": [{"id": each.id, "name": each.name, "count": each.quantity or 1} for each in things],
    }
    for school_id in sorted({row.school_id, *(each.school_id for each in things)}):
        holder = row.holder if school_id == row.school_id else ""
        happened(connection, school_id, Happening(kind, {**data, "holder": holder}, holder), now_ms)
