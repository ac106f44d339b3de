"""Bookings as rows, and what is looked up and locked before one is written. The caller commits."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from controller.scheduling import claims, search
from controller.scheduling.booking_errors import NoSuchBooking, Taken, TooLate
from controller.scheduling.booking_states import BookingState
from controller.scheduling.choice import Choice
from controller.scheduling.claims import Occupied
from controller.scheduling.request import Request
from controller.scheduling.stock import Item, Stock, items_of, read
from controller.scheduling.tables import Booking

_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


def locked(
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


def choice(connection: Connection, stock: Stock, use: range) -> Choice:
    """What serves the request at that time, as things are now. Raises Taken, TooNarrow."""
    found = stock.choice(use, search.taken(connection, stock, stock.window(use)))
    if found is None:
        raise Taken("not all of it is free at that time")
    return found


def of_key(connection: Connection, key: str) -> Row[Any] | None:
    """What was made by a request of that key."""
    return connection.execute(select(_BOOKING).where(_BOOKING.c.request_key == key)).one_or_none()


def alike(connection: Connection, request: Request) -> Row[Any] | None:
    """What somebody asked for by the same key, or waits for already."""
    if request.key is not None:
        known = of_key(connection, request.key)
        if known is not None:
            return known
    mine = select(_BOOKING).where(
        _BOOKING.c.holder == request.holder,
        _BOOKING.c.start_ms == request.start_ms,
        _BOOKING.c.end_ms == request.end_ms,
        _BOOKING.c.state.in_((BookingState.WAITING, BookingState.OFFERED)),
    )
    found = connection.execute(mine.order_by(_BOOKING.c.created_ms))
    return next((row for row in found if items_of(row.wanted) == request.items), None)


def values(request: Request, state: BookingState, now_ms: int) -> dict[str, object]:
    return {
        "id": secrets.token_hex(8),
        "school_id": request.school_id,
        "holder": request.holder,
        "by_id": request.by_id,
        "kind": request.kind,
        "state": state,
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


def standing(connection: Connection, booking_id: str) -> Row[Any]:
    """A booking that is not over. Raises NoSuchBooking, TooLate."""
    row = connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one_or_none()
    if row is None:
        raise NoSuchBooking(f"no booking {booking_id}")
    if BookingState(row.state).over:
        raise TooLate(f"the booking is {row.state}")
    return row
