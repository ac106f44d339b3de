"""One chain of migrations, checked against the tables as the code declares them."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from controller.cli import main
from controller.database import is_kept_by_migrations, make_engine, metadata, migrate, sqlite_url
from tests.databases import PostgresServer


def test_migrations_leave_no_difference_to_the_declared_tables(either_database: Engine) -> None:
    with either_database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE reading_20261121 (series INTEGER PRIMARY KEY)")
    options = {
        "include_name": lambda name, kind, _parents: is_kept_by_migrations(name, kind),
        "compare_server_default": True,
    }
    with either_database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata()) == []


def test_migrate_may_be_repeated(tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    migrate(engine)
    migrate(engine)
    engine.dispose()


def test_sqlite_connections_are_durable_and_keep_foreign_keys(tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    with engine.connect() as connection:
        wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
        for pragma, value in wanted.items():
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
    engine.dispose()


def test_postgresql_ends_what_hangs_and_the_address_may_say_otherwise(postgresql: PostgresServer) -> None:
    wanted = {
        "idle_in_transaction_session_timeout": "30s",
        "lock_timeout": "40s",
        "tcp_keepalives_idle": "15",
        "jit": "off",
    }
    url = postgresql.empty()
    for more, changed in (("", {}), ("?options=-c%20lock_timeout%3D5s%20-c%20work_mem%3D8MB", {"lock_timeout": "5s"})):
        engine = make_engine(url + more)
        with engine.connect() as connection:
            told = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in wanted}
            assert told == wanted | changed
        engine.dispose()


@pytest.mark.parametrize("command", ["migrate", "verify", "user list"])
def test_command_says_that_the_database_is_away(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FABFLEET_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert main([*command.split(), "--state", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("fabfleet: ")
