"""What is held, read from assignments: a row a booking, where claims have one for every five minutes. Reads only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    case,
    func,
    select,
    union_all,
)

from controller.fleet.tables import School
from controller.scheduling.booking_states import BookingState
from controller.scheduling.choice import Draw, Taken, Use, masks
from controller.scheduling.school_time import TICK_MS
from controller.scheduling.series import Occupant
from controller.scheduling.several import IsOne, by_dialect
from controller.scheduling.stock import Stock
from controller.scheduling.tables import Assignment, Booking, Claim, Load, Resource

_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_CLAIM: Table = Claim.__table__  # type: ignore[attr-defined]
_LOAD: Table = Load.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_SCHOOL: Table = School.__table__  # type: ignore[attr-defined]
_HOLDING = [state for state in BookingState if state.holds]


_COLUMNS = (
    _ASSIGNMENT.c.resource_id,
    _ASSIGNMENT.c.from_ms // TICK_MS,
    (_ASSIGNMENT.c.until_ms + (TICK_MS - 1)) // TICK_MS,
)
_BEGINS, _ENDS = bindparam("begins_ms", type_=BigInteger), bindparam("ends_ms", type_=BigInteger)


def _held_by(is_one: IsOne) -> CompoundSelect[int, int, int]:
    """The index is by resource and end: what ends in a window is one stretch of it. What goes on after it is had by
    the claim of its last tick, so that nobody reads on to the end of the term.
    """
    return union_all(
        select(*_COLUMNS).where(
            is_one(_ASSIGNMENT.c.resource_id), _ASSIGNMENT.c.until_ms > _BEGINS, _ASSIGNMENT.c.until_ms <= _ENDS
        ),
        select(*_COLUMNS)
        .join(
            _CLAIM,
            and_(_ASSIGNMENT.c.booking_id == _CLAIM.c.booking_id, _ASSIGNMENT.c.resource_id == _CLAIM.c.resource_id),
        )
        .where(is_one(_CLAIM.c.resource_id), _CLAIM.c.tick == bindparam("last"), _ASSIGNMENT.c.until_ms > _ENDS),
    )


_HELD = by_dialect(_held_by)
_DRAWN = by_dialect(
    lambda is_one: select(_LOAD.c.resource_id, _LOAD.c.tick, _LOAD.c.used).where(
        is_one(_LOAD.c.resource_id), _LOAD.c.tick.between(bindparam("first"), bindparam("last")), _LOAD.c.used > 0
    )
)
_OTHER, _OTHERS_THING = _ASSIGNMENT.alias(), _RESOURCE.alias()
_SHARES = (
    select(_OTHER.c.booking_id)
    .join(_OTHERS_THING, _OTHERS_THING.c.id == _OTHER.c.resource_id)
    .where(_OTHER.c.booking_id == _ASSIGNMENT.c.booking_id, _OTHERS_THING.c.shared)
)
_ITS_OWN_ALONE = (
    select(_ASSIGNMENT.c.booking_id)
    .join(_RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id)
    .where(
        _RESOURCE.c.school_id == bindparam("school_id"),
        _RESOURCE.c.shared.is_(False),
        _ASSIGNMENT.c.until_ms > _BEGINS,
        _ASSIGNMENT.c.from_ms < _ENDS,
        ~_SHARES.exists(),
    )
)
"""Bookings of nothing that is shared. There are few: it is asked which they are, and not of each whether it is one."""
_USES = (
    select(
        _BOOKING.c.start_ms,
        _BOOKING.c.end_ms,
        func.count(),
        func.sum(case((_BOOKING.c.holder == bindparam("holder"), 1), else_=0)),
    )
    .where(
        _BOOKING.c.school_id == bindparam("school_id"),
        _BOOKING.c.start_ms >= _BEGINS,
        _BOOKING.c.start_ms < _ENDS,
        _BOOKING.c.state.in_(_HOLDING),
        _BOOKING.c.id.not_in(_ITS_OWN_ALONE),
    )
    .group_by(_BOOKING.c.start_ms, _BOOKING.c.end_ms)
)


@dataclass(frozen=True, slots=True)
class Used:
    """So many bookings have the same time (ms): of a school, and of one person."""

    span_ms: range
    by_school: int
    by_holder: int


def taken(connection: Connection, stock: Stock, window: range) -> Taken:
    """What is held within `window` (ticks) of the units, pools and circuits of `stock`."""
    units = masks(_held(connection, {unit.id for unit in stock.units} | stock.drawing.keys(), window), window.start)
    draws: dict[int, list[Draw]] = {}
    for unit in stock.drawing.values():
        if unit.circuit is not None and unit.id in units:
            draws.setdefault(unit.circuit, []).append(Draw(units[unit.id], unit.watts))
    uses: dict[int, list[Use]] = {}
    pools = {each.pool for each in stock.wanted.counted}
    for pool, use in _drawn(connection, pools, window) if pools else ():
        uses.setdefault(pool, []).append(use)
    return Taken(window.start, units, stock.capacity, uses, draws)


def occupants(
    connection: Connection, resource_ids: Collection[int], window_ms: range, school_id: str
) -> Mapping[int, Occupant]:
    """Who has each of them first in that time, as `school_id` may be told."""
    found = connection.execute(
        select(_ASSIGNMENT.c.resource_id, _BOOKING.c.school_id, _BOOKING.c.title, _SCHOOL.c.name, _SCHOOL.c.short)
        .join(_BOOKING, _BOOKING.c.id == _ASSIGNMENT.c.booking_id)
        .join(_SCHOOL, _SCHOOL.c.id == _BOOKING.c.school_id)
        .where(
            _ASSIGNMENT.c.resource_id.in_(resource_ids),
            _ASSIGNMENT.c.until_ms > window_ms.start,
            _ASSIGNMENT.c.from_ms < window_ms.stop,
            _BOOKING.c.state.in_(_HOLDING),
        )
        .order_by(_ASSIGNMENT.c.from_ms.desc())
    )
    return {
        row.resource_id: Occupant(row.school_id, row.short or row.name, row.title if row.school_id == school_id else "")
        for row in found
    }


def shared_uses(connection: Connection, school_id: str, holder: str, span_ms: range) -> Sequence[Used]:
    """The standing bookings of what is shared that begin in `span_ms`, the school's and among them the holder's."""
    wanted = {"school_id": school_id, "holder": holder, "begins_ms": span_ms.start, "ends_ms": span_ms.stop}
    found = connection.execute(_USES, wanted).all()
    return [Used(range(start_ms, end_ms), of_school, mine) for start_ms, end_ms, of_school, mine in found]


def waiting(connection: Connection, holder: str) -> int:
    """How many wishes somebody has on the waitlist."""
    asked = select(func.count()).where(_BOOKING.c.holder == holder, _BOOKING.c.state == BookingState.WAITING)
    return int(connection.execute(asked).scalar_one())


def _held(connection: Connection, unit_ids: Collection[int], window: range) -> Sequence[Row[int, int, int]]:
    """(unit, first tick, last tick + 1) of all that is held within `window`."""
    wanted = {
        "ids": list(unit_ids),
        "begins_ms": window.start * TICK_MS,
        "ends_ms": window.stop * TICK_MS,
        "last": window.stop - 1,
    }
    return connection.execute(_HELD[connection.dialect.name], wanted).all()


def _drawn(connection: Connection, pools: Collection[int], window: range) -> list[tuple[int, Use]]:
    """(pool, use) for each tick."""
    wanted = {"ids": list(pools), "first": window.start, "last": window.stop - 1}
    found = connection.execute(_DRAWN[connection.dialect.name], wanted).all()
    return [(resource_id, Use(range(tick, tick + 1), used)) for resource_id, tick, used in found]
