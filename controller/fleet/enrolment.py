"""How an agent becomes one of the fleet: a one-time token, then a password at the broker and a key for its leases."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine, delete
from sqlmodel import Session, col, select

from contract.model import check_name
from contract.topics import Address
from controller.broker.access import BrokerUser, hash_password, mosquitto_hash, new_password, user_name
from controller.fleet.tables import Agent, Renewal, Room, School


class EnrolmentError(Exception):
    """The agent was not added; its leaves say what to do."""


class TokenRefused(EnrolmentError):
    """The token is unknown, used up, expired or ended: ask for a new one."""


class NotAdmitted(EnrolmentError):
    """A person said no, or nobody has said yes yet: look at the page of agents."""


class NotProven(NotAdmitted):
    """Nobody has that name and key, or the agent was revoked: it proves nothing, and there is nothing to wait for."""


class NameTaken(EnrolmentError):
    """The school has an agent of this name: choose another name, or have the old one replaced."""


class CopiedIdentity(EnrolmentError):
    """The key belongs to another computer: forget it, make a new one, and ask again."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an agent signs in with and checks its lease books by. Told once; `lease_key` is hexadecimal.

    `place` (0 to 1) is when it comes back after the whole fleet was cut off.
    """

    address: Address
    user: str
    password: str = field(repr=False)
    lease_key: str = field(repr=False)
    number: int = 0
    place: float = 0.0


@dataclass(frozen=True, slots=True)
class Bearings:
    """What an agent is known by from now on: the digest of its key, and the facts of its computer.

    `trusted` is the fingerprint of the newest authority that it is told to trust; empty: it is told none now.
    """

    instance: str = ""
    machine: tuple[str, ...] = ()
    trusted: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A school, and a room in it by slug (empty: none yet). Names are for what does not exist yet."""

    school: str
    room: str = ""
    school_name: str = ""
    school_short: str = ""
    room_name: str = ""


NO_BEARINGS: Final = Bearings()
_GOLDEN: Final = (5**0.5 - 1) / 2


def instance_of(key: str) -> str:
    """What is kept of a key; it is what agents call themselves in their status."""
    return hashlib.sha256(key.encode()).hexdigest()[:32] if key else ""


def enrol(engine: Engine, place: Place, agent: str, *, replace: bool = False) -> Credentials:
    """Add an agent, with its school and room if they are new. Raises NameTaken unless `replace`, ContractError.

    A running controller lets it in within `controller.main.FOLLOW_S` seconds.
    """
    with Session(engine) as db:
        credentials = add_agent(db, place, agent, replace=replace)
        db.commit()
    return credentials


def add_agent(
    db: Session, place: Place, agent: str, *, replace: bool = False, bearings: Bearings = NO_BEARINGS
) -> Credentials:
    """As `enrol`, in a transaction of the caller's."""
    room_id = ensure_place(db, place)
    found = db.exec(select(Agent).where(Agent.school_id == place.school, Agent.name == agent)).first()
    if found is not None and not replace:
        raise NameTaken(f"{place.school} has an agent {agent} already")
    row = found or Agent(school_id=place.school, name=agent)
    row.room_id = room_id if room_id is not None else row.room_id
    return issue(db, row, bearings)


def issue(db: Session, row: Agent, bearings: Bearings) -> Credentials:
    """New credentials for an agent; those that it had are worth nothing any more, handed over or not.

    They are as good as those that it was asked to fetch.
    """
    address = Address(row.school_id, row.name)
    password, lease_key = new_password(), secrets.token_hex(32)
    void(db, row, password)
    row.lease_key, row.revoked, row.flooded_ms = lease_key, False, None
    row.wanted_number, row.trusted = row.login_number, bearings.trusted
    row.instance, row.machine = bearings.instance, " ".join(bearings.machine)
    db.add(row)
    db.flush()
    number = row.login_number
    return Credentials(address, user_name(address, number), password, lease_key, number, place_of(row.id or 0))


def void(db: Session, row: Agent, password: str) -> None:
    """None but `password` lets the agent in from now on: what it had ends, and what it was handed and has not used."""
    row.password_hash = hash_password(password) if password else ""
    row.mosquitto_hash = mosquitto_hash(password) if password else ""
    if row.id is not None:
        db.execute(delete(Renewal).where(col(Renewal.agent_id) == row.id))


def place_of(agent_id: int) -> float:
    """Agents one after the other are far apart: multiples of the golden ratio fill 0 to 1 evenly, however many."""
    return round(agent_id * _GOLDEN % 1, 4)


def ensure_place(db: Session, place: Place) -> int | None:
    """Make school and room if they are not there; the room's id, None if no room is wanted. Raises ContractError."""
    check_name(place.school, "school")
    if db.get(School, place.school) is None:
        db.add(School(id=place.school, name=place.school_name or place.school, short=place.school_short))
        db.flush()
    if not place.room:
        return None
    check_name(place.room, "room")
    room = db.exec(select(Room).where(Room.school_id == place.school, Room.slug == place.room)).first()
    if room is None:
        room = Room(school_id=place.school, slug=place.room, name=place.room_name or place.room)
        db.add(room)
        db.flush()
    return room.id


def broker_users(engine: Engine) -> list[BrokerUser]:
    """Every agent that may connect, twice while it has not used its new credentials."""
    with Session(engine) as db:
        asked = select(Agent, Renewal).join(Renewal, col(Renewal.agent_id) == Agent.id, isouter=True)
        allowed = asked.where(col(Agent.revoked).is_(False), Agent.password_hash != "").order_by(col(Agent.id))
        users = []
        for row, renewal in db.exec(allowed):
            address = Address(row.school_id, row.name)
            users.append(BrokerUser(address, row.password_hash, row.mosquitto_hash, row.login_number))
            if renewal is not None and renewal.number != row.login_number:
                users.append(BrokerUser(address, renewal.password_hash, renewal.mosquitto_hash, renewal.number))
        return users
