"""What the hours of machines are summed up from, within a scope. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, Table, or_, select

from controller.alerts.rules import GRACE_S
from controller.fleet.tables import School, Series
from controller.scheduling.booked import WALK_UP_KIND
from controller.scheduling.booking_states import BookingState
from controller.scheduling.hours import BookedTime, Hours, WorkTime, tally, user_of
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.tables import Assignment, Booking, Resource, UseSpan
from controller.scheduling.uses import Reading, Use, uses
from controller.scope import Scope
from controller.telemetry.store import Asked, readings

ENERGISED: Final = "energised"
"""The metric by which a plug or a clamp says that a machine has power."""
_LASTS_MS: Final = int((2 * 300 + GRACE_S) * 1000)
"""So long a word of it is worth: two heartbeats of five minutes, which every profile with it has."""
_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_SCHOOL: Table = School.__table__  # type: ignore[attr-defined]
_USE: Table = UseSpan.__table__  # type: ignore[attr-defined]


_MEASURED: Final = select(Series.id, Series.device_id).where(Series.metric == ENERGISED)  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class Line:
    """The hours of one school at one machine; both by their names as well."""

    school_id: str
    school: str
    device_id: int
    machine: str
    hours: Hours


def lines(engine: Engine, scope: Scope, span_ms: range, now_ms: int) -> Sequence[Line]:
    """Of the machines that can be booked: what a school uses, and what is used of a school's. By school and machine."""
    with engine.connect() as connection:
        bookable = connection.execute(select(_RESOURCE).where(_RESOURCE.c.device_id.is_not(None)))
        machines = {row.device_id: row for row in bookable}
        schools = {row.id: row.name for row in connection.execute(select(_SCHOOL.c.id, _SCHOOL.c.name))}
        bookings, works = _bookings(connection, span_ms), _works(connection, span_ms)
        measured = connection.execute(_MEASURED).all()
    owners = {device_id: row.school_id for device_id, row in machines.items()}
    powered = [
        WorkTime(user_of(device_id, use.from_ms, bookings, owners[device_id]), device_id, use.from_ms, use.until_ms)
        for series_id, device_id in measured
        if device_id in owners
        for use in _powered(engine, series_id, span_ms, now_ms)
    ]
    found = tally(bookings, works, span_ms, now_ms, powered)
    mine = [
        Line(school_id, schools[school_id], device_id, machines[device_id].name, hours)
        for (school_id, device_id), hours in found.items()
        if device_id in machines and (scope.covers(school_id) or scope.covers(machines[device_id].school_id))
    ]
    return sorted(mine, key=lambda each: (each.school, each.machine))


def _powered(engine: Engine, series_id: int, span_ms: range, now_ms: int) -> Sequence[Use]:
    """When the machine of a series had power, as far as its readings are kept; a use of no length stands for none."""
    (found,) = readings(engine, [Asked(series_id, span_ms.start - _LASTS_MS, min(span_ms.stop, now_ms))])
    said = [Reading(at_ms, None if value is None else bool(value)) for at_ms, value in found]
    none = [Use(span_ms.start, span_ms.start)] if said else []
    return [*none, *uses(said, _LASTS_MS, now_ms)]


def _bookings(connection: Connection, span_ms: range) -> Sequence[BookedTime]:
    asked = (
        select(_BOOKING, _RESOURCE.c.device_id)
        .join(_ASSIGNMENT, _ASSIGNMENT.c.booking_id == _BOOKING.c.id)
        .join(_RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id)
        .where(_RESOURCE.c.device_id.is_not(None), _BOOKING.c.kind != MAINTENANCE)
        .where(_BOOKING.c.start_ms < span_ms.stop, _BOOKING.c.end_ms > span_ms.start)
    )
    return [
        BookedTime(
            row.school_id,
            row.device_id,
            BookingState(row.state),
            row.start_ms,
            row.end_ms,
            row.checked_in_ms,
            row.ended_ms,
            beforehand=row.kind != WALK_UP_KIND,
        )
        for row in connection.execute(asked)
    ]


def _works(connection: Connection, span_ms: range) -> Sequence[WorkTime]:
    asked = (
        select(_USE, _BOOKING.c.school_id.label("user_school"))
        .outerjoin(_BOOKING, _BOOKING.c.id == _USE.c.booking_id)
        .where(_USE.c.from_ms < span_ms.stop, or_(_USE.c.until_ms.is_(None), _USE.c.until_ms > span_ms.start))
    )
    return [
        WorkTime(row.user_school or row.school_id, row.device_id, row.from_ms, row.until_ms)
        for row in connection.execute(asked)
    ]
