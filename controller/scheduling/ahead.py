"""Bookings that hold something and are not over yet: whom a change of calendar or stock concerns. Reads only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from controller.identity.tables import User
from controller.scheduling.tables import Assignment, Booking
from controller.scheduling.views import HOLDING

_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_USER: Table = User.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A booking as who plans for its school, or for a thing that it has, may read of it."""

    id: str
    school_id: str
    holder: str
    title: str
    start_ms: int
    end_ms: int

    @property
    def span_ms(self) -> range:
        return range(self.start_ms, self.end_ms)


def of_school(connection: Connection, school_id: str, now_ms: int) -> Sequence[Ahead]:
    """Those that a school has booked. By start."""
    return _read(connection, _asked(now_ms).where(_BOOKING.c.school_id == school_id))


def of_things(connection: Connection, resource_ids: Collection[int], now_ms: int) -> Sequence[Ahead]:
    """Those that have one of these things. By start."""
    had = select(_ASSIGNMENT.c.booking_id).where(
        _ASSIGNMENT.c.resource_id.in_(resource_ids), _ASSIGNMENT.c.until_ms > now_ms
    )
    return _read(connection, _asked(now_ms).where(_BOOKING.c.id.in_(had)))


def _asked(now_ms: int) -> Select[Any]:
    return (
        select(_BOOKING, _USER.c.name.label("holder_name"))
        .outerjoin(_USER, _USER.c.id == _BOOKING.c.holder)
        .where(_BOOKING.c.state.in_(HOLDING), _BOOKING.c.end_ms > now_ms)
        .order_by(_BOOKING.c.start_ms, _BOOKING.c.id)
    )


def _read(connection: Connection, asked: Select[Any]) -> Sequence[Ahead]:
    return [
        Ahead(row.id, row.school_id, row.holder_name or "", row.title, row.start_ms, row.end_ms)
        for row in connection.execute(asked)
    ]
