"""Every query of webhooks, their events and deliveries. The caller commits."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Row, Table, and_, delete, insert, select, update
from sqlmodel import Session, col
from sqlmodel import select as rows

from controller.notifications.queue import Queue
from controller.notifications.states import DeliveryState, Result
from controller.webhooks.kinds import LIVE
from controller.webhooks.tables import Webhook, WebhookDelivery, WebhookEvent, WebhookWatch
from controller.webhooks.watch import Change, Note

_HOOK: Final[Table] = Webhook.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_EVENT: Final[Table] = WebhookEvent.__table__  # type: ignore[attr-defined]
_DELIVERY: Final[Table] = WebhookDelivery.__table__  # type: ignore[attr-defined]
_WATCH: Final[Table] = WebhookWatch.__table__  # type: ignore[attr-defined]
_S = DeliveryState
QUEUE: Final = Queue(_DELIVERY, _HOOK, "webhook_id")
"""Deliveries on their way to webhooks."""


def hooks(db: Session, school_id: str) -> Sequence[Webhook]:
    """Those of a school that are in use, in the order in which they were added."""
    asked = rows(Webhook).where(Webhook.school_id == school_id, col(Webhook.removed_ms).is_(None))
    return db.exec(asked.order_by(col(Webhook.id))).all()


def hook(db: Session, hook_id: int) -> Webhook | None:
    """One that is in use."""
    found = db.get(Webhook, hook_id)
    return found if found is not None and found.removed_ms is None else None


def remove(db: Session, removed: Webhook, now_ms: int) -> None:
    """Its address and secret are forgotten at once, and what waited for it is dropped."""
    removed.removed_ms, removed.sealed = now_ms, ""
    db.add(removed)
    db.execute(
        update(_DELIVERY)
        .where(_DELIVERY.c.webhook_id == removed.id, _DELIVERY.c.state == _S.WAITING)
        .values(state=_S.DROPPED, result=Result.REMOVED, ended_ms=now_ms)
    )


def history(connection: Connection, school_id: str, limit: int) -> Sequence[Row[Any]]:
    """Deliveries with what they tell of and their webhook's host, the newest first."""
    asked = (
        select(_DELIVERY, _EVENT.c.kind, _EVENT.c.uid, _HOOK.c.hint, _HOOK.c.removed_ms)
        .join(_EVENT, _EVENT.c.id == _DELIVERY.c.event_id)
        .join(_HOOK, _HOOK.c.id == _DELIVERY.c.webhook_id)
        .where(_DELIVERY.c.school_id == school_id)
    )
    return connection.execute(asked.order_by(_DELIVERY.c.id.desc()).limit(limit)).all()


def retry(connection: Connection, school_id: str, delivery_id: int, now_ms: int, expires_ms: int) -> bool:
    """Have one tried again that was given up; False if there is none such, or its webhook is gone."""
    alive = select(_HOOK.c.id).where(_HOOK.c.removed_ms.is_(None))
    mine = and_(
        _DELIVERY.c.id == delivery_id,
        _DELIVERY.c.school_id == school_id,
        _DELIVERY.c.state == _S.FAILED,
        _DELIVERY.c.webhook_id.in_(alive),
    )
    again = {"state": _S.WAITING, "due_ms": now_ms, "expires_ms": expires_ms, "attempts": 0, "ended_ms": None}
    return _count(connection.execute(update(_DELIVERY).where(mine).values(again))) == 1


def forget(connection: Connection, before_ms: int) -> None:
    """Remove what ended before, and events that nothing is left of."""
    connection.execute(delete(_DELIVERY).where(_DELIVERY.c.ended_ms < before_ms))
    used = select(_DELIVERY.c.event_id)
    connection.execute(delete(_EVENT).where(_EVENT.c.at_ms < before_ms, _EVENT.c.id.not_in(used)))


# what is watched


def watched(connection: Connection) -> frozenset[str]:
    """The schools that have a webhook which is told of the live fleet."""
    asked = select(_HOOK.c.school_id, _HOOK.c.kinds).where(_HOOK.c.removed_ms.is_(None))
    return frozenset(row.school_id for row in connection.execute(asked) if LIVE.intersection(row.kinds))


def notes(connection: Connection) -> Mapping[str, Mapping[str, Note]]:
    """What was last told, by school and key."""
    found: dict[str, dict[str, Note]] = {}
    for row in connection.execute(select(_WATCH)):
        found.setdefault(row.school_id, {})[row.key] = Note(row.value, row.at_ms)
    return found


def write_notes(connection: Connection, school_id: str, changed: Sequence[Change]) -> None:
    keys = [each.key for each in changed]
    connection.execute(delete(_WATCH).where(_WATCH.c.school_id == school_id, _WATCH.c.key.in_(keys)))
    new = [
        {"school_id": school_id, "key": each.key, "value": each.note.value, "at_ms": each.note.at_ms}
        for each in changed
        if each.note is not None
    ]
    if new:
        connection.execute(insert(_WATCH), new)


def forget_notes(connection: Connection, school_id: str) -> None:
    connection.execute(delete(_WATCH).where(_WATCH.c.school_id == school_id))


def _count(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
