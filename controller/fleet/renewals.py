"""New credentials for agents that are in the fleet: handed over, used for the first time, and then the old ones end."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from contract.topics import Address
from controller.broker.access import hash_password, mosquitto_hash, new_password, user_name
from controller.fleet.tables import Agent, Renewal
from controller.identity.store import audit

_AGENT: Table = Agent.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_RENEWAL: Table = Renewal.__table__  # type: ignore[attr-defined]


class NotWanted(Exception):
    """The agent is not to have credentials of this number: it has them, or another number is wanted."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """All that an agent needs from now on. Told once.

    `authority` is PEM, empty if it goes on trusting whom it trusts. `lease_key` is hexadecimal.
    """

    number: int
    user: str
    password: str = field(repr=False)
    lease_key: str = field(repr=False)
    authority: str


@dataclass(frozen=True, slots=True)
class Authorities:
    """Whom agents are to trust now, PEM, and the fingerprint of the newest of them. Both empty: not our matter."""

    pem: str = ""
    newest: str = ""


class Renewals:
    """`admit` has the embedded broker follow the table at once; an external one does when its files are made anew."""

    def __init__(
        self,
        engine: Engine,
        now_ms: Callable[[], int],
        *,
        admit: Callable[[], None],
        authorities: Callable[[], Authorities],
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._admit = admit
        self._authorities = authorities

    def hand_over(self, agent_id: int, number: int) -> Renewed:
        """Make credentials of that number; those handed over and unused before end. Raises NotWanted.

        They are good at the broker when this returns; the old ones are until the agent says that it uses the new.
        """
        authorities, now_ms = self._authorities(), self._now_ms()
        password, lease_key = new_password(), secrets.token_hex(32)
        with Session(self._engine) as db:
            agent = db.exec(select_rows(Agent).where(Agent.id == agent_id).with_for_update()).one()
            if number != _wanted(agent, authorities.newest):
                raise NotWanted(f"credentials {number} are not what this agent is to have")
            address = Address(agent.school_id, agent.name)
            db.merge(
                Renewal(
                    agent_id=agent_id,
                    school_id=agent.school_id,
                    number=number,
                    password_hash=hash_password(password),
                    mosquitto_hash=mosquitto_hash(password),
                    lease_key=lease_key,
                    trusted=authorities.newest,
                    at_ms=now_ms,
                )
            )
            audit(
                db, now_ms, "credentials-handed", subject=str(address), school_id=agent.school_id, detail=str(number)
            )  # fmt: skip
            db.commit()
        self._admit()
        return Renewed(number, user_name(address, number), password, lease_key, authorities.pem)

    def wanted(self) -> Mapping[Address, int]:
        """Who is to fetch new credentials, and of which number."""
        newest = self._authorities().newest
        with Session(self._engine) as db:
            asked = select_rows(Agent).where(col(Agent.revoked).is_(False), Agent.password_hash != "")
            behind = list(db.exec(asked.where(_behind(newest))))
        return {Address(agent.school_id, agent.name): _wanted(agent, newest) for agent in behind}

    def all_trust(self, fingerprint: str) -> bool:
        """Whether every agent that may connect was told to trust this authority and has shown that it heard it."""
        with Session(self._engine) as db:
            asked = select_rows(Agent.id).where(col(Agent.revoked).is_(False), Agent.password_hash != "")
            return db.exec(asked.where(Agent.trusted != fingerprint)).first() is None


def ask(db: Session, now_ms: int, school: str = "", agent: str = "") -> int:
    """Have agents renew their credentials, all or those of a school, or one; how many. In the caller's transaction."""
    asked = select_rows(Agent).where(col(Agent.revoked).is_(False), Agent.password_hash != "")
    if school:
        asked = asked.where(Agent.school_id == school)
    if agent:
        asked = asked.where(Agent.name == agent)
    found = db.exec(asked).all()
    for each in found:
        handed = db.get(Renewal, each.id)
        each.wanted_number = max(each.login_number, handed.number if handed else 0) + 1
        db.add(each)
    scope = f"{school or '*'}/{agent or '*'}"
    audit(db, now_ms, "credentials-asked", subject=scope, school_id=school or None, detail=f"{len(found)} agents")
    return len(found)


def used(connection: Connection, agent_id: int, number: int) -> bool:
    """The agent is connected with credentials of this number: those before end. Whether that was news.

    Its lease book counts as another one, so that it is signed and sent anew.
    """
    row = connection.execute(
        select(_RENEWAL).where(_RENEWAL.c.agent_id == agent_id, _RENEWAL.c.number == number)
    ).one_or_none()
    if row is None:
        return False
    connection.execute(delete(_RENEWAL).where(_RENEWAL.c.agent_id == agent_id))
    number_now = _AGENT.c.book_number
    connection.execute(
        update(_AGENT)
        .where(_AGENT.c.id == agent_id)
        .values(
            login_number=number,
            password_hash=row.password_hash,
            mosquitto_hash=row.mosquitto_hash,
            lease_key=row.lease_key,
            trusted=row.trusted,
        )
    )
    connection.execute(update(_AGENT).where(_AGENT.c.id == agent_id, number_now > 0).values(book_number=number_now + 1))
    return True


def _behind(newest: str) -> ColumnElement[bool]:
    behind = col(Agent.wanted_number) > col(Agent.login_number)
    return behind | (col(Agent.trusted) != newest) if newest else behind


def _wanted(agent: Agent, newest: str) -> int:
    """The number of the credentials that an agent is to have; the one it has if that is good."""
    if agent.wanted_number > agent.login_number:
        return agent.wanted_number
    return agent.login_number + 1 if newest and agent.trusted != newest else agent.login_number
