"""Readings in SQLite: tables without row ids, so that a series' readings of a day lie together."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Table

from controller.telemetry.checksum import Row
from controller.telemetry.days import Day, days_in, table_of
from controller.telemetry.rollup import LARGEST, UNKNOWN_MS, Bucket
from controller.telemetry.rows import ALL, PORTION, Span, end_of_piece
from controller.telemetry.sqlite_tables import cursor, named, put_away, size
from controller.telemetry.thinning import Point
from controller.telemetry.tiers import FIVE_MINUTES

_UPSERT = """INSERT INTO latest (series_id, at_ms, number, text, received_ms) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (series_id) DO UPDATE SET at_ms = excluded.at_ms, number = excluded.number, text = excluded.text,
received_ms = excluded.received_ms WHERE excluded.at_ms > latest.at_ms"""

_WIDTH = FIVE_MINUTES.width_ms
_FIVE_MINUTES = f"""SELECT series, slot * {_WIDTH}, count(value), min(value) * 1.0,
coalesce(avg(CASE WHEN value BETWEEN -{LARGEST} AND {LARGEST} THEN value END), max(value) * 1.0), max(value) * 1.0,
min(at_ms), max(at_ms), CASE WHEN count(value) < count(*) THEN {UNKNOWN_MS}
ELSE coalesce(max(CASE WHEN before / {_WIDTH} = slot THEN at_ms - before END), 0) END
FROM (SELECT series, at_ms / {_WIDTH} AS slot, at_ms, value,
lag(at_ms) OVER (PARTITION BY series ORDER BY at_ms) AS before
FROM {{table}} WHERE series IN ({{marks}}) AND at_ms >= ? AND at_ms < ?)
GROUP BY series, slot ORDER BY series, slot"""  # noqa: S608 - own names


class SqliteRows:
    """Implements rows.Rows."""

    def __init__(self) -> None:
        self._inserts: dict[Day, str] = {}
        self._waiting: dict[Day, list[Row]] = {}

    def days(self, connection: Connection) -> list[Day]:
        return days_in(named(connection, "reading"))

    def days_within(self, connection: Connection, first: Day, last: Day) -> list[Day]:
        return [day for day in self.days(connection) if first <= day <= last]

    def add(self, connection: Connection, day: Day, rows: list[Row]) -> None:  # noqa: ARG002 - all together is quicker
        self._waiting.setdefault(day, []).extend(rows)

    def flush(self, connection: Connection) -> None:
        for day, rows in self._waiting.items():
            self._insert(connection, day, rows)
        self._waiting = {}

    def _insert(self, connection: Connection, day: Day, rows: list[Row]) -> None:
        asked = cursor(connection)
        statement = self._inserts.get(day)
        if statement is None:
            table = table_of(day)
            asked.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (series INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
                " batch INTEGER NOT NULL, value, PRIMARY KEY (series, at_ms, batch)) WITHOUT ROWID"
            )
            statement = self._inserts[day] = f"INSERT INTO {table} VALUES (?, ?, ?, ?)"  # noqa: S608 - own name
        rows.sort()  # in the order of the key: neighbours go to the same page, which halves what inserting costs
        asked.executemany(statement, rows)

    def forget(self) -> None:
        self._inserts.clear()
        self._waiting.clear()

    def of_day(self, connection: Connection, day: Day, series: Span = ALL, batches: Span = ALL) -> Iterator[list[Row]]:
        found = cursor(connection).execute(
            f"SELECT series, at_ms, batch, value FROM {table_of(day)}"  # noqa: S608 - own name
            " WHERE series > ? AND series <= ? AND batch > ? AND batch <= ? ORDER BY series, at_ms, batch",
            (*series, *batches),
        )
        while portion := found.fetchmany(PORTION):
            yield portion

    def piece(self, connection: Connection, day: Day, after: int, batches: Span, most: int) -> int:
        found = cursor(connection).execute(
            f"SELECT series FROM {table_of(day)} WHERE series > ? AND batch > ? AND batch <= ?"  # noqa: S608
            " ORDER BY series, at_ms, batch LIMIT 1 OFFSET ?",
            (after, *batches, most),
        )
        return end_of_piece(found.fetchone(), after)

    def of_series(self, connection: Connection, day: Day, series: int, from_ms: int, to_ms: int) -> Sequence[Point]:
        return (
            cursor(connection)
            .execute(
                f"SELECT at_ms, value FROM {table_of(day)} WHERE series = ? AND at_ms BETWEEN ? AND ? ORDER BY at_ms",  # noqa: S608
                (series, from_ms, to_ms),
            )
            .fetchall()
        )

    def buckets(
        self, connection: Connection, day: Day, series: Sequence[int], from_ms: int, until_ms: int
    ) -> list[Bucket]:
        statement = _FIVE_MINUTES.format(table=table_of(day), marks=", ".join("?" * len(series)))
        found = cursor(connection).execute(statement, (*series, from_ms, until_ms))
        return [Bucket(*row) for row in found.fetchall()]

    def drop(self, connection: Connection, day: Day) -> None:
        self._inserts.pop(day, None)
        put_away(connection, table_of(day))

    def size(self, connection: Connection, day: Day) -> int:
        return size(connection, table_of(day))

    def put(self, connection: Connection, table: Table, rows: Sequence[Sequence[object]]) -> None:
        columns = ", ".join(column.name for column in table.columns)
        marks = ", ".join("?" * len(table.columns))
        cursor(connection).executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", rows)  # noqa: S608

    def upsert_latest(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        cursor(connection).executemany(_UPSERT, rows)
