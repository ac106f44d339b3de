"""Notices as those read them whom they are for, and put them away."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Row, Table, and_, or_, select, update

from controller.identity.policy import Principal, Role
from controller.identity.store import audit
from controller.scheduling.notices import Kind
from controller.scheduling.tables import Notice

MOST: Final = 20
"""So many are shown at a time, the newest."""
_NOTICE: Table = Notice.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_FOR_STAFF: Final = frozenset({Role.TECHNICIAN, Role.ADMINISTRATOR})


@dataclass(frozen=True, slots=True)
class NoticeView:
    """`subject` is the id of what it is about; `detail` may have what the words of its kind need."""

    id: int
    at_ms: int
    kind: str
    subject: str
    detail: Mapping[str, Any]


class NoSuchNotice(LookupError):
    """There is no such notice for whoever asks."""


class Noticeboard:
    """Safe to use from any thread and any process."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def unseen(self, who: Principal) -> Sequence[NoticeView]:
        """Those for `who` that nobody has put away, the newest first."""
        asked = select(_NOTICE).where(_for(who), _NOTICE.c.seen_ms.is_(None))
        with self._engine.connect() as connection:
            rows = connection.execute(asked.order_by(_NOTICE.c.at_ms.desc(), _NOTICE.c.id.desc()).limit(MOST))
            return [_view(row) for row in rows]

    def moved(self, who: Principal, booking_ids: Collection[str]) -> Mapping[str, NoticeView]:
        """The last word about each of the bookings that was moved without its holder, seen or not."""
        asked = select(_NOTICE).where(
            _NOTICE.c.user_id == who.id, _NOTICE.c.kind == Kind.MOVED, _NOTICE.c.subject.in_(booking_ids)
        )
        with self._engine.connect() as connection:
            return {row.subject: _view(row) for row in connection.execute(asked.order_by(_NOTICE.c.id))}

    def put_away(self, who: Principal, notice_id: int) -> None:
        """It was seen; once more changes nothing. Raises NoSuchNotice for what is not for `who`."""
        mine = and_(_for(who), _NOTICE.c.id == notice_id)
        unseen = and_(mine, _NOTICE.c.seen_ms.is_(None))
        with self._engine.begin() as connection:
            if connection.execute(select(_NOTICE.c.id).where(mine)).first() is None:
                raise NoSuchNotice(f"no notice {notice_id}")
            seen = connection.execute(
                update(_NOTICE).where(unseen).values(seen_ms=self._now_ms()).returning(_NOTICE.c.school_id)
            ).one_or_none()
            if seen is not None:
                now_ms, subject = self._now_ms(), str(notice_id)
                audit(connection, now_ms, "notice-seen", actor=who.id, subject=subject, school_id=seen.school_id)


def _for(who: Principal) -> ColumnElement[bool]:
    """Their own; and of a school's, for who looks after its machines."""
    if who.role not in _FOR_STAFF:
        return _NOTICE.c.user_id == who.id
    theirs: ColumnElement[bool] = _NOTICE.c.user_id.is_(None)
    if who.scope.school_id is not None:
        theirs = and_(theirs, _NOTICE.c.school_id == who.scope.school_id)
    return or_(_NOTICE.c.user_id == who.id, theirs)


def _view(row: Row[Any]) -> NoticeView:
    return NoticeView(row.id, row.at_ms, row.kind, row.subject, row.detail)
