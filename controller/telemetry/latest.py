"""The newest reading of each series: in memory for whoever asks, in a table for the next start."""

from typing import NamedTuple

from sqlalchemy import Connection

from controller.telemetry.checksum import Row
from controller.telemetry.rows import Rows


class Known(NamedTuple):
    """As stored: truth values are 0 and 1."""

    at_ms: int
    value: float | str | None


class LatestValues:
    """One writer offers, flushes in its transaction, then settles; anyone may read what is settled.

    An older reading never replaces a newer one, in whatever order they come.
    """

    def __init__(self) -> None:
        self._settled: dict[int, Row] = {}
        self._newest: dict[int, Row] = {}
        self._drafts: dict[int, Row] = {}

    def load(self, connection: Connection) -> None:
        """Begin with what the table has."""
        asked = connection.connection.cursor()  # the driver's own: twice as quick, and a start waits for it
        asked.execute("SELECT series_id, at_ms, number, text FROM latest")
        self._settled = {
            series: (series, at_ms, 0, number if words is None else words)
            for series, at_ms, number, words in asked.fetchall()
        }
        self._newest = dict(self._settled)
        self._drafts = {}

    def get(self, series_id: int) -> Known | None:
        row = self._settled.get(series_id)
        return Known(row[1], row[3]) if row else None

    def offer(self, rows: list[Row]) -> None:
        """Take those that are newer than what is known. Hot: runs over every reading."""
        newest, drafts = self._newest, self._drafts
        for row in rows:
            series = row[0]
            if series not in newest or row[1] > newest[series][1]:
                newest[series] = drafts[series] = row

    def flush(self, connection: Connection, rows: Rows, received_ms: int) -> None:
        """Write what was taken."""
        rows.upsert_latest(
            connection,
            [
                (series, at_ms, None, value, received_ms)
                if value.__class__ is str
                else (series, at_ms, value, None, received_ms)
                for series, at_ms, _, value in self._drafts.values()
            ],
        )

    def settle(self) -> list[Row]:
        """After the commit: what is new since the last one, one row a series."""
        fresh, self._drafts = self._drafts, {}
        self._settled.update(fresh)
        return list(fresh.values())
