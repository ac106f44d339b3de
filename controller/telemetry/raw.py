"""The driver below SQLAlchemy, for the few statements that carry every reading."""

import sqlite3

from sqlalchemy import Connection


def raw_cursor(connection: Connection) -> sqlite3.Cursor:
    """A cursor of the driver's own, in the connection's transaction. Begin one first: SQLAlchemy does not see ours."""
    cursor: sqlite3.Cursor = connection.connection.cursor()  # type: ignore[assignment]  # SQLite's driver
    return cursor
