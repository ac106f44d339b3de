"""Seals the audit log: one thread beside the others of the plant. All queries of lines and segments are here."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from controller.identity.seals import MOST_LINES, Line, Part, Segment, sealed
from controller.identity.tables import AuditLine, AuditSegment

SEAL_EVERY_S: Final = 300.0
"""How long a line waits for its seal at the most, while nobody asks for it."""
_LOWEST: Final = -(2**31)
"""No line of ours has such an id."""
_PATIENCE: Final = "3s"
_log = logging.getLogger(__name__)
_LINE: Table = AuditLine.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_SEGMENT: Table = AuditSegment.__table__  # type: ignore[attr-defined]
_FIELDS: Final = [_LINE.c[name] for name in Line._fields]


class Sealer:
    """Seals what is there every `every_s`, and once more when it stops. The next turn makes up for one that fails."""

    def __init__(self, engine: Engine, now_ms: Callable[[], int], every_s: float = SEAL_EVERY_S) -> None:
        self._engine = engine
        self._now_ms = now_ms
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the last turn is over. Harmless if it never started."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def turn(self) -> int:
        """Seal every line that is committed; how many segments that made. Raises SQLAlchemyError.

        Each segment is a transaction. Two sealers at once cannot both write one: the number is its key.
        """
        with self._engine.connect() as connection:
            to_id = _settled(connection)
            connection.rollback()
        made = 0
        while self._seal_next(to_id):
            made += 1
        return made

    def _seal_next(self, to_id: int) -> bool:
        with self._engine.begin() as connection:
            before = newest(connection)
            ids = select(_LINE.c.id).where(_LINE.c.id > (before.to_id if before else 0), _LINE.c.id <= to_id)
            waiting = connection.execute(ids.order_by(_LINE.c.id).limit(MOST_LINES)).scalars().all()
            if not waiting:
                return False
            made = sealed(lines_of(connection, waiting[0], waiting[-1]), waiting[-1], before)
            values = {name: getattr(made, name) for name in Segment.__dataclass_fields__}
            connection.execute(insert(_SEGMENT), {**values, "sealed_ms": self._now_ms()})
        return True

    def _run(self) -> None:
        while True:
            ending = self._stopping.wait(self._every_s)
            try:
                self.turn()
            except SQLAlchemyError as error:
                _log.warning("the audit log cannot be sealed now: %s", type(error).__name__)
            except Exception:  # noqa: BLE001 - outermost loop
                _log.exception("sealing goes on after an error")
            if ending:
                return


def _settled(connection: Connection) -> int:
    """Up to which id no line can come any more that is not there yet.

    SQLite gives ids in the order of commits. PostgreSQL gives them before, so this waits for whoever is appending now:
    an append locks the table before it takes its id. Raises SQLAlchemyError if one of them takes too long.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        connection.exec_driver_sql("LOCK TABLE audit_line IN SHARE MODE")
    return int(connection.execute(select(func.max(_LINE.c.id))).scalar() or 0)


def newest(connection: Connection) -> Segment | None:
    """The last segment."""
    row = connection.execute(select(_SEGMENT).order_by(_SEGMENT.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else _segment(row)


def lines_of(connection: Connection, from_id: int, to_id: int) -> Sequence[Line]:
    """Those lines, by id."""
    asked = select(*_FIELDS).where(_LINE.c.id >= from_id, _LINE.c.id <= to_id).order_by(_LINE.c.id)
    return [Line(*row) for row in connection.execute(asked)]


def parts(connection: Connection) -> Iterator[Part]:
    """All segments by number, each with the lines that lie in it now; one segment in memory at a time."""
    numbers = connection.execute(select(_SEGMENT.c.number).order_by(_SEGMENT.c.number)).scalars().all()
    for number in numbers:
        segment = _segment(connection.execute(select(_SEGMENT).where(_SEGMENT.c.number == number)).one())
        yield segment, lines_of(connection, segment.from_id if segment.number > 1 else _LOWEST, segment.to_id)


def _segment(row: Row[Any]) -> Segment:
    return Segment(**{name: getattr(row, name) for name in Segment.__dataclass_fields__})


def unsealed(connection: Connection) -> int:
    """How many lines wait for their seal."""
    last = select(func.coalesce(func.max(_SEGMENT.c.to_id), 0)).scalar_subquery()
    return connection.execute(select(func.count()).where(_LINE.c.id > last)).scalar_one()


def seal_of(connection: Connection, number: int) -> str | None:
    """The seal of that segment; None if there is none."""
    return connection.execute(select(_SEGMENT.c.seal).where(_SEGMENT.c.number == number)).scalar()
