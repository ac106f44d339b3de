"""Errors of a database's driver: what a statement is to blame for, and what the database is."""

import sqlite3
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError


@dataclass(frozen=True, slots=True)
class Faults:
    """`any` that the driver raises, by itself or through SQLAlchemy. One `of_the_work` would come again."""

    any: tuple[type[Exception], ...]
    of_the_work: tuple[type[Exception], ...]


def faults_in(engine: Engine) -> Faults:
    """Those of the driver of this database."""
    if engine.dialect.name == "sqlite":
        return Faults(
            any=(DBAPIError, sqlite3.Error),
            of_the_work=(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError),
        )
    import psycopg

    return Faults(
        any=(DBAPIError, psycopg.Error),
        of_the_work=(psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError),
    )
