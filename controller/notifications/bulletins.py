"""News is put into the queue here, in the transaction of what it tells of."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, insert, select
from sqlmodel import Session

from controller.notifications.tables import Bulletin
from controller.notifications.topics import AT_ONCE, TOPIC_OF

_BULLETIN: Table = Bulletin.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


@dataclass(frozen=True, slots=True)
class Word:
    """As `tables.Bulletin`. `school_ids` empty: the people of `school_id` look after it."""

    kind: str
    subject: str
    school_id: str | None
    user_id: str | None = None
    by_id: str = ""
    school_ids: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same news has the same, whoever reads it. Of what comes for many bookings the first stands for all."""
        about = [self.school_id] if self.kind in AT_ONCE else [self.subject, dict(self.detail)]
        said = json.dumps([self.kind, *about], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


def enqueue(db: Session | Connection, word: Word, now_ms: int) -> None:
    """One row and nothing else: who reads it, and how, is found out later. The caller commits.

    A kind that is told on pages alone is left out.
    """
    if word.kind not in TOPIC_OF:
        return
    connection = db if isinstance(db, Connection) else db.connection()
    schools = word.school_ids or ((word.school_id,) if word.school_id is not None else ())
    values = {
        "school_id": word.school_id,
        "user_id": word.user_id,
        "by_id": word.by_id,
        "at_ms": now_ms,
        "kind": word.kind,
        "subject": word.subject[:63],
        "school_ids": sorted(set(schools)),
        "detail": dict(word.detail),
        "key": word.key,
    }
    connection.execute(insert(_BULLETIN), values)


def was_said(connection: Connection, word: Word) -> bool:
    """Whether this very news is in the queue already, or was, for the same reader."""
    same = select(_BULLETIN.c.id).where(_BULLETIN.c.key == word.key, _BULLETIN.c.user_id == word.user_id)
    return connection.execute(same.limit(1)).first() is not None
