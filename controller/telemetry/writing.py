"""A short transaction of whoever looks after history, beside the writer of readings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

_NOBODY: Final = text("UPDATE installation SET writer = NULL")


class InUse(Exception):
    """Somebody reads or writes there just now: try later."""


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Committed at the end. On SQLite nobody else writes from its begin on, so it has to be short."""
    with engine.connect() as connection:
        connection.begin()  # SQLAlchemy does not see what the driver does below it
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


def another_writer(connection: Connection) -> None:
    """Wait for the writer of readings to end its transaction; it looks anew what there is in the next one: see
    `ingest.turn`.
    """
    connection.execute(_NOBODY)


def keep_all(connection: Connection) -> None:
    """Nothing is dropped before the end of this transaction on PostgreSQL: one lock instead of one on every table."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_READ})")


@contextmanager
def dropping(engine: Engine) -> Iterator[Connection]:
    """As `writing`, while no writer of readings is in a transaction. Raises InUse if that, or what is done within,
    would have to wait for longer than a moment.
    """
    if engine.dialect.name == "sqlite":
        with writing(engine) as connection:
            another_writer(connection)
            yield connection
        return
    from psycopg.errors import LockNotAvailable

    try:
        with writing(engine) as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_READ})")
            another_writer(connection)
            yield connection
    except LockNotAvailable:  # below SQLAlchemy
        raise InUse from None
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise InUse from None
        raise


@contextmanager
def alone(engine: Engine) -> Iterator[bool]:
    """Whether nobody else looks after the history of this database meanwhile; several controllers may share one."""
    if engine.dialect.name == "sqlite":  # one controller has it, by the lock on its state
        yield True
        return
    with engine.connect() as connection:
        held = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}).scalar())
        connection.commit()
        try:
            yield held
        finally:
            if held:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _KEY})
                connection.commit()


_KEY = 0x66_66_68_69_73_74
_READ = 0x66_66_72_65_61_64
"""Of the advisory locks; any numbers that nobody else uses."""
