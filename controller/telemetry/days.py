"""Readings in one table a day, made when the first reading of that day comes. SQLite.

Keyed (series, at_ms, batch), so nothing is ever overwritten and each batch's rows can be found again.
"""

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from controller.database import DAY_TABLE_PREFIX
from controller.telemetry.checksum import Row

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(rf"{DAY_TABLE_PREFIX}(\d{{8}})")
Day = int
"""Days since the Unix epoch, UTC."""


def table_of(day: Day) -> str:
    return f"{DAY_TABLE_PREFIX}{_EPOCH + timedelta(days=day):%Y%m%d}"


def day_of(table: str) -> Day | None:
    """The day whose readings a table holds; None for any other table."""
    found = _NAME.fullmatch(table)
    return (datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC) - _EPOCH).days if found else None


def existing_days(cursor: sqlite3.Cursor) -> list[Day]:
    """The days there are tables of, oldest first."""
    found = cursor.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?", (f"{DAY_TABLE_PREFIX}*",)
    )
    days = (day_of(name) for (name,) in found.fetchall())
    return sorted(day for day in days if day is not None)


class DayTables:
    """Where rows go. Remembers which tables exist; `forget` after a rollback."""

    def __init__(self) -> None:
        self._inserts: dict[Day, str] = {}

    def insert(self, cursor: sqlite3.Cursor, day: Day, rows: list[Row]) -> None:
        """Store rows whose times are all of that day."""
        statement = self._inserts.get(day)
        if statement is None:
            table = table_of(day)
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (series INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
                " batch INTEGER NOT NULL, value, PRIMARY KEY (series, at_ms, batch)) WITHOUT ROWID"
            )
            statement = self._inserts[day] = f"INSERT INTO {table} VALUES (?, ?, ?, ?)"  # noqa: S608 - own name
        cursor.executemany(statement, rows)

    def forget(self) -> None:
        self._inserts.clear()


def rows_of_day(cursor: sqlite3.Cursor, day: Day) -> Iterator[Row]:
    """All rows of a day in the order of the key."""
    yield from cursor.execute(
        f"SELECT series, at_ms, batch, value FROM {table_of(day)} ORDER BY series, at_ms, batch"  # noqa: S608
    )


def drop_before(cursor: sqlite3.Cursor, day: Day) -> list[Day]:
    """Drop the tables of the days before `day`; which ones those were."""
    old = [each for each in existing_days(cursor) if each < day]
    for each in old:
        cursor.execute(f"DROP TABLE {table_of(each)}")
    return old
