"""What is kept for how long. Whole days go at once, which costs nothing and frees the space."""

from sqlalchemy import Connection

from controller.telemetry.days import DAY_MS, drop_before
from controller.telemetry.raw import raw_cursor

DEFAULT_DAYS = 90


def apply(connection: Connection, days: int, now_ms: int) -> None:
    """Drop readings older than `days`, and what the ledger keeps of their batches. Its sums stay for good.

    The newest batch stays in any case: its id is where the next one's is counted from.
    """
    oldest = now_ms // DAY_MS - days
    drop_before(raw_cursor(connection), oldest)
    connection.exec_driver_sql(
        "DELETE FROM batch WHERE received_ms < ? AND coalesce(to_ms, 0) < ? AND id < (SELECT max(id) FROM batch)",
        (oldest * DAY_MS, oldest * DAY_MS),
    )
    connection.exec_driver_sql("DELETE FROM declared_gap WHERE to_ms < ?", (oldest * DAY_MS,))
