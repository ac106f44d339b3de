"""The database: how to reach it and how to bring its tables up to date. SQLite by default, PostgreSQL by URL."""

import sqlite3
from importlib import import_module
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url
from sqlmodel import SQLModel

DAY_TABLE_PREFIX: Final = "reading_"
"""Tables of this name are made at run time, one a day; migrations leave them alone."""
_PARTITIONED: Final = "reading"
"""What those are the partitions of, on PostgreSQL. No code but theirs asks it, so it is no table of the metadata."""
_BUSY_TIMEOUT_MS = 10_000
_POSTGRESQL: Final = {"options": "-c max_parallel_workers_per_gather=0 -c jit=off"}
"""Parameters of libpq that the URL may set otherwise. Our queries are over before a second worker has begun."""
_TABLES = (
    "controller.fleet.tables",
    "controller.ingest.tables",
    "controller.identity.tables",
    "controller.timetable.tables",
    "controller.scheduling.kit_tables",
    "controller.scheduling.tables",
    "controller.commands.tables",
    "controller.jobs.tables",
    "controller.notifications.tables",
)
"""Every module with SQLModel tables: a new one is added here, and its migration beside the others."""


def make_engine(url: str) -> Engine:
    """An engine whose commits are on disk when they return and which keeps foreign keys. Connects when first asked."""
    if not url.startswith("sqlite"):
        asked = make_url(url).query
        connect = {name: value for name, value in _POSTGRESQL.items() if name not in asked}
        return create_engine(url, pool_pre_ping=True, connect_args=connect)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def sqlite_url(file: Path) -> str:
    return f"sqlite:///{file}"


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_size_limit=67108864",
        "cache_size=-16384",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def metadata() -> MetaData:
    """All tables the migrations keep."""
    for module in _TABLES:
        import_module(module)
    return SQLModel.metadata


def migrate(engine: Engine) -> None:
    """Bring the tables up to the newest migration, in one transaction. Quiet; harmless to repeat."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # The driver begins no transaction before DDL by itself, and two processes may start at once.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def is_kept_by_migrations(name: str | None, kind: str) -> bool:
    """Whether Alembic looks after this object of the database: all but what readings lie in."""
    return not (kind == "table" and ((name or "").startswith(DAY_TABLE_PREFIX) or name == _PARTITIONED))


def quick_check(connection: Connection) -> None:
    """Ask the database for anything. Raises SQLAlchemyError if it cannot answer."""
    connection.exec_driver_sql("SELECT 1").scalar_one()
