"""What is known of the tables and files that history lies in."""

from sqlalchemy import BigInteger, Column, Integer
from sqlmodel import Field, SQLModel


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
    """A file of the archive: the readings of a day that came in the batches `after_batch` < id <= `upto_batch`.

    `checksum` is over its rows, as `archive.checksum_of` has it. Without rows there is no file.
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
