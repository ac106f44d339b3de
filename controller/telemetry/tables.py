"""What is known of the tables and files that history lies in."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, text
from sqlmodel import Field, SQLModel

LAST_SERIES: Final = 2**31 - 1
"""No series has a higher number."""


class RollupCursor(SQLModel, table=True):
    """One row: up to which batch of the ledger the roll-ups know the readings."""

    __tablename__ = "rollup_cursor"

    id: int = Field(default=1, primary_key=True)
    batch_id: int = Field(default=0, sa_type=BigInteger)


class HistoryPeriod(SQLModel, table=True):
    """One day or month of a tier (`tiers.Tier`, `tiers.Period`).

    `batch_id` is the highest batch with readings in it that is rolled up, `size` in bytes what it took when it was
    last measured, `dropped_ms` when it was given up, last.
    """

    __tablename__ = "history_period"

    tier: str = Field(primary_key=True, max_length=8)
    period: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    batch_id: int = Field(default=0, sa_type=BigInteger)
    size: int | None = Field(default=None, sa_type=BigInteger)
    dropped_ms: int | None = Field(default=None, sa_type=BigInteger)


class ArchivedPart(SQLModel, table=True):
    """A file of the archive: the readings of a day and of the series `after_series` < id <= `upto_series` that came in
    the batches `after_batch` < id <= `upto_batch`.

    `checksum` is over its rows, as `checksum.extended` has it. Without rows there is no file.
    """

    __tablename__ = "archived_part"

    day: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    part: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    after_batch: int = Field(sa_type=BigInteger)
    upto_batch: int = Field(sa_type=BigInteger)
    row_count: int = Field(sa_type=BigInteger)
    checksum: int = Field(sa_type=BigInteger)
    size: int = Field(sa_type=BigInteger)
    made_ms: int = Field(sa_type=BigInteger)
    file: str = Field(default="", max_length=60, sa_column_kwargs={"server_default": text("''")})
    after_series: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    upto_series: int = Field(default=LAST_SERIES, sa_column_kwargs={"server_default": str(LAST_SERIES)})


class StrayFile(SQLModel, table=True):
    """A file in the archive's folders that is no part: of a life of this database that a restore has undone, or left
    by a crash. What it has of the series up to `upto_series`, the last one when it was noted, is taken in as late
    readings: a later one may have got the number of another.
    """

    __tablename__ = "stray_file"

    day: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    file: str = Field(primary_key=True, max_length=100)
    upto_series: int
    noted_ms: int = Field(sa_type=BigInteger)
