"""What pages, API and feeds show of things and bookings. Reads only."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, or_, select

from controller.fleet.tables import Room, School
from controller.identity.policy import Permission, Principal, may
from controller.identity.tables import User
from controller.scheduling.booking_states import BookingState
from controller.scheduling.stock import Item, items_of
from controller.scheduling.tables import Assignment, Booking, Resource, Supervisor
from controller.scope import Scope

_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_ROOM: Table = Room.__table__  # type: ignore[attr-defined]
_SCHOOL: Table = School.__table__  # type: ignore[attr-defined]
_SUPERVISOR: Table = Supervisor.__table__  # type: ignore[attr-defined]
_USER: Table = User.__table__  # type: ignore[attr-defined]
HOLDING = frozenset(state for state in BookingState if state.holds)


@dataclass(frozen=True, slots=True)
class ThingView:
    """A unit or pool that can be booked, and where it stands. `kind`, `code` and the rest as in `tables.Resource`."""

    id: int
    school_id: str
    school: str
    room_id: int | None
    room: str
    device_id: int | None
    kind: str
    class_name: str
    name: str
    code: str
    capacity: int
    hazard: int
    certificate: str
    shared: bool
    approval: bool


@dataclass(frozen=True, slots=True)
class Had:
    """A thing that a booking has: `count` of a pool, 0 of a unit. `span_ms` is with setting up and cleaning."""

    resource_id: int
    name: str
    room: str
    room_id: int | None
    school_id: str
    device_id: int | None
    code: str
    count: int
    span_ms: range


@dataclass(frozen=True, slots=True)
class BookingView:
    """A booking as somebody may see it. `title`, `purpose` and `holder` are empty for whom they do not concern.

    `things` are what it has: of one that ended before its time those that it had till then. `wanted` is what it was
    made from; one that waits has nothing else.
    """

    id: str
    school_id: str
    school: str
    holder_id: str
    holder: str
    kind: str
    state: BookingState
    title: str
    purpose: str
    head_count: int
    start_ms: int
    end_ms: int
    things: tuple[Had, ...]
    series_id: str | None
    sequence: int
    changed_ms: int
    hold_until_ms: int | None
    checked_in_ms: int | None
    ended_ms: int | None
    supervisors: tuple[str, ...]
    mine: bool
    wanted: tuple[Item, ...] = ()

    @property
    def span_ms(self) -> range:
        return range(self.start_ms, self.end_ms)


def things(connection: Connection, scope: Scope) -> Sequence[ThingView]:
    """All that a school may book, its own first; for the cluster all there is. By school, room and name."""
    asked = _things().where(_RESOURCE.c.retired.is_(False))
    if scope.school_id is not None:
        asked = asked.where(or_(_RESOURCE.c.shared, _RESOURCE.c.school_id == scope.school_id))
    found = [_thing(row) for row in connection.execute(asked)]
    return sorted(found, key=lambda each: (each.school_id != scope.school_id, each.school, each.room, each.name))


def thing_of_code(connection: Connection, code: str) -> ThingView | None:
    """What the label with that code stands on."""
    row = connection.execute(_things().where(_RESOURCE.c.code == code)).one_or_none()
    return _thing(row) if row else None


def of_things(
    connection: Connection, who: Principal | None, resource_ids: Collection[int], span_ms: range
) -> Sequence[BookingView]:
    """What holds any of them, from set-up to clean-up, within a time (ms); those that were done in it too. By start."""
    had = select(_ASSIGNMENT.c.booking_id).where(
        _ASSIGNMENT.c.resource_id.in_(resource_ids),
        _ASSIGNMENT.c.until_ms > span_ms.start,
        _ASSIGNMENT.c.from_ms < span_ms.stop,
    )
    return _views(connection, who, _bookings().where(_BOOKING.c.id.in_(had)))


def of_holder(connection: Connection, who: Principal, span_ms: range) -> Sequence[BookingView]:
    """Somebody's own, of any state, that touch a time (ms). By start."""
    asked = _bookings().where(
        _BOOKING.c.holder == who.id, _BOOKING.c.end_ms > span_ms.start, _BOOKING.c.start_ms < span_ms.stop
    )
    return _views(connection, who, asked)


def requests(connection: Connection, who: Principal) -> Sequence[BookingView]:
    """Those that wait for a word of somebody who looks after one of their things. By start."""
    asked = _bookings().where(_BOOKING.c.state == BookingState.REQUESTED)
    if who.scope.school_id is not None:
        asked = asked.where(_BOOKING.c.id.in_(_with_a_thing_of(who.scope.school_id)))
    return _views(connection, who, asked)


def find(connection: Connection, who: Principal | None, booking_id: str) -> BookingView | None:
    """One, if it is within the asker's scope: it is theirs, of their school, or has a thing of their school.

    None as `who` sees all of them, with nobody's name.
    """
    found = _views(connection, who, _bookings().where(_BOOKING.c.id == booking_id))
    if not found or who is None:
        return found[0] if found else None
    view = found[0]
    near = view.mine or who.scope.covers(view.school_id) or any(who.scope.covers(had.school_id) for had in view.things)
    return view if near else None


def taken(
    connection: Connection, resource_ids: Collection[int], span_ms: range
) -> Mapping[int, list[tuple[int, int, int]]]:
    """When each of them is held within a time: (from_ms, until_ms, count), count 0 of a unit. By beginning."""
    asked = (
        select(_ASSIGNMENT.c.resource_id, _ASSIGNMENT.c.from_ms, _ASSIGNMENT.c.until_ms, _ASSIGNMENT.c.quantity)
        .join(_BOOKING, _BOOKING.c.id == _ASSIGNMENT.c.booking_id)
        .where(
            _ASSIGNMENT.c.resource_id.in_(resource_ids),
            _ASSIGNMENT.c.until_ms > span_ms.start,
            _ASSIGNMENT.c.from_ms < span_ms.stop,
            _BOOKING.c.state.in_(HOLDING),
        )
        .order_by(_ASSIGNMENT.c.from_ms)
    )
    found: dict[int, list[tuple[int, int, int]]] = {}
    for resource_id, from_ms, until_ms, count in connection.execute(asked):
        found.setdefault(resource_id, []).append((from_ms, until_ms, count))
    return found


def pools(connection: Connection, resource_ids: Collection[int]) -> frozenset[int]:
    """Which of them are pools."""
    asked = select(_RESOURCE.c.id).where(_RESOURCE.c.id.in_(resource_ids), _RESOURCE.c.kind == "pool")
    return frozenset(connection.execute(asked).scalars())


def stored(connection: Connection, booking_id: str) -> Row[Any] | None:
    """The row, for whom nothing is hidden."""
    return connection.execute(select(_BOOKING).where(_BOOKING.c.id == booking_id)).one_or_none()


def supervisors(connection: Connection, booking_id: str) -> tuple[str, ...]:
    """The ids of who was named to stand by."""
    asked = select(_SUPERVISOR.c.user_id).where(_SUPERVISOR.c.booking_id == booking_id)
    return tuple(connection.execute(asked.order_by(_SUPERVISOR.c.user_id)).scalars())


def school_of(connection: Connection, items: Iterable[Item]) -> str | None:
    """Whose the first thing is that is named, None if none is."""
    named = next((each.resource_id for each in items if each.resource_id is not None), None)
    return connection.execute(select(_RESOURCE.c.school_id).where(_RESOURCE.c.id == named)).scalar_one_or_none()


def _things() -> Select[Any]:
    return (
        select(_RESOURCE, _SCHOOL.c.name.label("school"), _ROOM.c.name.label("room"))
        .join(_SCHOOL, _SCHOOL.c.id == _RESOURCE.c.school_id)
        .outerjoin(_ROOM, _ROOM.c.id == _RESOURCE.c.room_id)
        .where(_RESOURCE.c.kind != "circuit")
    )


def _thing(row: Row[Any]) -> ThingView:
    return ThingView(
        id=row.id,
        school_id=row.school_id,
        school=row.school,
        room_id=row.room_id,
        room=row.room or "",
        device_id=row.device_id,
        kind=row.kind,
        class_name=row.class_name,
        name=row.name,
        code=row.code,
        capacity=row.capacity,
        hazard=row.hazard,
        certificate=row.certificate,
        shared=row.shared,
        approval=row.approval,
    )


def _bookings() -> Select[Any]:
    return (
        select(_BOOKING, _SCHOOL.c.name.label("school"), _USER.c.name.label("holder_name"))
        .join(_SCHOOL, _SCHOOL.c.id == _BOOKING.c.school_id)
        .outerjoin(_USER, _USER.c.id == _BOOKING.c.holder)
        .order_by(_BOOKING.c.start_ms, _BOOKING.c.id)
    )


def _with_a_thing_of(school_id: str) -> Select[Any]:
    return (
        select(_ASSIGNMENT.c.booking_id)
        .join(_RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id)
        .where(_RESOURCE.c.school_id == school_id)
    )


def _views(connection: Connection, who: Principal | None, asked: Select[Any]) -> Sequence[BookingView]:
    found = connection.execute(asked).all()
    ids = [row.id for row in found]
    had: dict[str, list[Had]] = {each: [] for each in ids}
    for booking_id, thing in _had(connection, ids):
        had[booking_id].append(thing)
    named: dict[str, list[str]] = {each: [] for each in ids}
    rows = select(_SUPERVISOR.c.booking_id, _SUPERVISOR.c.user_id).where(_SUPERVISOR.c.booking_id.in_(ids))
    for booking_id, user_id in connection.execute(rows.order_by(_SUPERVISOR.c.user_id)):
        named[booking_id].append(user_id)
    return [_as_seen(_view(row, tuple(had[row.id]), tuple(named[row.id]), who), who) for row in found]


def _had(connection: Connection, booking_ids: Collection[str]) -> Sequence[tuple[str, Had]]:
    asked = (
        select(_ASSIGNMENT, _RESOURCE, _ROOM.c.name.label("room"))
        .join(_RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id)
        .outerjoin(_ROOM, _ROOM.c.id == _RESOURCE.c.room_id)
        .where(_ASSIGNMENT.c.booking_id.in_(booking_ids))
        .order_by(_RESOURCE.c.kind.desc(), _RESOURCE.c.name)
    )
    return [
        (
            row.booking_id,
            Had(
                row.resource_id,
                row.name,
                row.room or "",
                row.room_id,
                row.school_id,
                row.device_id,
                row.code,
                row.quantity,
                range(row.from_ms, row.until_ms),
            ),
        )
        for row in connection.execute(asked)
    ]


def _view(row: Row[Any], had: tuple[Had, ...], supervisors: tuple[str, ...], who: Principal | None) -> BookingView:
    return BookingView(
        id=row.id,
        school_id=row.school_id,
        school=row.school,
        holder_id=row.holder,
        holder=row.holder_name or "",
        kind=row.kind,
        state=BookingState(row.state),
        title=row.title,
        purpose=row.purpose,
        head_count=row.head_count,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        things=had,
        series_id=row.series_id,
        sequence=row.sequence,
        changed_ms=row.changed_ms,
        hold_until_ms=row.hold_until_ms,
        checked_in_ms=row.checked_in_ms,
        ended_ms=row.ended_ms,
        supervisors=supervisors,
        mine=who is not None and row.holder == who.id,
        wanted=items_of(row.wanted),
    )


def _as_seen(view: BookingView, who: Principal | None) -> BookingView:
    """Another school learns that something is taken, and by which school; nobody outside learns a name.

    A board has the class as well: whoever stands before it sees who comes in.
    """
    if who is None:
        return replace(view, purpose="", holder="", holder_id="", head_count=0, supervisors=())
    if view.mine or who.scope.covers(view.school_id):
        return view
    if may(who, Permission.MANAGE_BOOKINGS) and any(who.scope.covers(had.school_id) for had in view.things):
        return view
    return replace(view, title="", purpose="", holder="", holder_id="", head_count=0, supervisors=())
