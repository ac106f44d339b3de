"""The database: how to reach it and how to bring its tables up to date. SQLite by default, PostgreSQL by URL."""

import sqlite3
from importlib import import_module
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url
from sqlmodel import SQLModel

DAY_TABLE_PREFIX: Final = "reading_"
"""Tables of this name are made at run time, one a day; migrations leave them alone."""
DROPPED_PREFIX: Final = "dropped_"
"""Tables of history that were given up on SQLite and still hold pages."""
_AT_RUN_TIME: Final = (DAY_TABLE_PREFIX, "rollup_5min_", "rollup_1h_", DROPPED_PREFIX)
_PARTITIONED: Final = ("reading", "rollup_5min", "rollup_1h")
"""What those are the partitions of, on PostgreSQL. No code but theirs asks them, so they are not in the metadata."""
_BUSY_TIMEOUT_MS = 10_000
IDLE_S: Final = 30
"""A transaction that asks nothing for so long is ended by PostgreSQL, so that one that is frozen holds up nobody."""
LOCK_S: Final = 40
"""Nobody waits longer for a lock: more than IDLE_S, so that what PostgreSQL ends by itself is gone by then."""
_POSTGRESQL: Final = {
    "application_name": "fabfleet",
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Parameters of libpq that the URL may set otherwise. A server that no packet reaches is given up after 30 s."""
_SESSION: Final = {
    "max_parallel_workers_per_gather": "0",  # our queries are over before a second worker has begun
    "jit": "off",
    "idle_in_transaction_session_timeout": f"{IDLE_S}s",
    "lock_timeout": f"{LOCK_S}s",
    "tcp_keepalives_idle": "15",  # so that the server, too, gives up a controller that no packet reaches any more
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""Settings of the server for each of our connections; what the URL has in `options` comes after them and counts."""
_MIGRATING: Final = 0x66616266
"""The advisory lock of who migrates; any number that nobody else takes."""
_TABLES = (
    "controller.fleet.tables",
    "controller.fleet.door_tables",
    "controller.desired.tables",
    "controller.found.tables",
    "controller.ingest.tables",
    "controller.telemetry.tables",
    "controller.identity.tables",
    "controller.timetable.tables",
    "controller.scheduling.kit_tables",
    "controller.scheduling.tables",
    "controller.commands.tables",
    "controller.jobs.tables",
    "controller.notifications.tables",
    "controller.home_assistant.tables",
    "controller.webhooks.tables",
)
"""Every module with SQLModel tables: a new one is added here, and its migration beside the others."""


DUMPING: Final = 0x66616264
"""The advisory lock of a backup, shared: no day's table is dropped under it, and nobody waits for its end."""


class TooNew(Exception):
    """The tables are of a newer release than this program: install that one."""


def make_engine(url: str) -> Engine:
    """An engine whose commits are on disk when they return and which keeps foreign keys. Connects when first asked."""
    if not url.startswith("sqlite"):
        asked = make_url(url).query
        connect = {name: value for name, value in _POSTGRESQL.items() if name not in asked}
        session = [f"-c {name}={value}" for name, value in _SESSION.items()]
        connect["options"] = " ".join([*session, *_strings(asked.get("options", ()))])
        return create_engine(url, pool_pre_ping=True, connect_args=connect)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _strings(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """What a URL says once or several times."""
    return (given,) if isinstance(given, str) else given


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


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the tables up to the newest migration, or that of a name, in one transaction.

    Quiet; harmless to repeat, by several at once too. Raises TooNew if they are beyond it.
    """
    config = _alembic()
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # The driver begins no transaction before DDL by itself, and two processes may start at once.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        check_known(revision(connection))
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        connection.commit()


def revision(connection: Connection) -> str | None:
    """The last migration that the tables have been through; None if there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def check_known(revision: str | None) -> None:
    """Raises TooNew if no migration of that name is among ours."""
    if revision is None:
        return
    script = ScriptDirectory.from_config(_alembic())
    if revision not in {each.revision for each in script.walk_revisions()}:
        newest = script.get_current_head()
        raise TooNew(
            f"the tables are of a newer release (migration {revision}; this program knows up to {newest}):"
            " install that release, then try again"
        )


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def is_kept_by_migrations(name: str | None, kind: str) -> bool:
    """Whether Alembic looks after this object of the database: all but what readings lie in."""
    return not (kind == "table" and ((name or "").startswith(_AT_RUN_TIME) or name in _PARTITIONED))


def quick_check(connection: Connection) -> None:
    """Ask the database for anything. Raises SQLAlchemyError if it cannot answer."""
    connection.exec_driver_sql("SELECT 1").scalar_one()
