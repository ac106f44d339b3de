"""Every query of found things. The caller commits."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_row

from contract.found import Found
from controller.fleet.tables import Agent
from controller.found.states import FoundState
from controller.found.tables import FoundThing
from controller.scope import Scope

MOST: Final = 500
"""Rows of one agent; beyond that the waiting things that are gone for longest are forgotten."""
MOST_SHOWN: Final = 400
_FOUND: Table = FoundThing.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


def hear(
    connection: Connection,
    agent_id: int,
    school_id: str,
    told: Sequence[Found],
    now_ms: int,
    *,
    wanted: Callable[[], Collection[str]],
) -> None:
    """What an agent sees now. What it sees no more is gone, and stays known.

    `wanted` are the devices that were adopted for it: what was adopted and is wanted no more waits again.
    """
    rows = {row.key: row for row in connection.execute(select(_FOUND).where(_FOUND.c.agent_id == agent_id))}
    for each in told:
        values = {
            "name": each.name,
            "identity": each.identity,
            "clues": [asdict(clue) for clue in each.clues],
            "candidates": [asdict(candidate) for candidate in each.candidates],
            "seen_ms": now_ms,
            "gone_ms": None,
        }
        if each.key in rows:
            if rows[each.key].state == FoundState.ADOPTED and rows[each.key].slug not in wanted():
                values["state"] = FoundState.WAITING
            connection.execute(update(_FOUND).where(_FOUND.c.id == rows[each.key].id).values(values))
        else:
            new = {"agent_id": agent_id, "school_id": school_id, "key": each.key, "first_ms": now_ms}
            blank = {"state": FoundState.WAITING, "slug": "", "reason": "", "by_id": "", "decided_ms": 0}
            connection.execute(insert(_FOUND).values(values | new | blank))
    there = {each.key for each in told}
    gone = [row.id for key, row in rows.items() if key not in there and row.gone_ms is None]
    if gone:
        connection.execute(update(_FOUND).where(_FOUND.c.id.in_(gone)).values(gone_ms=now_ms))
    if len(rows) + len(told) > MOST:
        _forget(connection, agent_id)


def _forget(connection: Connection, agent_id: int) -> None:
    mine = _FOUND.c.agent_id == agent_id
    many = connection.execute(select(func.count()).where(mine)).scalar_one() - MOST
    if many <= 0:
        return
    idle = (mine, _FOUND.c.state == FoundState.WAITING, _FOUND.c.gone_ms.is_not(None))
    oldest = connection.execute(select(_FOUND.c.id).where(*idle).order_by(_FOUND.c.gone_ms).limit(many)).scalars()
    connection.execute(delete(_FOUND).where(_FOUND.c.id.in_(list(oldest))))


def things(db: Session, scope: Scope) -> Sequence[FoundThing]:
    """All of agents that are not revoked, the last found first."""
    asked = select_row(FoundThing).join(Agent, col(Agent.id) == col(FoundThing.agent_id))
    asked = asked.where(col(Agent.revoked).is_(False)).order_by(col(FoundThing.first_ms).desc(), col(FoundThing.id))
    if scope.school_id is not None:
        asked = asked.where(FoundThing.school_id == scope.school_id)
    return db.exec(asked.limit(MOST_SHOWN * 4)).all()


def thing(db: Session, scope: Scope, thing_id: int) -> FoundThing | None:
    row = db.get(FoundThing, thing_id, with_for_update=True)
    return row if row is not None and scope.covers(row.school_id) else None


def alike(db: Session, row: FoundThing) -> Sequence[FoundThing]:
    """Others of the cluster with its identity, which were adopted."""
    if not row.identity:
        return ()
    asked = select_row(FoundThing).where(
        FoundThing.identity == row.identity, FoundThing.state == FoundState.ADOPTED, FoundThing.id != row.id
    )
    return db.exec(asked.order_by(col(FoundThing.decided_ms).desc())).all()
