"""What is kept for how long. Whole days go at once, which costs nothing and frees the space."""

from sqlalchemy import Connection, text

from controller.database import DUMPING
from controller.telemetry.days import DAY_MS
from controller.telemetry.rows import rows_in

DEFAULT_DAYS = 90


def apply(connection: Connection, days: int, now_ms: int) -> None:
    """Drop readings older than `days`, and what the ledger keeps of their batches. Its sums stay for good.

    The newest batch stays in any case: its id is where the next one's is counted from. While a backup is being written
    all of it stays.
    """
    if not _may_drop(connection):
        return
    oldest = now_ms // DAY_MS - days
    rows, end = rows_in(connection), {"end": oldest * DAY_MS}
    for day in rows.days(connection):
        if day < oldest:
            rows.drop(connection, day)
    connection.execute(
        text(
            "DELETE FROM batch WHERE received_ms < :end AND coalesce(to_ms, 0) < :end"
            " AND id < (SELECT max(id) FROM batch)"
        ),
        end,
    )
    connection.execute(text("DELETE FROM declared_gap WHERE to_ms < :end"), end)


def _may_drop(connection: Connection) -> bool:
    """A table that is being dumped cannot be dropped, and whoever tries makes all others wait for the dump's end."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(text(f"SELECT pg_try_advisory_xact_lock({DUMPING})")).scalar_one())
