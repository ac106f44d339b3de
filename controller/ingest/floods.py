"""An agent that says far too much is cut off at the broker, and let in again by a person."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, select

from contract.topics import Address
from controller.fleet.tables import Agent
from controller.identity.store import audit
from controller.ingest.tables import StoredEvent
from controller.scope import Scope

FLOODING: Final = "agent-flooding"
"""Kind of the event, and action in the audit log."""
READMITTED: Final = "agent-readmitted"


class NotCutOff(Exception):
    """There is no such agent in this scope, or it may connect anyway."""


class Floods:
    """`admit` has the broker follow the table at once; `changed` is told whose row is another one."""

    def __init__(
        self, engine: Engine, now_ms: Callable[[], int], admit: Callable[[], None], changed: Callable[[int], None]
    ) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._admit = admit
        self._changed = changed

    def cut_off(self, address: Address) -> bool:
        """Whether it was in. Its credentials are good again once it is readmitted; what it holds, it keeps."""
        now_ms = self._now_ms()
        with Session(self._engine) as db:
            asked = select(Agent).where(Agent.school_id == address.school, Agent.name == address.agent)
            agent = db.exec(asked.with_for_update()).first()
            if agent is None or agent.id is None or agent.revoked:
                return False
            agent_id, agent.revoked, agent.flooded_ms = agent.id, True, now_ms
            db.add(agent)
            self._tell(db, agent, FLOODING, now_ms)
            audit(db, now_ms, FLOODING, subject=str(address), school_id=address.school)
            db.commit()
        self._admit()
        self._changed(agent_id)
        return True

    def readmit(self, scope: Scope, agent_id: int, actor: str, source: str) -> Address:
        """Let an agent in again that was cut off. Raises NotCutOff."""
        now_ms = self._now_ms()
        with Session(self._engine) as db:
            agent = db.exec(select(Agent).where(Agent.id == agent_id).with_for_update()).first()
            if agent is None or agent.flooded_ms is None or not scope.covers(agent.school_id):
                raise NotCutOff(f"agent {agent_id} was not cut off")
            address = Address(agent.school_id, agent.name)
            agent.revoked, agent.flooded_ms = False, None
            db.add(agent)
            self._tell(db, agent, READMITTED, now_ms)
            audit(db, now_ms, READMITTED, actor=actor, subject=str(address), school_id=address.school, address=source)
            db.commit()
        self._admit()
        self._changed(agent_id)
        return address

    def _tell(self, db: Session, agent: Agent, kind: str, now_ms: int) -> None:
        db.add(
            StoredEvent(school_id=agent.school_id, agent_id=agent.id or 0, kind=kind, at_ms=now_ms, received_ms=now_ms)
        )
