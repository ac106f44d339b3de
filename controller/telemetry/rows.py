"""Where readings lie and how they get there: the few statements that carry every one of them.

Rows are keyed (series, at_ms, batch), so nothing is ever overwritten and each batch's rows can be found again. All
of it happens in the caller's transaction. SQLAlchemy does not see what the driver does below it: begin one first.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from sqlalchemy import Connection, Engine, Table

from controller.telemetry.checksum import Row
from controller.telemetry.days import Day
from controller.telemetry.rollup import Bucket
from controller.telemetry.tables import LAST_SERIES
from controller.telemetry.thinning import Point


class Span(NamedTuple):
    """Numbers of series or of batches: those behind `after` up to and with `upto`."""

    after: int
    upto: int


ALL: Final = Span(-1, 2**63 - 1)
PORTION: Final = 20_000
"""Rows that are read at a time."""


class Rows(Protocol):
    """Readings by day, in one kind of database. One thread adds, flushes, then commits.

    What was added and which days have a table is kept in mind: `forget` before a rollback.
    """

    def days(self, connection: Connection) -> list[Day]:
        """The days there are readings of, oldest first."""

    def days_within(self, connection: Connection, first: Day, last: Day) -> list[Day]:
        """Those between two days, both included."""

    def add(self, connection: Connection, day: Day, rows: list[Row]) -> None:
        """Rows whose times are all of that day. They may be on their way at once, or wait for `flush`."""

    def flush(self, connection: Connection) -> None:
        """Store what was added; a day's table is made if there is none."""

    def forget(self) -> None:
        """Give up what was added; what was made may be gone."""

    def of_day(self, connection: Connection, day: Day, series: Span = ALL, batches: Span = ALL) -> Iterator[list[Row]]:
        """A day's rows of some series and batches in the order of the key, a few thousand at a time."""

    def piece(self, connection: Connection, day: Day, after: int, batches: Span, most: int) -> int:
        """Up to which series, from the one behind `after` on, a day has at most `most` rows of some batches.

        One series at least is in it; LAST_SERIES if all that are left are.
        """

    def of_series(self, connection: Connection, day: Day, series: int, from_ms: int, to_ms: int) -> Sequence[Point]:
        """A series' readings of a day between two times, both inclusive, in the order of time."""

    def buckets(
        self, connection: Connection, day: Day, series: Sequence[int], from_ms: int, until_ms: int
    ) -> list[Bucket]:
        """A day's readings of numeric series from one time up to, not including, another, by five minutes."""

    def drop(self, connection: Connection, day: Day) -> None:
        """Give up the readings of a day, within `writing.dropping`."""

    def size(self, connection: Connection, day: Day) -> int:
        """Bytes that a day takes."""

    def put(self, connection: Connection, table: Table, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows into an ordinary table, many at once; each has a value for each column, in their order."""

    def upsert_latest(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        """Rows (series_id, at_ms, number, text, received_ms), one a series at most: each replaces an older one."""


def end_of_piece(next_row: tuple[int] | None, after: int) -> int:
    """The last series of a piece, by the first row that does not fit into it any more."""
    if next_row is None:
        return LAST_SERIES
    return max(next_row[0] - 1, after + 1)


def rows_in(database: Connection | Engine) -> Rows:
    """What suits this database."""
    if database.dialect.name == "sqlite":
        from controller.telemetry.rows_sqlite import SqliteRows

        return SqliteRows()
    from controller.telemetry.rows_postgresql import PostgresRows

    return PostgresRows()
