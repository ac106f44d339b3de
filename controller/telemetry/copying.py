"""A binary COPY that stays open: the server stores rows while the next ones are made."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from psycopg.copy import LibpqWriter

if TYPE_CHECKING:
    from psycopg import Cursor

_UNSENT: Final = 64 * 1024 * 1024
"""Bytes that may wait in memory for the server. More than a transaction ever has, so that nobody waits in between."""


class Copying:
    """Nothing else may be asked of its connection before `end` or `give_up`. All raise psycopg.Error."""

    def __init__(self, cursor: "Cursor[Any]", into: str, types: Sequence[str]) -> None:
        self._stack = ExitStack()
        writer = LibpqWriter(cursor, flush_threshold=_UNSENT)
        statement = f"COPY {into} FROM STDIN (FORMAT BINARY)".encode()
        self._copy = self._stack.enter_context(cursor.copy(statement, writer=writer))
        self._copy.set_types(types)

    def write(self, rows: Iterable[Sequence[object]]) -> None:
        """Hand rows over without waiting for the server."""
        write = self._copy.write_row
        for row in rows:
            write(row)

    def end(self) -> None:
        """Wait until all of it is stored."""
        self._stack.close()

    def give_up(self) -> None:
        """Nothing of it is stored, and neither is anything else of its transaction."""
        self._stack.__exit__(_GivenUp, _GivenUp("given up"), None)


class _GivenUp(Exception):
    """What the server is told."""
