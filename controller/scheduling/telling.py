"""News of bookings that stands on no board, because a page of its own has it: requests that wait, and reminders."""

from typing import Final

from sqlalchemy import Connection
from sqlmodel import Session, col, select

from controller.notifications.bulletins import Word, enqueue, was_said
from controller.scheduling.booking_states import BookingState
from controller.scheduling.notices import described
from controller.scheduling.policy import MAINTENANCE
from controller.scheduling.tables import Assignment, Booking, Resource

REMINDER_MS: Final = 60 * 60_000
"""So long before a booking begins its holder is reminded."""
REQUESTED: Final = "booking-requested"
REMINDER: Final = "booking-reminder"
_UNUSUAL: Final = (MAINTENANCE, "walk-up")


def tell_request(connection: Connection, booking_id: str, by_id: str, now_ms: int) -> None:
    """Tell who may say yes to it: those of its school, and of the schools whose things it wants. The caller commits."""
    with Session(connection) as db:
        booking = db.get_one(Booking, booking_id)
        owners = select(Resource.school_id).join(Assignment, col(Assignment.resource_id) == Resource.id)
        schools = {booking.school_id, *db.exec(owners.where(Assignment.booking_id == booking_id).distinct())}
        word = Word(
            REQUESTED,
            booking_id,
            booking.school_id,
            by_id=by_id,
            school_ids=tuple(sorted(schools)),
            detail=described(db, booking),
        )
    enqueue(connection, word, now_ms)


def remind(connection: Connection, now_ms: int) -> int:
    """Remind the holders of what begins soon, each once; of how many. The caller commits.

    What was made or changed since it was due needs none: its holder has just thought of it.
    """
    told = 0
    with Session(connection) as db:
        soon = select(Booking).where(
            Booking.state == BookingState.CONFIRMED,
            Booking.start_ms > now_ms,
            Booking.start_ms <= now_ms + REMINDER_MS,
            col(Booking.changed_ms) < Booking.start_ms - REMINDER_MS,
            col(Booking.kind).not_in(_UNUSUAL),
        )
        for booking in db.exec(soon):
            word = Word(REMINDER, booking.id, booking.school_id, booking.holder, detail=described(db, booking))
            if not was_said(connection, word):
                enqueue(connection, word, now_ms)
                told += 1
    return told
