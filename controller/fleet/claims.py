"""An agent that the broker no longer lets in asks for new credentials by the key it has."""

from dataclasses import dataclass, field

from sqlmodel import Session, select

from contract.machine import surely_same
from contract.model import MAX_NAME
from controller.fleet.arrivals import Verdict
from controller.fleet.door_tables import Arrival, Stand, Twin
from controller.fleet.enrolment import (
    Bearings,
    Credentials,
    EnrolmentError,
    NotAdmitted,
    NotProven,
    instance_of,
    issue,
)
from controller.fleet.tables import Agent
from controller.fleet.waiting import has_room
from controller.identity import store


@dataclass(frozen=True, slots=True)
class Claim:
    """What an agent says whom the broker no longer lets in. `epoch` is that of its outbox."""

    school: str
    agent: str
    source: str
    key: str = field(repr=False)
    new_key: str = field(repr=False)
    machine: tuple[str, ...] = ()
    epoch: str = ""


class Claiming:
    """One claim, within one transaction: by the agent itself, or by one of its copies."""

    def __init__(self, db: Session, claim: Claim, now_ms: int, trusted: str) -> None:
        self._db = db
        self._claim = claim
        self._now_ms = now_ms
        self._trusted = trusted
        self._instance = instance_of(claim.key)

    def receive(self) -> Credentials | EnrolmentError:
        claim = self._claim
        wanted = select(Agent).where(Agent.school_id == claim.school, Agent.name == claim.agent).with_for_update()
        agent = self._db.exec(wanted).first()
        row = agent and self._claimed(agent)
        if isinstance(row, EnrolmentError):
            return row
        if row is None or row.revoked:
            return NotProven("nobody here has this name and key, or the agent was revoked")
        if row.doubled:
            return NotAdmitted("two computers live under this name; a person says on the page which one keeps it")
        made = issue(self._db, row, Bearings(instance_of(claim.new_key), claim.machine, self._trusted))
        self._audit("enrol-reclaim", str(made.address), f"came as {claim.agent}")
        return made

    def _claimed(self, agent: Agent) -> Agent | EnrolmentError | None:
        """Which agent that is: itself, or what one of its copies becomes. None: it has not the key."""
        same_key = (Twin.agent_id == agent.id, Twin.instance == self._instance)
        copies = self._db.exec(select(Twin).where(*same_key)).all()
        if agent.doubled or not copies:
            return agent if self._instance and agent.instance == self._instance else None
        copy = next((each for each in copies if each.epoch == self._claim.epoch), None) or next(
            (each for each in copies if surely_same(each.machine.split(), self._claim.machine)), None
        )
        if copy is None:
            return self._late(agent)
        if copy.becomes_id is None:
            copy.becomes_id = self._offspring(agent).id
            self._db.add(copy)
        return self._db.get(Agent, copy.becomes_id)

    def _late(self, agent: Agent) -> Agent | EnrolmentError | None:
        """A copy that nobody knew of when they were told apart; known by its parts, for each new key is another one."""
        if agent.revoked or not self._claim.machine:
            return None
        mark = instance_of(f"{self._claim.key} {' '.join(sorted(self._claim.machine))}")
        asked = select(Arrival).where(Arrival.school_id == agent.school_id, Arrival.instance == mark)
        arrival = self._db.exec(asked).first() or self._new_arrival(agent, mark)
        if arrival is None:
            return NotAdmitted("too many copies wait already; a person decides on the page of agents")
        arrival.seen_ms, arrival.address = self._now_ms, self._claim.source[:64]
        if arrival.stand == Stand.ADMITTED:
            arrival.agent_id, arrival.stand = self._offspring(agent).id, Stand.IN
        self._db.add(arrival)
        if arrival.stand == Stand.REFUSED:
            return NotAdmitted("a person said no on the page of agents; enrol this computer with a new token")
        if arrival.stand == Stand.WAITING:
            return NotAdmitted("a further copy of this agent; a person says on the page of agents what becomes of it")
        return self._db.get(Agent, arrival.agent_id)

    def _new_arrival(self, agent: Agent, mark: str) -> Arrival | None:
        if not has_room(self._db, agent.id or 0, self._now_ms):
            return None
        self._audit("enrol-wait", f"{agent.school_id}/{agent.name}", Verdict.COPIED)
        return Arrival(
            school_id=agent.school_id, token_id="", instance=mark, machine=" ".join(self._claim.machine),
            name=agent.name, why=Verdict.COPIED, stand=Stand.WAITING, agent_id=agent.id, came_ms=self._now_ms,
            seen_ms=self._now_ms,
        )  # fmt: skip

    def _offspring(self, agent: Agent) -> Agent:
        """A new agent in the same room, named after the one that it was split off from."""
        asked = select(Agent.name).where(Agent.school_id == agent.school_id)
        taken = set(self._db.exec(asked).all())
        names = (f"{agent.name[: MAX_NAME - 4]}-{number}" for number in range(2, 1_000))
        made = Agent(
            school_id=agent.school_id, name=next(each for each in names if each not in taken), room_id=agent.room_id
        )
        self._db.add(made)
        self._db.flush()
        return made

    def _audit(self, action: str, subject: str, detail: str) -> None:
        store.audit(
            self._db, self._now_ms, action, subject=subject, school_id=self._claim.school,
            address=self._claim.source, detail=detail,
        )  # fmt: skip
