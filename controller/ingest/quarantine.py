"""What came and was not taken, kept for a person to look at. Bounded in rows and in bytes."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from controller.ingest.codec import Reason, printable
from controller.ingest.tables import Quarantined
from controller.scope import Scope

MAX_ROWS = 10_000
MAX_CONTENT = 4096
"""Bytes kept of one payload; together with MAX_ROWS the bound of the whole quarantine."""

_TABLE: Table = Quarantined.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


class Quarantine:
    """The writer's side. One transaction collects, then flushes; `settle` after its end, whichever that was."""

    def __init__(self) -> None:
        self._drafts: list[dict[str, object]] = []

    def add(
        self,
        reason: Reason,
        topic: str,
        content: bytes,
        received_ms: int,
        *,
        detail: str = "",
        item_count: int = 0,
        school_id: str | None = None,
        agent_id: int | None = None,
    ) -> None:
        self._drafts.append(
            {
                "school_id": school_id,
                "agent_id": agent_id,
                "topic": printable(topic, 300),
                "reason": str(reason),
                "detail": printable(detail),
                "item_count": item_count,
                "size": len(content),
                "content": content[:MAX_CONTENT],
                "received_ms": received_ms,
            }
        )

    def flush(self, connection: Connection) -> None:
        """Write what was added; the oldest rows beyond the bound go."""
        if not self._drafts:
            return
        connection.execute(insert(_TABLE), self._drafts)
        highest = connection.execute(select(func.max(_TABLE.c.id))).scalar_one()
        connection.execute(delete(_TABLE).where(_TABLE.c.id <= highest - MAX_ROWS))

    def settle(self) -> None:
        self._drafts = []


def entries(engine: Engine, scope: Scope, reason: str = "", limit: int = 100) -> Sequence[Quarantined]:
    """The newest entries that `scope` may see, of one reason or of all."""
    query = select_rows(Quarantined).order_by(col(Quarantined.id).desc()).limit(limit)
    if reason:
        query = query.where(Quarantined.reason == reason)
    if scope.school_id is not None:
        query = query.where(Quarantined.school_id == scope.school_id)
    with Session(engine) as session:
        return session.exec(query).all()


def entry(engine: Engine, scope: Scope, entry_id: int) -> Quarantined | None:
    """One entry with its content; None if there is none, or none for `scope`."""
    with Session(engine) as session:
        found = session.get(Quarantined, entry_id)
    return found if found is not None and scope.covers(found.school_id) else None


def counts(engine: Engine, scope: Scope) -> dict[str, int]:
    """How many entries are kept of each reason."""
    query = select_rows(Quarantined.reason, func.count()).group_by(Quarantined.reason)
    if scope.school_id is not None:
        query = query.where(Quarantined.school_id == scope.school_id)
    with Session(engine) as session:
        return dict(session.exec(query).all())
