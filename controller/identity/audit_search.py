"""Looking through the audit log: every query of its page and of its exports."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, and_, or_, select

from controller.folding import matches
from controller.identity.seals import Line
from controller.identity.tables import AuditLine, AuditSegment, User
from controller.scope import Scope

_PIECE: Final = 1_000
_LINE: Table = AuditLine.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_SEGMENT: Table = AuditSegment.__table__  # type: ignore[attr-defined]
_USER: Table = User.__table__  # type: ignore[attr-defined]
_FIELDS: Final = [_LINE.c[name] for name in Line._fields]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; empty: everything. `who` is part of a name or login, or a whole id, of who did it; `subject`
    likewise of whom it was done to, or how the subject begins. `from_ms` counts, `until_ms` does not.
    """

    who: str = ""
    what: str = ""
    subject: str = ""
    school_id: str = ""
    from_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an export tells of a segment."""

    number: int
    from_id: int
    to_id: int
    count: int
    lines_hash: str
    before: str
    seal: str


@dataclass(frozen=True, slots=True)
class Found:
    """Lines, the newest first. `older` is what `before` is to be for those after them, None at the end."""

    lines: Sequence[Line]
    older: int | None


def newest(engine: Engine, scope: Scope, search: Search, limit: int, before: int | None = None) -> Found:
    """A page of the newest lines that are found, of those with an id below `before`."""
    with engine.connect() as connection:
        asked = _asked(connection, scope, search).order_by(_LINE.c.id.desc()).limit(limit + 1)
        if before is not None:
            asked = asked.where(_LINE.c.id < before)
        lines = [Line(*row) for row in connection.execute(asked)]
    shown = lines[:limit]
    return Found(shown, shown[-1].id if len(lines) > limit else None)


def in_order(engine: Engine, scope: Scope, search: Search) -> Iterator[Sequence[Line]]:
    """All lines that are found, the oldest first, in pieces."""
    last = None
    while True:
        with engine.connect() as connection:
            asked = _asked(connection, scope, search).order_by(_LINE.c.id).limit(_PIECE)
            if last is not None:
                asked = asked.where(_LINE.c.id > last)
            lines = [Line(*row) for row in connection.execute(asked)]
        if not lines:
            return
        yield lines
        last = lines[-1].id


def seals_over(engine: Engine, lines: Sequence[Line]) -> Sequence[Sealed]:
    """The segments in which these lines lie, by number. `lines` are in order and not none."""
    columns = [_SEGMENT.c[each.name] for each in fields(Sealed)]
    asked = select(*columns).where(_SEGMENT.c.to_id >= lines[0].id, _SEGMENT.c.from_id <= lines[-1].id)
    with engine.connect() as connection:
        return [Sealed(*row) for row in connection.execute(asked.order_by(_SEGMENT.c.number))]


def names(engine: Engine, ids: Collection[str]) -> Mapping[str, str]:
    """What these people are called now; empty if they were erased. Who is nobody's id is not in it."""
    asked = select(_USER.c.id, _USER.c.name, _USER.c.erased_ms).where(_USER.c.id.in_(ids))
    with engine.connect() as connection:
        return {row.id: "" if row.erased_ms is not None else row.name for row in connection.execute(asked)}


def _asked(connection: Connection, scope: Scope, search: Search) -> Select[Any]:
    wanted: list[ColumnElement[bool]] = []
    if scope.school_id is not None:
        wanted.append(_LINE.c.school_id == scope.school_id)
    if search.school_id:
        wanted.append(_LINE.c.school_id == search.school_id)
    if search.who:
        wanted.append(_LINE.c.actor.in_(_people(connection, search.who)))
    if search.what:
        wanted.append(_LINE.c.action == search.what)
    if search.subject:
        begins = _LINE.c.subject.startswith(search.subject, autoescape=True)
        wanted.append(or_(begins, _LINE.c.subject.in_(_people(connection, search.subject))))
    if search.from_ms is not None:
        wanted.append(_LINE.c.at_ms >= search.from_ms)
    if search.until_ms is not None:
        wanted.append(_LINE.c.at_ms < search.until_ms)
    return select(*_FIELDS).where(and_(True, *wanted))


def _people(connection: Connection, text: str) -> Sequence[str]:
    """Whose id it is, or whose name or login has every word of it. An id that nobody has stands for itself."""
    rows = connection.execute(select(_USER.c.id, _USER.c.login, _USER.c.name))
    return [text, *(row.id for row in rows if matches(text, row.login, row.name))]
