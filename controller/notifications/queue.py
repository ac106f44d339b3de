"""Deliveries as a durable queue in a table: what is due, whose an attempt is, how it ends. The caller commits.

A table of deliveries has `state`, `due_ms`, `expires_ms`, `claimed_until_ms`, `attempts`, `result`, `ended_ms`, and
names the way it goes by (a channel, a webhook); a table of ways has `paced_until_ms`, `result` and `tried_ms`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, Table, and_, func, or_, select, update

from controller.notifications.states import NEXT, DeliveryState, Result

_S = DeliveryState


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose turn has come; its way's mark, when that was tried last (0: never), whether in vain."""

    id: int
    way_id: int
    paced_until_ms: int
    tried_ms: int
    in_vain: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """A delivery that an attempt was made at."""

    id: int
    way_id: int
    due_ms: int
    expires_ms: int
    attempts: int


class Queue:
    """The deliveries of one table, by the ways of another, which the column `way` names."""

    def __init__(self, deliveries: Table, ways: Table, way: str) -> None:
        self._deliveries = deliveries
        self._ways = ways
        self._way = way

    def due(self, connection: Connection, now_ms: int, limit: int, *, open_ms: int, in_vain: bool) -> Sequence[Due]:
        """What is to be tried now, what waits and what a crash left half done: of each way what was queued first, and
        of the ways those first that were tried longest ago, so that none has to wait for what another has waiting.

        Only ways whose mark is not above `open_ms`, that no attempt is under way on, and whose last attempt was
        `in_vain` or not.
        """
        it, way = self._deliveries.c, self._deliveries.c[self._way]
        other = self._deliveries.alias()
        ready = or_(
            and_(it.state == _S.WAITING, it.due_ms <= now_ms),
            and_(it.state == _S.SENDING, it.claimed_until_ms <= now_ms),
        )
        busy = select(other.c[self._way]).where(other.c.state == _S.SENDING, other.c.claimed_until_ms > now_ms)
        well = self._ways.c.result.in_(("", Result.SENT))
        first, tried_ms = func.min(it.id), func.coalesce(self._ways.c.tried_ms, 0)
        asked = (
            select(
                first.label("id"), self._ways.c.id.label("way_id"), self._ways.c.paced_until_ms, tried_ms.label("tried")
            )
            .join(self._ways, self._ways.c.id == way)
            .where(ready, way.not_in(busy), self._ways.c.paced_until_ms <= open_ms, ~well if in_vain else well)
            .group_by(self._ways.c.id)
            .order_by(tried_ms, first)
            .limit(limit)
        )
        rows = connection.execute(asked)
        return [Due(row.id, row.way_id, row.paced_until_ms, row.tried, in_vain) for row in rows]

    def claim(self, connection: Connection, each: Due, *, mark_ms: int, now_ms: int, until_ms: int) -> bool:
        """Begin an attempt: until `until_ms` it is the caller's alone. False if somebody else has begun one."""
        it = self._deliveries.c
        ready = or_(it.state == _S.WAITING, and_(it.state == _S.SENDING, it.claimed_until_ms <= now_ms))
        taken = connection.execute(
            update(self._deliveries)
            .where(it.id == each.id, ready)
            .values(state=_S.SENDING, claimed_until_ms=until_ms, attempts=it.attempts + 1)
        )
        if _count(taken) == 0:
            return False
        connection.execute(update(self._ways).where(self._ways.c.id == each.way_id).values(paced_until_ms=mark_ms))
        return True

    def pace(self, connection: Connection, way_id: int, was_ms: int, mark_ms: int) -> bool:
        """Use a way outside of the queue; False if it was used at this moment."""
        mine = and_(self._ways.c.id == way_id, self._ways.c.paced_until_ms == was_ms)
        return _count(connection.execute(update(self._ways).where(mine).values(paced_until_ms=mark_ms))) == 1

    def tried(self, connection: Connection, delivery_id: int) -> Tried:
        it = self._deliveries.c
        asked = select(it.id, it[self._way].label("way_id"), it.due_ms, it.expires_ms, it.attempts)
        row = connection.execute(asked.where(it.id == delivery_id)).one()
        return Tried(row.id, row.way_id, row.due_ms, row.expires_ms, row.attempts)

    def settle(self, connection: Connection, delivery_id: int, after: DeliveryState, **values: Any) -> None:
        """End an attempt. Nothing happens if it has ended otherwise meanwhile."""
        if after not in NEXT[_S.SENDING]:
            raise ValueError(f"no attempt ends in {after}")
        mine = and_(self._deliveries.c.id == delivery_id, self._deliveries.c.state == _S.SENDING)
        ended = {"state": after.value, "claimed_until_ms": None} | values
        connection.execute(update(self._deliveries).where(mine).values(ended))

    def note_result(self, connection: Connection, way_id: int, result: str, now_ms: int) -> None:
        """What came of the last attempt, for whose way it is."""
        connection.execute(update(self._ways).where(self._ways.c.id == way_id).values(result=result, tried_ms=now_ms))

    def give_up(self, connection: Connection, now_ms: int) -> int:
        """End what was tried for long enough; how many. The reason of the last attempt stays."""
        it = self._deliveries.c
        abandoned = and_(it.state == _S.SENDING, it.claimed_until_ms <= now_ms)
        late = and_(or_(it.state == _S.WAITING, abandoned), it.expires_ms <= now_ms)
        if connection.execute(select(it.id).where(late).limit(1)).first() is None:
            return 0  # it is asked every two seconds: no write lock for nothing
        end = update(self._deliveries)
        tried = end.where(late, it.result != "").values(state=_S.FAILED, ended_ms=now_ms)
        never = end.where(late).values(state=_S.FAILED, ended_ms=now_ms, result=Result.TOO_LATE)
        return _count(connection.execute(tried)) + _count(connection.execute(never))


def _count(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
