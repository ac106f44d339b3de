"""How an agent becomes one of the fleet: a one-time token, then a password at the broker and a key for its leases."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine, delete
from sqlmodel import Session, col, select

from contract.model import check_name
from contract.topics import Address
from controller.broker.access import BrokerUser, hash_password, mosquitto_hash, new_password, user_name
from controller.fleet import renewals
from controller.fleet.tables import Agent, Renewal, Room, School
from controller.identity import store


class EnrolmentError(Exception):
    """The agent was not added; its leaves say what to do."""


class TokenRefused(EnrolmentError):
    """The token is unknown, used up or expired: ask for a new one."""


class NameTaken(EnrolmentError):
    """The school has an agent of this name: choose another name, or have the old one replaced."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an agent signs in with and checks its lease books by. Told once; `lease_key` is hexadecimal."""

    address: Address
    user: str
    password: str = field(repr=False)
    lease_key: str = field(repr=False)
    number: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A school, and a room in it by slug (empty: none yet). Names are for what does not exist yet."""

    school: str
    room: str = ""
    school_name: str = ""
    school_short: str = ""
    room_name: str = ""


def enrol(engine: Engine, place: Place, agent: str, *, replace: bool = False) -> Credentials:
    """Add an agent, with its school and room if they are new. Raises NameTaken unless `replace`, ContractError.

    A running controller lets it in within `controller.main.FOLLOW_S` seconds.
    """
    with Session(engine) as db:
        credentials = add_agent(db, place, agent, replace=replace)
        db.commit()
    return credentials


def add_agent(db: Session, place: Place, agent: str, *, replace: bool = False) -> Credentials:
    """As `enrol`, in a transaction of the caller's."""
    address = Address(place.school, agent)
    room_id = ensure_place(db, place)
    password, lease_key = new_password(), secrets.token_hex(32)
    found = db.exec(select(Agent).where(Agent.school_id == place.school, Agent.name == agent)).first()
    if found is not None and not replace:
        raise NameTaken(f"{place.school} has an agent {agent} already")
    row = found or Agent(school_id=place.school, name=agent)
    row.room_id = room_id if room_id is not None else row.room_id
    row.password_hash, row.mosquitto_hash = hash_password(password), mosquitto_hash(password)
    row.lease_key, row.revoked, row.flooded_ms = lease_key, False, None
    db.add(row)
    db.flush()
    db.execute(delete(Renewal).where(col(Renewal.agent_id) == row.id))
    return Credentials(address, user_name(address, row.login_number), password, lease_key, row.login_number)


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


class Enrolment:
    """The door for new agents. `admit` has the broker follow the table at once.

    `trusted` is the fingerprint of the newest authority that they are told to trust.
    """

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        admit: Callable[[], None],
        trusted: Callable[[], str] = lambda: "",
    ) -> None:
        self._engine = engine
        self._trusted = trusted
        self._now_ms = now_ms
        self._admit = admit

    def by_token(self, token: str, agent: str, source: str) -> Credentials:
        """Take one use of a token and add the agent where the token says. Raises TokenRefused, NameTaken."""
        now = self._now_ms()
        with Session(self._engine) as db:
            used = store.use_enrol_token(db, token, now)
            if used is None:
                store.audit(db, now, "enrol-refused", subject=agent, address=source)
                db.commit()
                raise TokenRefused("this token is unknown, used up or expired")
            credentials = add_agent(db, Place(used.school_id, used.room), agent)
            renewals.told(db, credentials.address, self._trusted())
            store.audit(
                db, now, "enrol", subject=str(credentials.address), school_id=used.school_id,
                address=source, detail=f"token {used.id}",
            )  # fmt: skip
            db.commit()
        self._admit()
        return credentials
