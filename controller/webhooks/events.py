"""What happens is put into the queue here, in the transaction of what it tells of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, insert, select
from sqlmodel import Session

from controller.identity.store import new_id
from controller.notifications.states import DeliveryState
from controller.notifications.timing import GIVE_UP_MS
from controller.webhooks.kinds import EventKind
from controller.webhooks.tables import Webhook, WebhookDelivery, WebhookEvent

_HOOK: Final[Table] = Webhook.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_EVENT: Final[Table] = WebhookEvent.__table__  # type: ignore[attr-defined]
_DELIVERY: Final[Table] = WebhookDelivery.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Happening:
    """As it is told outside. Of people `data` names `person_id` at the most, an opaque id."""

    kind: EventKind
    data: Mapping[str, Any]
    person_id: str = ""


def happened(db: Session | Connection, school_id: str, it: Happening, now_ms: int) -> None:
    """Deliveries to those of the school's webhooks that are told of it, if there are any. The caller commits."""
    connection = db if isinstance(db, Connection) else db.connection()
    asked = select(_HOOK.c.id, _HOOK.c.kinds).where(_HOOK.c.school_id == school_id, _HOOK.c.removed_ms.is_(None))
    hooks = [row.id for row in connection.execute(asked) if it.kind in row.kinds]
    if hooks:
        event_id = put(connection, school_id, it, now_ms)
        connection.execute(insert(_DELIVERY), [_delivery(event_id, hook, school_id, now_ms) for hook in hooks])


def anybody(connection: Connection) -> bool:
    """Whether there is any webhook at all: most installations have none, and need not gather what it would be told."""
    return connection.execute(select(_HOOK.c.id).where(_HOOK.c.removed_ms.is_(None)).limit(1)).first() is not None


def put(connection: Connection, school_id: str, it: Happening, now_ms: int) -> int:
    """The event alone; its number."""
    values = {
        "uid": f"evt_{new_id()}",
        "school_id": school_id,
        "kind": it.kind,
        "at_ms": now_ms,
        "person_id": it.person_id,
        "data": dict(it.data),
    }
    return int(connection.execute(insert(_EVENT).values(values).returning(_EVENT.c.id)).scalar_one())


def _delivery(event_id: int, hook_id: int, school_id: str, now_ms: int) -> Mapping[str, object]:
    return {
        "event_id": event_id,
        "webhook_id": hook_id,
        "school_id": school_id,
        "state": DeliveryState.WAITING,
        "created_ms": now_ms,
        "due_ms": now_ms,
        "expires_ms": now_ms + GIVE_UP_MS,
        "attempts": 0,
        "result": "",
    }
