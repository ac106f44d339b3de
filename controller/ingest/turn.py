"""Whose turn it is to write: several controllers may take in on one database, one after the other.

What a writer keeps in mind (ledgers, series, latest values) holds only as long as nobody else has written. So each
transaction begins by locking the installation's row, and looks there who wrote last.
"""

import secrets
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select, text, update
from sqlalchemy.exc import OperationalError

from controller.ingest.tables import Installation

_TABLE: Table = Installation.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
_LAST = select(_TABLE.c.generation, _TABLE.c.writer).where(_TABLE.c.id == 1).with_for_update()
_GENERATION = select(_TABLE.c.generation).where(_TABLE.c.id == 1)
_FIRST = text("INSERT INTO installation (id, generation) VALUES (1, 1) ON CONFLICT (id) DO NOTHING")


def generation(connection: Connection) -> int:
    """Which life of this installation it is; begun if it is the first."""
    found = connection.execute(_GENERATION).scalar_one_or_none()
    if found is None:
        connection.execute(_FIRST)
        found = connection.execute(_GENERATION).scalar_one()
    return int(found)


_END_STUCK = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_locks USING (pid)"
    " WHERE relation = 'installation'::regclass AND granted AND mode = 'RowShareLock' AND pid <> pg_backend_pid()"
    " AND wait_event_type = 'Client' AND xact_start < now() - current_setting('lock_timeout')::interval"
)
"""Whoever has the turn and waits for nothing but its own client, for longer than we have waited. PostgreSQL itself ends
what is idle in a transaction, yet not a COPY whose other half never comes."""


class Turn(NamedTuple):
    """`generation`: which life of this installation it is. `again`: nobody else has written since our last turn."""

    generation: int
    again: bool


class Turns:
    """One writer's name for as long as its process lives."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(8)

    def take(self, connection: Connection) -> Turn:
        """Wait until no other writer is in a transaction; nobody else's begins before ours ends."""
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        found = _last(connection)
        if found is None:
            connection.execute(_FIRST)
            found = connection.execute(_LAST).one()
        if found.writer == self._name:
            return Turn(found.generation, again=True)
        connection.execute(update(_TABLE).where(_TABLE.c.id == 1).values(writer=self._name))
        return Turn(found.generation, again=False)


def _last(connection: Connection) -> Any:
    """Who wrote last, once it is our turn. Raises OperationalError if that takes too long: try again."""
    try:
        return connection.execute(_LAST).one_or_none()
    except OperationalError as error:
        if type(error.orig).__name__ == "LockNotAvailable":
            connection.rollback()
            connection.execute(_END_STUCK)
            connection.commit()
        raise
