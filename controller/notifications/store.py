"""Every query of bulletins, channels, choices and deliveries. The caller commits."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Row,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import true as everything
from sqlmodel import Session, col
from sqlmodel import select as rows

from controller.notifications.queue import Queue
from controller.notifications.states import DeliveryState, Result
from controller.notifications.tables import Bulletin, Channel, Choice, Delivery, ZaloTokens
from controller.scope import Scope

_BULLETIN: Table = Bulletin.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_CHANNEL: Table = Channel.__table__  # type: ignore[attr-defined]
_DELIVERY: Table = Delivery.__table__  # type: ignore[attr-defined]
_S = DeliveryState


# settings


def channels(db: Session, user_ids: Collection[str]) -> Sequence[Channel]:
    """Those that are in use, in the order in which they were added."""
    asked = rows(Channel).where(col(Channel.user_id).in_(user_ids), col(Channel.removed_ms).is_(None))
    return db.exec(asked.order_by(col(Channel.id))).all()


def channel(db: Session, channel_id: int) -> Channel | None:
    """One that is in use."""
    found = db.get(Channel, channel_id)
    return found if found is not None and found.removed_ms is None else None


def remove(db: Session, removed: Channel, now_ms: int) -> None:
    """Its secrets are forgotten at once, and what waited for it is dropped."""
    removed.removed_ms, removed.sealed = now_ms, ""
    db.add(removed)
    db.execute(
        update(_DELIVERY)
        .where(_DELIVERY.c.channel_id == removed.id, _DELIVERY.c.state == _S.WAITING)
        .values(state=_S.DROPPED, result=Result.REMOVED, ended_ms=now_ms)
    )


def choices(db: Session, user_ids: Collection[str]) -> Mapping[str, Choice]:
    return {each.user_id: each for each in db.exec(rows(Choice).where(col(Choice.user_id).in_(user_ids)))}


def tokens(db: Session, account: str) -> ZaloTokens | None:
    return db.get(ZaloTokens, account)


# spreading


def unspread(db: Session, limit: int) -> Sequence[Bulletin]:
    """Bulletins of which no deliveries were made yet, the oldest first."""
    asked = rows(Bulletin).where(col(Bulletin.spread_ms).is_(None)).order_by(col(Bulletin.id))
    return db.exec(asked.limit(limit)).all()


def take_to_spread(connection: Connection, bulletin_id: int, now_ms: int) -> bool:
    """Of several who would, one is told True; the others wait for its commit."""
    mine = and_(_BULLETIN.c.id == bulletin_id, _BULLETIN.c.spread_ms.is_(None))
    return _count(connection.execute(update(_BULLETIN).where(mine).values(spread_ms=now_ms))) == 1


def was_sent(connection: Connection, channel_id: int, key: str, since_ms: int) -> bool:
    """Whether the same news is on its way there, or went, since then."""
    same = (_DELIVERY.c.channel_id == channel_id) & (_DELIVERY.c.key == key) & (_DELIVERY.c.created_ms >= since_ms)
    return connection.execute(select(_DELIVERY.c.id).where(same).limit(1)).first() is not None


def add_delivery(connection: Connection, added: Delivery) -> None:
    connection.execute(insert(_DELIVERY), added.model_dump(exclude={"id"}))


# sending


QUEUE: Final = Queue(_DELIVERY, _CHANNEL, "channel_id")
"""Deliveries on their way through channels."""


def forget(connection: Connection, before_ms: int) -> None:
    """Remove what ended before, and bulletins that nothing is left of."""
    connection.execute(delete(_DELIVERY).where(_DELIVERY.c.ended_ms < before_ms))
    used = select(_DELIVERY.c.bulletin_id)
    old = and_(_BULLETIN.c.at_ms < before_ms, _BULLETIN.c.spread_ms.is_not(None), _BULLETIN.c.id.not_in(used))
    connection.execute(delete(_BULLETIN).where(old))


# looking


def health(connection: Connection, scope: Scope, since_ms: int) -> tuple[Mapping[DeliveryState, int], int | None]:
    """How many wait and are being sent, and how many ended since then; and since when the oldest waits that is due."""
    asked = (
        select(_DELIVERY.c.state, func.count().label("number"), func.min(_DELIVERY.c.due_ms).label("oldest"))
        .where(_covered(scope), or_(_DELIVERY.c.ended_ms.is_(None), _DELIVERY.c.ended_ms >= since_ms))
        .group_by(_DELIVERY.c.state)
    )
    found = {row.state: row for row in connection.execute(asked)}
    counts = {state: found[state].number if state in found else 0 for state in DeliveryState}
    return counts, found[_S.WAITING].oldest if _S.WAITING in found else None


def history(connection: Connection, whose: ColumnElement[bool], limit: int) -> Sequence[Row[Any]]:
    """Deliveries with what they tell of and their channel's kind and hint, the newest first."""
    asked = (
        select(
            _DELIVERY,
            _BULLETIN.c.kind.label("news"),
            _BULLETIN.c.subject,
            _CHANNEL.c.kind.label("channel"),
            _CHANNEL.c.hint,
            _CHANNEL.c.removed_ms,
        )
        .join(_BULLETIN, _BULLETIN.c.id == _DELIVERY.c.bulletin_id)
        .join(_CHANNEL, _CHANNEL.c.id == _DELIVERY.c.channel_id)
        .where(whose)
    )
    return connection.execute(asked.order_by(_DELIVERY.c.id.desc()).limit(limit)).all()


def of_user(user_id: str) -> ColumnElement[bool]:
    return _DELIVERY.c.user_id == user_id


def troubled(scope: Scope) -> ColumnElement[bool]:
    """What failed, and what waits for another attempt."""
    again = and_(_DELIVERY.c.state == _S.WAITING, _DELIVERY.c.attempts > 0)
    return and_(_covered(scope), or_(_DELIVERY.c.state == _S.FAILED, again))


def retry(connection: Connection, scope: Scope, delivery_id: int | None, now_ms: int, expires_ms: int) -> int:
    """Have what failed, one or all of the scope, tried again; how many. Channels that are gone stay as they are."""
    alive = select(_CHANNEL.c.id).where(_CHANNEL.c.removed_ms.is_(None))
    mine = and_(_covered(scope), _DELIVERY.c.state == _S.FAILED, _DELIVERY.c.channel_id.in_(alive))
    if delivery_id is not None:
        mine = and_(mine, _DELIVERY.c.id == delivery_id)
    again = {"state": _S.WAITING, "due_ms": now_ms, "expires_ms": expires_ms, "attempts": 0, "ended_ms": None}
    return _count(connection.execute(update(_DELIVERY).where(mine).values(again)))


def _covered(scope: Scope) -> ColumnElement[bool]:
    return everything() if scope.school_id is None else _DELIVERY.c.school_id == scope.school_id


def _count(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
