"""What the rules go by, read from the tables: calendar, limits, certificates, opening hours, health. Reads only."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, Select, Table, bindparam, or_, select
from sqlmodel import Session, col
from sqlmodel import select as rows

from controller.alerts.rules import DeviceState
from controller.identity.policy import Principal
from controller.scheduling.kit_rest import resting
from controller.scheduling.opening_hours import Open, OpeningHours
from controller.scheduling.policy import Adult, Asker, Certificate, Facts, Limits
from controller.scheduling.request import Request
from controller.scheduling.school_time import Holiday
from controller.scheduling.stock import Item
from controller.scheduling.tables import BookingLimits, Closure, HeldCertificate, OpeningTime, Resource
from controller.timetable.almanac import year_on

_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_THING: Select[Any] = select(
    _RESOURCE.c.id,
    _RESOURCE.c.school_id,
    _RESOURCE.c.room_id,
    _RESOURCE.c.device_id,
    _RESOURCE.c.class_name,
    _RESOURCE.c.approval,
)
_NAMED = _THING.where(_RESOURCE.c.id.in_(bindparam("ids", expanding=True)))
_ALIKE = _THING.where(
    _RESOURCE.c.class_name.in_(bindparam("classes", expanding=True)),
    _RESOURCE.c.retired.is_(False),
    or_(_RESOURCE.c.shared, _RESOURCE.c.school_id == bindparam("school")),
)
Health: TypeAlias = Callable[[int], DeviceState | None]
"""The state of a device now, None if there is no such device."""


@dataclass(frozen=True, slots=True)
class Known:
    """The facts but for `things`, `by_holder` and `by_school`, for all that the request or an alternative may touch.

    `approval`: one of the things that may serve it is not had without somebody's word. A request holds them for
    `request_h`.
    """

    facts: Facts
    approval: bool
    request_h: int


def read(
    connection: Connection,
    who: Principal,
    request: Request,
    *,
    now_ms: int,
    zone: tzinfo,
    health: Health,
) -> Known:
    with Session(connection) as db:
        touched = _touched(db, request.items, request.school_id)
        day = datetime.fromtimestamp(request.start_ms / 1000, zone).date()
        people = adults(db, {request.holder, *request.supervisors})
        owners = {each.school_id for each in touched}
        owner = request.school_id if not owners or request.school_id in owners else touched[0].school_id
        row = stored_limits(db, owner)
        known = Facts(
            now_ms=now_ms,
            year=year_on(connection, request.school_id, day, zone),
            asker=Asker(who.id, who.role, who.scope.school_id),
            holder=people[request.holder],
            supervisors=tuple(people[each] for each in request.supervisors),
            limits=_limits(row),
            hours=_hours(db, touched, zone),
            health=_health(touched, health),
            resting=resting(db, request.items, now_ms),
        )
        return Known(known, any(each.approval for each in touched), row.request_h)


def stored_limits(db: Session, school_id: str) -> BookingLimits:
    """The row, or one with what counts if nobody set anything."""
    usual = Limits()
    return db.get(BookingLimits, school_id) or BookingLimits(
        school_id=school_id, person_week=usual.person_week, school_week=usual.school_week
    )


def _limits(row: BookingLimits) -> Limits:
    set_here = {each.name: getattr(row, each.name) for each in fields(Limits)}
    return Limits(**{**set_here, "pupils_per_adult": tuple(row.pupils_per_adult)})


def _touched(db: Session, items: Sequence[Item], school_id: str) -> Sequence[Row[Any]]:
    """The things that are named, all that are alike and within the school's reach, and those of a class that is wanted.

    Those that are named come first.
    """
    named = [item.resource_id for item in items if item.resource_id is not None]
    found = {each.id: each for each in db.execute(_NAMED, {"ids": named})} if named else {}
    first = [found[each] for each in named if each in found]
    classes = ({each.class_name for each in first} | {item.class_name for item in items}) - {""}
    alike = db.execute(_ALIKE, {"classes": list(classes), "school": school_id}) if classes else ()
    return [*first, *(each for each in alike if each.id not in found)]


def adults(db: Session, ids: Collection[str]) -> Mapping[str, Adult]:
    """These people with the certificates that they hold, by id."""
    held: dict[str, list[Certificate]] = {each: [] for each in ids}
    for each in db.exec(rows(HeldCertificate).where(col(HeldCertificate.user_id).in_(ids))):
        held[each.user_id].append(Certificate(each.name, each.until_ms))
    return {each: Adult(each, tuple(papers)) for each, papers in held.items()}


def _hours(db: Session, touched: Sequence[Row[Any]], zone: tzinfo) -> Mapping[int, OpeningHours]:
    """By thing. Those of one room share one value: whoever looks at many of them works it out once."""
    schools = {each.room_id: each.school_id for each in touched if each.room_id is not None}
    weekly: dict[int, list[Open]] = {}
    for each in db.exec(rows(OpeningTime).where(col(OpeningTime.room_id).in_(schools))):
        weekly.setdefault(each.room_id, []).append(Open(each.weekday, each.opens, each.closes))
    if not weekly:
        return {}
    closures = db.exec(rows(Closure).where(col(Closure.school_id).in_(set(schools.values())))).all()
    by_room = {
        room_id: OpeningHours(zone, tuple(opens), _closed(closures, room_id, schools[room_id]))
        for room_id, opens in weekly.items()
    }
    return {each.id or 0: by_room[each.room_id] for each in touched if each.room_id in by_room}


def _closed(closures: Sequence[Closure], room_id: int, school_id: str) -> tuple[Holiday, ...]:
    """Those of the room and those of its whole school."""
    return tuple(
        Holiday(each.name, each.first, each.last)
        for each in closures
        if each.school_id == school_id and each.room_id in (None, room_id)
    )


def _health(touched: Sequence[Row[Any]], health: Health) -> Mapping[int, DeviceState]:
    known = ((each.id or 0, health(each.device_id)) for each in touched if each.device_id is not None)
    return {thing: state for thing, state in known if state is not None}
