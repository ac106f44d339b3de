"""What a school has, as entries that could be written again. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlmodel import Session, col, select

from controller.fleet.tables import Device, Room
from controller.identity.tables import User
from controller.scheduling import facts
from controller.scheduling.entries import (
    Kind,
    WriteCertificate,
    WriteClosure,
    WriteHours,
    WriteLimits,
    WriteRoom,
    WriteThing,
)
from controller.scheduling.opening_hours import Open
from controller.scheduling.policy import Limits
from controller.scheduling.tables import Closure, HeldCertificate, OpeningTime, Resource
from controller.scope import Scope


@dataclass(frozen=True, slots=True)
class Inventory:
    """`devices` are those that no thing is for yet, by id. All else has its id; things and rooms are by name."""

    school_id: str
    rooms: tuple[WriteRoom, ...]
    hours: tuple[WriteHours, ...]
    closures: tuple[WriteClosure, ...]
    things: tuple[WriteThing, ...]
    retired: tuple[WriteThing, ...]
    limits: WriteLimits
    devices: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Holding:
    id: int
    person: str
    certificate: WriteCertificate


@dataclass(frozen=True, slots=True)
class Holders:
    """`people` are (id, name); all is by name."""

    people: tuple[tuple[str, str], ...]
    held: tuple[Holding, ...]


def read(db: Session, school_id: str) -> Inventory:
    things = db.exec(select(Resource).where(Resource.school_id == school_id).order_by(Resource.name)).all()
    rooms = db.exec(select(Room).where(Room.school_id == school_id).order_by(Room.name)).all()
    return Inventory(
        school_id=school_id,
        rooms=tuple(WriteRoom(school_id, each.name, each.slug, each.id) for each in rooms),
        hours=_hours(db, school_id),
        closures=_closures(db, school_id),
        things=tuple(_thing(each) for each in things if not each.retired),
        retired=tuple(_thing(each) for each in things if each.retired),
        limits=_limits(db, school_id),
        devices=_devices(db, school_id, [each.device_id for each in things if each.device_id is not None]),
    )


def holders(db: Session, scope: Scope) -> Holders:
    people = select(User).where(col(User.disabled).is_(False)).order_by(User.name)
    held = select(HeldCertificate, User).join(User, col(User.id) == HeldCertificate.user_id)
    if scope.school_id is not None:
        people = people.where(User.school_id == scope.school_id)
        held = held.where(User.school_id == scope.school_id)
    return Holders(
        tuple((each.id, each.name) for each in db.exec(people)),
        tuple(
            Holding(row.id or 0, user.name, WriteCertificate(row.user_id, row.name, row.until_ms))
            for row, user in db.exec(held.order_by(User.name, HeldCertificate.name))
        ),
    )


def _hours(db: Session, school_id: str) -> tuple[WriteHours, ...]:
    asked = select(OpeningTime).where(OpeningTime.school_id == school_id)
    weekly: dict[int, list[Open]] = {}
    for each in db.exec(asked.order_by(col(OpeningTime.weekday), col(OpeningTime.opens))):
        weekly.setdefault(each.room_id, []).append(Open(each.weekday, each.opens, each.closes))
    return tuple(WriteHours(room_id, tuple(opens)) for room_id, opens in weekly.items())


def _closures(db: Session, school_id: str) -> tuple[WriteClosure, ...]:
    found = db.exec(select(Closure).where(Closure.school_id == school_id).order_by(col(Closure.first), Closure.name))
    return tuple(WriteClosure(school_id, each.room_id, each.name, each.first, each.last, each.id) for each in found)


def _limits(db: Session, school_id: str) -> WriteLimits:
    row = facts.stored_limits(db, school_id)
    rules = {each.name: getattr(row, each.name) for each in fields(Limits)}
    limits = Limits(**{**rules, "pupils_per_adult": tuple(row.pupils_per_adult)})
    return WriteLimits(school_id, limits, row.no_show_min, row.request_h)


def _devices(db: Session, school_id: str, taken: Sequence[int]) -> tuple[tuple[int, str], ...]:
    asked = select(Device).where(Device.school_id == school_id, col(Device.present), col(Device.id).not_in(taken))
    return tuple((each.id or 0, each.name) for each in db.exec(asked.order_by(Device.name)))


def _thing(row: Resource) -> WriteThing:
    same = {each.name: getattr(row, each.name) for each in fields(WriteThing) if each.name in Resource.model_fields}
    return WriteThing(**{**same, "kind": Kind(row.kind)}, thing_id=row.id)
