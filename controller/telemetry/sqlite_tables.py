"""Tables of SQLite that are made and given up at run time."""

import sqlite3
from typing import Final

from sqlalchemy import Connection

from controller.database import DROPPED_PREFIX

STEP_ROWS: Final = 4_000
"""So many rows go at a time: the writer gets its turn in between."""
_TYPICAL_ROW: Final = 30


def cursor(connection: Connection) -> sqlite3.Cursor:
    """The driver's own."""
    found: sqlite3.Cursor = connection.connection.cursor()  # type: ignore[assignment]  # SQLite's driver
    return found


def named(connection: Connection, parent: str) -> list[str]:
    """The tables whose names begin with that of `parent` and an underscore."""
    asked = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?"
    return [name for (name,) in cursor(connection).execute(asked, (f"{parent}_*",)).fetchall()]


def put_away(connection: Connection, table: str) -> None:
    """Nobody finds the table any more; its pages are given back by `sweep`. To drop a large one at once would hold up
    the writer for as long as it takes to visit every page.
    """
    number = len(named(connection, f"{DROPPED_PREFIX}{table}"))
    cursor(connection).execute(f"ALTER TABLE {table} RENAME TO {DROPPED_PREFIX}{table}_{number}")


def sweep(connection: Connection) -> bool:
    """Delete a few rows of what was put away; whether there is more. One short transaction of the caller's."""
    away = named(connection, DROPPED_PREFIX.rstrip("_"))
    if not away:
        return False
    table, asked = away[0], cursor(connection)
    key = "slot" if asked.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = 'slot'", (table,)).fetchone() else ""
    order = f"series, {key or 'at_ms'}"
    last = asked.execute(
        f"SELECT {order} FROM {table} ORDER BY {order} LIMIT 1 OFFSET ?",  # noqa: S608 - own name
        (STEP_ROWS,),
    ).fetchone()
    if last is None:
        asked.execute(f"DROP TABLE {table}")
    else:
        asked.execute(f"DELETE FROM {table} WHERE ({order}) < (?, ?)", last)  # noqa: S608 - own name
    return True


def size(connection: Connection, table: str) -> int:
    """Bytes of its pages and of its indexes'. Reads all of them."""
    try:
        names = "SELECT name FROM sqlite_master WHERE tbl_name = ?"
        asked = f"SELECT sum(pgsize) FROM dbstat WHERE name IN ({names}) AND aggregate = TRUE"  # noqa: S608 - own query
        found = cursor(connection).execute(asked, (table,)).fetchone()
    except sqlite3.OperationalError:  # built without it
        (count,) = cursor(connection).execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - own name
        return int(count) * _TYPICAL_ROW
    return int(found[0] or 0)
