"""Bookings that the journal knows and the database does not: made, or changed, after the backup that it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection
from sqlmodel import Session, col, select

from controller.fleet.tables import School
from controller.identity.store import audit
from controller.identity.tables import User
from controller.scheduling.booking_states import BookingState
from controller.scheduling.journal import Entry
from controller.scheduling.notices import Kind, News, post
from controller.scheduling.tables import Booking, Notice

_PORTION: Final = 500


class Fate(StrEnum):
    """What became of it. `UNSURE`: it was being made when the controller ended; nobody was told that it was."""

    LOST = "lost"
    CHANGED = "changed"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class LostBooking:
    """`was` is the booking as it was last; with CHANGED it is here as it was before that."""

    was: Entry
    fate: Fate


def missing(connection: Connection, entries: Mapping[str, Entry]) -> Sequence[LostBooking]:
    """In the order of their times. One that was cancelled or sent back, and is not here, is nobody's loss."""
    here: dict[str, int] = {}
    ids = list(entries)
    for first in range(0, len(ids), _PORTION):
        asked = select(Booking.id, Booking.changed_ms).where(col(Booking.id).in_(ids[first : first + _PORTION]))
        here |= {row.id: row.changed_ms for row in connection.execute(asked)}
    found = [LostBooking(each, fate) for each in entries.values() if (fate := _fate(each, here.get(each.id)))]
    return sorted(found, key=lambda each: (each.was.start_ms, each.was.school_id, each.was.id))


def _fate(entry: Entry, here_ms: int | None) -> Fate | None:
    if here_ms is not None and here_ms >= entry.changed_ms:
        return None
    if here_ms is None and BookingState(entry.state) in _NOBODYS:
        return None
    if not entry.kept:
        return Fate.UNSURE
    return Fate.LOST if here_ms is None else Fate.CHANGED


_NOBODYS: Final = frozenset({BookingState.CANCELLED, BookingState.REFUSED, BookingState.EXPIRED})


def tell(db: Session, found: Sequence[LostBooking], now_ms: int) -> Sequence[LostBooking]:
    """Post it to who booked, and to the technicians of the school; those that had not been told. The caller commits.

    A school that the database has not is told nothing here: the log and the command's list name it.
    """
    if not found:
        return ()
    ids = {each.was.id for each in found}
    told = set(db.exec(select(Notice.subject).where(Notice.kind == Kind.LOST)).all()) & ids
    schools = set(db.exec(select(School.id)).all())
    people = set(db.exec(select(User.id)).all())
    fresh = [each for each in found if each.was.id not in told]
    for each in fresh:
        was = each.was
        detail = {
            "start_ms": was.start_ms,
            "end_ms": was.end_ms,
            "thing": ", ".join(was.things),
            "fate": each.fate.value,
            "school_id": was.school_id,
            "title": was.title,
        }
        audit(db, now_ms, f"booking-{each.fate}", subject=was.id, school_id=was.school_id)
        if was.school_id not in schools:
            continue
        post(db, News(Kind.LOST, was.id, was.school_id, None, detail), now_ms)
        if was.holder in people:
            post(db, News(Kind.LOST, was.id, was.school_id, was.holder, detail), now_ms)
    return fresh


def line(lost: LostBooking, zone: tzinfo) -> str:
    """For a terminal and the log: fate, date and time, machines, school, id."""
    was = lost.was
    start, end = (datetime.fromtimestamp(at_ms / 1000, zone) for at_ms in (was.start_ms, was.end_ms))
    what = ", ".join(was.things) or "nothing"
    return f"{lost.fate.value:8} {start:%Y-%m-%d %H:%M}-{end:%H:%M} {what} {was.school_id} {was.id}"
