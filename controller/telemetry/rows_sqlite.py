"""Readings in SQLite: tables without row ids, so that a series' readings of a day lie together."""

import sqlite3
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Table

from controller.database import DAY_TABLE_PREFIX
from controller.telemetry.checksum import Row
from controller.telemetry.days import Day, days_in, table_of
from controller.telemetry.thinning import Point

_UPSERT = """INSERT INTO latest (series_id, at_ms, number, text, received_ms) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (series_id) DO UPDATE SET at_ms = excluded.at_ms, number = excluded.number, text = excluded.text,
received_ms = excluded.received_ms WHERE excluded.at_ms > latest.at_ms"""


class SqliteRows:
    """Implements rows.Rows."""

    def __init__(self) -> None:
        self._inserts: dict[Day, str] = {}

    def days(self, connection: Connection) -> list[Day]:
        found = _cursor(connection).execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?", (f"{DAY_TABLE_PREFIX}*",)
        )
        return days_in([name for (name,) in found.fetchall()])

    def insert(self, connection: Connection, day: Day, rows: list[Row]) -> None:
        cursor = _cursor(connection)
        statement = self._inserts.get(day)
        if statement is None:
            table = table_of(day)
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (series INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
                " batch INTEGER NOT NULL, value, PRIMARY KEY (series, at_ms, batch)) WITHOUT ROWID"
            )
            statement = self._inserts[day] = f"INSERT INTO {table} VALUES (?, ?, ?, ?)"  # noqa: S608 - own name
        rows.sort()  # in the order of the key: neighbours go to the same page, which halves what inserting costs
        cursor.executemany(statement, rows)

    def forget(self) -> None:
        self._inserts.clear()

    def of_day(self, connection: Connection, day: Day) -> Iterator[Row]:
        yield from _cursor(connection).execute(
            f"SELECT series, at_ms, batch, value FROM {table_of(day)} ORDER BY series, at_ms, batch"  # noqa: S608
        )

    def of_series(self, connection: Connection, day: Day, series: int, from_ms: int, to_ms: int) -> Sequence[Point]:
        return (
            _cursor(connection)
            .execute(
                f"SELECT at_ms, value FROM {table_of(day)} WHERE series = ? AND at_ms BETWEEN ? AND ? ORDER BY at_ms",  # noqa: S608
                (series, from_ms, to_ms),
            )
            .fetchall()
        )

    def drop(self, connection: Connection, day: Day) -> None:
        self._inserts.pop(day, None)
        _cursor(connection).execute(f"DROP TABLE {table_of(day)}")

    def put(self, connection: Connection, table: Table, rows: Sequence[Sequence[object]]) -> None:
        columns = ", ".join(column.name for column in table.columns)
        marks = ", ".join("?" * len(table.columns))
        _cursor(connection).executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", rows)  # noqa: S608

    def upsert_latest(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        _cursor(connection).executemany(_UPSERT, rows)


def _cursor(connection: Connection) -> sqlite3.Cursor:
    cursor: sqlite3.Cursor = connection.connection.cursor()  # type: ignore[assignment]  # SQLite's driver
    return cursor
