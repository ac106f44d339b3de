"""Takes configurations to their agents: at once when they are new, and again until the agent says what became of it."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contract.messages import Config
from contract.topics import Address
from controller.desired import store
from controller.desired.store import Behind
from controller.fleet.tables import Agent
from controller.ingest.turn import generation

FOLLOW_MS: Final = 10_000
"""So often it is looked whether an agent came or went to another room, and so inherits something else."""
RESEND_MS: Final = 10_000
"""A configuration that is not answered is sent again after so long to an agent that is there."""
_MOST: Final = 2**40
"""No agent was ever given so many; one that says so is not believed."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sent:
    generation: int
    number: int
    at_ms: int


class ConfigPost:
    """Safe to use from any thread. What it remembers of what was sent, a restart may forget."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._sent: dict[int, _Sent] = {}
        self._followed_ms: int | None = None

    def connected(self) -> None:
        """To a broker that may have lost what it kept: all that is not answered goes out again."""
        with self._lock:
            self._sent.clear()

    def due(self) -> Sequence[tuple[Address, Config]]:
        """What is to be published now, retained. Raises SQLAlchemyError."""
        now_ms = self._now_ms()
        with self._lock, Session(self._engine) as db:
            self._follow(db, now_ms)
            life = generation(db.connection())
            behind = store.behind(db)
            numbers = {each.agent_id: self._number(db, each, life) for each in behind}
            db.commit()
            due = {each.agent_id: each for each in behind if self._is_due(each, life, numbers[each.agent_id], now_ms)}
            agents = db.exec(select(Agent).where(col(Agent.id).in_(due))).all() if due else ()
            found = store.configs(db, agents, numbers) if agents else {}
            still = {each.agent_id for each in behind}
            self._sent = {agent_id: sent for agent_id, sent in self._sent.items() if agent_id in still}
            self._sent |= {agent_id: _Sent(life, numbers[agent_id], now_ms) for agent_id in found}
        return [(due[agent_id].address, config) for agent_id, config in found.items()]

    def _follow(self, db: Session, now_ms: int) -> None:
        """Number what agents inherit since they were enrolled or moved; nobody waits while there is nothing to do."""
        if self._followed_ms is not None and 0 <= now_ms - self._followed_ms < FOLLOW_MS:
            return
        self._followed_ms = now_ms
        asked = select(Agent).where(col(Agent.revoked).is_(False)).order_by(col(Agent.id))
        if store.anything_wanted(db) and store.out_of_step(db, db.exec(asked).all()):
            db.rollback()
            store.begin(db.connection())
            store.renumber(db, db.exec(asked).all(), now_ms)
        db.commit()

    def _number(self, db: Session, agent: Behind, life: int) -> int:
        """Its newest number; later than one it speaks of and we do not know, from a database that was put back."""
        said_life, said = agent.said
        if said_life == life and agent.number < said < _MOST:
            _log.warning("%s has a later configuration than this database: was it put back by hand?", agent.address)
            store.overtake(db, agent, said + 1, self._now_ms())
            return said + 1
        return agent.number

    def _is_due(self, agent: Behind, life: int, number: int, now_ms: int) -> bool:
        sent = self._sent.get(agent.agent_id)
        if sent is None or (sent.generation, sent.number) != (life, number):
            return True
        return agent.online and not 0 <= now_ms - sent.at_ms < RESEND_MS  # the clock may have been set back
