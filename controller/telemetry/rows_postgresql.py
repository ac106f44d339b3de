"""Readings in PostgreSQL: a partition a day, filled by binary COPY."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Table, event

from controller.telemetry.checksum import Row
from controller.telemetry.copying import Copying
from controller.telemetry.days import DAY_MS, Day, days_in, table_of
from controller.telemetry.postgresql_tables import (
    MANY,
    copy,
    cursor_of,
    drop,
    make_partition,
    partitions,
    size,
    there,
)
from controller.telemetry.rollup import LARGEST, UNKNOWN_MS, Bucket
from controller.telemetry.rows import ALL, PORTION, Span, end_of_piece
from controller.telemetry.thinning import Point
from controller.telemetry.tiers import FIVE_MINUTES

_KEY = "series, at_ms, batch"
_KEY_TYPES = ("int4", "int8", "int8")
_VALUE = "number, whole, text"
"""A reading lies in the column of its own type, so that it comes back as what it was."""
_ALL_OF_IT = "SET LOCAL cursor_tuple_fraction = 1.0"
"""A plan that is good for all rows, not for the first ones."""
_MANY: Final = 5_000
"""Fewer are not worth a COPY of their own before the end."""
_LATEST_TYPES = ("int4", "int8", "float8", "text", "int8")
_DRAFT = "CREATE TEMPORARY TABLE IF NOT EXISTS latest_draft (LIKE latest) ON COMMIT DELETE ROWS"
_UPSERT = """INSERT INTO latest (series_id, at_ms, number, text, received_ms)
SELECT series_id, at_ms, number, text, received_ms FROM latest_draft ORDER BY series_id
ON CONFLICT (series_id) DO UPDATE SET at_ms = excluded.at_ms, number = excluded.number, text = excluded.text,
received_ms = excluded.received_ms WHERE excluded.at_ms > latest.at_ms"""

_WIDTH = FIVE_MINUTES.width_ms
_FIVE_MINUTES = f"""SELECT series, slot * {_WIDTH}, count(value)::int, min(value),
coalesce(avg(value) FILTER (WHERE value BETWEEN -{LARGEST} AND {LARGEST}), max(value)), max(value),
min(at_ms), max(at_ms),
CASE WHEN count(value) < count(*) THEN {UNKNOWN_MS}
ELSE coalesce(max(at_ms - before) FILTER (WHERE before / {_WIDTH} = slot), 0) END
FROM (SELECT series, at_ms / {_WIDTH} AS slot, at_ms, coalesce(number, whole::float8) AS value,
lag(at_ms) OVER (PARTITION BY series ORDER BY at_ms) AS before
FROM {{table}} WHERE series = ANY(%s) AND at_ms >= %s AND at_ms < %s) AS readings
GROUP BY series, slot ORDER BY series, slot"""  # noqa: S608 - own names


class _Column(Enum):
    """Where a value lies: (name, type)."""

    NUMBER = ("number", "float8")
    WHOLE = ("whole", "int8")
    TEXT = ("text", "text")


class PostgresRows:
    """Implements rows.Rows. What is many goes ahead while a transaction is still being made up, one column at a time:
    the server stores it on one processor while messages are decoded on another. Any other statement waits for its end.
    """

    def __init__(self) -> None:
        self._made: set[Day] = set()
        self._waiting: dict[tuple[Day, _Column], list[Row]] = {}
        self._ahead: tuple[tuple[Day, _Column], Copying] | None = None
        self._heeded: Connection | None = None

    def days(self, connection: Connection) -> list[Day]:
        return days_in(partitions(connection, "reading"))

    def days_within(self, connection: Connection, first: Day, last: Day) -> list[Day]:
        if last - first >= MANY:
            return [day for day in self.days(connection) if first <= day <= last]
        return days_in(there(connection, [table_of(day) for day in range(first, last + 1)]))

    def add(self, connection: Connection, day: Day, rows: list[Row]) -> None:
        numbers = [row for row in rows if row[3].__class__ is float]
        self._put(connection, (day, _Column.NUMBER), numbers)
        if len(numbers) == len(rows):
            return
        others = [row for row in rows if row[3].__class__ is not float]
        self._put(connection, (day, _Column.WHOLE), [row for row in others if row[3].__class__ is not str])
        self._put(connection, (day, _Column.TEXT), [row for row in others if row[3].__class__ is str])

    def flush(self, connection: Connection) -> None:
        for place, rows in self._waiting.items():
            if rows:
                self._send(connection, place, rows)
        self._wait()
        self._waiting = {}

    def forget(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            with suppress(psycopg.Error):  # the connection may be what failed
                ahead[1].give_up()
        self._made.clear()
        self._waiting.clear()

    def _put(self, connection: Connection, place: tuple[Day, _Column], rows: list[Row]) -> None:
        waiting = self._waiting.setdefault(place, [])
        waiting += rows
        if len(waiting) >= _MANY:
            self._send(connection, place, waiting)
            waiting.clear()

    def _send(self, connection: Connection, place: tuple[Day, _Column], rows: list[Row]) -> None:
        if self._ahead is None or self._ahead[0] != place:
            self._wait()
            self._ahead = (place, self._begin(connection, *place))
        self._ahead[1].write(rows)

    def _begin(self, connection: Connection, day: Day, column: _Column) -> Copying:
        self._make(connection, day)
        if self._heeded is not connection:
            self._heeded = connection
            event.listen(connection, "before_cursor_execute", self._wait)
        name, kind = column.value
        return Copying(cursor_of(connection), f"{table_of(day)} ({_KEY}, {name})", (*_KEY_TYPES, kind))

    def _wait(self, *_about: Any) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead[1].end()

    def _make(self, connection: Connection, day: Day) -> None:
        if day not in self._made:
            bounds = (day * DAY_MS, (day + 1) * DAY_MS)
            make_partition(cursor_of(connection), "reading", table_of(day), "at_ms", bounds)
            self._made.add(day)

    def of_day(self, connection: Connection, day: Day, series: Span = ALL, batches: Span = ALL) -> Iterator[list[Row]]:
        cursor_of(connection).execute(_ALL_OF_IT)
        with cursor_of(connection, "readings_of_a_day") as cursor:  # a portion at a time, not all at once
            cursor.execute(
                f"SELECT {_KEY}, {_VALUE} FROM {table_of(day)}"  # noqa: S608 - own name
                f" WHERE series > %s AND series <= %s AND batch > %s AND batch <= %s ORDER BY {_KEY}",
                (*series, *batches),
            )
            while portion := cursor.fetchmany(PORTION):
                yield [
                    (one, at_ms, batch, number if number is not None else whole if whole is not None else text)
                    for one, at_ms, batch, number, whole, text in portion
                ]

    def piece(self, connection: Connection, day: Day, after: int, batches: Span, most: int) -> int:
        found = cursor_of(connection).execute(
            f"SELECT series FROM {table_of(day)} WHERE series > %s AND batch > %s AND batch <= %s"  # noqa: S608
            f" ORDER BY {_KEY} LIMIT 1 OFFSET %s",
            (after, *batches, most),
        )
        return end_of_piece(found.fetchone(), after)

    def of_series(self, connection: Connection, day: Day, series: int, from_ms: int, to_ms: int) -> Sequence[Point]:
        found = (
            cursor_of(connection)
            .execute(
                f"SELECT at_ms, {_VALUE} FROM {table_of(day)}"  # noqa: S608 - own name
                " WHERE series = %s AND at_ms BETWEEN %s AND %s ORDER BY at_ms",
                (series, from_ms, to_ms),
            )
            .fetchall()
        )
        return [(at_ms, _value(*value)) for at_ms, *value in found]

    def buckets(
        self, connection: Connection, day: Day, series: Sequence[int], from_ms: int, until_ms: int
    ) -> list[Bucket]:
        found = cursor_of(connection).execute(
            _FIVE_MINUTES.format(table=table_of(day)), (list(series), from_ms, until_ms)
        )
        return [Bucket(*row) for row in found.fetchall()]

    def drop(self, connection: Connection, day: Day) -> None:
        self._made.discard(day)
        drop(connection, table_of(day))

    def size(self, connection: Connection, day: Day) -> int:
        return size(connection, table_of(day))

    def put(self, connection: Connection, table: Table, rows: Sequence[Sequence[object]]) -> None:
        names = ", ".join(column.name for column in table.columns)
        types = [column.type.compile(connection.dialect).partition("(")[0].lower() for column in table.columns]
        copy(cursor_of(connection), f"{table.name} ({names})", types, rows)

    def upsert_latest(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        if not rows:
            return
        cursor = cursor_of(connection)
        cursor.execute(_DRAFT)
        copy(cursor, "latest_draft", _LATEST_TYPES, rows)
        cursor.execute(_UPSERT)


def _value(number: float | None, whole: int | None, text: str | None) -> float | str | None:
    if number is not None:
        return number
    return whole if whole is not None else text
