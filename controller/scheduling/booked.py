"""What bookings ask of machines and what was granted for them, read from the tables. Reads only."""

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Select, Subquery, Table, and_, case, exists, func, or_, select

from controller.fleet.tables import Agent, Device
from controller.ingest.tables import Installation
from controller.scheduling.booking_states import BookingState
from controller.scheduling.leasing import HORIZON_MS, Given, Key, Need
from controller.scheduling.tables import Assignment, Booking, HeldCertificate, LeaseGrant, Resource, Supervisor
from controller.scheduling.turns import WALK_UP

WALK_UP_KIND: Final = "walk-up"
"""The kind of booking that a use is which begins without one."""
Hazard: TypeAlias = Callable[[str], int]
"""That of a device profile, by its slug."""

_AGENT: Table = Agent.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_CERTIFICATE: Table = HeldCertificate.__table__  # type: ignore[attr-defined]
_DEVICE: Table = Device.__table__  # type: ignore[attr-defined]
_GRANT: Table = LeaseGrant.__table__  # type: ignore[attr-defined]
_INSTALLATION: Table = Installation.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_SUPERVISOR: Table = Supervisor.__table__  # type: ignore[attr-defined]
_HOLDING = [state for state in BookingState if state.holds]


class LeaseState(StrEnum):
    """Where a lease of a booking is. A change counts once the agent says that it has it, or when time has run out."""

    GRANTED = "granted"
    ACKNOWLEDGED = "acknowledged"
    REVOKED_PENDING = "revoked-pending"
    REVOKED = "revoked"
    EXPIRED = "expired"


def needs(connection: Connection, agent_id: int, now_ms: int, hazard: Hazard) -> Sequence[Need]:
    """What bookings ask of an agent's machines up to HORIZON_MS ahead; walk-ups see to their leases themselves."""
    rows = connection.execute(_needs(now_ms).where(_AGENT.c.id == agent_id))
    return [
        Need(
            row.booking_id,
            row.device_id,
            row.holder,
            row.from_ms,
            row.until_ms,
            max(row.hazard, hazard(row.profile_slug)),
            bool(row.supervised),
        )
        for row in rows
    ]


def needs_everywhere(connection: Connection, now_ms: int) -> Iterable[Row[Any]]:
    """As `needs`, of all agents, as rows: `booking_id`, `device_id`, `from_ms`, `until_ms` and more."""
    return connection.execute(_needs(now_ms))


def given(connection: Connection, agent_id: int, now_ms: int) -> Sequence[Given]:
    """The leases of an agent that stand for bookings; of walk-ups those whose booking was ended otherwise."""
    rows = connection.execute(_given(now_ms).where(_GRANT.c.agent_id == agent_id).order_by(_GRANT.c.id))
    return [
        Given(
            row.booking,
            Need(
                row.booking_id,
                row.device_id,
                row.holder,
                row.from_ms,
                row.until_ms,
                row.hazard,
                row.supervised,
            ),
        )
        for row in rows
    ]


def all_agents(connection: Connection) -> Sequence[int]:
    """Those that have a machine that can be booked."""
    asked = select(_DEVICE.c.agent_id).join(_RESOURCE, _RESOURCE.c.device_id == _DEVICE.c.id)
    return connection.execute(asked.distinct().order_by(_DEVICE.c.agent_id)).scalars().all()


def out_of_step(connection: Connection, now_ms: int) -> Sequence[int]:
    """The agents whose leases are not what bookings ask for, hazards aside."""
    need, have = _needs(now_ms).subquery("need"), _given(now_ms).subquery("have")
    same = and_(
        need.c.booking_id == have.c.booking_id,
        need.c.device_id == have.c.device_id,
        need.c.from_ms == have.c.from_ms,
        need.c.until_ms == have.c.until_ms,
        need.c.holder == have.c.holder,
        need.c.supervised == have.c.supervised,
    )
    return sorted(_without(connection, need, have, same) | _without(connection, have, need, same))


def granted_before(connection: Connection, key: Key) -> int:
    """How many leases a booking ever had for a device."""
    booking_id, device_id = key
    asked = select(func.count()).where(_GRANT.c.booking_id == booking_id, _GRANT.c.device_id == device_id)
    return int(connection.execute(asked).scalar_one())


def lease_states(connection: Connection, booking_ids: Collection[str], now_ms: int) -> dict[Key, LeaseState]:
    """Of the newest lease that each booking had for each of its devices."""
    told = and_(
        _AGENT.c.held_generation == _INSTALLATION.c.generation,
        _AGENT.c.held_number.between(_GRANT.c.book_number, _AGENT.c.book_number),
    )
    asked = (
        select(_GRANT, told.label("told"))
        .join(_AGENT, _AGENT.c.id == _GRANT.c.agent_id)
        .join(_INSTALLATION, _INSTALLATION.c.id == 1)
        .where(_GRANT.c.booking_id.in_(booking_ids))
        .order_by(_GRANT.c.id)
    )
    return {(row.booking_id, row.device_id): _state(row, now_ms) for row in connection.execute(asked)}


def _state(row: Row[Any], now_ms: int) -> LeaseState:
    over = row.until_ms <= now_ms
    if row.revoked_ms is not None:
        return LeaseState.REVOKED if row.told or over else LeaseState.REVOKED_PENDING
    if over:
        return LeaseState.EXPIRED
    return LeaseState.ACKNOWLEDGED if row.told else LeaseState.GRANTED


def _needs(now_ms: int) -> Select[Any]:
    began = _BOOKING.c.state == BookingState.CHECKED_IN
    holder = case(
        (and_(began, _BOOKING.c.checked_in_by != ""), _BOOKING.c.checked_in_by),
        else_=_BOOKING.c.holder,
    )
    return (
        select(
            _AGENT.c.id.label("agent_id"),
            _BOOKING.c.id.label("booking_id"),
            _DEVICE.c.id.label("device_id"),
            _DEVICE.c.profile_slug,
            holder.label("holder"),
            _ASSIGNMENT.c.from_ms,
            _ASSIGNMENT.c.until_ms,
            _RESOURCE.c.hazard,
            case((or_(_stands_by(), and_(began, _certified(now_ms))), True), else_=False).label("supervised"),
        )
        .join(_ASSIGNMENT, _ASSIGNMENT.c.booking_id == _BOOKING.c.id)
        .join(_RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id)
        .join(_DEVICE, _DEVICE.c.id == _RESOURCE.c.device_id)
        .join(_AGENT, _AGENT.c.id == _DEVICE.c.agent_id)
        .where(
            _BOOKING.c.state.in_((BookingState.CONFIRMED, BookingState.CHECKED_IN)),
            _BOOKING.c.kind != WALK_UP_KIND,
            _ASSIGNMENT.c.from_ms < now_ms + HORIZON_MS,
            _ASSIGNMENT.c.until_ms > now_ms,
            _AGENT.c.revoked.is_(False),
        )
    )


def _stands_by() -> ColumnElement[bool]:
    """A supervisor who was named has said that they are there."""
    return exists().where(_SUPERVISOR.c.booking_id == _BOOKING.c.id, _SUPERVISOR.c.present_ms.is_not(None))


def _certified(now_ms: int) -> ColumnElement[bool]:
    """Who took the machine may use it without anybody else. What its own telemetry told has no name."""
    return exists().where(
        _CERTIFICATE.c.user_id == _BOOKING.c.checked_in_by,
        _CERTIFICATE.c.name == _RESOURCE.c.certificate,
        _RESOURCE.c.certificate != "",
        or_(_CERTIFICATE.c.until_ms.is_(None), _CERTIFICATE.c.until_ms > now_ms),
    )


def _given(now_ms: int) -> Select[Any]:
    its_own = exists().where(_BOOKING.c.id == _GRANT.c.booking_id, _BOOKING.c.state.in_(_HOLDING))
    return select(_GRANT).where(
        _GRANT.c.booking_id.is_not(None),
        _GRANT.c.revoked_ms.is_(None),
        _GRANT.c.until_ms > now_ms,
        ~and_(_GRANT.c.booking.like(f"{WALK_UP}%"), its_own),
    )


def _without(connection: Connection, one: Subquery, other: Subquery, same: ColumnElement[bool]) -> set[int]:
    """The agents of the rows of `one` that have no like in `other`."""
    alone = select(one.c.agent_id).outerjoin(other, same).where(other.c.booking_id.is_(None))
    return set(connection.execute(alone.distinct()).scalars())
