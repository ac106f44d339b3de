"""Notices: word of what people should know, written in the transaction of what it tells of.

Each stands on a page until it is seen, and is a bulletin for who wants it sent (`controller.notifications`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlmodel import Session, col, select

from controller.notifications.bulletins import Word, enqueue
from controller.scheduling.tables import Assignment, Booking, Notice, Resource

_NOTICE: Table = Notice.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


class Kind(StrEnum):
    """What it is about. These names are kept."""

    MOVED = "booking-moved"
    REFUSED = "booking-refused"
    CONFIRMED = "booking-confirmed"
    EXPIRED = "booking-expired"
    NO_SHOW = "no-show"
    CANCELLED = "booking-cancelled"
    USE_WITHOUT_BOOKING = "use-without-booking"
    SUBSTITUTE = "substitute"
    PROBLEM = "problem"
    CALENDAR_CHANGED = "calendar-changed"
    LOST = "booking-lost"
    OFFER = "waitlist-offer"
    LAPSED = "waitlist-lapsed"
    NOT_SERVED = "waitlist-ended"


@dataclass(frozen=True, slots=True)
class News:
    """As `tables.Notice`; without `user_id` for a school's technicians."""

    kind: str
    subject: str
    school_id: str
    user_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def post(db: Session | Connection, news: News, now_ms: int) -> None:
    """The caller commits."""
    connection = db if isinstance(db, Connection) else db.connection()
    values = {
        "school_id": news.school_id,
        "user_id": news.user_id,
        "at_ms": now_ms,
        "kind": news.kind,
        "subject": news.subject,
        "detail": dict(news.detail),
    }
    connection.execute(insert(_NOTICE), values)
    word = Word(news.kind, news.subject, news.school_id, news.user_id, detail=news.detail)
    enqueue(connection, word, now_ms)


def post_to_holder(db: Session, kind: str, booking_id: str, now_ms: int) -> None:
    """Tell whose booking it is, with its time and what it has or wanted. The caller commits."""
    booking = db.get(Booking, booking_id)
    if booking is None:
        return
    detail = described(db, booking)
    post(db, News(kind, booking_id, booking.school_id, booking.holder, detail), now_ms)


def described(db: Session, booking: Booking) -> dict[str, Any]:
    """When it is and what it has, as a notice's detail says it."""
    detail: dict[str, Any] = {"start_ms": booking.start_ms, "end_ms": booking.end_ms}
    things = ", ".join(_things(db, booking))
    if things:
        detail["thing"] = things
    return detail


def _things(db: Session, booking: Booking) -> Sequence[str]:
    """What it has, by name; of one that has nothing any more what it named."""
    had = (
        select(Resource.name)
        .join(Assignment, col(Assignment.resource_id) == Resource.id)
        .where(Assignment.booking_id == booking.id)
    )
    named = select(Resource.name).where(col(Resource.id).in_([each.get("resource_id") for each in booking.wanted]))
    return db.exec(had.order_by(Resource.name)).all() or db.exec(named.order_by(Resource.name)).all()
