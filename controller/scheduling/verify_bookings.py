"""Proves from the tables that nothing is booked twice or oversold, and that leases and bookings are one.

What is claimed, assigned and loaded is compared with each other; what the leases are, with what bookings ask for and
with the audit log.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, Engine, Table, and_, func, or_, select

from controller.identity.tables import AuditLine
from controller.scheduling.booked import needs_everywhere
from controller.scheduling.booking_states import NEXT, BookingState
from controller.scheduling.school_time import TICK_MS, ticks
from controller.scheduling.tables import Assignment, Booking, Claim, LeaseGrant, Load, Resource
from controller.scheduling.turns import WALK_UP, Turn, clashes

_SETTLED_MS: Final = 60_000
"""A lease follows its booking so soon: while the controller runs, what changed just now is passed over."""
_LEASE = re.compile(r"device (\d+) from (\d+) until (\d+) holder (.*)")
_ASSIGNMENT: Table = Assignment.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_AUDIT: Table = AuditLine.__table__  # type: ignore[attr-defined]
_BOOKING: Table = Booking.__table__  # type: ignore[attr-defined]
_CLAIM: Table = Claim.__table__  # type: ignore[attr-defined]
_GRANT: Table = LeaseGrant.__table__  # type: ignore[attr-defined]
_LOAD: Table = Load.__table__  # type: ignore[attr-defined]
_RESOURCE: Table = Resource.__table__  # type: ignore[attr-defined]
_HOLDING: Final = [state for state in BookingState if state.holds]


def faults(engine: Engine, now_ms: int) -> Iterator[str]:
    """What is wrong, a line each. Reads only; may run while the controller does. Raises SQLAlchemyError."""
    with engine.connect() as connection:
        yield from _double(connection)
        yield from _claims(connection)
        yield from _loads(connection)
        yield from _unclaimed(connection)
        yield from _leases(connection, now_ms)
        yield from _bookings_replayed(connection)
        yield from _leases_replayed(connection)


# what is booked


def _double(connection: Connection) -> Iterator[str]:
    """No unit is assigned to two at one time."""
    asked = select(_ASSIGNMENT).where(_ASSIGNMENT.c.quantity == 0)
    found = connection.execute(asked.order_by(_ASSIGNMENT.c.resource_id, _ASSIGNMENT.c.from_ms))
    last = None
    for row in found:
        if last is None or row.resource_id != last.resource_id:
            last = row
            continue
        if row.from_ms < last.until_ms:
            yield f"resource {row.resource_id} is assigned to {last.booking_id} and {row.booking_id} at one time"
        last = max(last, row, key=lambda each: each.until_ms)


def _claims(connection: Connection) -> Iterator[str]:
    """A unit is claimed by whom it is assigned to, in exactly those five minutes."""
    asked = select(
        _CLAIM.c.resource_id, _CLAIM.c.booking_id, func.count(), func.min(_CLAIM.c.tick), func.max(_CLAIM.c.tick)
    ).group_by(_CLAIM.c.resource_id, _CLAIM.c.booking_id)
    claimed = {(row[0], row[1]): (row[2], row[3], row[4]) for row in connection.execute(asked)}
    for row in connection.execute(select(_ASSIGNMENT).where(_ASSIGNMENT.c.quantity == 0)):
        had = ticks(row.from_ms, row.until_ms)
        count, first, last = claimed.pop((row.resource_id, row.booking_id), (0, had.start, had.stop - 1))
        if (count, first, last) != (len(had), had.start, had.stop - 1):
            yield f"booking {row.booking_id} has resource {row.resource_id} for {len(had)} ticks and claims {count}"
    for resource_id, booking_id in claimed:
        yield f"resource {resource_id} is claimed for {booking_id}, which has it not"


def _loads(connection: Connection) -> Iterator[str]:
    """Of each pool and circuit as much is loaded as is assigned, and no more than there is."""
    should: defaultdict[int, Counter[int]] = defaultdict(Counter)
    asked = select(_ASSIGNMENT, _RESOURCE.c.watts, _RESOURCE.c.circuit_id).join(
        _RESOURCE, _RESOURCE.c.id == _ASSIGNMENT.c.resource_id
    )
    for row in connection.execute(asked):
        had = ticks(row.from_ms, row.until_ms)
        if row.quantity:
            should[row.resource_id].update(dict.fromkeys(had, row.quantity))
        elif row.circuit_id is not None and row.watts:
            should[row.circuit_id].update(dict.fromkeys(had, row.watts))
    for row in connection.execute(select(_LOAD)):
        used = should[row.resource_id].pop(row.tick, 0)
        if used != row.used or used > row.capacity:
            yield f"resource {row.resource_id} is loaded with {row.used} at tick {row.tick}, assigned are {used}"
    for resource_id, left in should.items():
        for tick, used in left.items():
            yield f"resource {resource_id} is loaded with 0 at tick {tick}, assigned are {used}"


def _unclaimed(connection: Connection) -> Iterator[str]:
    """A booking that holds what it has has something; a walk-up may have begun in what is left of another's tick."""
    asked = (
        select(_BOOKING.c.id)
        .outerjoin(_ASSIGNMENT, _ASSIGNMENT.c.booking_id == _BOOKING.c.id)
        .where(_BOOKING.c.state.in_(_HOLDING), _ASSIGNMENT.c.booking_id.is_(None))
        .where(_BOOKING.c.end_ms - _BOOKING.c.start_ms > TICK_MS)
    )
    for row in connection.execute(asked):
        yield f"booking {row.id} stands and has nothing"


# leases


def _leases(connection: Connection, now_ms: int) -> Iterator[str]:
    """Every lease that stands for a machine that can be booked is the lease of a booking that wants it."""
    wanted = {
        (row.booking_id, row.device_id, row.from_ms, row.until_ms) for row in needs_everywhere(connection, now_ms)
    }
    asked = (
        select(_GRANT, _BOOKING.c.state, _BOOKING.c.end_ms, _BOOKING.c.changed_ms)
        .outerjoin(_BOOKING, _BOOKING.c.id == _GRANT.c.booking_id)
        .join(_RESOURCE, and_(_RESOURCE.c.device_id == _GRANT.c.device_id, _RESOURCE.c.retired.is_(False)))
        .where(_GRANT.c.revoked_ms.is_(None), _GRANT.c.until_ms > now_ms)
        .where(or_(_BOOKING.c.id.is_(None), _BOOKING.c.changed_ms < now_ms - _SETTLED_MS))
    )
    for row in connection.execute(asked):
        if row.booking.startswith(WALK_UP):
            right = row.state in _HOLDING and row.end_ms == row.until_ms
        else:
            right = (row.booking_id, row.device_id, row.from_ms, row.until_ms) in wanted
        if not right:
            yield f"lease {row.booking} of device {row.device_id} has no booking that wants it"


# the audit log


def _bookings_replayed(connection: Connection) -> Iterator[str]:
    """Each booking came to be what it is by steps that are in the log, each one that could follow."""
    asked = select(_AUDIT).where(_AUDIT.c.action.like("booking-%")).order_by(_AUDIT.c.id)
    states: dict[str, BookingState | None] = {}
    for line in connection.execute(asked):
        step = line.detail if line.action == "booking-end" else line.action.removeprefix("booking-")
        if step == "make":
            states[line.subject] = None
        elif step in set(BookingState) and line.subject in states:
            before = states[line.subject]
            if before is not None and BookingState(step) not in NEXT[before]:
                yield f"booking {line.subject} went from {before} to {step}"
            states[line.subject] = BookingState(step)
    for row in connection.execute(select(_BOOKING.c.id, _BOOKING.c.state).where(_BOOKING.c.kind != "walk-up")):
        if row.id not in states:
            yield f"booking {row.id} is not in the audit log"
        elif (states[row.id] or row.state) != row.state:
            yield f"booking {row.id} is {row.state}, by the audit log {states[row.id]}"


@dataclass(frozen=True, slots=True)
class _Told:
    """A lease as the log has it, cut where it was taken back. It was given at `since_ms`, whatever it is dated."""

    turn: Turn
    since_ms: int
    revoked: bool = False

    @property
    def had(self) -> Turn:
        return replace(self.turn, from_ms=max(self.turn.from_ms, self.since_ms))


def _leases_replayed(connection: Connection) -> Iterator[str]:
    """By the log no machine was given to two at one time, and the leases are what the log says."""
    told = _leases_told(connection)
    ordered = sorted((each.had for each in told.values()), key=lambda turn: (turn.device_id, turn.from_ms))
    for one, other in clashes(ordered):
        yield f"device {one.device_id} was given to {one.booking} and {other.booking} at one time, by the audit log"
    for row in connection.execute(select(_GRANT)):
        entry = told.get(row.booking)
        until_ms = min(row.until_ms, row.until_ms if row.revoked_ms is None else max(row.revoked_ms, row.from_ms))
        should = Turn(row.device_id, row.holder, row.booking, row.from_ms, until_ms)
        if entry is None:
            yield f"lease {row.booking} of device {row.device_id} is not in the audit log"
        elif (entry.turn, entry.revoked) != (should, row.revoked_ms is not None):
            yield f"lease {row.booking} of device {row.device_id} is not what the audit log says"


def _leases_told(connection: Connection) -> Mapping[str, _Told]:
    asked = select(_AUDIT).where(_AUDIT.c.action.like("lease-%")).order_by(_AUDIT.c.id)
    told: dict[str, _Told] = {}
    for line in connection.execute(asked):
        found = _LEASE.fullmatch(line.detail)
        if found is None:
            continue
        turn = Turn(int(found[1]), found[4], line.subject, int(found[2]), int(found[3]))
        since_ms = told[line.subject].since_ms if line.subject in told else line.at_ms
        if line.action == "lease-end":
            until_ms = min(turn.until_ms, max(line.at_ms, turn.from_ms))
            told[line.subject] = _Told(replace(turn, until_ms=until_ms), since_ms, revoked=True)
        else:
            told[line.subject] = _Told(turn, since_ms)
    return told
