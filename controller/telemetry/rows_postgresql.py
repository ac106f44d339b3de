"""Readings in PostgreSQL: a partition a day, filled by binary COPY."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Table

from controller.telemetry.checksum import Row
from controller.telemetry.days import DAY_MS, Day, days_in, table_of
from controller.telemetry.postgresql_tables import copy, cursor_of, drop, make_partition, partitions, size
from controller.telemetry.rollup import LARGEST, UNKNOWN_MS, Bucket
from controller.telemetry.thinning import Point
from controller.telemetry.tiers import FIVE_MINUTES

_KEY = "series, at_ms, batch"
_KEY_TYPES = ("int4", "int8", "int8")
_VALUE = "number, whole, text"
"""A reading lies in the column of its own type, so that it comes back as what it was."""
_PORTION = 20_000
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


class PostgresRows:
    """Implements rows.Rows."""

    def __init__(self) -> None:
        self._made: set[Day] = set()

    def days(self, connection: Connection) -> list[Day]:
        return days_in(partitions(connection, "reading"))

    def insert(self, connection: Connection, day: Day, rows: list[Row]) -> None:
        cursor = cursor_of(connection)
        if day not in self._made:
            bounds = (day * DAY_MS, (day + 1) * DAY_MS)
            make_partition(cursor, "reading", table_of(day), "at_ms", bounds)
            self._made.add(day)
        table = table_of(day)
        numbers = [row for row in rows if row[3].__class__ is float]
        others = [row for row in rows if row[3].__class__ is not float]
        wholes = [row for row in others if row[3].__class__ is not str]
        texts = [row for row in others if row[3].__class__ is str]
        copy(cursor, f"{table} ({_KEY}, number)", (*_KEY_TYPES, "float8"), numbers)
        copy(cursor, f"{table} ({_KEY}, whole)", (*_KEY_TYPES, "int8"), wholes)
        copy(cursor, f"{table} ({_KEY}, text)", (*_KEY_TYPES, "text"), texts)

    def forget(self) -> None:
        self._made.clear()

    def of_day(self, connection: Connection, day: Day) -> Iterator[Row]:
        with cursor_of(connection, "readings_of_a_day") as cursor:  # a portion at a time, not all at once
            cursor.itersize = _PORTION
            cursor.execute(f"SELECT {_KEY}, {_VALUE} FROM {table_of(day)} ORDER BY {_KEY}")  # noqa: S608 - own name
            for series, at_ms, batch, *value in cursor:
                yield series, at_ms, batch, _value(*value)

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
