"""One chain of migrations, checked against the tables as the code declares them."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from controller.database import is_kept_by_migrations, make_engine, metadata, migrate, sqlite_url
from controller.identity.store import audit


def test_migrations_leave_no_difference_to_the_declared_tables(tmp_path: Path) -> None:
    engine = make_engine(sqlite_url(tmp_path / "fabfleet.db"))
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE reading_20261121 (series INTEGER PRIMARY KEY)")
    options = {
        "include_name": lambda name, kind, _parents: is_kept_by_migrations(name, kind),
        "compare_server_default": True,
    }
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata()) == []
    engine.dispose()


@pytest.mark.integration
def test_token_that_was_ended_before_there_was_a_mark_for_it_is_ended(either_empty: Engine) -> None:
    engine = either_empty
    migrate(engine, "0019")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO school (id, name, short) VALUES ('an-phu', 'An Phú', '')")
        for name in ("used", "ended"):
            connection.exec_driver_sql(
                "INSERT INTO enrol_token (id, token_hash, school_id, room, uses_left, created_ms, expires_ms)"
                f" VALUES ('{name}', '{name}', 'an-phu', '', 0, 1, 2)"
            )
        audit(connection, 2, "enrol-token-end", subject="an-phu/ended", school_id="an-phu")
    migrate(engine)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT id, ended FROM enrol_token ORDER BY id").all()
    assert [(row[0], bool(row[1])) for row in found] == [("ended", True), ("used", False)]


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
