"""Who waits at the door for a person's word on one agent: a line that is bounded, and forgets who went away."""

from typing import Final

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from controller.fleet.door_tables import Arrival, Stand

MOST_WAITING: Final = 40
"""Copies of one image may be as many as a room has computers; whoever makes up keys makes no longer a line."""
GONE_MS: Final = 10 * 60_000
"""Whoever waits asks at least every five minutes."""


def has_room(db: Session, agent_id: int, now_ms: int) -> bool:
    """Whether one more may wait for a word on this agent; those are forgotten who do not ask any more."""
    waits = (col(Arrival.agent_id) == agent_id, col(Arrival.stand) == Stand.WAITING)
    db.execute(delete(Arrival).where(*waits, col(Arrival.seen_ms) < now_ms - GONE_MS))
    return db.exec(select(func.count(col(Arrival.id))).where(*waits)).one() < MOST_WAITING
