"""Saying what can be booked, where, by which hours and limits, and who is certified for it."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TypeVar

from sqlalchemy import Engine, delete
from sqlmodel import Session, SQLModel, col, select

from controller.fleet.tables import Device, Room, School
from controller.folding import fold
from controller.identity.policy import Principal
from controller.identity.store import audit
from controller.identity.tables import User
from controller.scheduling import ahead, claims, inventory, wiring
from controller.scheduling.adoption import new_code
from controller.scheduling.ahead import Ahead
from controller.scheduling.entries import (
    Entry,
    Fault,
    Kind,
    NoSuchEntry,
    RemoveCertificate,
    RemoveClosure,
    RetireThing,
    WriteCertificate,
    WriteClosure,
    WriteHours,
    WriteLimits,
    WriteRoom,
    WriteThing,
    WrongEntry,
)
from controller.scheduling.inventory import Holders, Inventory
from controller.scheduling.tables import (
    Assignment,
    BookingLimits,
    Closure,
    HeldCertificate,
    OpeningTime,
    Resource,
)

_Row = TypeVar("_Row", bound=SQLModel)
_NOT_A_SLUG = re.compile(r"[^a-z0-9]+")
_MOST_SLUG = 63


class Stocktaking:
    """Safe to use from any thread and any process. Each asker changes what is of schools of their scope alone.

    What is outside of it or not there raises NoSuchEntry; what cannot be WrongEntry, as the entries themselves do when
    they are made. That the asker has the permission PLAN is for the caller to see to. `changed` is called after every
    commit of `change`; who calls `apply` calls it after their own.
    """

    def __init__(self, engine: Engine, now_ms: Callable[[], int], changed: Callable[[], None]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self.changed = changed

    def inventory(self, who: Principal, school_id: str) -> Inventory:
        """All that a school has, as it could be written again."""
        with Session(self._engine) as db:
            _Clerk(db, who, self._now_ms()).reach(school_id)
            return inventory.read(db, school_id)

    def holders(self, who: Principal) -> Holders:
        """The people of the asker's scope and the certificates that they hold."""
        with Session(self._engine) as db:
            return inventory.holders(db, who.scope)

    def ahead(self, who: Principal, thing_id: int) -> Sequence[Ahead]:
        """The bookings of a thing that are not over yet. By start."""
        with Session(self._engine) as db:
            _Clerk(db, who, self._now_ms()).thing(thing_id)
            return ahead.of_things(db.connection(), [thing_id], self._now_ms())

    def school_of(self, who: Principal, thing_id: int) -> str:
        """Whose a thing is."""
        with Session(self._engine) as db:
            return _Clerk(db, who, self._now_ms()).thing(thing_id).school_id

    def school_of_room(self, who: Principal, room_id: int) -> str:
        with Session(self._engine) as db:
            return _Clerk(db, who, self._now_ms()).room(room_id).school_id

    def change(self, who: Principal, entries: Iterable[Entry]) -> list[int]:
        """`apply` in a transaction of its own, in which it is also all or nothing."""
        with Session(self._engine) as db:
            claims.begin(db.connection())
            found = self.apply(db, who, entries)
            db.commit()
        self.changed()
        return found

    def apply(self, db: Session, who: Principal, entries: Iterable[Entry]) -> list[int]:
        """All of it, in its order, with a line each in the audit log. For each entry the id of what was written or
        removed: of hours the room's, of limits 0. The caller has begun a transaction that writes (`claims.begin`), and
        commits.

        Raises NoSuchEntry, WrongEntry: the caller then rolls back, to a savepoint if the rest is to stand.
        """
        clerk = _Clerk(db, who, self._now_ms())
        return [clerk.write(each) for each in entries]


class _Clerk:
    """Writes the entries of one asker in one transaction."""

    def __init__(self, db: Session, who: Principal, now_ms: int) -> None:
        self._db = db
        self._who = who
        self._now_ms = now_ms

    def write(self, entry: Entry) -> int:
        match entry:
            case WriteRoom():
                return self._room(entry)
            case WriteThing():
                return self._thing(entry)
            case RetireThing():
                return self._retire(entry)
            case WriteHours():
                return self._hours(entry)
            case WriteClosure():
                return self._closure(entry)
            case RemoveClosure():
                return self._remove("closure-remove", self._mine(Closure, entry.closure_id))
            case WriteLimits():
                return self._limits(entry)
            case WriteCertificate():
                return self._certificate(entry)
            case RemoveCertificate():
                return self._remove("certificate-remove", self._mine(HeldCertificate, entry.certificate_id))

    # rooms and their hours

    def _room(self, entry: WriteRoom) -> int:
        self.reach(entry.school_id)
        slug = entry.slug or _NOT_A_SLUG.sub("-", fold(entry.name))[:_MOST_SLUG].strip("-") or "phong"
        if entry.room_id is not None:
            room = self._mine(Room, entry.room_id)
        else:
            asked = select(Room).where(Room.school_id == entry.school_id, Room.slug == slug)
            room = self._db.exec(asked).first() or Room(school_id=entry.school_id, slug=slug, name="")
        if room.school_id != entry.school_id:
            raise NoSuchEntry(f"no room {entry.room_id}")
        room.name = entry.name
        return self._put("room-write", room, entry.name)

    def _hours(self, entry: WriteHours) -> int:
        room = self._mine(Room, entry.room_id)
        self._db.execute(delete(OpeningTime).where(col(OpeningTime.room_id) == entry.room_id))
        for each in entry.weekly:
            self._db.add(
                OpeningTime(
                    school_id=room.school_id,
                    room_id=entry.room_id,
                    weekday=each.weekday,
                    opens=each.opens,
                    closes=each.closes,
                )
            )
        weekly = " ".join(f"{each.weekday}:{each.opens:%H%M}-{each.closes:%H%M}" for each in entry.weekly)
        self._audit("hours-write", str(entry.room_id), room.school_id, weekly)
        return entry.room_id

    def _closure(self, entry: WriteClosure) -> int:
        self.reach(entry.school_id)
        self._same_school(Room, entry.room_id, entry.school_id, "room_id")
        asked = select(Closure).where(
            Closure.school_id == entry.school_id, Closure.room_id == entry.room_id, Closure.first == entry.first
        )
        if entry.closure_id is not None:
            row = self._mine(Closure, entry.closure_id)
        else:
            row = self._db.exec(asked).first() or Closure(
                school_id=entry.school_id, name="", first=entry.first, last=entry.last
            )
        if row.school_id != entry.school_id:
            raise NoSuchEntry(f"no closure {entry.closure_id}")
        row.name, row.room_id, row.first, row.last = entry.name, entry.room_id, entry.first, entry.last
        return self._put("closure-write", row, f"{entry.name} {entry.first} {entry.last}")

    def _limits(self, entry: WriteLimits) -> int:
        self.reach(entry.school_id)
        row = self._db.get(BookingLimits, entry.school_id) or BookingLimits(school_id=entry.school_id)
        told = {**asdict(entry.limits), "no_show_min": entry.no_show_min, "request_h": entry.request_h}
        row.sqlmodel_update({**told, "pupils_per_adult": list(entry.limits.pupils_per_adult)})
        self._db.add(row)
        self._audit("limits-write", entry.school_id, entry.school_id, str(told))
        return 0

    # things

    def _thing(self, entry: WriteThing) -> int:
        self.reach(entry.school_id)
        stored = self._stored(entry)
        self._check(entry, stored)
        values = asdict(entry)
        for each in ("thing_id", "fresh"):
            del values[each]
        values |= {"code": entry.code or (stored.code if stored else new_code(self._db.connection())), "retired": False}
        if stored is None:
            return self._put("thing-write", Resource(**values), f"{entry.kind} {values['code']}")
        if entry.kind is not Kind.UNIT and entry.capacity != stored.capacity:
            wiring.resize(self._db.connection(), stored.id or 0, entry.capacity, self._now_ms)
        if (entry.watts, entry.circuit_id) != (stored.watts, stored.circuit_id):
            wiring.rewire(self._db.connection(), stored, entry.watts, entry.circuit_id)
        told = (f"{name} {value}" for name, value in values.items() if getattr(stored, name) != value)
        changes = ", ".join(told)
        stored.sqlmodel_update(values)
        return self._put("thing-write", stored, changes)

    def _stored(self, entry: WriteThing) -> Resource | None:
        """What the entry changes; None if it is new."""
        named = self._db.exec(select(Resource).where(Resource.code == entry.code)).first() if entry.code else None
        if entry.thing_id is None and not entry.fresh and named and named.school_id == entry.school_id:
            return named
        if named is not None and named.id != entry.thing_id:
            raise WrongEntry(Fault.CODE_TAKEN, "code")
        if entry.thing_id is None:
            return None
        stored = self._mine(Resource, entry.thing_id)
        if stored.school_id != entry.school_id:
            raise NoSuchEntry(f"no thing {entry.thing_id}")
        return stored

    def _check(self, entry: WriteThing, stored: Resource | None) -> None:
        """Raises WrongEntry for what the entry says of other rows."""
        self._same_school(Room, entry.room_id, entry.school_id, "room_id")
        self._same_school(Device, entry.device_id, entry.school_id, "device_id")
        circuit = self._same_school(Resource, entry.circuit_id, entry.school_id, "circuit_id")
        if circuit is not None and (circuit.kind != Kind.CIRCUIT or circuit.retired or entry.kind is not Kind.UNIT):
            raise WrongEntry(Fault.NOT_HERE, "circuit_id")
        if entry.device_id is not None:
            behind = self._db.exec(select(Resource).where(Resource.device_id == entry.device_id)).first()
            if entry.kind is not Kind.UNIT:
                raise WrongEntry(Fault.NOT_HERE, "device_id")
            if behind is not None and (stored is None or behind.id != stored.id):
                raise WrongEntry(Fault.DEVICE_TAKEN, "device_id", name=behind.name)
        if stored is not None and stored.kind != entry.kind and self._was_used(stored):
            raise WrongEntry(Fault.KIND_FIXED, "kind")

    def _was_used(self, thing: Resource) -> bool:
        had = self._db.exec(select(Assignment.booking_id).where(Assignment.resource_id == thing.id)).first()
        return had is not None or self._wired(thing) is not None

    def _wired(self, circuit: Resource) -> Resource | None:
        """One of the units that hang on it."""
        asked = select(Resource).where(Resource.circuit_id == circuit.id, col(Resource.retired).is_(False))
        return self._db.exec(asked).first()

    def _retire(self, entry: RetireThing) -> int:
        thing = self._mine(Resource, entry.thing_id)
        connection = self._db.connection()
        claims.lock(connection, [entry.thing_id])
        bookings = ahead.of_things(connection, [entry.thing_id], self._now_ms)
        if bookings:
            raise WrongEntry(Fault.STILL_BOOKED, "retired", bookings=bookings)
        wired = self._wired(thing)
        if wired is not None:
            raise WrongEntry(Fault.STILL_WIRED, "retired", name=wired.name)
        thing.retired = True
        return self._put("thing-retire", thing)

    # certificates

    def _certificate(self, entry: WriteCertificate) -> int:
        person = self._db.get(User, entry.user_id)
        if person is None or not self._who.scope.covers(person.school_id):
            raise WrongEntry(Fault.NOT_HERE, "user_id")
        asked = select(HeldCertificate).where(
            HeldCertificate.user_id == entry.user_id, HeldCertificate.name == entry.name
        )
        row = self._db.exec(asked).first() or HeldCertificate(
            school_id=person.school_id,
            user_id=entry.user_id,
            name=entry.name,
            issued_ms=self._now_ms,
            by_id=self._who.id,
        )
        row.until_ms = entry.until_ms
        row.by_id = self._who.id
        return self._put("certificate-write", row, f"{entry.name} of {entry.user_id} until {entry.until_ms}")

    # what all of them need

    def reach(self, school_id: str) -> None:
        """Raises NoSuchEntry."""
        if not self._who.scope.covers(school_id) or self._db.get(School, school_id) is None:
            raise NoSuchEntry(f"no school {school_id}")

    def thing(self, thing_id: int) -> Resource:
        return self._mine(Resource, thing_id)

    def room(self, room_id: int) -> Room:
        return self._mine(Room, room_id)

    def _mine(self, table: type[_Row], row_id: int) -> _Row:
        """A row of a school within the asker's scope. Raises NoSuchEntry."""
        row = self._db.get(table, row_id)
        if row is None or not self._who.scope.covers(_school_of(row)):
            raise NoSuchEntry(f"no {table.__name__.lower()} {row_id}")
        return row

    def _same_school(self, table: type[_Row], row_id: int | None, school_id: str, at: str) -> _Row | None:
        """The row that an entry names, if it names one. Raises WrongEntry."""
        row = self._db.get(table, row_id) if row_id is not None else None
        if row_id is not None and (row is None or _school_of(row) != school_id):
            raise WrongEntry(Fault.NOT_HERE, at)
        return row

    def _put(self, action: str, row: SQLModel, detail: str = "") -> int:
        self._db.add(row)
        self._db.flush()
        row_id: int = getattr(row, "id", 0)
        self._audit(action, str(row_id), _school_of(row), detail)
        return row_id

    def _remove(self, action: str, row: SQLModel) -> int:
        row_id: int = getattr(row, "id", 0)
        self._db.delete(row)
        self._db.flush()
        self._audit(action, str(row_id), _school_of(row))
        return row_id

    def _audit(self, action: str, subject: str, school_id: str | None, detail: str = "") -> None:
        audit(
            self._db,
            self._now_ms,
            action,
            actor=self._who.id,
            subject=subject,
            school_id=school_id,
            detail=detail,
        )


def _school_of(row: SQLModel) -> str | None:
    found: str | None = getattr(row, "school_id", None)
    return found
