"""Readings in PostgreSQL: a partition a day, filled by binary COPY.

A partition is made beside its table and then attached, so that neither readers nor writers wait for it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection, Table

from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS, Day, days_in, table_of
from controller.telemetry.thinning import Point

_KEY = "series, at_ms, batch"
_KEY_TYPES = ("int4", "int8", "int8")
_VALUE = "number, whole, text"
"""A reading lies in the column of its own type, so that it comes back as what it was."""
_PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'reading'::regclass"
_PORTION = 20_000
_LATEST_TYPES = ("int4", "int8", "float8", "text", "int8")
_DRAFT = "CREATE TEMPORARY TABLE IF NOT EXISTS latest_draft (LIKE latest) ON COMMIT DELETE ROWS"
_UPSERT = """INSERT INTO latest (series_id, at_ms, number, text, received_ms)
SELECT series_id, at_ms, number, text, received_ms FROM latest_draft ORDER BY series_id
ON CONFLICT (series_id) DO UPDATE SET at_ms = excluded.at_ms, number = excluded.number, text = excluded.text,
received_ms = excluded.received_ms WHERE excluded.at_ms > latest.at_ms"""


class PostgresRows:
    """Implements rows.Rows."""

    def __init__(self) -> None:
        self._made: set[Day] = set()

    def days(self, connection: Connection) -> list[Day]:
        found = _cursor(connection).execute(_PARTITIONS)
        return days_in([name for (name,) in found.fetchall()])

    def insert(self, connection: Connection, day: Day, rows: list[Row]) -> None:
        cursor = _cursor(connection)
        if day not in self._made:
            _make(cursor, day)
            self._made.add(day)
        table = table_of(day)
        numbers = [row for row in rows if row[3].__class__ is float]
        others = [row for row in rows if row[3].__class__ is not float]
        wholes = [row for row in others if row[3].__class__ is not str]
        texts = [row for row in others if row[3].__class__ is str]
        _copy(cursor, f"{table} ({_KEY}, number)", (*_KEY_TYPES, "float8"), numbers)
        _copy(cursor, f"{table} ({_KEY}, whole)", (*_KEY_TYPES, "int8"), wholes)
        _copy(cursor, f"{table} ({_KEY}, text)", (*_KEY_TYPES, "text"), texts)

    def forget(self) -> None:
        self._made.clear()

    def of_day(self, connection: Connection, day: Day) -> Iterator[Row]:
        with _cursor(connection, "readings_of_a_day") as cursor:  # a portion at a time, not all at once
            cursor.itersize = _PORTION
            cursor.execute(f"SELECT {_KEY}, {_VALUE} FROM {table_of(day)} ORDER BY {_KEY}")  # noqa: S608 - own name
            for series, at_ms, batch, *value in cursor:
                yield series, at_ms, batch, _value(*value)

    def of_series(self, connection: Connection, day: Day, series: int, from_ms: int, to_ms: int) -> Sequence[Point]:
        found = (
            _cursor(connection)
            .execute(
                f"SELECT at_ms, {_VALUE} FROM {table_of(day)}"  # noqa: S608 - own name
                " WHERE series = %s AND at_ms BETWEEN %s AND %s ORDER BY at_ms",
                (series, from_ms, to_ms),
            )
            .fetchall()
        )
        return [(at_ms, _value(*value)) for at_ms, *value in found]

    def drop(self, connection: Connection, day: Day) -> None:
        self._made.discard(day)
        _cursor(connection).execute(f"DROP TABLE {table_of(day)}")

    def put(self, connection: Connection, table: Table, rows: Sequence[Sequence[object]]) -> None:
        names = ", ".join(column.name for column in table.columns)
        types = [column.type.compile(connection.dialect).partition("(")[0].lower() for column in table.columns]
        _copy(_cursor(connection), f"{table.name} ({names})", types, rows)

    def upsert_latest(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        if not rows:
            return
        cursor = _cursor(connection)
        cursor.execute(_DRAFT)
        _copy(cursor, "latest_draft", _LATEST_TYPES, rows)
        cursor.execute(_UPSERT)


def _value(number: float | None, whole: int | None, text: str | None) -> float | str | None:
    if number is not None:
        return number
    return whole if whole is not None else text


def _make(cursor: "psycopg.Cursor[tuple[Any, ...]]", day: Day) -> None:
    table = table_of(day)
    if cursor.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,):
        return
    begin, end = day * DAY_MS, (day + 1) * DAY_MS
    cursor.execute(f"CREATE TABLE {table} (LIKE reading INCLUDING ALL, CHECK (at_ms >= {begin} AND at_ms < {end}))")
    cursor.execute(f"ALTER TABLE reading ATTACH PARTITION {table} FOR VALUES FROM ({begin}) TO ({end})")


def _copy(
    cursor: "psycopg.Cursor[tuple[Any, ...]]", into: str, types: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    if not rows:
        return
    with cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        write = copy.write_row
        for row in rows:
            write(row)


def _cursor(connection: Connection, *name: str) -> Any:
    """The driver's own; with a name it is one of the server."""
    return connection.connection.cursor(*name)
