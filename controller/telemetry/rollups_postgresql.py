"""Roll-ups in PostgreSQL: partitions, filled by COPY through a draft."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from controller.telemetry import postgresql_tables
from controller.telemetry.postgresql_tables import cursor_of
from controller.telemetry.rollup import COLUMNS, Bucket, restored, stored
from controller.telemetry.tiers import Grain, Period

_TYPES = ("int4", "int4", "int4", "float8", "float8", "float8", "int4", "int4", "int4")
_NAMES = ", ".join(COLUMNS)
_SOME = f"SELECT {_NAMES} FROM {{}} WHERE series = ANY(%(series)s) AND slot >= %(from)s AND slot < %(until)s"  # noqa: S608
_REPLACED = ", ".join(f"{each} = excluded.{each}" for each in COLUMNS[2:])


class PostgresRollups:
    """Implements rollups.Rollups."""

    def periods(self, connection: Connection, grain: Grain) -> list[Period]:
        return grain.periods_in(postgresql_tables.partitions(connection, grain.parent))

    def put(self, connection: Connection, grain: Grain, buckets: Iterable[Bucket], *, replace: bool = True) -> None:
        rows = [stored(each, grain) for each in sorted(buckets)]
        if not rows:
            return
        cursor = cursor_of(connection)
        for period in sorted({grain.period(row.slot * grain.width_ms) for row in rows}):
            bounds = (grain.begin_ms(period) // grain.width_ms, grain.end_ms(period) // grain.width_ms)
            postgresql_tables.make_partition(cursor, grain.parent, grain.table(period), "slot", bounds)
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {grain.parent}_draft (LIKE {grain.parent}) ON COMMIT DELETE ROWS"
        )
        cursor.execute(f"TRUNCATE {grain.parent}_draft")
        postgresql_tables.copy(cursor, f"{grain.parent}_draft", _TYPES, rows)
        conflict = f"DO UPDATE SET {_REPLACED}" if replace else "DO NOTHING"
        cursor.execute(
            f"INSERT INTO {grain.parent} ({_NAMES}) SELECT {_NAMES} FROM {grain.parent}_draft"  # noqa: S608 - own name
            f" ORDER BY series, slot ON CONFLICT (series, slot) {conflict}"
        )

    def of_series(
        self, connection: Connection, grain: Grain, series: Sequence[int], from_ms: int, until_ms: int
    ) -> list[Bucket]:
        periods = range(grain.period(from_ms), grain.period(max(until_ms - 1, from_ms)) + 1)
        if len(periods) > postgresql_tables.MANY:
            tables = [grain.table(each) for each in self.periods(connection, grain) if each in periods]
        else:
            tables = postgresql_tables.there(connection, [grain.table(period) for period in periods])
        if not tables:
            return []
        asked = {
            "series": list(series),
            "from": -(-from_ms // grain.width_ms),
            "until": -(-until_ms // grain.width_ms),
        }
        query = " UNION ALL ".join(_SOME.format(table) for table in tables)
        found = cursor_of(connection).execute(f"{query} ORDER BY series, slot", asked)
        return [restored(row, grain) for row in found.fetchall()]

    def drop(self, connection: Connection, grain: Grain, period: Period) -> None:
        postgresql_tables.drop(connection, grain.table(period))

    def size(self, connection: Connection, grain: Grain, period: Period) -> int:
        return postgresql_tables.size(connection, grain.table(period))
