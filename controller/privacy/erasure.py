"""Erasing a person: what tells of them goes, what proves and counts stays and leads to nobody."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import JSON, Column, Connection, Engine, delete, select, update
from sqlmodel import Session

from controller.database import metadata
from controller.identity import store
from controller.privacy.register import REGISTER, Erasure, Holding, Kind
from controller.scheduling.booking_errors import BookingError
from controller.scheduling.booking_states import BookingState
from controller.scheduling.bookings import Bookings
from controller.scheduling.offers import Offers

NOBODY: Final = "—"
"""What stands where the name stood."""


class NoSuchPerson(Exception):
    """There is no such account, or it was erased before."""


class Eraser:
    """Takes several transactions, each harmless to repeat: one that was cut short is done by erasing again."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int], offers: Offers | None = None) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._bookings = Bookings(engine, now_ms, offers=offers)

    def erase(self, person_id: str, *, by: str = "", address: str = "") -> None:
        """Let nobody in as the person, cancel bookings to come, then blank the rows, with a line in the audit log.

        `by` is the opaque id of who does it. Raises NoSuchPerson.
        """
        with Session(self._engine) as db:
            user = store.user(db, person_id)
            if user is None or user.erased_ms is not None:
                raise NoSuchPerson(f"no person {person_id}")
            user.disabled = True
            store.end_sessions(db, person_id)
            db.commit()
        self._cancel(person_id, by)
        with Session(self._engine) as db:
            user = store.user(db, person_id)
            if user is None or user.erased_ms is not None:
                raise NoSuchPerson(f"no person {person_id}")
            school_id, name, now_ms = user.school_id, user.name, self._now_ms()
            connection = db.connection()
            for holding in REGISTER.values():
                _erase(connection, holding, person_id)
            _forget_name(connection, name)
            _close(connection, person_id, now_ms)
            store.audit(
                db, now_ms, "user-erase", actor=by, subject=person_id, school_id=school_id, address=address
            )  # fmt: skip
            db.commit()

    def _cancel(self, person_id: str, by: str) -> None:
        """What has begun goes on to its end: the machine is at work."""
        table = metadata().tables["booking"]
        standing = [state for state in BookingState if not state.over and state is not BookingState.CHECKED_IN]
        with self._engine.connect() as connection:
            asked = select(table.c.id).where(table.c.holder == person_id, table.c.state.in_(standing))
            found = connection.execute(asked).scalars().all()
        for booking_id in found:
            try:
                self._bookings.end(booking_id, BookingState.CANCELLED, by=by)
            except BookingError:  # it came to its end at this moment
                continue


def _erase(connection: Connection, holding: Holding, person_id: str) -> None:
    if holding.erasure is Erasure.KEEP or holding.table == "user_account":
        return
    table = metadata().tables[holding.table]
    mine = table.c[holding.owner] == person_id
    if holding.erasure is Erasure.REMOVE:
        connection.execute(delete(table).where(mine))
    else:
        blank = {name: _nothing(table.c[name]) for name in holding.of(Kind.DATUM, Kind.WORDS)}
        connection.execute(update(table).where(mine).values(blank))


def _nothing(column: "Column[Any]") -> object:
    if column.nullable:
        return None
    return {} if isinstance(column.type, JSON) else ""


def _close(connection: Connection, person_id: str, now_ms: int) -> None:
    """Role and school stay: they say what the bookings that are counted were made as."""
    table = metadata().tables["user_account"]
    blank = {
        "login": f"erased-{person_id}",
        "name": NOBODY,
        "language": "",
        "password_hash": "",
        "disabled": True,
        "waiting": False,
    }
    connection.execute(update(table).where(table.c.id == person_id).values({**blank, "erased_ms": now_ms}))


def _forget_name(connection: Connection, name: str) -> None:
    """In news to others, which says by name who did something."""
    for table in (metadata().tables["notice"], metadata().tables["bulletin"]):
        for row in connection.execute(select(table.c.id, table.c.detail)).all():
            if name in row.detail.values():
                detail = {key: NOBODY if value == name else value for key, value in row.detail.items()}
                connection.execute(update(table).where(table.c.id == row.id).values(detail=detail))
