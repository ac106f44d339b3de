"""Partitions of PostgreSQL that are made and given up at run time."""

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from sqlalchemy import Connection

_PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"

MANY: Final = 1_000
"""Of so many tables some are not there, and all that are come quicker from the list of partitions."""
_THERE = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND pg_table_is_visible(oid)"


def cursor_of(connection: Connection, *name: str) -> Any:
    """The driver's own; with a name it is one of the server."""
    return connection.connection.cursor(*name)


def partitions(connection: Connection, parent: str) -> list[str]:
    return [name for (name,) in cursor_of(connection).execute(_PARTITIONS, (parent,)).fetchall()]


def there(connection: Connection, tables: Sequence[str]) -> list[str]:
    """Those of these tables that there are, in the same order. With many partitions it is much quicker to look for a
    few by name than to list all, or to ask the table that they are the partitions of.
    """
    found = {name for (name,) in cursor_of(connection).execute(_THERE, (list(tables),)).fetchall()}
    return [table for table in tables if table in found]


def make_partition(
    cursor: "psycopg.Cursor[tuple[Any, ...]]", parent: str, table: str, column: str, bounds: tuple[int, int]
) -> None:
    """A partition if there is none yet. Made beside its table and then attached: nobody waits for it."""
    if cursor.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,):
        return
    begin, end = bounds
    check = f"CHECK ({column} >= {begin} AND {column} < {end})"
    cursor.execute(f"CREATE TABLE {table} (LIKE {parent} INCLUDING ALL, {check})")
    cursor.execute(f"ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES FROM ({begin}) TO ({end})")


def copy(
    cursor: "psycopg.Cursor[tuple[Any, ...]]", into: str, types: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """By binary COPY."""
    if not rows:
        return
    with cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as stream:
        stream.set_types(types)
        write = stream.write_row
        for row in rows:
            write(row)


def drop(connection: Connection, table: str) -> None:
    """Give a partition up. Whoever waits for its lock holds up all that come after: see `writing.dropping`."""
    cursor_of(connection).execute(f"DROP TABLE {table}")


def size(connection: Connection, table: str) -> int:
    """Bytes, with indexes."""
    found = cursor_of(connection).execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
    return int(found[0])
