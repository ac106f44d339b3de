"""Where roll-ups lie and how they get there, beside the readings' rows and as they do.

All of it happens in the caller's transaction, below SQLAlchemy: begin one first.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from sqlalchemy import Connection, Engine

from controller.telemetry.rollup import Bucket
from controller.telemetry.tiers import Grain, Period


class Rollups(Protocol):
    """Buckets by day or month, in one kind of database. Keyed (series, time): a bucket is replaced as a whole."""

    def periods(self, connection: Connection, grain: Grain) -> list[Period]:
        """The periods there are buckets of, oldest first."""

    def put(self, connection: Connection, grain: Grain, buckets: Iterable[Bucket], *, replace: bool = True) -> None:
        """Store buckets, whose tables are made if there are none. Without `replace` those that are there stay."""

    def of_series(
        self, connection: Connection, grain: Grain, series: Sequence[int], from_ms: int, until_ms: int
    ) -> list[Bucket]:
        """The buckets that begin from one time up to, not including, another, by series and time."""

    def drop(self, connection: Connection, grain: Grain, period: Period) -> None:
        """Give up a period, within `writing.dropping`."""

    def size(self, connection: Connection, grain: Grain, period: Period) -> int:
        """Bytes that a period takes."""


def rollups_in(database: Connection | Engine) -> Rollups:
    """What suits this database."""
    if database.dialect.name == "sqlite":
        from controller.telemetry.rollups_sqlite import SqliteRollups

        return SqliteRollups()
    from controller.telemetry.rollups_postgresql import PostgresRollups

    return PostgresRollups()
