"""Errors of a database's driver: what a statement is to blame for, and what the database is."""

import sqlite3
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout


@dataclass(frozen=True, slots=True)
class Faults:
    """`any` that the driver raises, by itself or through SQLAlchemy. One `of_the_work` would come again."""

    any: tuple[type[Exception], ...]
    of_the_work: tuple[type[Exception], ...]

    def unavailable(self, error: Exception) -> bool:
        """Whether the database is away, full or busy, rather than asked for what it cannot do."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        return isinstance(error, self.any) and not isinstance(cause, self.of_the_work)


def faults_in(engine: Engine) -> Faults:
    """Those of the driver of this database."""
    if engine.dialect.name == "sqlite":
        return Faults(
            any=(DBAPIError, PoolTimeout, sqlite3.Error),
            of_the_work=(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError),
        )
    import psycopg

    return Faults(
        any=(DBAPIError, PoolTimeout, psycopg.Error),
        of_the_work=(psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError),
    )
