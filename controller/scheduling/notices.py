"""Notices: word of what people should know, written in the transaction of what it tells of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlmodel import Session, col, select

from controller.scheduling.tables import Assignment, Booking, Notice, Resource


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


USE_WITHOUT_BOOKING: Final = Kind.USE_WITHOUT_BOOKING


@dataclass(frozen=True, slots=True)
class News:
    """As `tables.Notice`; without `user_id` for a school's technicians."""

    kind: str
    subject: str
    school_id: str
    user_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def post(db: Session, news: News, now_ms: int) -> None:
    """The caller commits."""
    db.add(
        Notice(
            school_id=news.school_id,
            user_id=news.user_id,
            at_ms=now_ms,
            kind=news.kind,
            subject=news.subject,
            detail=dict(news.detail),
        )
    )
    db.flush()


def post_to_holder(db: Session, kind: str, booking_id: str, now_ms: int) -> None:
    """Tell whose booking it is, with its time and what it has. The caller commits."""
    booking = db.get(Booking, booking_id)
    if booking is None:
        return
    had = (
        select(Resource.name)
        .join(Assignment, col(Assignment.resource_id) == Resource.id)
        .where(Assignment.booking_id == booking_id)
        .order_by(Resource.name)
    )
    detail: dict[str, Any] = {"start_ms": booking.start_ms, "end_ms": booking.end_ms}
    things = ", ".join(db.exec(had))
    if things:
        detail["thing"] = things
    post(db, News(kind, booking_id, booking.school_id, booking.holder, detail), now_ms)
