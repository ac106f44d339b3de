"""Roll-ups in SQLite: tables without row ids, so that a series' buckets lie together."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from sqlalchemy import Connection

from controller.telemetry import sqlite_tables
from controller.telemetry.rollup import COLUMNS, Bucket, restored, stored
from controller.telemetry.tiers import Grain, Period

_MAKE = (
    "CREATE TABLE IF NOT EXISTS {} (series INTEGER NOT NULL, slot INTEGER NOT NULL, count INTEGER NOT NULL, low REAL,"
    " mean REAL, high REAL, first INTEGER NOT NULL, last INTEGER NOT NULL, silence INTEGER NOT NULL,"
    " PRIMARY KEY (series, slot)) WITHOUT ROWID"
)
_NAMES = ", ".join(COLUMNS)
_MARKS = ", ".join("?" * len(COLUMNS))


class SqliteRollups:
    """Implements rollups.Rollups."""

    def periods(self, connection: Connection, grain: Grain) -> list[Period]:
        return grain.periods_in(sqlite_tables.named(connection, grain.parent))

    def put(self, connection: Connection, grain: Grain, buckets: Iterable[Bucket], *, replace: bool = True) -> None:
        cursor = sqlite_tables.cursor(connection)
        insert = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE"
        by_time = sorted(buckets, key=lambda each: (grain.period(each.at_ms), each.series, each.at_ms))
        for period, found in groupby(by_time, key=lambda each: grain.period(each.at_ms)):
            table = grain.table(period)
            cursor.execute(_MAKE.format(table))
            cursor.executemany(f"{insert} INTO {table} VALUES ({_MARKS})", [stored(each, grain) for each in found])

    def of_series(
        self, connection: Connection, grain: Grain, series: Sequence[int], from_ms: int, until_ms: int
    ) -> list[Bucket]:
        cursor = sqlite_tables.cursor(connection)
        first, last = grain.period(from_ms), grain.period(max(until_ms - 1, from_ms))
        bounds = (-(-from_ms // grain.width_ms), -(-until_ms // grain.width_ms))
        marks = ", ".join("?" * len(series))
        found: list[Bucket] = []
        for period in self.periods(connection, grain):
            if first <= period <= last:
                rows = cursor.execute(
                    f"SELECT {_NAMES} FROM {grain.table(period)}"  # noqa: S608 - own name
                    f" WHERE series IN ({marks}) AND slot >= ? AND slot < ? ORDER BY series, slot",
                    (*series, *bounds),
                )
                found += [restored(row, grain) for row in rows]
        return found if len(series) == 1 else sorted(found)

    def drop(self, connection: Connection, grain: Grain, period: Period) -> None:
        sqlite_tables.put_away(connection, grain.table(period))

    def size(self, connection: Connection, grain: Grain, period: Period) -> int:
        return sqlite_tables.size(connection, grain.table(period))
