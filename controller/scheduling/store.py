"""Every query of leases. The caller commits."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Table, update
from sqlalchemy import select as columns
from sqlmodel import Session, and_, col, not_, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from contract.messages import Presence
from contract.model import Lease
from contract.topics import Address
from controller.fleet.tables import Agent, Device
from controller.identity.store import audit
from controller.ingest.tables import Installation
from controller.scheduling.booked import granted_before
from controller.scheduling.leasing import Changes
from controller.scheduling.tables import LeaseGrant
from controller.scheduling.turns import Turn

_AGENT: Table = Agent.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_INSTALLATION: Table = Installation.__table__  # type: ignore[attr-defined]
_ANEW = {"populate_existing": True}
"""The caller's session may have read the same rows before they were locked."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A device: whose it is, what model, and whether its agent is no longer let in."""

    device_id: int
    agent_id: int
    school_id: str
    profile_slug: str
    revoked: bool


@dataclass(frozen=True, slots=True)
class Behind:
    """An agent that is there and does not say that it holds its newest book, `number` of `generation`."""

    agent_id: int
    address: Address
    lease_key: str = field(repr=False)
    generation: int
    number: int
    held_generation: int
    held_number: int

    @property
    def ahead(self) -> bool:
        """It holds a later book than this database knows of, which then is an old copy that was put back by hand."""
        return (self.held_generation, self.held_number) > (self.generation, self.number)


def locked(db: Session, device_id: int) -> Machine | None:
    """A device, None if there is none; until the transaction ends nobody else changes the leases of its agent.

    It writes before it reads, so that what is read after it is the newest: PostgreSQL then has the agent's row locked,
    SQLite the database, and neither can find that another has written meanwhile.
    """
    agent_id = select(Device.agent_id).where(Device.id == device_id).scalar_subquery()
    found = db.execute(
        update(Agent)
        .where(col(Agent.id) == agent_id)
        .values(book_number=col(Agent.book_number))
        .returning(col(Agent.revoked))
    ).first()
    device = db.get(Device, device_id) if found else None
    if found is None or device is None:
        return None
    return Machine(device_id, device.agent_id, device.school_id, device.profile_slug, found.revoked)


def lock(db: Session, agent_id: int) -> None:
    """As `locked`, of all machines of an agent."""
    db.execute(update(Agent).where(col(Agent.id) == agent_id).values(book_number=col(Agent.book_number)))


def next_book(db: Session, agent_id: int) -> int:
    """The number of the agent's next lease book, which is now its newest."""
    number: int = db.execute(
        update(Agent)
        .where(col(Agent.id) == agent_id)
        .values(book_number=col(Agent.book_number) + 1)
        .returning(col(Agent.book_number))
    ).scalar_one()
    return number


def grant(db: Session, booking: str) -> LeaseGrant | None:
    """What was granted for a booking, as the database has it now."""
    return db.exec(select(LeaseGrant).where(LeaseGrant.booking == booking).execution_options(**_ANEW)).first()


def turn(grant: LeaseGrant) -> Turn:
    return Turn(grant.device_id, grant.holder, grant.booking, grant.from_ms, grant.until_ms, grant.book_number)


def audit_detail(turn: Turn) -> str:
    """What a line of the audit log says of a lease: enough to know from the log alone who had which machine when."""
    return f"device {turn.device_id} from {turn.from_ms} until {turn.until_ms} holder {turn.holder}"


def begin(db: Session, machine: Machine, begun: Turn, hazard: int, booking_id: str | None) -> None:
    """Add a grant; `booking_id` is the booking that it is for, if there is one."""
    db.add(
        LeaseGrant(
            school_id=machine.school_id,
            agent_id=machine.agent_id,
            device_id=machine.device_id,
            holder=begun.holder,
            booking=begun.booking,
            booking_id=booking_id,
            from_ms=begun.from_ms,
            until_ms=begun.until_ms,
            hazard=hazard,
            book_number=begun.book_number,
        )
    )


def stretch(db: Session, stretched: Turn) -> None:
    """Have a grant end when it says now."""
    db.execute(
        update(LeaseGrant)
        .where(col(LeaseGrant.booking) == stretched.booking)
        .values(until_ms=stretched.until_ms, book_number=stretched.book_number)
    )


def follow(db: Session, agent_id: int, changes: Changes, now_ms: int) -> None:
    """Write what has changed, all in the agent's next book, with a line each in the audit log."""
    number = next_book(db, agent_id)
    for name in changes.end:
        _change(db, name, "lease-end", now_ms, revoked_ms=now_ms, book_number=number)
    for each in changes.amend:
        need = each.need
        more = {"holder": need.holder, "hazard": need.hazard, "supervised": need.supervised}
        _change(db, each.name, "lease-change", now_ms, book_number=number, **more)
    for need in changes.begin:
        device = db.get_one(Device, need.device_id)
        found = LeaseGrant(
            school_id=device.school_id,
            agent_id=agent_id,
            device_id=need.device_id,
            holder=need.holder,
            booking=f"{need.booking_id}-{need.device_id}-{granted_before(db.connection(), need.key) + 1}",
            booking_id=need.booking_id,
            from_ms=need.from_ms,
            until_ms=need.until_ms,
            hazard=need.hazard,
            supervised=need.supervised,
            book_number=number,
        )
        db.add(found)
        db.flush()
        _audit(db, "lease-begin", found, now_ms)


def _change(db: Session, name: str, action: str, now_ms: int, **values: object) -> None:
    db.execute(update(LeaseGrant).where(col(LeaseGrant.booking) == name).values(**values))
    found = grant(db, name)
    if found is not None:
        _audit(db, action, found, now_ms)


def _audit(db: Session, action: str, found: LeaseGrant, now_ms: int) -> None:
    detail = audit_detail(turn(found))
    audit(db, now_ms, action, subject=found.booking, school_id=found.school_id, detail=detail)


def leases_of(db: Session, device_id: int, now_ms: int) -> Sequence[Lease]:
    """What stands of a machine and has not run out, as its agent is told."""
    asked = _standing().where(LeaseGrant.device_id == device_id, LeaseGrant.until_ms > now_ms)
    slug = db.get_one(Device, device_id).slug
    return [_lease(each, slug) for each in db.exec(asked.execution_options(**_ANEW))]


def turns(db: Session, device_id: int, after_ms: int) -> Sequence[Turn]:
    """Those of a machine that end after `after_ms`."""
    asked = _standing().where(LeaseGrant.device_id == device_id, LeaseGrant.until_ms > after_ms)
    return [turn(each) for each in db.exec(asked.execution_options(**_ANEW))]


def all_turns(db: Session) -> Iterator[Turn]:
    """Every one there ever was, in the order of device and beginning."""
    asked = _standing().order_by(col(LeaseGrant.device_id), col(LeaseGrant.from_ms))
    return (turn(each) for each in db.exec(asked.execution_options(yield_per=1_000)))


def acknowledged(db: Session, booking: str, now_ms: int) -> bool:
    """Whether the agent's book has the grant as it is now, or the grant has run out."""
    told = and_(
        col(Agent.held_generation) == col(Installation.generation),
        col(Agent.held_number).between(col(LeaseGrant.book_number), col(Agent.book_number)),
    )
    asked = (
        select(LeaseGrant.id)
        .join(Agent, col(Agent.id) == LeaseGrant.agent_id)
        .join(Installation, col(Installation.id) == 1)
        .where(LeaseGrant.booking == booking, or_(col(LeaseGrant.until_ms) <= now_ms, told))
    )
    return db.exec(asked).first() is not None


def behind(db: Session) -> Sequence[Behind]:
    """All agents that are to be sent their book. One that never had a lease has an empty book, and need not know it."""
    its, ours = _AGENT.c, _INSTALLATION.c
    never_had_one = and_(its.book_number == 0, its.held_generation == 0, its.held_number == 0)
    holds_it = and_(its.held_generation == ours.generation, its.held_number == its.book_number)
    book = (ours.generation, its.book_number, its.held_generation, its.held_number)
    asked = (
        columns(its.id, its.school_id, its.name, its.lease_key, *book)
        .join(_INSTALLATION, ours.id == 1)
        .where(its.presence == Presence.ONLINE, its.revoked.is_(False), its.lease_key != "")
        .where(not_(never_had_one), not_(holds_it))
        .order_by(its.id)
    )
    return [Behind(agent_id, Address(school, name), *rest) for agent_id, school, name, *rest in db.execute(asked)]


def leases(db: Session, agent_ids: Collection[int], now_ms: int) -> Mapping[int, Sequence[Lease]]:
    """What belongs into the agents' books: by agent, in order, all that was granted and has not run out."""
    asked = (
        select(LeaseGrant, Device.slug)
        .join(Device, col(Device.id) == LeaseGrant.device_id)
        .where(col(LeaseGrant.agent_id).in_(agent_ids), col(LeaseGrant.revoked_ms).is_(None))
        .where(LeaseGrant.until_ms > now_ms)
        .order_by(col(LeaseGrant.from_ms), col(LeaseGrant.id))
    )
    found: dict[int, list[Lease]] = {}
    for each, slug in db.exec(asked):
        found.setdefault(each.agent_id, []).append(_lease(each, slug))
    return found


def overtake(db: Session, agent_id: int, held_number: int, now_ms: int) -> int:
    """Give the agent a book later than the one it holds, with all that still stands or was taken back; its number."""
    number = held_number + 1
    db.execute(
        update(Agent).where(col(Agent.id) == agent_id, col(Agent.book_number) < number).values(book_number=number)
    )
    db.execute(
        update(LeaseGrant)
        .where(col(LeaseGrant.agent_id) == agent_id, col(LeaseGrant.until_ms) > now_ms)
        .where(col(LeaseGrant.book_number) < number)
        .values(book_number=number)
    )
    return number


def _lease(grant: LeaseGrant, slug: str) -> Lease:
    return Lease(slug, grant.holder, grant.from_ms, grant.until_ms, grant.booking, grant.hazard, grant.supervised)


def _standing() -> SelectOfScalar[LeaseGrant]:
    return select(LeaseGrant).where(col(LeaseGrant.revoked_ms).is_(None))
