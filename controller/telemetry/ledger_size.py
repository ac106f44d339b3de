"""What the ledger's batches take: they are kept as long as their readings, and count with them."""

from typing import Final

from sqlalchemy import Connection, text

from controller.telemetry import postgresql_tables, sqlite_tables
from controller.telemetry.days import DAY_MS, Day

BYTES: Final = {"sqlite": 120, "postgresql": 245}
"""Of a batch with its indexes, as `bench.history` measures it. The table itself tells no more than the most it ever
had: what is deleted leaves room in it.
"""
_RECEIVED = text("SELECT count(*) FROM batch WHERE received_ms >= :begin AND received_ms < :end")


def of_day(connection: Connection, day: Day) -> int:
    """Bytes of the batches that came on a day."""
    count = connection.execute(_RECEIVED, {"begin": day * DAY_MS, "end": (day + 1) * DAY_MS}).scalar_one()
    return int(count) * BYTES[connection.dialect.name]


def ledger_size(connection: Connection) -> int:
    """Bytes that the table takes, with its indexes."""
    if connection.dialect.name == "sqlite":
        return sqlite_tables.size(connection, "batch")
    return postgresql_tables.size(connection, "batch")
